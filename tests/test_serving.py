"""The ruleset that follows a store, and keeps serving whatever the store does."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt, StoreUnavailable
from burgee.model import Override
from burgee.serving import Serving
from burgee.snapshots import payload
from burgee.stores import Change, Origin
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Pointer, State


class Faulty(SqliteStore):
    """A store that counts its calls, and fails when told to: the fault cannot be had otherwise."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.polls = 0
        self.states = 0
        self.fault: Exception | None = None
        self.damaged: bytes | None = None
        self.gate: Event | None = None

    def pointer(self) -> Pointer:
        self.polls += 1
        if self.fault is not None:
            raise self.fault
        if self.gate is not None:
            self.gate.wait(10)
        return super().pointer()

    def state(self) -> State:
        self.states += 1
        if self.fault is not None:
            raise self.fault
        return super().state()

    def payload(self, version: int) -> bytes:
        return super().payload(version) if self.damaged is None else self.damaged

    def put(self, **flags: Any) -> None:
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        release = self.stage(payload(snapshot), Origin(commit="abc"), flags=len(flags), at="t")
        self.commit(Change(activate=release.version), expected=super().pointer().revision)


class Clock:
    """Seconds that pass when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Iterator[Faulty]:
    store = Faulty()
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


ON, OFF = {"status": True}, {"status": False}


def value(serving: Serving, flag: str = "a") -> Any:
    return serving.ruleset().evaluate(flag, {}, 0).value


def test_a_release_is_served_and_the_store_asked_only_when_due(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    assert value(serving) is True
    assert (store.polls, store.states) == (0, 1)
    store.put(a=OFF)
    clock.now += 7.9
    assert value(serving) is True
    assert store.polls == 0
    clock.now += 4.2
    assert value(serving) is False
    assert (store.polls, store.states) == (1, 2)
    assert serving.ruleset().release["commit"] == "abc"
    assert serving.status().version == 2


def test_an_unchanged_pointer_costs_one_poll(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    for _ in range(5):
        clock.now += 13
        serving.ruleset()
    assert (store.polls, store.states) == (4, 1)


def test_refreshes_are_spread(store: Faulty, clock: Clock) -> None:
    """Each is due after 8 to 12 of 10 seconds, and not always after the same time."""
    serving = Serving(store, refresh_seconds=10, clock=clock)
    waits = set()
    for _ in range(40):
        serving.refresh()
        before, start = store.polls, clock.now
        while store.polls == before:
            clock.now += 0.1
            serving.ruleset()
        waits.add(round(clock.now - start, 1))
    assert min(waits) > 7.9
    assert max(waits) < 12.3
    assert len(waits) > 5


def test_an_override_is_noticed(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    store.commit(Change(lay=[Override("a", OFF, "ada", "", "t", "t")]), expected=1)
    clock.now += 13
    assert value(serving) is False


@pytest.mark.parametrize("fault", [StoreUnavailable("timeout"), Corrupt("bad bytes")])
def test_whatever_the_store_does_the_last_good_ruleset_serves(store: Faulty, clock: Clock, fault: Exception) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    assert value(serving) is True
    store.fault = fault
    clock.now += 100_000
    assert value(serving) is True
    status = serving.status()
    assert (status.source, status.version) == ("store", 1)
    assert status.age_seconds == pytest.approx(100_000)
    assert status.error == f"{type(fault).__name__}: {fault}"
    store.fault = None
    store.put(a=OFF)
    clock.now += 13
    assert value(serving) is False
    assert (serving.status().error, serving.status().age_seconds) == (None, 0)


@pytest.mark.parametrize("damage", [b"", b"not json", b"[]", b'{"format": 2, "flags": {}}', b'{"format": 1}'])
def test_a_release_that_cannot_be_read_is_not_served(store: Faulty, clock: Clock, damage: bytes) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    store.put(a=OFF)
    store.damaged = damage
    clock.now += 13
    assert value(serving) is True
    assert serving.status().error
    store.damaged = None
    clock.now += 13
    assert value(serving) is False


def test_a_cold_start_without_the_store_serves_the_bundled_release(store: Faulty, clock: Clock) -> None:
    store.put(a=OFF)
    store.fault = StoreUnavailable("refused")
    serving = Serving(store, {"format": 1, "flags": {"a": ON}}, refresh_seconds=10, clock=clock)
    assert value(serving) is True
    assert serving.status().source == "bundled"
    store.fault = None
    clock.now += 13
    assert value(serving) is False
    assert serving.status().source == "store"


def test_one_refresh_is_in_flight_and_the_others_go_on_with_the_old_ruleset(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    store.put(a=OFF)
    store.gate = Event()
    clock.now += 13
    slow = Thread(target=serving.ruleset)
    slow.start()
    while store.polls == 0:
        pass
    assert [value(serving) for _ in range(20)] == [True] * 20
    assert store.polls == 1
    store.gate.set()
    slow.join()
    assert value(serving) is False


def test_without_a_store_the_bundled_release_is_all(clock: Clock) -> None:
    serving = Serving(bundled={"format": 1, "flags": {"a": ON}}, clock=clock)
    assert value(serving) is True
    assert serving.status().source == "bundled"
