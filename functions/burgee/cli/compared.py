"""What BASE and HEAD of a comparison name: a file, a directory, a Git revision, `live:ENV` or `release:N`."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from burgee.cli.stores import Where, opened
from burgee.errors import FlagFileError, Refused
from burgee.findings import Code, finding
from burgee.model import Severity
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.findings import Finding
    from burgee.flagfile.source import Source
    from burgee.model import Problem, Snapshot
    from burgee.stores import Canary, State

LIVE, RELEASE = "live:", "release:"
TOLD_AS_FINDINGS = frozenset({"unknown-flag", "unknown-segment", "unknown-holdout", "layer-overlap"})
"""Faults of HEAD that a comparison says more about than that they are there."""
MAX_SEARCHED = 20


@dataclass(frozen=True, slots=True)
class Given:
    """One side: its snapshot, the file if it was one with the faults that it has, names that were given up, and what
    there is to say of the side itself."""

    snapshot: Snapshot
    source: Source | None = None
    faults: Sequence[Problem] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    findings: Sequence[Finding] = ()


def environment_of(named: str | None) -> str | None:
    """The environment that a side names."""
    return (named.removeprefix(LIVE) or None) if named is not None and named.startswith(LIVE) else None


def given(named: str, where: Where) -> Given:
    """A side by its name; Refused or FlagFileError where there is none."""
    if named.startswith(LIVE):
        environment = environment_of(named) or where.environment
        return _live(where._replace(environment=environment))
    if named.startswith(RELEASE):
        return _release(named.removeprefix(RELEASE), where)
    path = Path(named)
    if path.is_dir():
        path /= where.flags.name
        if not path.is_file():
            raise Refused("no-such-file", f"{where.flags.name} is not in {named}")
    if path.is_file():
        return _bundle(path) if path.suffix == ".json" else _file(path, where.environment)
    with checkout(named, where.flags) as inside:
        return Given(_file(inside, where.environment).snapshot, revision=named)


def _file(path: Path, environment: str | None) -> Given:
    from burgee.flagfile.checks import check
    from burgee.flagfile.compile import compile_source, require_environment
    from burgee.flagfile.source import Source

    source = Source(path)
    errors = [problem for problem in check(source) if problem.severity is Severity.ERROR]
    if any(problem.code not in TOLD_AS_FINDINGS for problem in errors):
        raise FlagFileError(errors)
    require_environment(source, environment)
    return Given(compile_source(source, environment), source, errors)


def _bundle(path: Path) -> Given:
    from burgee.errors import Corrupt
    from burgee.evaluation.snapshots import load_snapshot
    from burgee.serving.bundle import load_bundle

    data = path.read_bytes()
    try:
        return Given(load_snapshot(data))
    except Corrupt:
        return Given(load_bundle(data).snapshot)


def _live(where: Where) -> Given:
    """What is served: the current release with the overrides in force laid over it."""
    with _store(where) as store:
        if store is None:
            return Given(_nothing(where.environment))
        state: State = store.state()
        version = state.pointer.version
        snapshot = _loaded(store, version) if version else _nothing(where.environment)
        now = time.time()
        trial = state.pointer.canary_at(now)
        told = [] if trial is None else [_on_trial(version, trial)]
        return Given(laid_over(snapshot, state, now), retired=_told(state), findings=told)


def _on_trial(version: int, trial: Canary) -> Finding:
    message = (
        f"release {version} is on trial for {trial.share:g} % of users until {trial.until}: "
        f"this compares with it, and the other users have release {trial.base}"
    )
    return finding(Code.ON_TRIAL, None, message, details=[f"`release:{trial.base}` compares with what they have"])


def laid_over(snapshot: Snapshot, state: State, now: float) -> Snapshot:
    """A snapshot with the overrides that are in force."""
    flags = dict(snapshot["flags"])
    for name, override in state.overrides.items():
        if override.expires_at is not None and parse_time(override.expires_at) <= now:
            continue
        if override.definition is None:
            flags.pop(name, None)
        else:
            flags[name] = override.definition
    return {**snapshot, "flags": flags}


def _release(number: str, where: Where) -> Given:
    if not number.isdigit():
        raise typer.BadParameter(f"{number!r} is not the number of a release, as in release:12")
    with _store(where) as store:
        if store is None:
            raise Refused("no-such-release", f"there is no release {number}: nothing was released here")
        return Given(_loaded(store, int(number)), retired=_told(store.state()))


@contextmanager
def _store(where: Where) -> Iterator[Any]:
    """The store; None where the embedded one was never made, which a look must not do."""
    embedded = where.state or where.flags.parent / ".burgee" / "state.sqlite"
    if where.table is None and where.endpoint_url is None and not embedded.exists():
        yield None
        return
    with opened(where) as store:
        yield store


def _loaded(store: Any, version: int) -> Snapshot:
    from burgee.evaluation.snapshots import load_snapshot

    return load_snapshot(store.payload(version))


def _nothing(environment: str | None) -> Snapshot:
    return {"format": 1, "environment": environment, "flags": {}, "segments": {}, "holdouts": {}}


def _told(state: State) -> dict[str, str]:
    return {name: f"on {when[:10]}" for name, when in state.retired.items()}


@contextmanager
def checkout(revision: str, flags: Path) -> Iterator[Path]:
    """The flag file as it was in a revision, with what it may include beside it."""
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        _unpack(revision, flags.resolve().parent, Path(folder))
        inside = Path(folder) / flags.name
        if not inside.is_file():
            raise Refused("no-such-file", f"{flags.name} is not in {revision}")
        yield inside


def _unpack(revision: str, folder: Path, into: Path) -> None:
    # `--` ends the options, so a revision is never more than a name.
    ran = _git(folder, "archive", "--format=tar", "--", revision)
    if ran.returncode != 0:
        why = ran.stderr.decode(errors="replace").strip()
        raise Refused("no-such-revision", f"{revision} is neither a file nor a Git revision here: {why}")
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        archive.extractall(into, filter="data")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", *arguments]
    # No shell; the git on PATH is the user's own.
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603


def given_up(base: Given, head: Given, flags: Path) -> dict[str, str]:
    """Names that HEAD adds and that flags had before BASE, by the store or else by Git's history."""
    added = [name for name in head.snapshot["flags"] if name not in base.snapshot["flags"]]
    known = {name: when for name, when in {**head.retired, **base.retired}.items() if name in added}
    if base.revision is not None:
        for name in added[:MAX_SEARCHED]:
            when = None if name in known else _last_seen(name, base.revision, flags)
            if when is not None:
                known[name] = when
    return known


