"""The file of the embedded store: one connection writes, one reads, and a file that goes or is replaced is noticed.

In WAL mode readers wait for no writer, so a reader has a connection and a lock of its own. A file that cannot be
written (a full disk, a read-only folder) is opened for reading, and for writing again as soon as that works.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import RLock
from typing import TYPE_CHECKING
from urllib.parse import quote

from burgee.errors import Corrupt, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_SECONDS = 10
"""A writer waits as long for another process; so does nobody who reads."""
ROOM_BYTES = 65_536
RETRY_SECONDS = 1
"""A file that cannot be written is opened again as often by readers, who may see an old state of it."""


class DatabaseFile:
    """A SQLite database of a schema, in a file or in memory; safe between threads and between processes.

    Raises StoreError where the path can hold no database or has another one; transactions raise StoreUnavailable
    while the file is busy, gone or cannot be written, and Corrupt where it cannot be read.
    """

    def __init__(self, path: str | Path, schema: str, version: int) -> None:
        self._path = str(path)
        self._schema = schema
        self._version = version
        self._memory = self._path == ":memory:"
        self._write_lock = RLock()
        self._read_lock = self._write_lock if self._memory else RLock()
        self._identity: tuple[int, int] | None = None
        self._wal: tuple[int, int] | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection
        self._fault: Exception | None = None
        self._retry = 0.0
        self._open()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one moment."""
        with _translated():
            self._notice(waits=False)
        with self._read_lock:
            with _translated():
                self._reader.execute("BEGIN")
            with _translated(), _ending(self._reader):
                yield self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is in the file when the block has ended."""
        with self._write_lock:
            with _translated():
                self._notice(waits=True)
                writer = self._writer
                if writer is None:
                    raise StoreUnavailable(f"{self._path} cannot be written: {self._fault}")
                writer.execute("BEGIN IMMEDIATE")
            with _translated(), _ending(writer):
                yield writer
            self._confirm()

    def close(self) -> None:
        """Closes the file."""
        with self._write_lock, self._read_lock:
            self._close()

    def _open(self) -> None:
        existed = self._memory or _identity(self._path) is not None
        try:
            self._writer = self._connected_to_write()
            self._reader = self._writer if self._memory else self._connected_to_read()
        except sqlite3.OperationalError as error:
            self._close()
            if not existed:
                raise self._unusable(error) from error
            self._fault, self._retry = error, time.monotonic() + RETRY_SECONDS
            self._reader = self._connected_to_read_only(error)
        except sqlite3.Error as error:
            self._close()
            raise self._unusable(error) from error
        except StoreError:
            self._close()
            raise
        if not self._memory:
            self._identity, self._wal = _identity(self._path), _identity(f"{self._path}-wal")

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path} cannot be used as a store: {error}")

    def _connected_to_write(self) -> sqlite3.Connection:
        connection = _connect(self._path)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            if self._found(connection) != self._version:
                connection.executescript(self._schema)
                connection.execute(f"PRAGMA user_version={self._version}")
            else:
                # What the schema has beside that version's first tables; nothing is written where all is there.
                connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected_to_read(self) -> sqlite3.Connection:
        connection = _connect(self._path)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connected_to_read_only(self, fault: Exception) -> sqlite3.Connection:
        """A file that cannot be written, with the log beside it; without a log there is nobody else who writes it."""
        wal = Path(f"{self._path}-wal")
        modes = ["mode=ro&readonly_shm=1"]
        if not wal.exists() or not wal.stat().st_size:
            modes.append("immutable=1")
        for mode in modes:
            connection = None
            try:
                connection = _connect(f"file:{quote(self._path)}?{mode}", uri=True)
                found = self._found(connection)
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            except sqlite3.Error:
                if connection is not None:
                    connection.close()
                continue
            if found == 0:
                connection.close()
                break
            return connection
        raise self._unusable(fault) from fault

    def _found(self, connection: sqlite3.Connection) -> int:
        """The version of the schema in the file."""
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > self._version:
            message = f"{self._path} was written by a newer Burgee (schema {found}, this one reads {self._version})"
            raise StoreError(message)
        return int(found)

    def _notice(self, *, waits: bool) -> None:
        """Opens the file again where it was replaced; StoreUnavailable where it is gone, rather than an empty one.

        Both connections are closed before either is opened: the last on a file removes the log beside it, by name.
        So this needs the lock to write; with `waits` unset it does not wait for a writer, who will notice too.
        """
        if self._memory or not self._has_moved(waits=waits):
            return
        if not self._write_lock.acquire(blocking=waits):
            if self._writer is None:
                return
            raise StoreUnavailable(f"{self._path} was replaced while it is written; ask again")
        try:
            with self._read_lock:
                if self._has_moved(waits=waits):
                    self._open_again()
        finally:
            self._write_lock.release()

    def _has_moved(self, *, waits: bool) -> bool:
        """Whether the connections are to another file than the path names, or, now and then, could do more."""
        identity = _identity(self._path)
        if identity is None:
            raise StoreUnavailable(f"{self._path} is gone: put it back, or restart to begin with an empty one")
        if self._writer is None:
            return (waits or time.monotonic() >= self._retry) and self._has_room()
        return identity != self._identity or (self._wal is not None and _identity(f"{self._path}-wal") != self._wal)

    def _has_room(self) -> bool:
        """Whether a file can be written beside this one. To open that and fail would harm the index of its log."""
        self._retry = time.monotonic() + RETRY_SECONDS
        try:
            with TemporaryFile(dir=Path(self._path).parent) as probe:
                probe.write(bytes(ROOM_BYTES))
        except OSError:
            return False
        return True

    def _open_again(self) -> None:
        log = Path(f"{self._path}-wal")
        replaced = _identity(self._path) != self._identity
        if not replaced and self._writer is not None:
            # Only the log beside the file is gone: what was in it, this process still has.
            with suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(FULL)")
        of_the_former = replaced and self._wal is not None and _identity(str(log)) == self._wal
        self._close()
        if of_the_former:  # and would be taken for the new one's
            log.unlink(missing_ok=True)
        self._open()

    def _confirm(self) -> None:
        """A change that went to a file which is there no more is not acknowledged."""
        if self._memory:
            return
        if self._wal is None:
            self._wal = _identity(f"{self._path}-wal")
        if (_identity(self._path), _identity(f"{self._path}-wal")) != (self._identity, self._wal):
            raise StoreUnavailable(
                f"{self._path} was deleted or replaced while it was written; look, and write again"
            )

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        if hasattr(self, "_reader"):
            self._reader.close()


def _connect(path: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri)


@contextmanager
def _ending(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits at the end of the block; undoes it where it ends badly."""
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"the store is busy or gone: {error}") from error
    except sqlite3.Error as error:
        raise Corrupt(f"the store cannot be read: {error}") from error


def _identity(path: str) -> tuple[int, int] | None:
    """Which file a path names; None for none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
