"""The audit log: the entry of a change, and filtered, paged searches in any store."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.records import replace
from burgee.stores import AuditEntry
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.stores import Put, Store

PAGE = 200
MOST_READ = 5000
"""A search reads at most this many entries before it returns a cursor."""
LONG_RECORD, LONG_VALUE = 32_768, 1_000
"""In a record above the first size (bytes), an entry holds no value above the second."""
COUNT_DIGITS = 12


class AuditContext(NamedTuple):
    """Who makes a change, why and when; `now` in epoch seconds, `until` (RFC 3339) if it ends by itself.

    `source` names what acts for the author, such as a function's version; `puts` are records to write with the
    change.
    """

    action: str
    author: str
    reason: str
    now: float
    until: str | None = None
    request_id: str | None = None
    source: str | None = None
    puts: Sequence[Put] = ()

    def entry(self, **more: Any) -> AuditEntry:
        """The audit entry of the change; the store assigns its id. Long values are replaced by their digest."""
        more |= {"request_id": self.request_id, "source": self.source}
        more |= {key: _abridged(more[key]) for key in ("before", "after") if more.get(key) is not None}
        return AuditEntry("", format_time(self.now), self.author, self.action, self.reason, **more)


def _abridged(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Shortens a record for the log: in a large one, each long value is replaced by its SHA-256 and size."""
    if len(json.dumps(record)) <= LONG_RECORD:
        return record
    dumped = {key: json.dumps(value, separators=(",", ":")).encode() for key, value in record.items()}
    return {
        key: {"sha256": sha256(dumped[key]).hexdigest(), "bytes": len(dumped[key])}
        if len(dumped[key]) > LONG_VALUE
        else value
        for key, value in record.items()
    }


def numbered(entries: Sequence[AuditEntry], newest: str | None) -> list[AuditEntry]:
    """Assigns ids to entries, in order, after `newest`, the last id in the log.

    An id is the entry's time in milliseconds and a counter, as a sortable string; if a clock has stepped back, or
    several entries share a millisecond, the previous time is kept and the counter increases.
    """
    millisecond, count = _position(newest)
    given = []
    for entry in entries:
        moment = int(parse_time(entry.at) * 1000)
        millisecond, count = (moment, 0) if moment > millisecond else (millisecond, count + 1)
        given.append(replace(entry, id=f"{millisecond:013d}-{count:012d}"))
    return given


def _position(newest: str | None) -> tuple[int, int]:
    """The millisecond and counter of an id; ids of earlier versions sort last in their millisecond."""
    if newest is None:
        return -1, 0
    moment, _, rest = newest.partition("-")
    if len(rest) == COUNT_DIGITS and rest.isdecimal() and not rest.startswith("9"):
        return int(moment), int(rest)
    return int(moment) + 1, 0


class AuditFilter(NamedTuple):
    """A filter of entries: all given criteria must hold; times in epoch seconds, `until` exclusive."""

    flag: str | None = None
    actor: str | None = None
    action: str | None = None
    release: int | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, entry: AuditEntry) -> bool:
        """Whether an entry passes the filter."""
        return (
            (self.actor is None or entry.actor == self.actor)
            and (self.action is None or entry.action == self.action or entry.action.startswith(f"{self.action}."))
            and (self.release is None or entry.release == self.release)
            and (self.since is None or parse_time(entry.at) >= self.since)
            and (self.until is None or parse_time(entry.at) < self.until)
        )


class AuditPage(NamedTuple):
    """Entries, newest first, and the cursor of the next page; None at the end of the log."""

    entries: list[AuditEntry]
    cursor: str | None


def search(store: Store, wanted: AuditFilter, *, limit: int = 50, cursor: str | None = None) -> AuditPage:
    """The next matching entries before `cursor`."""
    found: list[AuditEntry] = []
    # The time in an id is never before that of its entry, but may be later if a clock stepped back: so `since` can
    # end the search, but `until` cannot start it. Entries round to the nearest millisecond, ids truncate.
    earliest = "" if wanted.since is None else f"{round((wanted.since - 0.001) * 1000):013d}"
    for _ in range(MOST_READ // PAGE):
        page = store.audit(limit=PAGE, before=cursor, flag=wanted.flag)
        for entry in page:
            if entry.id < earliest:
                return AuditPage(found, None)
            cursor = entry.id
            if wanted.admits(entry):
                found.append(entry)
            if len(found) == limit:
                return AuditPage(found, cursor)
        if len(page) < PAGE:
            return AuditPage(found, None)
    return AuditPage(found, cursor)


def latest(store: Store, wanted: AuditFilter) -> AuditEntry | None:
    """The newest entry that is wanted, however far back it is; None if there is none."""
    cursor = None
    while True:
        found = search(store, wanted, limit=1, cursor=cursor)
        if found.entries or found.cursor is None:
            return found.entries[0] if found.entries else None
        cursor = found.cursor
