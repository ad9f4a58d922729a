"""The embedded store: one SQLite file, or memory. A commit is one transaction, so a killed process loses nothing."""

from __future__ import annotations

import copy
import json
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self, TypeVar

from burgee.errors import Conflict, Corrupt, NotFound
from burgee.model import Override
from burgee.records import asdict
from burgee.stores import AuditEntry, Canary, Change, Origin, Pointer, Release, State, Tenant, dated
from burgee.stores.sqlite_file import DatabaseFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from burgee.stores import Put, Shelf

_Record = TypeVar("_Record")
SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pointer (
    tenant TEXT PRIMARY KEY, version INTEGER NOT NULL, digest TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bake (tenant TEXT PRIMARY KEY, base INTEGER NOT NULL, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS release (
    tenant TEXT, version INTEGER, digest TEXT NOT NULL, origin TEXT NOT NULL, created_at TEXT NOT NULL,
    flags INTEGER NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (tenant, version));
CREATE TABLE IF NOT EXISTS settled (tenant TEXT PRIMARY KEY, version INTEGER NOT NULL, flags TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS override (tenant TEXT, flag TEXT, record TEXT NOT NULL, PRIMARY KEY (tenant, flag));
CREATE TABLE IF NOT EXISTS retired (tenant TEXT, flag TEXT, at TEXT NOT NULL, PRIMARY KEY (tenant, flag));
CREATE TABLE IF NOT EXISTS audit (
    tenant TEXT, id TEXT, flag TEXT, record TEXT NOT NULL, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shelf (
    tenant TEXT, shelf TEXT, id TEXT, record TEXT NOT NULL, until REAL, PRIMARY KEY (tenant, shelf, id));
CREATE INDEX IF NOT EXISTS shelf_until ON shelf (until) WHERE until IS NOT NULL;
"""

_FORGET = "DELETE FROM shelf WHERE rowid IN (SELECT rowid FROM shelf WHERE until < ? LIMIT ?)"
_LAST = "\U0010ffff"
FORGOTTEN_AT_ONCE = 100
"""Expired records that a write deletes: more than it creates, and few enough to be fast."""


class SqliteStore:
    """`burgee.stores.Store` over SQLite; safe between threads and between processes."""

    def __init__(self, path: str | Path, tenant: Tenant | None = None) -> None:
        self.tenant = tenant or Tenant()
        self._key = _tenant_key(self.tenant)
        self._file = DatabaseFile(path, _SCHEMA, SCHEMA_VERSION)

    def at(self, tenant: Tenant) -> Self:
        """The same file for another tenant."""
        other = copy.copy(self)
        other.tenant, other._key = tenant, _tenant_key(tenant)
        return other

    def pointer(self) -> Pointer:
        """The current pointer."""
        with self._file.reading() as db:
            return self._pointer(db)

    def _pointer(self, db: sqlite3.Connection) -> Pointer:
        query = "SELECT version, digest, revision, record FROM pointer LEFT JOIN bake USING (tenant) WHERE tenant = ?"
        row = db.execute(query, (self._key,)).fetchone()
        if row is None:
            return Pointer()
        version, digest, revision, canary = row
        return Pointer(version, digest, revision, _load(Canary, canary) if canary else None)

    def state(self) -> State:
        """Pointer, overrides and retired names in one read transaction."""
        with self._file.reading() as db:
            laid = db.execute("SELECT record FROM override WHERE tenant = ? ORDER BY flag", (self._key,)).fetchall()
            gone = db.execute("SELECT flag, at FROM retired WHERE tenant = ?", (self._key,)).fetchall()
            pointer = self._pointer(db)
            settled = self._settled(db, pointer.version)
        overrides = [_load(Override, record) for (record,) in laid]
        return State(pointer, {override.flag: override for override in overrides}, dict(gone), settled)

    def _settled(self, db: sqlite3.Connection, version: int) -> dict[str, str]:
        row = db.execute("SELECT version, flags FROM settled WHERE tenant = ?", (self._key,)).fetchone()
        return _load(dict, row[1]) if row and row[0] == version else {}

    def stage(self, payload: bytes, origin: Origin, *, flags: int, at: str) -> Release:
        """Writes a release without serving it, and reads it back."""
        digest = sha256(payload).hexdigest()
        with self._file.writing() as db:
            query = "SELECT COALESCE(MAX(version), 0) + 1 FROM release WHERE tenant = ?"
            (version,) = db.execute(query, (self._key,)).fetchone()
            release = Release(version, digest, origin, at, flags, len(payload))
            row = (self._key, version, digest, _dump(asdict(origin)), at, flags, len(payload), zlib.compress(payload))
            db.execute("INSERT INTO release VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.payload(version)
        return release

    def release(self, version: int) -> Release:
        """The record of one release."""
        for release in self._releases("version = ?", (version,), 1):
            return release
        raise NotFound(f"there is no release {version}")

    def payload(self, version: int) -> bytes:
        """A release's bytes, verified against its digest."""
        with self._file.reading() as db:
            query = "SELECT payload, digest FROM release WHERE tenant = ? AND version = ?"
            row = db.execute(query, (self._key, version)).fetchone()
        if row is None:
            raise NotFound(f"there is no release {version}")
        try:
            payload = zlib.decompress(row[0])
        except zlib.error as error:
            raise Corrupt(f"release {version} does not decompress") from error
        if sha256(payload).hexdigest() != row[1]:
            raise Corrupt(f"release {version} does not match its digest")
        return payload

    def load(self, version: int) -> tuple[Release, bytes]:
        """A release's record and its bytes, verified against its digest."""
        return self.release(version), self.payload(version)

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""
        return self._releases("version < ?", (before if before is not None else 2**62,), limit)

    def _releases(self, where: str, values: tuple[int, ...], limit: int) -> Sequence[Release]:
        columns = "version, digest, origin, created_at, flags, size"
        query = f"SELECT {columns} FROM release WHERE tenant = ? AND {where} ORDER BY version DESC LIMIT ?"  # noqa: S608 - no input
        with self._file.reading() as db:
            rows = db.execute(query, (self._key, *values, limit)).fetchall()
        return [Release(row[0], row[1], _load(Origin, row[2]), *row[3:]) for row in rows]

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Applies a change if no other writer has committed since revision `expected`."""
        with self._file.writing() as db:
            pointer = self._pointer(db)
            if pointer.revision != expected:
                raise Conflict(f"the state has changed from revision {expected} to {pointer.revision}; read it again")
            digest = "" if change.activate is None else self._staged_digest(db, change.activate)
            after = pointer.after(change, digest)
            row = (self._key, after.version, after.digest, after.revision)
            db.execute("REPLACE INTO pointer VALUES (?, ?, ?, ?)", row)
            db.execute("DELETE FROM bake WHERE tenant = ?", (self._key,))
            if after.canary is not None:
                base = (self._key, after.canary.base, _dump(asdict(after.canary)))
                db.execute("INSERT INTO bake VALUES (?, ?, ?)", base)
            self._write(db, change)
            self._settle(db, change, after)
            self._put(db, (*change.puts, dated(after.revision, time.time())))
        return after

    def _settle(self, db: sqlite3.Connection, change: Change, after: Pointer) -> None:
        flags = dict(change.settled) if change.activate is not None else {}
        if change.activate is None:
            if not change.settled:
                return
            flags = {**self._settled(db, after.version), **change.settled}
        db.execute("REPLACE INTO settled VALUES (?, ?, ?)", (self._key, after.version, _dump(flags)))

    def _staged_digest(self, db: sqlite3.Connection, version: int) -> str:
        query = "SELECT digest FROM release WHERE tenant = ? AND version = ?"
        row = db.execute(query, (self._key, version)).fetchone()
        if row is None:
            raise NotFound(f"there is no release {version}")
        return str(row[0])

    def _write(self, db: sqlite3.Connection, change: Change) -> None:
        at = change.audit[0].at if change.audit else ""
        lifted = [(self._key, flag) for flag in change.lift]
        laid = [(self._key, override.flag, _dump(asdict(override))) for override in change.lay]
        db.executemany("DELETE FROM override WHERE tenant = ? AND flag = ?", lifted)
        db.executemany("REPLACE INTO override VALUES (?, ?, ?)", laid)
        db.executemany("DELETE FROM retired WHERE tenant = ? AND flag = ?", [(self._key, f) for f in change.reuse])
        db.executemany("REPLACE INTO retired VALUES (?, ?, ?)", [(self._key, flag, at) for flag in change.retire])
        self._log(db, change.audit)

    def _log(self, db: sqlite3.Connection, audit: Sequence[AuditEntry]) -> None:
        from burgee.stores.audit import numbered

        (newest,) = db.execute("SELECT MAX(id) FROM audit WHERE tenant = ?", (self._key,)).fetchone()
        entries = numbered(audit, newest)
        rows = [(self._key, entry.id, entry.flag, _dump(asdict(entry))) for entry in entries]
        db.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", rows)

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""
        where = "tenant = ? AND id < ? AND (? IS NULL OR flag = ?)"
        query = f"SELECT record FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - no input
        with self._file.reading() as db:
            rows = db.execute(query, (self._key, before or "~", flag, flag, limit)).fetchall()
        return [_load(AuditEntry, record) for (record,) in rows]

    def audit_after(self, after: str, *, limit: int = 200) -> Sequence[AuditEntry]:
        """Oldest first, ids above `after`."""
        query = "SELECT record FROM audit WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"
        with self._file.reading() as db:
            rows = db.execute(query, (self._key, after, limit)).fetchall()
        return [_load(AuditEntry, record) for (record,) in rows]

    def find(self, shelf: Shelf, key: str) -> Mapping[str, Any] | None:
        """One record."""
        query = "SELECT record FROM shelf WHERE tenant = ? AND shelf = ? AND id = ?"
        with self._file.reading() as db:
            row = db.execute(query, (self._key, shelf, key)).fetchone()
        return _load(dict, row[0]) if row else None

    def shelf(self, shelf: Shelf, prefix: str = "") -> Mapping[str, Mapping[str, Any]]:
        """All records of a shelf by id."""
        query = "SELECT id, record FROM shelf WHERE tenant = ? AND shelf = ? AND id >= ? AND id < ? ORDER BY id"
        with self._file.reading() as db:
            rows = db.execute(query, (self._key, shelf, prefix, f"{prefix}{_LAST}")).fetchall()
        return {key: _load(dict, record) for key, record in rows}

    def keep(self, puts: Sequence[Put], audit: Sequence[AuditEntry] = ()) -> None:
        """Writes records if none of them has changed."""
        with self._file.writing() as db:
            self._put(db, puts)
            db.execute(_FORGET, (time.time(), FORGOTTEN_AT_ONCE))
            self._log(db, audit)

    def _put(self, db: sqlite3.Connection, puts: Sequence[Put]) -> None:
        query = "SELECT record FROM shelf WHERE tenant = ? AND shelf = ? AND id = ?"
        for one in puts:
            row = db.execute(query, (self._key, one.shelf, one.id)).fetchone()
            if not one.blind and (row and row[0]) != (None if one.before is None else _dump(one.before)):
                raise Conflict(f"another writer was first at {one.shelf} {one.id!r}; read it again")
            if one.value is None:
                delete = "DELETE FROM shelf WHERE tenant = ? AND shelf = ? AND id = ?"
                db.execute(delete, (self._key, one.shelf, one.id))
                continue
            values = (self._key, one.shelf, one.id, _dump(one.value), one.until)
            db.execute("REPLACE INTO shelf VALUES (?, ?, ?, ?, ?)", values)

    def collect(self, *, keep: int = 20) -> int:
        """Deletes releases beyond the newest `keep`, never the current one nor its base."""
        query = (
            "DELETE FROM release WHERE tenant = ?1 AND version NOT IN "
            "(SELECT version FROM release WHERE tenant = ?1 ORDER BY version DESC LIMIT ?2) "
            "AND version NOT IN (SELECT version FROM pointer WHERE tenant = ?1 "
            "UNION SELECT base FROM bake WHERE tenant = ?1)"
        )
        with self._file.writing() as db:
            return db.execute(query, (self._key, keep)).rowcount

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _load(kind: Callable[..., _Record], record: str) -> _Record:
    try:
        return kind(**json.loads(record))
    except (TypeError, ValueError) as error:
        raise Corrupt(f"a record does not parse: {error}") from error


def _tenant_key(tenant: Tenant) -> str:
    return json.dumps([tenant.project, tenant.environment])


def _dump(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))