def _last_seen(name: str, revision: str, flags: Path) -> str | None:
    """When a flag of that name was taken out of the file, in a revision's history."""
    from burgee.flagfile.source import Source

    folder = flags.resolve().parent
    line = f"^ *[\"']?{re.escape(name)}[\"']? *:"
    ran = _git(folder, "log", "-1", "--format=%H %cs", "-G", line, "--end-of-options", revision, "--", ".")
    commit, _, day = ran.stdout.decode(errors="replace").strip().partition(" ")
    if ran.returncode != 0 or not commit:
        return None
    try:
        with checkout(f"{commit}^", flags) as inside:
            return f"on {day}, in {commit[:10]}" if name in Source(inside).model.flags else None
    except Refused:
        return None


def edited(source: Source) -> dict[str, float]:
    """When each flag's lines were last committed (epoch seconds), by Git's blame; nothing where Git knows nothing."""
    found: dict[str, float] = {}
    for document in source.documents:
        own = sorted(
            (source.place("flags", name, key=True).line, name)
            for (section, name), home in source.homes.items()
            if home is document and section == "flags"
        )
        times = _blame(Path(document.file)) if own else []
        for index, (line, name) in enumerate(own):
            end = own[index + 1][0] - 1 if index + 1 < len(own) else len(times)
            stretch = times[line - 1 : max(line, end)]  # flags may share a line
            if stretch:
                found[name] = max(stretch)
    return found


def _blame(path: Path) -> list[float]:
    """The time of the commit of each line; that of lines not yet committed is now."""
    ran = _git(path.resolve().parent, "blame", "--line-porcelain", "--", path.name)
    told = ran.stdout.decode(errors="replace") if ran.returncode == 0 else ""
    return [float(found) for found in re.findall(r"^committer-time (\d+)$", told, re.MULTILINE)]
