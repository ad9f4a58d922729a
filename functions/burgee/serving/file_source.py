"""A source that follows a flag file, or a release.json of `burgee bundle`, and reads it again when it changes."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from burgee.errors import Corrupt, FlagFileError, StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.serving.bundle import load_bundle
from burgee.serving.serving import Served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from burgee.flagfile.source import Source


class FileWatch:
    """Reads a flags.yaml, and detects changes to it and to included files.

    Contents are compared, so that no save is missed: neither one during a read, nor one that keeps the file's size
    and times. A file that does not parse is watched with its included files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._patterns: Sequence[str] = ()
        self._digests: Mapping[Path, bytes] | None = None

    def changed(self) -> bool:
        """Whether a read would return something new; true before the first read."""
        from burgee.flagfile.file_set import digests

        return self._digests is None or digests(self.path, self._patterns) != self._digests

    def read(self) -> Source:
        """The file as it is now."""
        # The grammar is heavy, and a bundled release is read without it.
        from burgee.flagfile.source import Source

        source = Source(self.path)
        self._patterns, self._digests = tuple(source.model.include), source.digests
        return source


class FileSource:
    """Follows `path`: a flags.yaml with what it includes, in one environment, or a release.json."""

    def __init__(self, path: Path, environment: str | None = None) -> None:
        self._path = path
        self._environment = environment
        self._watch = FileWatch(path)
        self._bundle_digest = b""
        self._fault: str | None = None

    def poll(self) -> Served | None:
        """The file's current flags, None if unchanged. Raises Corrupt with every problem if it is invalid."""
        try:
            served = self._bundled() if self._path.suffix == ".json" else self._compiled()
        except (FlagFileError, Corrupt) as error:
            self._fault = str(error)
        except OSError as error:
            raise StoreUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        else:
            if served is not None:
                self._fault = None
                return served
        if self._fault is not None:
            raise Corrupt(self._fault)
        return None

    def _bundled(self) -> Served | None:
        data = self._path.read_bytes()
        digest = sha256(data).digest()
        if digest == self._bundle_digest:
            return None
        self._bundle_digest = digest
        bundle = load_bundle(data)
        commit = {"commit": bundle.origin.commit} if bundle.origin.commit else {}
        return Served(Ruleset(bundle.snapshot, release={"version": 0, **commit}), 0, "bundled")

    def _compiled(self) -> Served | None:
        from burgee.flagfile.compile import compile_checked

        if not self._watch.changed():
            return None
        snapshot = compile_checked(self._watch.read(), self._environment)
        return Served(Ruleset(snapshot, release={"version": 0}), 0, "file")
