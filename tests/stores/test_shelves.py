"""Records of shelves, alone and beside a commit, on every store."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from burgee.errors import Conflict, NotFound
from burgee.stores import Change, Put, Shelf, State, Tenant
from support.stores import committed, entry, override

if TYPE_CHECKING:
    from burgee.stores import Store
    from support.stores import Open


def test_a_record_of_a_shelf_comes_back_as_it_was_written(open_store: Open) -> None:
    value = {"z": [1, 1.0, None, True], "a": {"Grüße": "日本語 👩‍🚀"}}
    open_store().keep([Put(Shelf.KEYS, "one", value), Put(Shelf.KEYS, "two", {})])
    other = open_store()
    assert json.dumps(other.find(Shelf.KEYS, "one")) == json.dumps(value)
    assert other.shelf(Shelf.KEYS) == {"one": value, "two": {}}
    assert other.find(Shelf.KEYS, "three") is None
    assert other.find(Shelf.SETTINGS, "one") is None
    assert other.shelf(Shelf.USE) == {}


def test_a_record_is_written_only_over_what_its_writer_has_seen(store: Store) -> None:
    store.keep([Put(Shelf.KEYS, "a", {"n": 1}), Put(Shelf.KEYS, "b", {"n": 1})])
    for before in (None, {"n": 2}, {}):
        puts = [Put(Shelf.KEYS, "b", {"n": 9}, {"n": 1}), Put(Shelf.KEYS, "a", {"n": 9}, before)]
        with pytest.raises(Conflict):
            store.keep(puts, [entry(1)])
        with pytest.raises(Conflict):
            store.keep(puts[1:])
    assert store.shelf(Shelf.KEYS) == {"a": {"n": 1}, "b": {"n": 1}}
    assert list(store.audit()) == []
    store.keep([Put(Shelf.KEYS, "a", {"n": 2}, {"n": 1})], [entry(1)])
    store.keep([Put(Shelf.KEYS, "a", {"n": 3}, blind=True)])
    assert store.find(Shelf.KEYS, "a") == {"n": 3}
    assert [one.reason for one in store.audit()] == [entry(1).reason]


def test_a_record_that_may_be_forgotten_is_there_until_then(store: Store) -> None:
    store.keep([Put(Shelf.REQUESTS, "a", {"n": 1}, until=time.time() + 3600)])
    store.keep([Put(Shelf.REQUESTS, "b", {"n": 1})])
    assert store.find(Shelf.REQUESTS, "a") == {"n": 1}


def test_a_store_shows_the_same_data_for_another_tenant(open_store: Open) -> None:
    one, other = Tenant("shop", "production"), Tenant("shop", "staging")
    store = open_store(one)
    store.keep([Put(Shelf.KEYS, "a", {"n": 1})])
    view = store.at(other)
    assert (view.tenant, store.tenant) == (other, one)
    assert view.shelf(Shelf.KEYS) == {}
    view.keep([Put(Shelf.KEYS, "a", {"n": 2})])
    committed(view, lay=[override("f")])
    assert store.find(Shelf.KEYS, "a") == {"n": 1}
    assert store.state() == State()
    assert view.at(one).find(Shelf.KEYS, "a") == {"n": 1}


@pytest.mark.threads
def test_of_those_who_write_one_record_exactly_one_wins(open_store: Open) -> None:
    racers = 6
    stores = [open_store() for _ in range(racers)]
    start = Barrier(racers)

    def race(number: int) -> bool:
        start.wait()
        try:
            stores[number].keep([Put(Shelf.REQUESTS, "a", {"n": number})], [entry(number)])
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(racers) as pool:
        won = list(pool.map(race, range(racers)))
    assert won.count(True) == 1
    assert stores[0].find(Shelf.REQUESTS, "a") == {"n": won.index(True)}
    assert [one.reason for one in stores[0].audit()] == [entry(won.index(True)).reason]


def test_a_commit_writes_its_records_or_nothing_at_all(store: Store) -> None:
    begun, done = {"at": 1}, {"at": 1, "status": 200}
    store.keep([Put(Shelf.REQUESTS, "a", begun)])
    committed(store, lay=[override("f")], audit=[entry(1)], puts=[Put(Shelf.REQUESTS, "a", done, begun)])
    before = store.state()
    assert (store.find(Shelf.REQUESTS, "a"), list(before.overrides)) == (done, ["f"])
    for puts in (
        [Put(Shelf.REQUESTS, "a", {}, begun)],
        [Put(Shelf.REQUESTS, "b", {}), Put(Shelf.REQUESTS, "a", {})],
        [Put(Shelf.REQUESTS, "b", {}, begun)],
    ):
        with pytest.raises(Conflict):
            committed(store, lift=["f"], lay=[override("g")], audit=[entry(2)], puts=puts)
    with pytest.raises(Conflict):
        store.commit(Change(puts=[Put(Shelf.REQUESTS, "b", {})]), expected=before.pointer.revision - 1)
    with pytest.raises(NotFound):
        committed(store, activate=7, puts=[Put(Shelf.REQUESTS, "b", {})])
    assert store.state() == before
    assert store.shelf(Shelf.REQUESTS) == {"a": done}
    assert [one.reason for one in store.audit()] == [entry(1).reason]


def test_a_record_is_deleted_only_if_it_is_what_its_writer_has_seen(store: Store) -> None:
    store.keep([Put(Shelf.KEYS, "a", {"n": 1}), Put(Shelf.KEYS, "b", {"n": 1}), Put(Shelf.KEYS, "c", {"n": 1})])
    for puts in ([Put(Shelf.KEYS, "a", None, {"n": 2})], [Put(Shelf.KEYS, "a", None)]):
        with pytest.raises(Conflict):
            store.keep(puts)
        with pytest.raises(Conflict):
            store.keep([Put(Shelf.KEYS, "b", {"n": 2}, {"n": 1}), *puts])
    assert store.shelf(Shelf.KEYS) == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}}
    store.keep([Put(Shelf.KEYS, "a", None, {"n": 1})])
    store.keep([Put(Shelf.KEYS, "b", None, {"n": 1}), Put(Shelf.KEYS, "d", {"n": 1})], [entry(1)])
    store.keep([Put(Shelf.KEYS, "c", None, blind=True)])
    assert store.shelf(Shelf.KEYS) == {"d": {"n": 1}}
    committed(store, puts=[Put(Shelf.KEYS, "d", None, {"n": 1})])
    assert store.shelf(Shelf.KEYS) == {}
    store.keep([Put(Shelf.KEYS, "a", {"n": 5})])
    assert store.find(Shelf.KEYS, "a") == {"n": 5}
