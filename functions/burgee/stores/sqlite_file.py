"""The file of the embedded store: one connection writes, one reads; a deleted or replaced file is detected.

In WAL mode readers do not wait for writers, so a reader has its own connection and lock. A file that cannot be
written (a full disk, a read-only folder) is opened for reading, and for writing again as soon as possible.
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
"""Seconds that a writer waits for another process; readers do not wait."""
ROOM_BYTES = 65_536
RETRY_SECONDS = 1
"""Seconds after which readers reopen a file that cannot be written; they may see an old state until then."""


class DatabaseFile:
    """A SQLite database with a given schema, in a file or in memory; safe between threads and between processes.

    Raises StoreError if the path cannot hold a database or holds another one; transactions raise StoreUnavailable
    while the file is busy, missing or not writable, and Corrupt if it cannot be read.
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
        """A read transaction."""
        with _translated():
            self._notice(waits=False)
        with self._read_lock:
            with _translated():
                self._reader.execute("BEGIN")
            with _translated(), _ending(self._reader):
                yield self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, committed to the file at the end of the block."""
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
        existed = self._memory or _identity(self._path, least=1) is not None
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
            self._identity, self._wal = _identity(self._path, least=1), _identity(f"{self._path}-wal")

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
                # Adds tables that this schema version gained later; writes nothing if all exist.
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
        """A file that cannot be written, with its log; without a log no other process writes it."""
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
        """Reopens a replaced file. Raises StoreUnavailable if it is missing, rather than creating an empty one.

        Both connections are closed before either is opened: the last one on a file deletes its log, by name. So this
        needs the write lock; with `waits` unset it does not wait for a writer, which will detect the change too.
        """
        if self._memory or not self._has_moved(waits=waits):
            return
        if not self._write_lock.acquire(blocking=waits):
            if self._writer is None:
                return
            raise StoreUnavailable(f"{self._path} was replaced during a write; try again")
        try:
            with self._read_lock:
                if self._has_moved(waits=waits):
                    self._open_again()
        finally:
            self._write_lock.release()

    def _has_moved(self, *, waits: bool) -> bool:
        """Whether the path now names another file, or (checked occasionally) the file may be writable again."""
        identity = _identity(self._path, least=1)
        if identity is None:
            raise StoreUnavailable(f"{self._path} is missing: restore it, or restart to begin with an empty one")
        if self._writer is None:
            return (waits or time.monotonic() >= self._retry) and self._has_room()
        return identity != self._identity or (self._wal is not None and _identity(f"{self._path}-wal") != self._wal)

    def _has_room(self) -> bool:
        """Whether the folder is writable. A failed attempt to write the database would damage its log's index."""
        self._retry = time.monotonic() + RETRY_SECONDS
        try:
            with TemporaryFile(dir=Path(self._path).parent) as probe:
                probe.write(bytes(ROOM_BYTES))
        except OSError:
            return False
        return True

    def _open_again(self) -> None:
        log = Path(f"{self._path}-wal")
        replaced = _identity(self._path, least=1) != self._identity
        if not replaced and self._writer is not None:
            # Only the log is missing: this process still has its contents.
            with suppress(sqlite3.Error):
                self._writer.execute("PRAGMA wal_checkpoint(FULL)")
        of_the_former = replaced and self._wal is not None and _identity(str(log)) == self._wal
        self._close()
        if of_the_former:  # and would be used for the new file
            log.unlink(missing_ok=True)
        self._open()

    def _confirm(self) -> None:
        """Does not acknowledge a change that went to a deleted file."""
        if self._memory:
            return
        if self._wal is None:
            self._wal = _identity(f"{self._path}-wal")
        if (_identity(self._path, least=1), _identity(f"{self._path}-wal")) != (self._identity, self._wal):
            raise StoreUnavailable(f"{self._path} was deleted or replaced during the write; check, and write again")

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
    """Commits at the end of the block; rolls back if the block raises."""
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
        raise StoreUnavailable(f"the store is busy or missing: {error}") from error
    except sqlite3.Error as error:
        raise Corrupt(f"the store cannot be read: {error}") from error


def _identity(path: str, *, least: int = 0) -> tuple[int, int] | None:
    """The identity of the file at a path; None if there is none of at least so many bytes.

    A database that is open is never empty, unless something else emptied the file.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size >= least else None
