"""Records in append-only files of JSON lines, in one folder: what was written is on the disk before `write` returns.

Each writer has a file of its own, locked while it lives. A process that dies in the middle of a line leaves a torn
end, which nobody was told is safe; the next writer cuts it off.
"""

from __future__ import annotations

import json
import os
import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

from burgee.errors import SinkUnavailable

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from burgee.events.records import Record

ROTATE_BYTES = 128 * 1024 * 1024
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


class JsonlSink:
    """Appends to `folder`, which is made if need be; safe between threads, and between processes."""

    def __init__(self, folder: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._lock = Lock()
        self._file: int | None = None
        self._size = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            heal(folder)
        except OSError as error:
            raise SinkUnavailable(f"{folder} cannot be written to: {error.strerror}") from error

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        data = "".join([_ENCODE(record) + "\n" for record in records]).encode()
        with self._lock:
            try:
                self._append(data)
            except OSError as error:
                self._abandon()
                raise SinkUnavailable(f"the records are not written: {error.strerror}") from error

    def close(self) -> None:
        """Lets the file go; a later write opens another."""
        with self._lock:
            self._abandon()

    def _append(self, data: bytes) -> None:
        if self._file is None or self._size >= self._rotate_bytes:
            self._rotate()
        assert self._file is not None  # noqa: S101 - opened just now
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file) if sys.platform == "win32" else os.fdatasync(self._file)
        self._size += len(data)

    def _rotate(self) -> None:
        self._abandon()
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        self._file = os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        self._size = 0
        if sys.platform == "win32":
            return  # without locks nothing is healed, and a folder cannot be synced
        fcntl.flock(self._file, fcntl.LOCK_EX)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # or the file itself may be gone after a power cut
        finally:
            os.close(folder)

    def _abandon(self) -> None:
        """A file that took half a line is not written to again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def heal(folder: Path) -> int:
    """Cuts torn ends off the files that no writer holds; how many there were. Readers pass torn lines over anyway."""
    if sys.platform == "win32":
        return 0
    healed = 0
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            whole = _whole(file.fileno())
            if whole < os.fstat(file.fileno()).st_size:
                file.truncate(whole)
                os.fsync(file.fileno())
                healed += 1
    return healed


def _whole(file: int) -> int:
    """How many bytes of a file are whole lines."""
    end = os.fstat(file).st_size
    while end:
        start = max(end - 65_536, 0)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
