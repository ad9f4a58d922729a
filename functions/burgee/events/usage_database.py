"""Usage in an SQLite file: counts by hour and answer, added up as they arrive, so the file stays small.

The hours of all but the newest days are added up to days, and the oldest days are deleted. Only days with records
are counted as days, so a clock that jumps ahead deletes nothing. A record is one transaction with its `event_id`: one
that arrives twice counts once, and a process that is killed leaves no half of one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from burgee.errors import SinkUnavailable, StoreError
from burgee.events.usage_records import Cell, counts_of
from burgee.records import NamedTuple
from burgee.stores.sqlite_file import DatabaseFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from burgee.events.records import Record, RecordScope

HOUR, DAY = 3_600, 86_400
KEEP_DAYS = 92
"""Days with records that are kept."""
HOURS_DAYS = 8
"""The newest of them, of which the hours are kept."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (event_id TEXT PRIMARY KEY, start INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS covered (
    project TEXT, environment TEXT, start INTEGER, records INTEGER NOT NULL, lost INTEGER NOT NULL,
    PRIMARY KEY (project, environment, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
    project TEXT, environment TEXT, start INTEGER, flag TEXT, variant TEXT, reason TEXT, rule TEXT, error TEXT,
    release INTEGER, override INTEGER, key TEXT, bulk INTEGER,
    last INTEGER NOT NULL, records INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (project, environment, start, flag, variant, reason, rule, error, release, override, key, bulk)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (
    project TEXT, environment TEXT, flag TEXT, variant TEXT, reason TEXT, count INTEGER NOT NULL,
    PRIMARY KEY (project, environment, flag, variant, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tidied (day INTEGER PRIMARY KEY);
"""
_VERSION = 1
MOST = 9 * 10**15
"""No sum becomes larger: whatever is sent, none overflows."""
_SUM = f"CAST(min(total(count), {MOST}) AS INTEGER)"
_CELL = "flag, variant, reason, rule, error, release, override, key, bulk"
_ADD_COVERED = """
INSERT INTO covered VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET records = records + excluded.records, lost = lost + excluded.lost
"""
_ADD_ANSWERED = f"""
INSERT INTO answered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    last = max(last, excluded.last), records = records + excluded.records,
    count = min(count + excluded.count, {MOST})
"""
_ADD_TOTAL = f"""
INSERT INTO total VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    count = min(count + excluded.count, {MOST})
"""
_DAYS_OF = f"""
SELECT project, environment, start / {DAY} * {DAY}, {_CELL}, max(last), sum(records), {_SUM}
FROM answered WHERE start < ? AND start % {DAY} != 0 GROUP BY 1, 2, 3, {_CELL}
"""
_DAYS_COVERED = f"""
SELECT project, environment, start / {DAY} * {DAY}, sum(records), sum(lost)
FROM covered WHERE start < ? AND start % {DAY} != 0 GROUP BY 1, 2, 3
"""


class Answered(NamedTuple):
    """Answers that were counted together: how many, when the last of them was written (epoch seconds), and in how
    many records they are, each of one process and about a minute.
    """

    cell: Cell
    answers: int
    last: float
    records: int


class Coverage(NamedTuple):
    """How far records go back (epoch seconds; None without any), on how many days of a period there are some, and how
    many answers in the period could not be counted.
    """

    first: float | None
    days: int
    lost: int


class Total(NamedTuple):
    """Answers since the file began, by flag, variant and reason or error code.

    Names without a flag are counted together, under an empty name: anyone can add to them. So is what was lost.
    """

    flag: str
    variant: str
    reason: str
    answers: int


LOST = "lost"
"""The reason of answers that could not be counted by flag."""


class UsageDatabase:
    """A sink of usage records, and what they say; safe between threads and between processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, DatabaseFile] | None = None

    def _file(self) -> DatabaseFile:
        """The file; a forked process opens it again, because a connection must not cross a fork."""
        process = os.getpid()
        if self._opened is None or self._opened[0] != process:
            self._opened = process, DatabaseFile(self._path, _SCHEMA, _VERSION)
        return self._opened[1]

    def write(self, records: Sequence[Record]) -> None:
        """See RecordSink."""
        try:
            for record in records:
                with self._file().writing() as db:
                    _add(db, record)
        except (StoreError, OSError) as error:
            raise SinkUnavailable(str(error)) from error

    def answered(self, scope: RecordScope, since: float, flag: str | None = None) -> list[Answered]:
        """What a project and environment answered since a time (epoch seconds), rounded down to its hour."""
        where = "project = ? AND environment = ? AND start >= ?"
        values: tuple[Any, ...] = self._since(scope, since)
        if flag is not None:
            where, values = f"{where} AND flag = ?", (*values, flag)
        query = f"SELECT {_CELL}, {_SUM}, max(last), sum(records) FROM answered WHERE {where} GROUP BY {_CELL}"
        with self._file().reading() as db:
            return [_answered(row) for row in db.execute(query, values)]

    def coverage(self, scope: RecordScope, since: float) -> Coverage:
        """Of a project and environment, since a time (epoch seconds)."""
        project, environment, start = self._since(scope, since)
        found = "FROM covered WHERE project = ? AND environment = ?"
        with self._file().reading() as db:
            (first,) = db.execute(f"SELECT min(start) {found}", (project, environment)).fetchone()
            counted = f"SELECT count(DISTINCT start / {DAY}), coalesce(sum(lost), 0) {found} AND start >= ?"
            days, lost = db.execute(counted, (project, environment, start)).fetchone()
        return Coverage(first, days, lost)

    def totals(self, scope: RecordScope) -> list[Total]:
        """All that a project and environment has ever answered, which never becomes less."""
        query = "SELECT flag, variant, reason, count FROM total WHERE project = ? AND environment = ?"
        with self._file().reading() as db:
            return [Total(*row) for row in db.execute(query, (scope.project, scope.environment))]

    def close(self) -> None:
        """Closes the file."""
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    @staticmethod
    def _since(scope: RecordScope, since: float) -> tuple[str, str, int]:
        return scope.project, scope.environment, int(since) // HOUR * HOUR


def _add(db: sqlite3.Connection, record: Record) -> None:
    at = record["time"] / 1000
    start = int(at) // HOUR * HOUR
    if not db.execute("INSERT OR IGNORE INTO record VALUES (?, ?)", (record["event_id"], start)).rowcount:
        return
    tenant = record["project"], record["environment"], start
    db.execute(_ADD_COVERED, (*tenant, 1, record["lost"]))
    # An empty string stands for None, because parts of a key are never null here.
    rows = (
        (*tenant, *("" if part is None else part for part in cell), int(at), 1, count)
        for cell, count in counts_of(record)
    )
    db.executemany(_ADD_ANSWERED, rows)
    totals = [(*tenant[:2], *_total(cell), count) for cell, count in counts_of(record)]
    lost = [(*tenant[:2], "", "", LOST, record["lost"])] if record["lost"] else []
    db.executemany(_ADD_TOTAL, [*totals, *lost])
    if db.execute("INSERT OR IGNORE INTO tidied VALUES (?)", (start // DAY,)).rowcount:
        _tidy(db)


def _tidy(db: sqlite3.Connection) -> None:
    """Adds up the hours of older days, and deletes the oldest days."""
    days = [day for (day,) in db.execute(f"SELECT DISTINCT start / {DAY} FROM covered ORDER BY 1 DESC")]
    if len(days) > HOURS_DAYS:
        before = days[HOURS_DAYS - 1] * DAY
        answered, covered = (db.execute(query, (before,)).fetchall() for query in (_DAYS_OF, _DAYS_COVERED))
        for table in ("answered", "covered"):
            db.execute(f"DELETE FROM {table} WHERE start < ? AND start % {DAY} != 0", (before,))
        db.executemany(_ADD_ANSWERED, answered)
        db.executemany(_ADD_COVERED, covered)
        db.execute("DELETE FROM record WHERE start < ?", (before,))
    if len(days) > KEEP_DAYS:
        before = days[KEEP_DAYS - 1] * DAY
        for table in ("answered", "covered"):
            db.execute(f"DELETE FROM {table} WHERE start < ?", (before,))
        db.execute("DELETE FROM tidied WHERE day < ?", (before // DAY,))


def _total(cell: Cell) -> tuple[str, str, str]:
    flag = "" if cell.error == "FLAG_NOT_FOUND" else cell.flag
    return flag, cell.variant or "", (cell.error or cell.reason).lower()


def _answered(row: tuple[Any, ...]) -> Answered:
    flag, variant, reason, rule, error, release, override, key, bulk, count, last, records = row
    said = variant or None, reason, rule or None, error or None, release
    return Answered(Cell(flag, *said, bool(override), key, bool(bulk)), count, float(last), records)
