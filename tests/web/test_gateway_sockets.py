"""Connections of the WebSocket API: who is admitted, and that all are notified once, at a rate, whatever fails."""

from __future__ import annotations

import json
from contextlib import closing
from copy import deepcopy
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind, Scope
from burgee.errors import StoreUnavailable
from burgee.stores import Put, Shelf, Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.web.gateway_sockets import (
    CONNECTION_SECONDS,
    LEASE_SECONDS,
    SLICE_SECONDS,
    Notified,
    Notifier,
    Posted,
    connect,
    disconnect,
)
from burgee.web.protection.token_buckets import Buckets, Rate
from support.dynamodb import either_store
from support.keys import HOME, expired, release, revoked, token
from support.lambda_runtime import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store

NOW = 1_796_115_600.0
BEGIN = event("websocket-connect")
OTHER_ENVIRONMENT = Tenant(HOME.project, "staging")


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with either_store(request.param, monkeypatch, HOME) as opened:
        release(opened, {"beta": {"status": True}})
        yield opened


def begun(key: str | None, *, number: int = 0, header: str = "") -> Any:
    """The event of a connection that offers a key."""
    made = deepcopy(BEGIN)
    made["requestContext"]["connectionId"] = f"connection-{number}="
    offered = made["headers"]["Sec-WebSocket-Protocol"].replace("KEY", (key or "").replace("/", "~"))
    made["headers"]["Sec-WebSocket-Protocol"] = offered if key is not None and not header else "burgee.live"
    if header:
        made["headers"][header] = key if header != "authorization" else f"Bearer {key}"
    return made


def held(store: Store) -> dict[str, Any]:
    return {
        name: record["environment"] for name, record in store.shelf(Shelf.SOCKETS).items() if "environment" in record
    }


def test_a_key_that_may_evaluate_opens_one(store: Store) -> None:
    keys = [token(store, Kind.CLIENT), token(store, Kind.SERVER), token(store, Kind.ADMIN, Scope.READ)]
    chosen = {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "burgee.live"}}
    for number, key in enumerate(keys):
        assert connect(store, begun(key, number=number), keyed=True, now=NOW) == chosen
    for number, header in enumerate(("authorization", "X-API-Key"), 3):
        assert connect(store, begun(keys[0], number=number, header=header), keyed=True, now=NOW) == chosen
    assert held(store) == {f"connection-{number}=": HOME.environment for number in range(5)}
    disconnect(store, "connection-1=")
    disconnect(store, "connection-1=")
    assert len(held(store)) == 4


def test_no_other_key_does(store: Store) -> None:
    elsewhere = store.at(Tenant("elsewhere", "production"))
    refused = [
        None,
        "",
        "x",
        token(store, Kind.CLIENT)[:-1] + "x",
        revoked(store, Kind.CLIENT),
        token(elsewhere, Kind.CLIENT),
        "é" * 300,
    ]
    for key in refused:
        assert connect(store, begun(key), keyed=True, now=NOW) == {"statusCode": 401}
    assert connect(store, begun(expired(store, Kind.CLIENT)), keyed=True, now=4e9) == {"statusCode": 401}
    admin = token(store, Kind.ADMIN, Scope.RELEASE)
    assert connect(store, begun(admin), keyed=True, now=NOW) == {"statusCode": 403}
    assert not held(store)


def test_an_open_service_asks_for_none_and_a_key_of_another_environment_is_of_that(store: Store) -> None:
    assert connect(store, begun(None), keyed=False, now=NOW)["statusCode"] == 200
    other = token(store.at(OTHER_ENVIRONMENT), Kind.CLIENT)
    assert connect(store, begun(other, number=1), keyed=True, now=NOW)["statusCode"] == 200
    assert held(store) == {"connection-0=": HOME.environment, "connection-1=": OTHER_ENVIRONMENT.environment}


