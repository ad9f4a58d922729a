"""Copies of files of records in a folder, so that a report of the next day reads only what is new.

A copy is used while its file has the same size and time; copies of files that changed or are gone are deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MARK = ".burgee-kept"
"""A file in the folder by which it is recognised: only then are copies deleted."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file, or an object of a bucket: its address, and what changes with its contents."""

    address: str
    version: str
    folder: str = ""
    """Where its copy is below the folder, for keys in the path such as `topic=checkout`."""

    @property
    def name(self) -> str:
        """The name of its copy."""
        return f"{_digest(self.address)}-{_digest(self.version)}.parquet"


def original(path: Path) -> Original:
    """A local file."""
    found = path.stat()
    return Original(str(path.resolve()), f"{found.st_size} {found.st_mtime_ns}")


class Keeper:
    """The copies of one place of records, such as a bucket's prefix, below a folder."""

    def __init__(self, folder: Path, place: object) -> None:
        self._root = folder / _digest(str(place))
        self._root.mkdir(parents=True, exist_ok=True)
        (self._root / MARK).touch()

    def copies(self, originals: Iterable[Original], make: Callable[[Original, Path], None]) -> list[Path]:
        """The copy of each; `make` writes one that is missing."""
        found = []
        for one in originals:
            path = self._root / one.folder / one.name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f".{path.name}.{os.getpid()}.part")
                try:
                    make(one, part)
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)
            found.append(path)
        return found

    def forget_others(self, originals: Iterable[Original]) -> None:
        """Deletes the copies of all other files."""
        known = {one.name for one in originals}
        for path in self._root.rglob("*.parquet"):
            if path.name not in known:
                path.unlink(missing_ok=True)


def download(system: Any, address: str, path: Path) -> None:
    """Writes an object of a bucket into a file."""
    with system.open_input_stream(address) as stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
