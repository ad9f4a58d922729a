"""Keys checked from memory: how often the store is asked, how soon a revocation holds, what an outage does."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access import key_cache as keyring
from burgee.access.key_cache import KeyRing
from burgee.access.keys import Key, Kind, create, listed, revoke
from burgee.errors import StoreUnavailable
from burgee.stores import Shelf
from burgee.stores.sqlite import SqliteStore
from support.keys import HOME, act

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def check(ring: KeyRing, token: str) -> Key | None:
    name, key, ask = ring.held(token)
    return ring.ask(name, token) if ask and name else key


def test_a_known_key_is_read_about_once_a_minute(store: Counted) -> None:
    clock = Clock()
    ring, made = KeyRing(store, clock=clock), create(store, Kind.SERVER, "app", act())
    for second in range(165):
        clock.now = 1000.0 + second
        assert check(ring, made.token) == made.key
    assert store.reads == 3


def test_an_unknown_key_is_read_once_in_ten_seconds_and_then_may_be_known(store: Counted) -> None:
    clock = Clock()
    ring, made = KeyRing(store, clock=clock), create(store, Kind.SERVER, "app", act())
    other = made.token.replace(made.key.id, "f" * 16)
    for second in range(30):
        clock.now = 1000.0 + second
        assert check(ring, other) is None
    assert store.reads == 3


def test_what_is_no_token_and_what_is_guessed_reads_nothing_more(store: Counted) -> None:
    ring, made = KeyRing(store), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    reads = store.reads
    for guess in ("", "x", "burgee_", made.token + "0", made.token[:-1] + "g", made.token[:-2] + "00", "é" * 300):
        assert check(ring, guess) is None
    assert store.reads == reads


def test_a_revoked_key_is_known_for_a_minute_at_most(store: Counted) -> None:
    clock = Clock()
    ring, made = KeyRing(store, clock=clock), create(store, Kind.SERVER, "app", act())
    assert check(ring, made.token)
    revoke(store, made.key.id, act("key.revoke"))
    clock.now += 60
    found = check(ring, made.token)
    assert found is not None
    assert found.fault(time.time()) == "revoked"


def test_a_known_key_works_on_while_the_store_is_down_and_a_new_one_does_not(store: Counted) -> None:
    clock = Clock()
    ring, made = KeyRing(store, clock=clock), create(store, Kind.SERVER, "app", act())
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


def test_memory_is_bounded_and_strangers_push_no_key_out(store: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LIMIT", 50)
    ring, made = KeyRing(store), create(store, Kind.SERVER, "app", act())
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
    ring, made = KeyRing(store, clock=clock), create(store, Kind.SERVER, "app", act())
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
