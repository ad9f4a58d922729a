"""The ruleset that follows a store, and keeps serving whatever the store does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Thread, local
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

import pytest

from burgee.errors import Corrupt, StoreUnavailable
from burgee.evaluation.snapshots import payload
from burgee.model import Override
from burgee.serving import serving as serving_module
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin
from burgee.stores.sqlite import SqliteStore
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Pointer, State


Read = TypeVar("Read")


class Faulty(SqliteStore):
    """A store that counts its calls, and fails when asked to: the fault cannot be had otherwise."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.polls = 0
        self.states = 0
        self.fault: Exception | None = None
        self.damaged: bytes | None = None
        self.gate: Event | None = None
        self.entered = Event()

    def pointer(self) -> Pointer:
        self.polls += 1
        if self.fault is not None:
            raise self.fault
        return self.pass_gate(super().pointer())

    def state(self) -> State:
        self.states += 1
        if self.fault is not None:
            raise self.fault
        return self.pass_gate(super().state())

    def pass_gate(self, read: Read) -> Read:
        """What was read, late."""
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE)
        return read

    def payload(self, version: int) -> bytes:
        return super().payload(version) if self.damaged is None else self.damaged

    def put(self, **flags: Any) -> None:
        snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
        release = self.stage(payload(snapshot), Origin(commit="abc"), flags=len(flags), at="t")
        self.commit(Change(activate=release.version), expected=super().pointer().revision)


class Clock:
    """Seconds that pass when asked to."""

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


def test_what_this_process_committed_is_served_at_once_however_late_the_pointer_is(
    store: Faulty, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(a=ON)
    old = store.pointer()
    serving = Serving(store, refresh_seconds=10, clock=clock)
    assert value(serving) is True
    monkeypatch.setattr(store, "pointer", lambda: old)
    store.commit(Change(lay=[Override("a", OFF, "ada", "", "t", "t")]), expected=old.revision)
    serving.refresh()
    assert value(serving) is False
    for _ in range(5):
        clock.now += 13
        assert value(serving) is False
    assert serving.status().error is None


def test_a_commit_that_could_not_be_read_at_once_is_read_within_a_second(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    assert value(serving) is True
    store.put(a=OFF)
    store.fault = StoreUnavailable("throttled")
    serving.refresh()
    assert value(serving) is True
    store.fault = None
    clock.now += 1
    assert value(serving) is False


def test_a_store_that_went_back_takes_nobody_back_and_is_reported(
    store: Faulty, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was replaced, or a table that was restored, while it is served."""
    store.put(a=ON)
    old = store.state()
    store.put(a=OFF)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    assert value(serving) is False
    monkeypatch.setattr(store, "state", lambda: old)
    monkeypatch.setattr(store, "pointer", lambda: old.pointer)
    clock.now += 13
    assert value(serving) is False
    assert "went back from revision 2 to 1" in str(serving.status().error)
    serving.refresh()
    assert value(serving) is True, "what this process has committed since is what the store has now"


@pytest.mark.parametrize("fault", [RecursionError("deep"), RuntimeError("a bug"), MemoryError()])
def test_whatever_a_source_raises_the_last_good_ruleset_serves(store: Faulty, clock: Clock, fault: Exception) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, patience=10, clock=clock)
    assert value(serving) is True
    store.fault = fault
    clock.now += 13
    before = store.polls
    assert [value(serving) for _ in range(5)] == [True] * 5
    assert store.polls == before + 1
    assert type(fault).__name__ in str(serving.status().error)


@contextmanager
def joins() -> Iterator[list[float]]:
    """How long callers were ready to wait for a poll, one entry per wait."""
    waited: list[float] = []

    class Waited(Thread):
        def join(self, timeout: float | None = None) -> None:
            waited.append(timeout or 0.0)
            super().join(timeout)

    with mock.patch.object(serving_module, "Thread", Waited):
        yield waited


def test_a_store_that_hangs_at_the_first_answer_holds_up_its_caller_alone(
    store: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "FIRST_PATIENCE_SECONDS", 0.05)
    store.put(a=ON)
    store.gate = Event()
    serving = Serving(store, {"format": 1, "flags": {"b": ON}}, refresh_seconds=0, patience=0.05)
    with joins() as waited:
        assert [value(serving, "b") for _ in range(50)] == [True] * 50
    assert waited == [0.05], "one caller, once"
    assert store.states == 1
    store.gate.set()
    serving.refresh()
    assert value(serving) is True


def test_a_pointer_that_lags_takes_nobody_back(store: Faulty, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An eventually consistent read may be out of date; the state is then read consistently."""
    store.put(a=ON)
    old = store.pointer()
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    store.put(a=OFF)
    clock.now += 13
    assert value(serving) is False
    monkeypatch.setattr(store, "pointer", lambda: old)
    clock.now += 13
    assert value(serving) is False
    assert serving.status().version == 2


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


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not json",
        b"[]",
        b'{"format": 3, "flags": {}}',
        b'{"format": 1}',
        b'{"format": 1, "flags": []}',
        b'{"format": 1, "flags": {}, "segments": null}',
        b'{"format": 1, "flags": {}, "holdouts": [1]}',
        b"[" * 100_000,
    ],
    ids=lambda damage: damage.decode()[:44],
)
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
    store.entered.clear()
    clock.now += 13
    slow = Thread(target=serving.ruleset)
    slow.start()
    assert store.entered.wait(PATIENCE)
    assert [value(serving) for _ in range(20)] == [True] * 20
    assert store.polls == 1
    store.gate.set()
    slow.join()
    clock.now += 13
    assert value(serving) is False


def test_a_writer_is_served_what_it_wrote_even_while_another_looks(store: Faulty, clock: Clock) -> None:
    """Another thread has read the old pointer and is slow to use it; the writer's refresh must not use it."""
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    clock.now += 13
    store.gate = Event()
    store.entered.clear()
    slow = Thread(target=serving.ruleset)
    slow.start()
    assert store.entered.wait(PATIENCE)
    store.put(a=OFF)
    writer = Thread(target=serving.refresh)
    writer.start()
    store.gate.set()
    slow.join()
    writer.join()
    assert value(serving) is False


def test_nobody_waits_longer_for_a_slow_store_than_they_must(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, patience=0.05, clock=clock)
    assert value(serving) is True
    store.put(a=OFF)
    store.gate = Event()
    clock.now += 13
    with joins() as waited:
        assert [value(serving) for _ in range(20)] == [True] * 20
    assert waited == [0.05], "one caller, once"
    assert store.polls == 1, "one poll, however many callers come"
    store.gate.set()
    serving.refresh()
    assert value(serving) is False


def test_a_quick_store_is_waited_for(store: Faulty, clock: Clock) -> None:
    """What is due is served by the same answer that found it due, not by the next."""
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, patience=10, clock=clock)
    assert value(serving) is True
    store.put(a=OFF)
    clock.now += 13
    assert value(serving) is False


