"""What stands before every route: a request that comes past the firewall."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from support.asgi import ask

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange

SECRET = "s" * 32
SNAPSHOT = {"format": 1, "environment": None, "flags": {"a": {"status": True}}, "segments": {}, "holdouts": {}}


@pytest.mark.parametrize("path", ["/health", "/users/ada/flags", "/users/ada/flags/a", "/nowhere"])
def test_with_a_secret_only_the_firewall_is_answered(path: str) -> None:
    client = TestClient(evaluation_app(Serving(bundled=SNAPSHOT), None, Setup(origin_secret=SECRET)))
    open_to_all = TestClient(evaluation_app(Serving(bundled=SNAPSHOT), None, Setup()))
    for headers in ({}, {"X-Burgee-Origin": ""}, {"X-Burgee-Origin": SECRET[1:]}, {"X-Burgee-Origin": "ü" * 32}):
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        assert client.get(path, headers=sent).status_code == 403
    wanted = open_to_all.get(path).status_code
    assert wanted != 403
    assert client.get(path, headers={"X-Burgee-Origin": SECRET}).status_code == wanted


@pytest.mark.parametrize("path", ["/ofrep/v1/evaluate/flags/a", "/users/ada/flags/a", "/users/ada/flags", "/health"])
def test_an_answered_request_is_gone_without_the_collector(path: str) -> None:
    """A circle of scope and exchange would keep every request, its headers and its user until a collection."""
    app = evaluation_app(Serving(bundled=SNAPSHOT), None, Setup())
    method, body = ("POST", b'{"context": {"targetingKey": "ada"}}') if "ofrep" in path else ("GET", b"")
    ask(app, path, method, body=body)
    collected = gc.isenabled()
    gc.disable()
    try:
        kept: list[weakref.ref[Exchange]] = []
        made = app.exchange
        app.exchange = lambda scope, receive: _noted(kept, made(scope, receive))  # type: ignore[method-assign]
        assert ask(app, path, method, body=body).status == 200
        assert [one() for one in kept] == [None]
    finally:
        if collected:
            gc.enable()


def _noted(kept: list[weakref.ref[Exchange]], exchange: Exchange) -> Exchange:
    kept.append(weakref.ref(exchange))
    return exchange
