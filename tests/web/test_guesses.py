"""A flood of wrong keys reads little, and keeps out neither keys that are known nor those of other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from burgee.web.protection.access import UNKNOWN, UNKNOWN_EACH, Access, network
from support.keys import HOME, bearer, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True}}
URL = "/users/u/flags/beta"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


class Senders:
    """Clients at made-up addresses, on a clock that stands still."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock = [0.0]
        ring = KeyRing(store, clock=lambda: self.clock[0])
        self.app = evaluation_app(Serving(store), store, Setup(ring=ring))
        self.app.access = Access(HOME, ring, clock=lambda: self.clock[0])
        self._guess = token(store, Kind.SERVER)
        self._guesses = 0

    def ask(self, address: str, key: str) -> int:
        client = TestClient(self.app, client=(address, 1))
        return client.get(URL, headers=bearer(key)).status_code

    def guess(self, address: str) -> int:
        """The answer to a key that nobody has and nobody has tried before."""
        self._guesses += 1
        identity = self._guess.split("_")[3]
        return self.ask(address, self._guess.replace(identity, f"{self._guesses:016x}"))


def test_guesses_of_one_address_keep_nobody_else_out(store: SqliteStore) -> None:
    senders = Senders(store)
    known = token(store, Kind.SERVER)
    assert senders.ask("192.0.2.1", known) == 200
    answers = [senders.guess("192.0.2.9") for _ in range(UNKNOWN_EACH.burst + 100)]
    assert answers.count(401) == UNKNOWN_EACH.burst
    assert answers.count(429) == 100
    assert [senders.ask("192.0.2.2", token(store, Kind.SERVER)) for _ in range(20)] == [200] * 20
    # Known keys pass also from the address that guesses, and when they are due to be read again.
    assert senders.ask("192.0.2.9", known) == 200
    senders.clock[0] = 54.0
    assert [senders.guess("192.0.2.9") for _ in range(UNKNOWN_EACH.burst + 1)][-1] == 429
    assert senders.ask("192.0.2.9", known) == 200


def test_guesses_of_many_addresses_read_no_more_than_the_bound_of_all(store: SqliteStore) -> None:
    senders = Senders(store)
    known = token(store, Kind.SERVER)
    assert senders.ask("192.0.2.1", known) == 200
    answers = [senders.guess(f"198.51.{number // 200}.{number % 200}") for number in range(UNKNOWN.burst + 50)]
    assert answers.count(401) == UNKNOWN.burst - 1  # the known key was looked up once too
    assert senders.ask("192.0.2.1", known) == 200


def test_a_refused_guess_says_when_to_come_back(store: SqliteStore) -> None:
    senders = Senders(store)
    while senders.guess("2001:db8::1") == 401:
        pass
    reported = TestClient(senders.app, client=("2001:db8::2", 1)).get(URL, headers=bearer(token(store, Kind.SERVER)))
    assert (reported.status_code, reported.headers["retry-after"]) == (429, "1")
    senders.clock[0] += 1
    assert senders.guess("2001:db8::3") == 401


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::4", "2001:db8:1:3::4", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("not:an:address", "not:an:address", True),
        ("", "", True),
    ],
)
def test_addresses_that_one_sender_chooses_among_are_one(one: str, other: str, *, same: bool) -> None:
    assert (network(one) == network(other)) is same