def test_a_store_that_was_dead_at_the_start_is_waited_for_once(store: Faulty, clock: Clock) -> None:
    store.put(a=OFF)
    store.fault = StoreUnavailable("refused")
    serving = Serving(store, {"format": 1, "flags": {"a": ON}}, refresh_seconds=10, patience=0.05, clock=clock)
    assert value(serving) is True
    store.fault, store.gate = None, Event()
    clock.now += 13
    assert value(serving) is True
    store.gate.set()
    serving.refresh()
    assert value(serving) is False


@pytest.mark.parametrize("fault", [None, StoreUnavailable("timeout")])
def test_many_who_come_at_a_cold_start_share_one_look_at_the_store(store: Faulty, fault: Exception | None) -> None:
    """All of them have seen that a refresh is due before the first has its answer; a dead store costs one timeout."""
    crowd = Barrier(8)
    start = local()

    def clock() -> float:
        if getattr(start, "arriving", False):
            start.arriving = False
            crowd.wait(PATIENCE)
        return 1000.0

    store.put(a=ON)
    store.fault = fault
    serving = Serving(store, {"format": 1, "flags": {"a": ON}}, clock=clock)

    def arrive(_: int) -> Any:
        start.arriving = True
        return value(serving)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(arrive, range(8))) == [True] * 8
    assert (store.states, store.polls) == (1, 0)


def test_the_same_flags_in_a_later_release_are_reported_as_that_release(store: Faulty, clock: Clock) -> None:
    store.put(a=ON)
    serving = Serving(store, refresh_seconds=10, clock=clock)
    serving.ruleset()
    store.put(a=OFF)
    store.put(a=ON)
    clock.now += 13
    assert serving.ruleset().release["version"] == 3
    assert serving.ruleset().evaluate("a", {}, 0).metadata["version"] == 3
    assert serving.status().version == 3


def test_overrides_are_served_over_the_bundled_release_before_the_first_deploy(store: Faulty, clock: Clock) -> None:
    store.commit(Change(lay=[Override("b", ON, "ada", "", "t", "t")]), expected=0)
    serving = Serving(store, {"format": 1, "flags": {"a": ON}}, clock=clock)
    assert [value(serving, flag) for flag in ("a", "b")] == [True, True]
    assert serving.status().source == "bundled"


def test_without_a_store_the_bundled_release_is_all(clock: Clock) -> None:
    serving = Serving(bundled={"format": 1, "flags": {"a": ON}}, clock=clock)
    assert value(serving) is True
    assert serving.status().source == "bundled"
