"""Writes records to append-only JSON Lines files in one folder, synced to disk before `write` returns.

Each writer has its own file, locked while it runs. A process that dies in the middle of a line leaves a torn line,
which was never reported as written; the next writer removes it.
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
    """Appends to `folder`, creating it if needed; safe between threads and between processes."""

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
            raise SinkUnavailable(f"{folder} is not writable: {error.strerror}") from error

    def write(self, records: Sequence[Record]) -> None:
        """See Sink."""
        data = "".join([_ENCODE(record) + "\n" for record in records]).encode()
        with self._lock:
            try:
                self._append(data)
            except OSError as error:
                self._abandon()
                raise SinkUnavailable(f"the records were not written: {error.strerror}") from error

    def close(self) -> None:
        """Closes the file; a later write opens another."""
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
            return  # without locks nothing is repaired, and a folder cannot be synced
        fcntl.flock(self._file, fcntl.LOCK_EX)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # or the file itself may be missing after a power failure
        finally:
            os.close(folder)

    def _abandon(self) -> None:
        """Abandons a file that received a partial line."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def heal(folder: Path) -> int:
    """Removes torn lines from files that no writer holds; returns how many. Readers skip torn lines anyway."""
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
    """The number of bytes of a file that are whole lines."""
    end = os.fstat(file).st_size
    while end:
        start = max(end - 65_536, 0)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
