"""Flags that could never be read are not flags that do not exist: 503, no 404, and nobody else waits."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.errors import StoreUnavailable
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from support.asgi import ask, http_scope, sent
from support.keys import HOME, OTHER, bearer, release, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import State, Tenant

EVALUATIONS = {
    "/users/u/flags/beta": ("GET", b""),
    "/users/u/flags": ("GET", b""),
    "/ofrep/v1/evaluate/flags/beta": ("POST", b'{"context": {"targetingKey": "u"}}'),
    "/ofrep/v1/evaluate/flags": ("POST", b'{"context": {"targetingKey": "u"}}'),
    "/ruleset": ("GET", b""),
}


class Stuck(SqliteStore):
    """Answers for keys; a state fails or hangs."""

    failing = True
    gate: Event | None = None
    is_asked = False

    def at(self, _tenant: Tenant) -> Any:
        return self

    def state(self) -> State:
        if self.gate is not None:
            self.is_asked = True
            assert self.gate.wait(30)
        if self.failing:
            raise StoreUnavailable("injected")
        return super().state()


class Both(SqliteStore):
    """The store of the home tenant, which finds that of the other."""

    other: Stuck

    def at(self, tenant: Tenant) -> Any:
        return self.other if tenant == OTHER else self


@pytest.fixture
def store() -> Iterator[Both]:
    store = Both(":memory:", HOME)
    store.other = Stuck(":memory:", OTHER)
    store.other.failing = False
    release(store, {"beta": {"status": True}})
    release(store.other, {"beta": {"status": True}})
    store.other.failing = True
    yield store
    store.close()
    store.other.close()


@pytest.mark.parametrize("path", EVALUATIONS)
def test_flags_that_were_never_read_are_unavailable_until_they_are(store: Both, path: str) -> None:
    method, body = EVALUATIONS[path]
    app = evaluation_app(Serving(store), store, Setup(ring=KeyRing(store)))
    headers = bearer(token(store.other, Kind.SERVER))
    answer = ask(app, path, method, headers, body)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    reported = answer.json()
    assert reported.get("errorCode") == ("GENERAL" if path.startswith("/ofrep") else None)
    store.other.failing = False
    assert ask(app, path, method, headers, body).status == 200
    store.other.failing = True
    assert ask(app, path, method, headers, body).status == 200, "the last good flags"


def test_the_home_tenants_are_too(store: Both) -> None:
    headers = bearer(token(store.other, Kind.SERVER))
    app = evaluation_app(Serving(store.other), store.other, Setup(ring=KeyRing(store.other)))
    assert ask(app, "/users/u/flags/beta", headers=headers).status == 503
    assert ask(app, "/health").status == 200
    bundled = {"format": 1, "environment": None, "flags": {"beta": {"status": True}}, "segments": {}, "holdouts": {}}
    app = evaluation_app(Serving(store.other, bundled), store.other, Setup(ring=KeyRing(store.other)))
    assert ask(app, "/users/u/flags/beta", headers=headers).status == 200


def test_a_tenant_whose_flags_do_not_come_holds_up_nobody_else(store: Both) -> None:
    keys = [bearer(token(one, Kind.SERVER)) for one in (store, store.other)]
    app = evaluation_app(Serving(store, patience=0), store, Setup(ring=KeyRing(store)))
    assert ask(app, "/users/u/flags/beta", headers=keys[0]).status == 200
    store.other.gate = Event()

    async def both() -> tuple[int, bool, int]:
        stuck = asyncio.ensure_future(sent(app, http_scope("GET", "/users/u/flags/beta", keys[1])))
        while not store.other.is_asked:
            await asyncio.sleep(0)
        answered = (await sent(app, http_scope("GET", "/users/u/flags/beta", keys[0]))).status
        return answered, stuck.done(), (await stuck).status

    assert asyncio.run(both()) == (200, False, 503)
    store.other.failing = False
    store.other.gate.set()
    for _ in range(100):
        if ask(app, "/users/u/flags/beta", headers=keys[1]).status == 200:
            break
    else:
        pytest.fail("the flags came, and are not served")


def test_events_are_sent_again_rather_than_refused_for_flags_that_may_exist(store: Both) -> None:
    class Kept:
        def write(self, records: Any) -> None:
            raise AssertionError(records)

    scope = RecordScope(OTHER.project, OTHER.environment)
    setup = Setup(ring=KeyRing(store.other), recorder=Recorder(Kept(), scope))
    app = evaluation_app(Serving(store.other), store.other, setup)
    body = b'{"events": [{"type": "exposure", "event_id": "1", "unit": "u", "flag": "beta", "variant": "on"}]}'
    headers = bearer(token(store.other, Kind.SERVER))
    assert ask(app, "/v1/events", "POST", headers, body).status == 503
