"""WebSockets at /v1/live: who is admitted, what they are sent, and what they cannot do."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope, named
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.serving.serving import Serving
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.web import connections, event_streams
from burgee.web.app import create_app
from burgee.web.event_streams import DAY, stream_secret
from burgee.web.front import Setup
from burgee.web.live_sockets import KEY, PATH, SUBPROTOCOL, offered_key
from support.http import served
from support.keys import HOME, OTHER, bearer, expired, release, revoked, token
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FLAGS: dict[str, Any] = {"beta": {"status": True, "client": True}}
BULK = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "ada"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, FLAGS)
    yield store
    store.close()


def app_of(store: SqliteStore, **setup: Any) -> Any:
    return create_app(store, Serving(store, refresh_seconds=0.0), Setup(streams=stream_secret(store), **setup))


def keyed(store: SqliteStore) -> Any:
    return app_of(store, ring=KeyRing(store))


def kill(store: SqliteStore, **definition: Any) -> None:
    act = AuditContext("flag.kill", "ada", "why", time.time())
    definition = {"status": False, "client": True, **definition}
    write(store, lambda state, git: lay(state, git, "beta", definition, act))


def opened(base: str, query: str = "", path: str = PATH, **options: Any) -> AbstractContextManager[ClientConnection]:
    made: AbstractContextManager[ClientConnection] = connect(
        base.replace("http", "ws", 1) + path + query, open_timeout=60, **options
    )
    return made


def offered(key: str) -> list[Any]:
    return [SUBPROTOCOL, KEY + key.replace("/", "~")]


def message(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(60))


def refused(base: str, query: str = "", path: str = PATH, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as found, opened(base, query, path, **options):
        pass
    response = found.value.response
    return response.status_code, json.loads(response.body or b"{}").get("type", "").rpartition("/")[2]


def test_a_client_is_notified_when_something_changes_and_not_before(store: SqliteStore) -> None:
    with served(app_of(store)) as base, opened(base, "?since=1") as live:
        kill(store)
        assert message(live) == {"type": "refetchEvaluation", "etag": "2"}
        kill(store)
        assert message(live)["etag"] == "3", "nothing came in between"


def test_one_that_missed_something_is_notified_at_once(store: SqliteStore) -> None:
    with served(app_of(store)) as base:
        for query in ("", "?since=0", "?since=" + "9" * 100, "?since=%00"):
            with opened(base, query) as live:
                assert message(live)["etag"] == "1"


def test_any_key_that_may_evaluate_opens_one_by_header_or_as_a_protocol(store: SqliteStore) -> None:
    with served(keyed(store)) as base:
        for key in (token(store, Kind.CLIENT), token(store, Kind.SERVER), token(store, Kind.ADMIN, Scope.READ)):
            with opened(base, additional_headers=bearer(key)) as live:
                assert (message(live)["etag"], live.subprotocol) == ("1", None)
            with opened(base, subprotocols=offered(key)) as live:
                assert (message(live)["etag"], live.subprotocol) == ("1", SUBPROTOCOL)
        wrong = [
            revoked(store, Kind.CLIENT),
            expired(store, Kind.CLIENT),
            token(store, Kind.CLIENT)[:-1] + "x",
            "x",
        ]
        for key in wrong:
            assert refused(base, subprotocols=offered(key)) == (401, "unauthorized")
        assert refused(base) == (401, "unauthorized")
        assert refused(base, additional_headers=bearer(token(store, Kind.ADMIN, Scope.RELEASE)))[0] == 403


def test_a_connection_is_ended_after_its_time(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a key that was revoked meanwhile, or a token whose days are over, does not keep it."""
    monkeypatch.setattr(event_streams, "OPEN_SECONDS", 0.0)
    app = keyed(store)
    headers = bearer(token(store, Kind.CLIENT))
    with served(app) as base:
        with opened(base, "?since=1", additional_headers=headers) as live:
            with pytest.raises(ConnectionClosed) as ended:
                live.recv(60)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1001
        eventually(lambda: app.front.streams.count == 0)
        monkeypatch.setattr(event_streams, "OPEN_SECONDS", 100.0)
        with opened(base, "?since=1", additional_headers=headers) as live:
            kill(store)
            assert message(live)["etag"] == "2"


def test_a_key_as_a_protocol_is_one(store: SqliteStore) -> None:
    key = token(store, Kind.CLIENT)
    assert offered_key([str(one) for one in offered(key)]) == key
    assert named(key) is not None
    assert "~" not in key
    assert offered_key([SUBPROTOCOL]) is None


