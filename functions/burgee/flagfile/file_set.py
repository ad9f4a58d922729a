"""A flag file and the files it includes, with a digest of the contents read from each."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from burgee.flagfile.yaml_reader import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

UNREADABLE = b""


class FileReader:
    """Reads files of at most `MAX_BYTES` in total. `digests` holds the SHA-256 of each, or `UNREADABLE`."""

    def __init__(self) -> None:
        self.digests: dict[Path, bytes] = {}
        self.size = 0

    def read(self, path: Path) -> bytes:
        """The bytes of a file, truncated one byte above the total limit. Raises OSError if it cannot be read."""
        self.digests[path] = UNREADABLE
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1 - self.size)
        self.size += len(data)
        self.digests[path] = sha256(data).digest()
        return data


def digests(path: Path, patterns: Iterable[str]) -> Mapping[Path, bytes]:
    """The digests that a `FileReader` would have now, after reading a file and those that `patterns` include."""
    reader = FileReader()
    for file in (path, *included(path, patterns)):
        try:
            reader.read(file)
        except OSError:
            continue
    return reader.digests


def included(path: Path, patterns: Iterable[str]) -> Sequence[Path]:
    """The files that the patterns of `include` match, in reading order."""
    found = (match for pattern in patterns for match in matches(path, pattern) or ())
    return [match for match in dict.fromkeys(found) if match.resolve() != path.resolve()]


def matches(path: Path, pattern: str) -> Sequence[Path] | None:
    """The files that one pattern matches, sorted; None if it leaves the folder of `path`."""
    if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        return None
    return sorted(path.parent.glob(pattern))
