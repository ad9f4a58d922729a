"""A flag file, or the release that `burgee bundle` made of one, as a source that is read again when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.errors import Corrupt, FlagFileError, StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.serving.bundle import load_bundle
from burgee.serving.serving import Served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from burgee.model import Snapshot

Fingerprint = tuple[tuple[str, int, int], ...]


class FileSource:
    """Follows `path`: a flags.yaml with what it includes, in one environment, or a release.json."""

    def __init__(self, path: Path, environment: str | None = None) -> None:
        self._path = path
        self._environment = environment
        self._patterns: Sequence[str] = ()
        self._seen: Fingerprint | None = None
        self._fault: str | None = None

    def look(self) -> Served | None:
        """What the file says now, None where it has not changed; Corrupt, with every problem, where it is broken."""
        seen = fingerprint(self._path, self._patterns)
        if seen != self._seen:
            self._seen, self._fault = seen, None
            try:
                return self._read()
            except (FlagFileError, Corrupt) as error:
                self._fault = str(error)
            except OSError as error:
                raise StoreUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        if self._fault is not None:
            raise Corrupt(self._fault)
        return None

    def _read(self) -> Served:
        if self._path.suffix == ".json":
            bundle = load_bundle(self._path.read_bytes())
            commit = {"commit": bundle.origin.commit} if bundle.origin.commit else {}
            return Served(Ruleset(bundle.snapshot, release={"version": 0, **commit}), 0, "bundled")
        return Served(Ruleset(self._compiled(), release={"version": 0}), 0, "file")

    def _compiled(self) -> Snapshot:
        # The grammar is heavy, and who reads a bundled release does without it.
        from burgee.flagfile.compile import compile_checked
        from burgee.flagfile.source import Source

        source = Source(self._path)
        self._patterns = tuple(source.model.include)
        self._seen = fingerprint(self._path, self._patterns)
        return compile_checked(source, self._environment)


def fingerprint(path: Path, patterns: Sequence[str]) -> Fingerprint:
    """What tells one state of a file, and of the files that it includes, from another."""
    told = []
    for file in sorted({path, *(match for pattern in patterns for match in path.parent.glob(pattern))}):
        try:
            status = file.stat()
        except OSError:
            continue
        told.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(told)
