"""What a connection may hold: heads without end, requests that never arrive whole, answers that nobody
takes, and who is behind a proxy.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from burgee.serving.serving import Serving
from burgee.web import connections
from burgee.web.connections import MAX_FIELDS, MAX_HEAD, MAX_WAITING, BoundedProtocol, LiveProtocol, behind_proxies
from burgee.web.evaluation_app import evaluation_app
from support.asgi import http_scope
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

APP = evaluation_app(Serving(bundled={"format": 1, "flags": {"beta": {"status": True}}}))
REQUEST = b"GET /users/u/flags/beta HTTP/1.1\r\nHost: localhost\r\n"
CONTEXT = b'{"context": {"targetingKey": "u"}}'


@contextmanager
def serving(app: Any, ws: Any = "none") -> Iterator[uvicorn.Server]:
    config = uvicorn.Config(app, port=0, http=BoundedProtocol, log_level="critical", lifespan="off", ws=ws)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server
    server.should_exit = True
    thread.join(PATIENCE)


@pytest.fixture
def server() -> Iterator[uvicorn.Server]:
    with serving(APP) as server:
        yield server


@contextmanager
def connected(server: uvicorn.Server) -> Iterator[socket.socket]:
    with socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=PATIENCE) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """All that the server sends before it closes."""
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def test_requests_are_served_one_after_another(server: uvicorn.Server) -> None:
    with connected(server) as connection:
        for _ in range(3):
            connection.sendall(REQUEST + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        head = b"POST /ofrep/v1/evaluate/flags/beta HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        connection.sendall(head % len(CONTEXT))
        connection.sendall(b"\r\n" + CONTEXT[:10])
        connection.sendall(CONTEXT[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "part",
    [b"x" * 1000, b"X-Field: " + b"y" * 1000 + b"\r\n", b"a:\r\n" * 200],
    ids=["one field without end", "large fields", "many fields"],
)
def test_a_head_without_end_is_refused_and_not_held(server: uvicorn.Server, part: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(REQUEST + b"X-Long: ")
        sent = 0
        try:
            while sent < 100 * MAX_HEAD:
                connection.sendall(part)
                sent += len(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 100 * MAX_HEAD
        answer = until_closed(connection)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # the answer is lost where its reader still sends


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        (b"/health?" + b"a" * (MAX_HEAD - 100), b"", 200),
        (b"/health?" + b"a" * MAX_HEAD, b"", 431),
        (b"/health", b"a: b\r\n" * (MAX_FIELDS - 2), 200),
        (b"/health", b"a: b\r\n" * (MAX_FIELDS + 1), 431),
        (b"/health", b"a: " + b"b" * (MAX_HEAD - 100) + b"\r\n", 200),
        (b"/health", b"a: " + b"b" * MAX_HEAD + b"\r\n", 431),
    ],
)
def test_a_head_is_bounded_in_bytes_and_fields(
    server: uvicorn.Server, target: bytes, fields: bytes, status: int
) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (target, fields))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        if status == 431:
            assert b"problems/head-too-large" in answer + until_closed(connection)


@pytest.mark.parametrize("garbage", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 50_000 + b"x", b"x" * 100_000])
def test_what_is_no_request_is_closed(server: uvicorn.Server, garbage: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(garbage)
        answer = until_closed(connection)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /hea",
        REQUEST,
        REQUEST + b"X-Part: ",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        REQUEST + b"\r\n" + REQUEST,
    ],
    ids=["nothing", "a target", "fields", "half a field", "half a body", "a body in chunks", "a second request"],
)
def test_a_request_that_does_not_arrive_is_closed(
    server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.2)
    with connected(server) as connection:
        connection.sendall(start)
        until_closed(connection)  # or the connection's own time is over


def test_requests_that_wait_for_answers_are_bounded(server: uvicorn.Server) -> None:
    """A stranger who sent on and on without reading had hundreds of megabytes held, and stopped the server."""
    with connected(server) as connection:
        connection.sendall((REQUEST + b"\r\n") * MAX_WAITING)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < MAX_WAITING:
            answers += connection.recv(65536)
    with connected(server) as connection, suppress(ConnectionError):
        connection.sendall((REQUEST + b"\r\n") * 50 * MAX_WAITING)
        assert until_closed(connection).count(b"HTTP/1.1 200") <= MAX_WAITING


LARGE = 20_000_000


async def large(_scope: Any, _receive: Any, send: Any) -> None:
    """An answer that no system's buffers hold."""
    length = (b"content-length", b"%d" % LARGE)
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


@pytest.mark.parametrize("asks_to_close", [False, True])
def test_a_client_that_takes_no_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch, asks_to_close: bool) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.3)
    with serving(large) as server, connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(REQUEST + (b"Connection: close\r\n\r\n" if asks_to_close else b"\r\n"))
        state = server.server_state
        eventually(lambda: state.total_requests >= 1 and not state.connections, lambda: "the connection is held")


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def large_messages(_scope: Any, receive: Any, send: Any) -> None:
    """A WebSocket with messages that no system's buffers hold."""
    await receive()
    await send({"type": "websocket.accept"})
    for _ in range(20):
        await send({"type": "websocket.send", "bytes": b"x" * (LARGE // 20)})
    await receive()


def test_a_websocket_that_takes_no_message_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.3)
    with serving(large_messages, ws=LiveProtocol) as server, connected(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(REQUEST + UPGRADE)
        assert connection.recv(12) == b"HTTP/1.1 101"
        eventually(lambda: not server.server_state.connections, lambda: "the connection is held")


def test_a_client_that_takes_a_large_answer_gets_it_all() -> None:
    with serving(large) as server, connected(server) as connection:
        connection.sendall(REQUEST + b"Connection: close\r\n\r\n")
        assert len(until_closed(connection)) > LARGE


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ("127.0.0.1", "127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1", "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1,10.0.0.0/8", "10.1.2.3", "192.0.2.1, 10.9.9.9", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.7", "203.0.113.9", "192.0.2.7"),
        ("*", "192.0.2.7", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1"),
    ],
)
def test_who_is_behind_a_proxy(trusted: str, peer: str, forwarded: str | None, address: str) -> None:
    headers: Mapping[str, str] = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    scope: Any = {**http_scope("GET", "/", headers), "client": (peer, 1)}
    assert behind_proxies(trusted)(scope) == address
    assert scope["client"] == (peer, 1)
