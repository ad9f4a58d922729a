"""The audit log on every store: its order is the order of the changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from burgee.errors import Conflict
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.stores import Put, Shelf
from burgee.stores.audit import AuditContext
from support.stores import committed, entry

if TYPE_CHECKING:
    from burgee.model import Snapshot
    from burgee.stores import Change, State, Store
    from support.stores import Open


def test_the_audit_log_is_read_oldest_first_from_an_entry_on(store: Store) -> None:
    committed(store, audit=[entry(1), entry(2, "a")])
    store.keep([Put(Shelf.KEYS, "a", {})], [entry(3)])
    committed(store, audit=[entry(4)])
    entries = list(reversed(store.audit()))
    assert [one.reason for one in entries] == [entry(number).reason for number in (1, 2, 3, 4)]
    assert list(store.audit_after("")) == entries
    assert list(store.audit_after("", limit=3)) == entries[:3]
    for place, one in enumerate(entries):
        assert list(store.audit_after(one.id)) == entries[place + 1 :]


def test_a_commit_that_does_not_fit_into_one_transaction_is_read_in_the_same_order(store: Store) -> None:
    committed(store, audit=[entry(number) for number in range(250)])
    committed(store, audit=[entry(250)])
    found = store.audit_after("")
    while len(found) < 251:
        found = [*found, *store.audit_after(found[-1].id, limit=99)]
    assert [one.reason for one in found] == [entry(number).reason for number in range(251)]


@pytest.mark.threads
def test_writes_at_once_stand_in_the_log_in_the_order_in_which_they_were_served(open_store: Open) -> None:
    """Each entry starts from the value that the one before it left, and the newest names the live value."""
    writers, writes = 4, 10
    stores = [open_store() for _ in range(writers)]
    start = Barrier(writers + 1)

    def change(number: int) -> None:
        start.wait()
        for turn in range(writes):
            act = AuditContext("flag.update", f"writer {number}", f"turn {turn}", 1_800_000_000 - turn * number)
            wanted = {"status": True, "description": f"{number}.{turn}"}

            def decide(state: State, snapshot: Snapshot, wanted=wanted, act=act) -> Change:  # type: ignore[no-untyped-def]
                return lay(state, snapshot, "beta", wanted, act)

            while True:
                try:
                    write(stores[number], decide)
                except Conflict:
                    continue
                break

    def keep() -> None:
        """Entries that no commit writes come between them."""
        other = open_store()
        start.wait()
        for turn in range(writes):
            other.keep([Put(Shelf.KEYS, str(turn), {})], [entry(turn)])

    with ThreadPoolExecutor(writers + 1) as pool:
        for ran in [*[pool.submit(change, number) for number in range(writers)], pool.submit(keep)]:
            ran.result()
    oldest_first = [one for one in open_store().audit_after("", limit=500) if one.flag == "beta"]
    assert len(oldest_first) == writers * writes
    assert [one.before for one in oldest_first] == [None, *(one.after for one in oldest_first[:-1])]
    assert oldest_first[-1].after == open_store().state().overrides["beta"].definition
