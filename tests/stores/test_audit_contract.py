"""The contract of the audit log, for every store."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from burgee.stores import AuditEntry, Put, Shelf
from burgee.stores.audit import AuditFilter, search
from burgee.times import format_time
from support.stores import AT, committed, entry

if TYPE_CHECKING:
    from burgee.stores import Store
    from support.stores import Open


def test_an_audit_entry_comes_back_as_it_was_written(store: Store) -> None:
    whole = AuditEntry("", AT, "Ada ☕", "override.lay", "Grüße", "a", {"n": 5, "x": 5.0}, None, 3, "request", "api")
    committed(store, audit=[whole])
    (read,) = store.audit()
    assert json.dumps(asdict(read)) == json.dumps(asdict(replace(whole, id=read.id)))


def test_the_audit_log_is_read_newest_first_in_pages(store: Store) -> None:
    committed(store, audit=[entry(1), entry(2)])
    committed(store, audit=[entry(number) for number in (3, 4, 5)])
    seen: list[str] = []
    before = None
    while page := store.audit(limit=2, before=before):
        assert len(page) <= 2
        seen += [one.reason for one in page]
        before = page[-1].id
    assert seen == [entry(number).reason for number in (5, 4, 3, 2, 1)]


def at(moment: float, number: int) -> AuditEntry:
    return replace(entry(number), at=format_time(moment))


def test_the_order_of_the_audit_log_is_that_of_the_commits_whatever_the_clocks_say(open_store: Open) -> None:
    """Within one millisecond, after a clock stepped back by a year, by writers of flags and of records in turn."""
    moments = [0.0, 0.0, 0.0, -31_536_000.0, -31_536_000.0, 0.0, 1.0, 0.5, 5.0, 4.999]
    stores = [open_store(), open_store()]
    for number, moment in enumerate(moments):
        entries = [at(1.8e9 + moment, 2 * number), at(1.8e9 + moment, 2 * number + 1)]
        if number % 3:
            committed(stores[number % 2], audit=entries)
        else:
            stores[number % 2].keep([Put(Shelf.SETTINGS, "a", {"n": number}, blind=True)], entries)
    seen = stores[0].audit(limit=100)
    assert [one.reason for one in seen] == [entry(number).reason for number in reversed(range(2 * len(moments)))]
    assert [one.id for one in seen] == sorted({one.id for one in seen}, reverse=True)
    found = search(stores[0], AuditFilter(since=1.8e9 + 1)).entries
    assert [one.reason for one in found] == [entry(number).reason for number in (19, 18, 17, 16, 13, 12)]
    found = search(stores[0], AuditFilter(until=1.8e9)).entries
    assert [one.reason for one in found] == [entry(number).reason for number in (9, 8, 7, 6)]


def test_the_audit_log_filters_by_flag_before_it_counts(store: Store) -> None:
    for first in (0, 6):
        committed(store, audit=[entry(n, "a" if n % 3 == 0 else "b") for n in range(first, first + 6)])
    committed(store, audit=[entry(12)])
    assert [one.reason for one in store.audit(flag="a", limit=3)] == [entry(n).reason for n in (9, 6, 3)]
    last = store.audit(flag="a", limit=3)[-1].id
    assert [one.reason for one in store.audit(flag="a", limit=3, before=last)] == [entry(0).reason]
    assert list(store.audit(flag="c")) == []
