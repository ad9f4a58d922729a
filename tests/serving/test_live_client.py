"""The client of a service's WebSocket: what it says, and what it does when the service goes, refuses or redirects."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import RedirectResponse, Response

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.serving import live_client
from burgee.serving.live_client import LiveClient
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.event_streams import stream_secret
from burgee.web.front import Setup
from support.http import served
from support.keys import HOME, release, token
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS: dict[str, Any] = {"beta": {"status": True, "client": True}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, FLAGS)
    yield store
    store.close()


class Listening:
    """A client, and what it was called with."""

    def __init__(self, url: str, key: str | None = None, stop: Event | None = None) -> None:
        self.stop = stop or Event()
        self.moved: list[str] = []
        self.client = LiveClient(url, key, self.moved.append)
        self.client.start(self.stop)

    def end(self) -> None:
        self.stop.set()
        self.client.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Listening]]:
    monkeypatch.setattr(live_client, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(live_client, "LONGEST_WAIT_SECONDS", 0.2)
    made: list[Listening] = []
    yield made
    for one in made:
        one.end()


def app_of(store: SqliteStore) -> Any:
    setup = Setup(streams=stream_secret(store), ring=KeyRing(store))
    return create_app(store, Serving(store, refresh_seconds=0.0), setup)


def test_it_is_notified_after_each_connection_and_of_each_change(store: SqliteStore, opened: list[Listening]) -> None:
    key = token(store, Kind.SERVER)
    with ExitStack() as stack:
        url = stack.enter_context(served(app_of(store)))
        port = int(url.rpartition(":")[2])
        opened.append(Listening(url, key))
        eventually(lambda: opened[0].moved == ["", "1"])
        release(store, {"beta": {"status": False}})
        eventually(lambda: opened[0].moved == ["", "1", "2"])
        assert opened[0].client.connected
    eventually(lambda: not opened[0].client.connected)
    release(store, FLAGS)
    with served(app_of(store), port):
        eventually(lambda: opened[0].moved == ["", "1", "2", "", "3"])
        opened[0].end()
        eventually(lambda: not opened[0].client.connected)


def test_one_whose_connections_end_after_their_time_waits_no_longer_each_time(opened: list[Listening]) -> None:
    """As every two hours on AWS."""
    asked: list[Any] = []
    waits: list[float] = []

    async def brief(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1001})

    class Stop(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return super().wait(timeout)

    with served(brief) as url:
        opened.append(Listening(url, stop=Stop()))
        eventually(lambda: len(waits) >= 5)
    assert max(waits[:5]) <= 1.5 * live_client.FIRST_WAIT_SECONDS


def test_a_service_that_offers_none_is_left_alone_and_a_redirect_gets_no_key(opened: list[Listening]) -> None:
    asked: list[Any] = []
    elsewhere: list[str] = [""]

    async def none(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)
        answer = Response(status_code=404)
        if "redirect" in str(scope["path"]):
            answer = RedirectResponse(elsewhere[0].replace("http", "ws") + "/caught", 307)
        if scope["type"] == "websocket":
            await receive()
            await answer({"type": "websocket", "extensions": {"websocket.http.response": {}}}, receive, send)
        else:
            await answer(scope, receive, send)

    with served(none) as url, served(none) as other:
        elsewhere[0] = other
        opened += [Listening(url, "key"), Listening(url.replace("http", "ws") + "/redirect", "key")]
        eventually(lambda: len(asked) == 2)
        assert not opened[0].moved
        assert not opened[0].client.connected
        assert not [scope for scope in asked if scope["path"] == "/caught"]


@pytest.mark.parametrize("said", ["x", "[]", '{"type": "other", "etag": "1"}', "1" * 1_000])
def test_what_it_does_not_know_means_nothing(said: str) -> None:
    moved: list[str] = []
    client = LiveClient("http://127.0.0.1:1", None, moved.append)
    client._hear(said)
    client._hear('{"type": "refetchEvaluation", "etag": "2.1"}')
    assert moved == ["2.1"]
