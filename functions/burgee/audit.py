"""The audit log as people ask for it: filtered, in pages, whatever the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.stores import AuditEntry, Store

PAGE = 200
MOST_READ = 5000
"""A search reads no more entries than this before it answers with where to go on."""


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
