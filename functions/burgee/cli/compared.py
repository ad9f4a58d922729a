"""Resolves BASE and HEAD of a comparison: a file, a directory, a Git revision, `live:ENV` or `release:N`."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from burgee.cli.git.history import NotInRevision, checkout, last_seen
from burgee.cli.stores import StoreOptions, opened
from burgee.errors import FlagFileError, Refused
from burgee.findings import Code, finding
from burgee.model import Severity
from burgee.releases.overrides import laid_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.findings import Finding
    from burgee.flagfile.source import Source
    from burgee.model import Problem, Snapshot
    from burgee.stores import Canary, State

LIVE, RELEASE = "live:", "release:"
SHOWN_AS_FINDINGS = frozenset({"unknown-flag", "unknown-segment", "unknown-holdout", "layer-overlap"})
"""Faults of HEAD that findings describe better."""
MAX_SEARCHED = 20


@dataclass(frozen=True, slots=True)
class Given:
    """One side: a flag file with its faults, or the snapshot of one environment.

    `retired` are names of removed flags, `findings` are about the side itself. A side with neither file nor snapshot
    has no flag file, and so no flags.
    """

    source: Source | None = None
    fixed: Snapshot | None = None
    faults: Sequence[Problem] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    findings: Sequence[Finding] = ()

    @property
    def environments(self) -> Sequence[str]:
        """The environments that it has flags for."""
        if self.source is not None:
            return self.source.model.environments
        named = None if self.fixed is None else self.fixed["environment"]
        return [] if named is None else [named]

    def snapshot(self, environment: str | None) -> Snapshot:
        """The flags of an environment; empty if the file has no such environment."""
        from burgee.flagfile.compile import compile_source

        if self.fixed is not None:
            return self.fixed
        if self.source is None or (environment is not None and environment not in self.environments):
            return _nothing(environment)
        return compile_source(self.source, environment)


class ComparedSides(NamedTuple):
    """Both sides, and notes for the reader."""

    base: Given
    head: Given
    notes: Sequence[str] = ()

    def environments(self, chosen: Sequence[str]) -> Sequence[str | None]:
        """The environments to compare: the chosen ones, else a release's own, else all of both files; None means no
        environment.
        """
        from burgee.flagfile.compile import require_environment

        known = dict.fromkeys((*self.head.environments, *self.base.environments))
        for name in chosen:
            source = self.head.source or self.base.source
            if source is not None and name not in known:
                require_environment(source, name)
        fixed = [side.fixed["environment"] for side in (self.base, self.head) if side.fixed is not None]
        return [*chosen] or fixed[:1] or [*known, None]


def environment_of(named: str | None) -> str | None:
    """The environment that a side names."""
    return (named.removeprefix(LIVE) or None) if named is not None and named.startswith(LIVE) else None


def compared(base: str, head: str | None, where: StoreOptions) -> ComparedSides:
    """Both sides by name; HEAD defaults to the current file. Raises Refused or FlagFileError if a side does not
    exist.

    A revision without the flag file, or a missing file, has no flags, as long as the other side has some.
    """
    before, after = _given(base, where), _given(head or str(where.flags), where, is_file=head is None)
    if before is None and after is None:
        raise Refused("no-such-file", f"{where.flags} is in neither side")
    notes = []
    if before is None:
        notes.append(f"{where.flags} is not in {_short(base)}: every flag is new.")
    if after is None:
        notes.append(
            f"{where.flags} is not in {_short(head) if head else 'the working tree'}: every flag is removed."
        )
    return ComparedSides(before or Given(revision=base), after or Given(), notes)


def _short(revision: str) -> str:
    """A revision in short form: a full commit id by its first digits."""
    return revision[:10] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", revision) else revision


def _given(named: str, where: StoreOptions, *, is_file: bool = False) -> Given | None:
    """A side; None if the flag file is not in it."""
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
        return _bundle(path) if path.suffix == ".json" else _file(path)
    if is_file:
        return None
    try:
        with checkout(named, where.flags) as inside:
            return Given(_file(inside).source, revision=named)
    except NotInRevision:
        return None


def _file(path: Path) -> Given:
    from burgee.flagfile.checks import check
    from burgee.flagfile.source import Source

    source = Source(path)
    errors = [problem for problem in check(source) if problem.severity is Severity.ERROR]
    if any(problem.code not in SHOWN_AS_FINDINGS for problem in errors):
        raise FlagFileError(errors)
    return Given(source, faults=errors)


def _bundle(path: Path) -> Given:
    from burgee.errors import Corrupt
    from burgee.evaluation.snapshots import load_snapshot
    from burgee.serving.bundle import load_bundle

    data = path.read_bytes()
    try:
        return Given(fixed=load_snapshot(data))
    except Corrupt:
        return Given(fixed=load_bundle(data).snapshot)


def _live(where: StoreOptions) -> Given:
    """What is served: the current release with the overrides in force applied."""
    with _store(where) as store:
        if store is None:
            return Given(fixed=_nothing(where.environment))
        state: State = store.state()
        version = state.pointer.version
        snapshot = _loaded(store, version) if version else _nothing(where.environment)
        now = time.time()
        canary = state.pointer.canary_at(now)
        found = [] if canary is None else [_canary(version, canary)]
        served = laid_over(snapshot, state.overrides.values(), now)
        return Given(fixed=served, retired=_given_up(state), findings=found)


def _canary(version: int, canary: Canary) -> Finding:
    message = (
        f"release {version} is a canary for {canary.share:g} % of users until {canary.until}: "
        f"this compares with it, and the other users have release {canary.base}"
    )
    return finding(Code.ON_TRIAL, None, message, details=[f"`release:{canary.base}` compares with what they have"])


def _release(number: str, where: StoreOptions) -> Given:
    if not number.isdigit():
        raise typer.BadParameter(f"{number!r} is not the number of a release, as in release:12")
    with _store(where) as store:
        if store is None:
            raise Refused("no-such-release", f"there is no release {number}: nothing was released here")
        return Given(fixed=_loaded(store, int(number)), retired=_given_up(store.state()))


@contextmanager
def _store(where: StoreOptions) -> Iterator[Any]:
    """The store; None if the embedded one does not exist: reading must not create it."""
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


def _given_up(state: State) -> dict[str, str]:
    return {name: f"on {when[:10]}" for name, when in state.retired.items()}


def retired_names(pair: ComparedSides, before: Snapshot, after: Snapshot, flags: Path) -> dict[str, str]:
    """Names that HEAD adds and that flags before BASE had, by the store or else by Git's history."""
    base, head = pair.base, pair.head
    added = [name for name in after["flags"] if name not in before["flags"]]
    known = {name: when for name, when in {**head.retired, **base.retired}.items() if name in added}
    if base.revision is not None:
        for name in added[:MAX_SEARCHED]:
            when = None if name in known else last_seen(name, base.revision, flags)
            if when is not None:
                known[name] = when
    return known