def test_the_token_of_the_event_streams_opens_one_and_nothing_else(store: SqliteStore) -> None:
    app = keyed(store)
    with served(app) as base:
        answer = TestClient(app).post(BULK, json=USER, headers=bearer(token(store, Kind.CLIENT))).json()
        secret = parse_qs(urlsplit(answer["eventStreams"][0]["endpoint"]["requestUri"]).query)["token"][0]
        with opened(base, f"?token={secret}&since=1") as live:
            kill(store)
            assert message(live)["etag"] == "2"
        assert refused(base, f"?token={secret[:-1]}") == (401, "unauthorized")
        assert refused(base, f"?token={app.front.streams.token(HOME, time.time() - 2 * DAY)}")[0] == 401
        assert refused(base, f"?token={secret}", path="/ruleset")[0] == 401
        assert refused(base, f"?token={secret}", path="/health")[0] == 404


def test_a_tenant_learns_only_of_its_own(store: SqliteStore) -> None:
    theirs = store.at(OTHER)
    release(theirs, FLAGS)
    with (
        served(keyed(store)) as base,
        opened(base, "?since=1", subprotocols=offered(token(store, Kind.CLIENT))) as mine,
        opened(base, "?since=1", subprotocols=offered(token(theirs, Kind.CLIENT))) as other,
    ):
        kill(theirs)
        assert message(other)["etag"] == "2"
        release(store, {"beta": {"status": False}})
        assert message(mine)["etag"] == "2"


def test_without_a_socket_or_at_another_path_there_is_none(store: SqliteStore) -> None:
    app = app_of(store)
    client = TestClient(app)
    assert client.get(PATH).status_code == 426
    with served(app) as base:
        for path in ("/", "/health", "/v1/live/x", "/ofrep/v1/evaluate/flags"):
            assert refused(base, path=path)[0] in {404, 405}, path
        origin = {"Origin": "https://elsewhere.example"}
        assert refused(base, additional_headers=origin) == (403, "foreign-origin"), "it is open to this machine only"
    with served(create_app(store, Serving(store))) as base, pytest.raises(InvalidStatus):
        opened(base)


def test_what_is_too_many_is_refused_and_who_goes_is_forgotten(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "MAX_STREAMS_EACH", 2)
    theirs = store.at(OTHER)
    release(theirs, FLAGS)
    app = keyed(store)
    mine, other = offered(token(store, Kind.CLIENT)), offered(token(theirs, Kind.CLIENT))
    with served(app) as base:
        with opened(base, subprotocols=mine), opened(base, subprotocols=mine):
            assert refused(base, subprotocols=mine) == (503, "overloaded")
            with opened(base, subprotocols=other) as live:
                assert message(live)["etag"] == "1"
        eventually(lambda: not app.front.streams.count)
        with opened(base, subprotocols=mine) as live:
            assert message(live)["etag"] == "1"


def test_a_client_that_says_much_or_at_length_is_closed(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "MAX_MESSAGES", 3)
    with served(app_of(store)) as base:
        with opened(base, "?since=1") as live:
            live.send("ping")
            kill(store)
            assert message(live)["etag"] == "2", "a word now and then keeps a proxy from closing it"
            for _ in range(3):
                live.send("ping")
            with pytest.raises(ConnectionClosed):
                live.recv(60)
        with opened(base, "?since=2") as live:
            live.send("x" * 1_025)
            with pytest.raises(ConnectionClosed) as closed:
                live.recv(60)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009


def test_a_silent_connection_is_pinged_and_a_dead_one_closed(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(store)
    start, timeouts = connections.LiveProtocol.start_keepalive, iter((PATIENCE, 0.3))

    def begin(protocol: connections.LiveProtocol) -> None:
        protocol.ping_interval, protocol.ping_timeout = 0.1, next(timeouts)
        start(protocol)

    monkeypatch.setattr(connections.LiveProtocol, "start_keepalive", begin)
    with served(app) as base, opened(base, "?since=1") as live:
        host, port = base.removeprefix("http://").split(":")
        dead = socket.create_connection((host, int(port)))
        dead.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        eventually(lambda: app.front.streams.count == 2)
        eventually(lambda: app.front.streams.count == 1)
        kill(store)
        assert message(live)["etag"] == "2", "it answered the pings"
        dead.close()


def test_a_flag_that_changes_by_the_clock_is_such_a_moment(store: SqliteStore) -> None:
    at = format_time(time.time() + 1)
    release(store, {"beta": {"status": False, "client": True, "schedule": [{"at": at, "set": {"status": True}}]}})
    app = app_of(store)
    with served(app) as base, opened(base, "?since=2") as live:
        assert message(live)["etag"] == "2.1"
        answer = TestClient(app).post(f"{BULK}?flagConfigEtag=2.1", json=USER).json()
        assert answer["flags"][0]["value"] is True
        assert "since=2.1" in answer["eventStreams"][0]["endpoint"]["requestUri"]


def test_a_server_that_ends_says_so(store: SqliteStore) -> None:
    with ExitStack() as stack:
        with served(app_of(store)) as base:
            live = stack.enter_context(opened(base, "?since=1"))
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
