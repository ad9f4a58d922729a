"""Copies of files of records in a folder, so that a report of the next day reads only what is new.

A copy is used while its file has the same size and times; copies of files that changed or are gone are deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MARK = ".burgee-kept"
"""In the folder of copies, a file by which it is recognised, and locked; in a folder of records, the list of the
folders of its copies, as JSON lines.
"""


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
    """A local file. Its time of change also moves where a tool sets the time of modification back."""
    found = path.stat()
    return Original(str(path.resolve()), f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")


class Keeper:
    """The copies of one place, such as a bucket's prefix, below a folder that only its owner can read."""

    def __init__(self, root: Path, lock: int) -> None:
        self._root, self._lock = root, lock

    def copies(
        self,
        originals: Iterable[Original],
        make: Callable[[Original, Path], None],
        whole: Callable[[Original, Path], bool],
    ) -> list[Path]:
        """The copy of each; `make` writes one that is missing or not `whole`, such as after a power failure."""
        found = []
        for one in originals:
            path = self._root / one.folder / one.name
            if not (path.exists() and whole(one, path)):
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
        """Deletes the copies of all other files, and what a killed process left; the next report does if another one
        reads copies now. Comes before `copies`, as the lock is open for a moment.
        """
        known = {one.name for one in originals}
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _delete(self._root, known)
        fcntl.flock(self._lock, fcntl.LOCK_SH)


@contextlib.contextmanager
def keeper_of(folder: Path | None, place: Path | str) -> Iterator[Keeper | None]:
    """As `keeper_in`; None without a folder."""
    if folder is None:
        yield None
        return
    with keeper_in(folder, place) as keeper:
        yield keeper


@contextlib.contextmanager
def keeper_in(folder: Path, place: Path | str) -> Iterator[Keeper]:
    """The copies of a place, which no other process deletes until the end.

    Raises Refused if the folder is among the records.
    """
    if isinstance(place, Path) and folder.resolve().is_relative_to(place.resolve()):
        raise Refused("keep-inside", f"copies in {folder} would be read as records, as it is inside {place}")
    root = _root(folder, place)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / MARK).open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if isinstance(place, Path):
            _enter(place / MARK, folder.resolve())
        yield Keeper(root, lock.fileno())


@contextlib.contextmanager
def forgetting(place: Path) -> Iterator[None]:
    """Deletes the copies of files that changed until the end. Raises Refused while a report reads copies."""
    with contextlib.ExitStack() as stack:
        roots = [root for folder in _entered(place / MARK) if (root := _root(folder, place) / MARK).is_file()]
        for mark in roots:
            lock = stack.enter_context(mark.open("a", encoding="utf-8"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"a report reads the copies in {mark.parent}: run this again when it is done"
                raise Refused("records-in-use", message) from error
        yield
        known = {original(path).name for path in place.rglob("*.jsonl") if path.is_file()}
        for mark in roots:
            _delete(mark.parent, known)


def download(system: Any, address: str, path: Path) -> None:
    """Writes an object of a bucket into a file, as it is."""
    with system.open_input_stream(address, compression=None) as stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


def _root(folder: Path, place: Path | str) -> Path:
    return folder / _digest(str(place.resolve() if isinstance(place, Path) else place))


def _delete(root: Path, known: set[str]) -> None:
    for path in [*root.rglob("*.parquet"), *root.rglob(".*.part")]:
        if path.name not in known:
            path.unlink(missing_ok=True)


def _enter(listed: Path, folder: Path) -> None:
    """Adds a folder of copies to the list, unless the records cannot be written."""
    if folder not in _entered(listed):
        with contextlib.suppress(OSError), listed.open("a", encoding="utf-8") as file:
            file.write(json.dumps(str(folder)) + "\n")


def _entered(listed: Path) -> list[Path]:
    """The folders in a list; lines that are not paths are skipped."""
    found = []
    with contextlib.suppress(OSError):
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                name = json.loads(line)
                found += [Path(name)] if isinstance(name, str) else []
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