class Api:
    """API Gateway: connections that are there, gone, or fail, and what each was sent; and a clock."""

    def __init__(self, store: Store, rate: float = 1_000.0) -> None:
        self.now = NOW + 100
        self.sent: dict[str, list[str]] = {}
        self.gone: set[str] = set()
        self.failing: set[str] = set()
        self.times: list[float] = []
        self._lock = Lock()
        self.notifier = Notifier(store, self.post, rate, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def post(self, connection: str, data: bytes) -> Posted:
        if connection in self.gone:
            return Posted.GONE
        if connection in self.failing:
            return Posted.FAILED
        message = json.loads(data)
        assert message["type"] == "refetchEvaluation"
        with self._lock:
            self.sent.setdefault(connection, []).append(message["etag"])
            self.times.append(self.now)
        return Posted.SENT


def opened(store: Store, number: int, environment: str = HOME.environment, at: float = NOW) -> None:
    puts = [
        Put(Shelf.SOCKETS, f"{environment}-{one}", {"environment": environment, "at": at}, blind=True)
        for one in range(number)
    ]
    for put in puts:
        store.keep([put])


def test_all_of_an_environment_are_notified_once_for_a_revision(store: Store) -> None:
    opened(store, 3)
    opened(store, 2, "staging")
    opened(store, 1, "old", at=NOW - CONNECTION_SECONDS - 200)
    api = Api(store)
    assert api.notifier.moved(HOME) == Notified(sent=3)
    assert api.sent == {f"{HOME.environment}-{number}": ["1"] for number in range(3)}
    assert api.notifier.moved(HOME) == Notified(), "an entry of a key, or the rest of the same commit"
    release(store, {"beta": {"status": False}})
    assert api.notifier.moved(HOME) == Notified(sent=3)
    assert api.sent[f"{HOME.environment}-0"] == ["1", "2"]
    assert api.notifier.moved(Tenant(HOME.project, "old")) == Notified()


def test_those_that_are_gone_are_dropped_but_not_those_that_are_opening(store: Store) -> None:
    opened(store, 3)
    opened(store, 1, at=NOW + 95)
    api = Api(store)
    api.gone = set(held(store))
    assert api.notifier.moved(HOME) == Notified(gone=3)
    assert len(held(store)) == 1, "it looks gone until it is complete"


def test_they_are_notified_at_the_rate(store: Store) -> None:
    opened(store, 40)
    api = Api(store, rate=20.0)
    assert api.notifier.moved(HOME) == Notified(sent=40)
    assert max(api.times) - min(api.times) >= 1.7
    within = [sum(start <= at < start + 1 for at in api.times) for start in api.times]
    assert max(within) <= 20


def refusals(times: list[float], evaluation_rate: int) -> int:
    """How many of the pages that were notified then the API throttles, while others use two thirds of its rate.

    A page evaluates 50 to 250 ms after a message, as live.js says.
    """
    chance, first = Random(1), min(times)
    pages = [(at + chance.uniform(0.05, 0.25), "page") for at in times]
    length = max(times) - first + 1
    others = [
        (first + number / (evaluation_rate * 2 / 3), "other")
        for number in range(int(length * evaluation_rate * 2 / 3))
    ]
    now = first
    bucket = Buckets(Rate("evaluate", evaluation_rate, evaluation_rate), clock=lambda: now)
    refused = 0
    for at, kind in sorted(pages + others):
        now = at
        through, _ = bucket.take("all")
        refused += kind == "page" and not through
    return refused


def test_ten_thousand_pages_behind_an_evaluation_rate_of_2000_all_evaluate() -> None:
    with closing(SqliteStore(":memory:", HOME)) as store:
        release(store, {"beta": {"status": True}})
        value = {"environment": HOME.environment, "at": NOW}
        store.keep([Put(Shelf.SOCKETS, f"page-{number}", value, blind=True) for number in range(10_000)])
        api = Api(store, rate=2_000 / 3)
        assert api.notifier.moved(HOME) == Notified(sent=10_000)
        assert max(api.times) - min(api.times) < 16
        assert refusals(api.times, 2_000) == 0
        hasty = Api(store, rate=10_000.0)
        release(store, {"beta": {"status": False}})
        assert hasty.notifier.moved(HOME) == Notified(sent=10_000)
        assert refusals(hasty.times, 2_000) > 5_000, "the API would have throttled most if all had come at once"


def test_one_that_cannot_be_reached_is_notified_by_the_next_call(store: Store) -> None:
    opened(store, 3)
    api = Api(store)
    api.failing = {f"{HOME.environment}-1"}
    with pytest.raises(StoreUnavailable, match="1 connections"):
        api.notifier.moved(HOME)
    assert api.notifier.moved(HOME) == Notified(), "it may still be at work"
    api.now += LEASE_SECONDS + 1
    api.failing = set()
    assert api.notifier.moved(HOME).sent == 3
    assert len(api.sent[f"{HOME.environment}-1"]) == 1


def test_a_clock_that_is_put_back_stops_nothing(store: Store) -> None:
    opened(store, 12)
    dead = Api(store, rate=4.0)
    dead.now += 3_600.0
    dead.failing = set(held(store))
    with pytest.raises(StoreUnavailable):
        dead.notifier.moved(HOME)
    api, slept = Api(store, rate=4.0), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        api.now += seconds if len(slept) != 2 else -3_600.0

    def post(connection: str, data: bytes) -> Posted:
        api.now -= 60.0 * (len(api.times) == 5)
        return Api.post(api, connection, data)

    api.notifier = Notifier(store, post, 4.0, clock=lambda: api.now, sleep=sleep)
    assert api.notifier.moved(HOME) == Notified(sent=12)
    assert max(slept) <= SLICE_SECONDS


class Stopped(Exception):  # noqa: N818 - a function that ran out of time
    """As Lambda stops a function."""


def stopped(api: Api, seconds: float) -> None:
    """One run of a function that may take so long; the next begins when its lease is over."""
    ends = api.now + seconds

    def sleep(pause: float) -> None:
        api.now += pause
        if api.now > ends:
            raise Stopped

    api.notifier._sleep = sleep
    with pytest.raises(Stopped):
        api.notifier.moved(HOME)
    api.notifier._sleep = api.sleep
    api.now += LEASE_SECONDS + 1


def test_more_connections_than_one_run_reaches_are_reached_by_the_next(store: Store) -> None:
    opened(store, 60)
    api = Api(store, rate=4.0)
    stopped(api, 8.0)
    reached = len(api.sent)
    assert 20 < reached < 60
    assert api.notifier.moved(HOME).sent < 45
    assert len(api.sent) == 60
    assert sum(map(len, api.sent.values())) < 60 + 15, "some again, as the record is written every three seconds"
    assert api.notifier.moved(HOME) == Notified()


def test_changes_that_come_faster_than_all_are_reached_starve_no_connection(store: Store) -> None:
    opened(store, 60)
    api = Api(store, rate=4.0)
    for number in range(4):
        release(store, {"beta": {"status": bool(number % 2)}})
        stopped(api, 6.0)
    assert len(api.sent) == 60
    api.notifier.moved(HOME)
    assert {positions[-1] for positions in api.sent.values()} == {"5"}, "all know the last one"


def test_a_later_revision_takes_over(store: Store) -> None:
    opened(store, 60)
    later = Api(store)
    api = Api(store, rate=4.0)
    began = api.now

    def sleep(seconds: float) -> None:
        api.now += seconds
        if api.now > began + 2 and not later.sent:
            release(store, {"beta": {"status": False}})
            later.now = api.now
            assert later.notifier.moved(HOME) == Notified(sent=60)

    api.notifier._sleep = sleep
    assert api.notifier.moved(HOME) == Notified()
    assert 0 < len(api.sent) < 60
    assert later.sent == {f"{HOME.environment}-{number}": ["2"] for number in range(60)}
