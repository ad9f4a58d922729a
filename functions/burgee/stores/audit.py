"""The audit log: the entry that a change leaves, and searches that filter and page, whatever the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from burgee.stores import AuditEntry
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.stores import Put, Store

PAGE = 200
MOST_READ = 5000
"""A search reads no more entries than this before it answers with where to go on."""


class AuditContext(NamedTuple):
    """Who makes a change, why and when; `now` in epoch seconds, `until` (RFC 3339) where it ends by itself.

    `source` names what acts for the author, such as a function's version; `puts` are records that are written with
    the change.
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
        """The audit entry of the change; its id sorts by time."""
        key = f"{int(self.now * 1000):013d}-{uuid4().hex[:12]}"
        more |= {"request_id": self.request_id, "source": self.source}
        return AuditEntry(key, format_time(self.now), self.author, self.action, self.reason, **more)


class Wanted(NamedTuple):
    """Which entries: all that are given must hold; times in epoch seconds, `until` not included."""

    flag: str | None = None
    actor: str | None = None
    action: str | None = None
    release: int | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, entry: AuditEntry) -> bool:
        """Whether an entry is one of them."""
        return (
            (self.actor is None or entry.actor == self.actor)
            and (self.action is None or entry.action == self.action or entry.action.startswith(f"{self.action}."))
            and (self.release is None or entry.release == self.release)
            and (self.since is None or parse_time(entry.at) >= self.since)
            and (self.until is None or parse_time(entry.at) < self.until)
        )


class Found(NamedTuple):
    """Entries, newest first, and where to go on; None where the log ends."""

    entries: list[AuditEntry]
    cursor: str | None


def search(store: Store, wanted: Wanted, *, limit: int = 50, cursor: str | None = None) -> Found:
    """The next entries before `cursor` that are wanted."""
    found: list[AuditEntry] = []
    # An id has the millisecond that its moment is in, and the entry the one that it is nearest to.
    earliest = "" if wanted.since is None else _id(wanted.since - 0.001)
    if wanted.until is not None:
        cursor = min(cursor or "~", _id(wanted.until + 0.001))
    for _ in range(MOST_READ // PAGE):
        page = store.audit(limit=PAGE, before=cursor, flag=wanted.flag)
        for entry in page:
            if entry.id < earliest:
                return Found(found, None)
            cursor = entry.id
            if wanted.admits(entry):
                found.append(entry)
            if len(found) == limit:
                return Found(found, cursor)
        if len(page) < PAGE:
            return Found(found, None)
    return Found(found, cursor)


def _id(moment: float) -> str:
    """Sorts before every entry of that moment, and after all before it."""
    return f"{round(moment * 1000):013d}"
