"""A checked file to the snapshot of one environment, and the digests that tell snapshots and flags apart."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from burgee.check import check
from burgee.errors import Corrupt, FlagFileError
from burgee.flagfile import Source, near
from burgee.grammar import Flag, dump
from burgee.model import Place, Problem, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.model import Definition, Snapshot

FORMAT = 1


def compile_file(path: Path, environment: str | None = None) -> Snapshot:
    """The snapshot of a file; FlagFileError with all problems if any of them is an error."""
    source = Source(path)
    problems = [problem for problem in check(source) if problem.severity is Severity.ERROR]
    known = source.model.environments
    if environment is not None and environment not in known and not problems:
        message = f"there is no environment {environment!r}"
        hint = near(environment, known) or f"the file has {', '.join(known) or 'none'}"
        problems.append(Problem(Place(str(path), 1, 1), "unknown-environment", message, hint))
    if problems:
        raise FlagFileError(problems)
    return compile_source(source, environment)


def compile_source(source: Source, environment: str | None) -> Snapshot:
    """The snapshot of a source without errors."""
    model = source.model
    return {
        "format": FORMAT,
        "environment": environment,
        "flags": {name: definition(flag, environment) for name, flag in model.flags.items()},
        "segments": {name: dict(segment.when) for name, segment in model.segments.items()},
        "holdouts": {name: {"percentage": holdout.percentage} for name, holdout in model.holdouts.items()},
    }


def definition(flag: Flag, environment: str | None) -> dict[str, Any]:
    """A flag with one environment's keys laid over it."""
    written = dump(flag)
    overlays = written.pop("environments", {})
    written.pop("tests", None)
    return {**written, **overlays.get(environment, {})}


def payload(snapshot: Snapshot) -> bytes:
    """A snapshot as the bytes that a release holds."""
    return _json(snapshot)


def load_snapshot(data: bytes) -> Snapshot:
    """A release's bytes as a snapshot; Corrupt if they are none."""
    try:
        snapshot = json.loads(data)
    except ValueError as error:
        raise Corrupt(f"the release is not JSON: {error}") from error
    if not isinstance(snapshot, dict) or snapshot.get("format") != FORMAT:
        raise Corrupt("the release is not a snapshot of a format that this version reads")
    return snapshot


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def definition_digest(flag: Definition) -> str:
    """What tells one definition from another; the order of keys counts, as it does in a split."""
    return digest(_json(flag))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )
