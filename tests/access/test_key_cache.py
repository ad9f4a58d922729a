"""Keys checked from memory: how often the store is asked, how soon a revocation holds, what an outage does."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access import key_cache
from burgee.access.key_cache import KeyRing
from burgee.access.keys import Key, Kind, create, listed, revoke
from burgee.access.questions import Questions, Queue
from burgee.errors import Corrupt, StoreUnavailable
from burgee.stores import Put, Shelf
from burgee.stores.sqlite import SqliteStore
from support.keys import HOME, act
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from burgee.stores import Tenant


class Counted(SqliteStore):
    """Counts how often keys are read; broken where `down`."""

    reads = 0
    down = False

    def at(self, tenant: Tenant) -> Any:
        assert tenant.project == HOME.project
        return self

    def find(self, shelf: Shelf, key: str) -> Any:
        if self.down:
            raise StoreUnavailable("timeout")
        if shelf is Shelf.KEYS:
            self.reads += 1
        return super().find(shelf, key)


@pytest.fixture
def store() -> Iterator[Counted]:
    store = Counted(":memory:", HOME)
    yield store
    store.close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Inline(Queue):
    """Runs each job at once, where it is put."""

    def put(self, job: Callable[[], None]) -> bool:
        job()
        return True


class Idle(Queue):
    """Runs nothing."""

    def put(self, _job: Callable[[], None]) -> bool:
        return True


def ring_over(store: SqliteStore, clock: Callable[[], float] = time.monotonic) -> KeyRing:
    return KeyRing(store, clock=clock, queue=Inline)


def check(ring: KeyRing, token: str) -> Key | None:
    name, key, ask = ring.held(token)
    return asyncio.run(ring.ask(name, token)) if ask and name else key


def test_a_known_key_is_read_about_once_a_minute(store: Counted) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    for second in range(150):
        clock.now = 1000.0 + second
        assert check(ring, made.token) == made.key
    assert store.reads == 3


def test_an_unknown_key_is_read_once_in_ten_seconds_and_then_may_be_known(store: Counted) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    other = made.token.replace(made.key.id, "f" * 16)
    for second in range(30):
        clock.now = 1000.0 + second
        assert check(ring, other) is None
    assert store.reads == 3


def test_what_is_no_token_and_what_is_guessed_reads_nothing_more(store: Counted) -> None:
    ring, made = ring_over(store), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    reads = store.reads
    for guess in ("", "x", "burgee_", made.token + "0", made.token[:-1] + "g", made.token[:-2] + "00", "é" * 300):
        assert check(ring, guess) is None
    assert store.reads == reads


def test_a_revoked_key_is_known_for_a_minute_at_most(store: Counted) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    revoke(store, made.key.id, act("key.revoke"))
    clock.now += 60
    found = check(ring, made.token)
    assert found is not None
    assert found.fault(time.time()) == "revoked"


def test_a_known_key_works_on_while_the_store_is_down_and_a_new_one_does_not(store: Counted) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    new = create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    store.down = True
    for _ in range(3):
        clock.now += 3600
        assert check(ring, made.token) == made.key
        assert check(ring, made.token[:-2] + "00") is None
        with pytest.raises(StoreUnavailable):
            check(ring, new.token)
    store.down = False
    revoke(store, made.key.id, act("key.revoke"))
    clock.now += 10
    found = check(ring, made.token)
    assert found is not None
    assert found.fault(0)


class Waits:
    """Stands for `asyncio.timeout`: notes how long callers are ready to wait, one entry per wait.

    Where the store hangs the wait is over at once; else it is as long as it takes, on a busy machine too.
    """

    def __init__(self, gate: Event) -> None:
        self.asked: list[float] = []
        self.over_at_once = True
        self._gate = gate
        self._timeout = asyncio.timeout

    def __call__(self, seconds: float) -> asyncio.Timeout:
        self.asked.append(seconds)
        return self._timeout(0.0 if self.over_at_once and not self._gate.is_set() else PATIENCE)


class Hanging(Counted):
    """Lets a read of a key wait for a gate, and notes how many wait."""

    def __init__(self) -> None:
        super().__init__(":memory:", HOME)
        self.gate = Event()
        self.gate.set()
        self.waits = Waits(self.gate)
        self.revoked = False

    def find(self, shelf: Shelf, key: str) -> Any:
        found = super().find(shelf, key)
        assert self.gate.wait(PATIENCE)
        return {**found, "revoked_at": "2027-01-01T00:00:00Z"} if self.revoked else found


async def ask_many(ring: KeyRing, tokens: list[str]) -> list[Key | Exception | None]:
    """Each token checked at once, as requests would; what came of each."""

    async def one(token: str) -> Key | None:
        name, key, ask = ring.held(token)
        return await ring.ask(name, token) if ask and name else key

    return await asyncio.gather(*(one(token) for token in tokens), return_exceptions=True)  # type: ignore[return-value]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    store = Hanging()
    monkeypatch.setattr(asyncio, "timeout", store.waits)
    yield store
    store.gate.set()
    store.close()


def test_a_hanging_store_delays_known_keys_once(hanging: Hanging) -> None:
    """However many ask, and however many keys: each is read once, and only the first callers wait."""
    clock = Clock()
    ring = KeyRing(hanging, clock=clock)
    made = [create(hanging, Kind.SERVER, f"app {number}", act()) for number in range(20)]
    tokens = [one.token for one in made] * 10
    keys = [one.key for one in made] * 10
    assert asyncio.run(ask_many(ring, tokens)) == keys
    hanging.gate.clear()
    reads = hanging.reads
    for _ in range(3):
        clock.now += 60
        assert asyncio.run(ask_many(ring, tokens)) == keys
        assert not any(ring.held(token)[2] for token in tokens)
    assert hanging.reads - reads <= Queue()._threads
    hanging.gate.set()


def known_then_hanging(store: Hanging) -> tuple[Clock, KeyRing, list[str]]:
    """A clock, a ring and the tokens of three keys that it has read before the store stopped answering."""
    clock = Clock()
    ring = KeyRing(store, clock=clock)
    tokens = [create(store, Kind.SERVER, f"app {number}", act()).token for number in range(3)]
    assert all(asyncio.run(ask_many(ring, tokens)))
    store.gate.clear()
    return clock, ring, tokens


def test_once_a_caller_has_waited_in_vain_no_caller_with_another_key_waits(hanging: Hanging) -> None:
    """Until the store answers, or until it may have recovered: a process may have been frozen in between."""
    clock, ring, tokens = known_then_hanging(hanging)
    clock.now += key_cache.KNOWN_SECONDS
    assert [ring.held(token)[2] for token in tokens] == [True] * 3
    assert all(asyncio.run(ask_many(ring, tokens[:1])))
    assert [ring.held(token)[2] for token in tokens] == [False] * 3
    clock.now += key_cache.STALLED_SECONDS
    assert [ring.held(token)[2] for token in tokens[1:]] == [True] * 2
    hanging.gate.set()


def test_nobody_waits_for_a_store_that_is_seen_to_be_late_before_a_key_is_overdue(hanging: Hanging) -> None:
    clock, ring, tokens = known_then_hanging(hanging)
    clock.now += key_cache.READ_SECONDS
    assert not ring.held(tokens[0])[2]
    clock.now += key_cache.KNOWN_SECONDS - key_cache.READ_SECONDS
    assert [ring.held(token)[2] for token in tokens] == [False] * 3
    hanging.gate.set()


def test_a_store_that_fails_is_waited_for_by_nobody_until_it_answers(store: Counted) -> None:
    clock = Clock()
    ring = ring_over(store, clock)
    first, second = (create(store, Kind.SERVER, name, act()).token for name in ("one", "two"))
    assert check(ring, first)
    assert check(ring, second)
    clock.now += key_cache.KNOWN_SECONDS
    store.down = True
    ring.held(first)
    ring._asked_known = Questions(Idle())
    assert not ring.held(second)[2]
    ring._asked_known = Questions(Inline())
    store.down = False
    ring.held(second)
    clock.now += key_cache.KNOWN_SECONDS
    ring._asked_known = Questions(Idle())
    assert ring.held(first)[2]


def test_unknown_keys_in_a_hanging_store_are_answered_in_time_and_hold_up_no_known_one(hanging: Hanging) -> None:
    clock = Clock()
    ring, made = KeyRing(hanging, clock=clock), create(hanging, Kind.SERVER, "app", act())
    assert asyncio.run(ask_many(ring, [made.token])) == [made.key]
    strangers = [made.token.replace(made.key.id, f"{number:016x}") for number in range(50)]
    hanging.gate.clear()
    hanging.waits.asked = []

    async def crowd() -> tuple[list[Key | Exception | None], list[Key | Exception | None]]:
        waiting = asyncio.ensure_future(ask_many(ring, strangers))
        while len(hanging.waits.asked) < len(strangers):
            await asyncio.sleep(0)
        clock.now += 60
        known = await ask_many(ring, [made.token])
        return known, await waiting

    known, refused = asyncio.run(crowd())
    assert known == [made.key]
    assert {type(one) for one in refused} == {StoreUnavailable}
    assert hanging.waits.asked == [key_cache.UNKNOWN_PATIENCE] * len(strangers) + [key_cache.KNOWN_PATIENCE]
    clock.now += key_cache.UNKNOWN_PATIENCE
    hanging.waits.asked = []
    assert {type(one) for one in asyncio.run(ask_many(ring, strangers[:4]))} == {StoreUnavailable}
    assert hanging.waits.asked == []
    hanging.gate.set()


def test_a_key_that_was_revoked_while_the_process_was_frozen_is_not_let_in(hanging: Hanging) -> None:
    """Also where a question from before was frozen too: the first caller waits for it, however old it is."""
    clock = Clock()
    ring, made = KeyRing(hanging, clock=clock), create(hanging, Kind.SERVER, "app", act())
    assert asyncio.run(ask_many(ring, [made.token])) == [made.key]
    hanging.revoked = True
    hanging.gate.clear()
    clock.now += key_cache.READ_SECONDS
    assert asyncio.run(ask_many(ring, [made.token])) == [made.key], "read again behind"
    hanging.waits.asked = []
    clock.now += 3600
    hanging.waits.over_at_once = False

    async def thaw() -> list[Key | Exception | None]:
        asking = asyncio.ensure_future(ask_many(ring, [made.token]))
        while not hanging.waits.asked:
            await asyncio.sleep(0)
        hanging.gate.set()
        return await asking

    (found,) = asyncio.run(thaw())
    assert isinstance(found, Key)
    assert found.fault(0) == "revoked"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "server"},
        {"scopes": 5},
        {"kind": "queen", "scopes": []},
        {"kind": "server", "scopes": [], "digest": 5},
        {"kind": "server", "scopes": [], "expires_at": "soon"},
        {"kind": "server", "scopes": [], "expires_at": {}},
        {"kind": [], "scopes": []},
    ],
)
def test_a_malformed_record_is_a_fault_of_the_store(store: Counted, record: dict[str, Any]) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token) == made.key
    whole = dict(store.find(Shelf.KEYS, made.key.id))
    damaged = record if record in ({}, {"kind": "server"}, {"scopes": 5}) else {**whole, **record}
    store.keep([Put(Shelf.KEYS, made.key.id, damaged, blind=True)])
    clock.now += 60
    assert check(ring, made.token) == made.key
    with pytest.raises(Corrupt):
        check(ring_over(store, clock), made.token)


def test_a_record_of_a_newer_version_is_read_as_far_as_it_is_known(store: Counted) -> None:
    made = create(store, Kind.ADMIN, "app", act())
    whole = dict(store.find(Shelf.KEYS, made.key.id))
    store.keep([Put(Shelf.KEYS, made.key.id, {**whole, "scopes": ["read", "fly"], "colour": "red"}, blind=True)])
    assert check(ring_over(store), made.token) == made.key


def test_memory_is_bounded_and_strangers_push_no_key_out(store: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "LIMIT", 50)
    ring, made = ring_over(store), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    for number in range(500):
        assert check(ring, made.token.replace(made.key.id, f"{number:016x}")) is None
    reads = store.reads
    assert check(ring, made.token) == made.key
    assert store.reads == reads
    sizes = [len(memory) for memory in vars(ring).values() if isinstance(memory, dict)]
    assert max(sizes) == 50


def test_it_is_noted_when_a_key_was_last_seen_now_and_then(store: Counted) -> None:
    clock = Clock()
    ring, made = ring_over(store, clock), create(store, Kind.SERVER, "app", act())
    assert listed(store) == [(made.key, None)]
    writes = 0
    keep = store.keep

    def counted(*arguments: Any) -> None:
        nonlocal writes
        writes += 1
        keep(*arguments)

    store.keep = counted  # type: ignore[method-assign, assignment]
    for second in range(0, 1800, 10):
        clock.now = 1000.0 + second
        check(ring, made.token)
    assert writes == 3
    ((_, used),) = listed(store)
    assert used is not None


def test_the_time_of_a_comparison_says_nothing_of_how_much_is_right(store: Counted) -> None:
    """Wrong in the first digit of the secret or in the last: interleaved, the medians agree.

    A comparison that stops at the first difference would have nothing to stop at either: digests are compared.
    """
    made = create(store, Kind.SERVER, "app", act())
    start = len(made.token) - 64
    wrong = {place: swapped(made.token, start + place) for place in (0, 31, 63)}
    rounds = int(os.environ.get("BURGEE_TIMING_ROUNDS", "4000"))
    times: dict[int, list[int]] = {place: [] for place in wrong}
    for _ in range(rounds):
        for place, guess in wrong.items():
            started = time.perf_counter_ns()
            made.key.opens(guess)
            times[place].append(time.perf_counter_ns() - started)
    medians = [statistics.median(one) for one in times.values()]
    assert max(medians) / min(medians) < 1.25, medians


def swapped(token: str, place: int) -> str:
    return token[:place] + ("1" if token[place] == "0" else "0") + token[place + 1 :]
