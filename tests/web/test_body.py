"""Nothing is read, parsed or kept of a request before its route, its method and its caller are known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope as EventScope
from burgee.events.sinks import MemorySink
from burgee.serving.serving import Serving
from burgee.stores import Shelf
from burgee.web.exchange import Caller, Exchange
from burgee.web.protection.body import Bodies, Gone, Overloaded, TooLarge, TooSlow
from burgee.web.protection.json_faults import json_fault
from burgee.web.tenants import Tenants
from support.asgi import http_scope, sent
from support.keys import HOME, admin, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True}}
UNROUTED = [("POST", "/health"), ("POST", "/docs"), ("PUT", "/openapi.json"), ("POST", "/users/u/flags")]
UNROUTED += [("PATCH", "/flags/beta"), ("POST", "/flags/beta"), ("DELETE", "/flags"), ("POST", "/nowhere")]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


def status(client: TestClient, method: str, path: str) -> int:
    """What is answered to a request whose body nobody may ask for."""
    statuses: list[int] = []

    async def receive() -> Any:
        pytest.fail("the body was asked for")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(name.lower().encode(), value.encode()) for name, value in client.headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}

    async def ask() -> None:
        await client.app(scope, receive, send)

    asyncio.run(ask())
    return statuses[0]


@pytest.mark.parametrize(("method", "path"), UNROUTED)
@pytest.mark.parametrize("keyed", [True, False], ids=["with keys", "open"])
def test_no_body_is_read_where_no_route_takes_one(store: SqliteStore, method: str, path: str, *, keyed: bool) -> None:
    client = admin(store) if keyed else service(store, ring=None)
    assert status(client, method, path) in {404, 405}


@pytest.mark.parametrize(("method", "path"), UNROUTED)
def test_nothing_is_kept_of_what_no_route_takes(store: SqliteStore, method: str, path: str) -> None:
    for client in (admin(store), service(store, ring=None), service(store)):
        reported = client.request(method, path, headers={"Idempotency-Key": "1"}, content=b"{}")
        assert reported.status_code in {401, 404, 405}
    assert store.shelf(Shelf.REQUESTS) == {}


def test_only_who_may_write_has_an_answer_kept(store: SqliteStore) -> None:
    key = {"Idempotency-Key": "1"}
    assert service(store).post("/flags", json={"flag_name": "made"}, headers=key).status_code == 401
    assert store.shelf(Shelf.REQUESTS) == {}
    assert admin(store).post("/flags", json={"flag_name": "made"}, headers=key).status_code == 201
    assert len(store.shelf(Shelf.REQUESTS)) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_a_body_in_another_encoding_hides_no_depth(store: SqliteStore, encoding: str) -> None:
    text = '{"description": "\u2200", "x": ' + "[" * 30_000 + "]" * 30_000 + "}"
    reported = admin(store).put(
        "/flags/beta", content=text.encode(encoding), headers={"Content-Type": "application/json"}
    )
    assert (reported.status_code, reported.json()["type"].rpartition("/")[2]) in {
        (422, "invalid-json"),
        (413, "too-large"),
    }


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 41, True),
        (b"[" * 40 + b"]" * 40, False),
        (b'["' + b"[" * 99 + b'"]', False),
        (b'["\\"' + b"[" * 99 + b'"]', False),
        (b'["\\\\"' + b"[" * 99, True),
        (b'"' + b"[" * 99, False),
        (b'"a\\', False),
        (b'"\xff' + b"[" * 99 + b'"' + b"{" * 41, True),
    ],
)
def test_depth_counts_brackets_outside_of_strings(body: bytes, *, deep: bool) -> None:
    assert ("nested deeper" in (json_fault(body) or "")) is deep


class Sender:
    """Sends a body in pieces, and keeps what it has not sent until it is let."""

    def __init__(self, *pieces: bytes, holder: str = "a", announced: int = 0) -> None:
        fields = {b"content-length": b"%d" % announced}
        self.exchange = Exchange({}, self.receive, "/", fields, Tenants(Serving()), Bodies())
        self.exchange.caller = Caller(HOME, name=holder)
        self.pieces = list(pieces)
        self.rest = asyncio.Event()
        if len(pieces) == 1:
            self.rest.set()

    async def receive(self) -> Any:
        if len(self.pieces) == 1:
            await self.rest.wait()
        return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}


def test_bodies_that_have_begun_are_bounded_together_and_by_caller() -> None:
    async def run() -> None:
        bodies = Bodies(limit=40, limit_each=20)
        senders = [Sender(b"x" * 10, b"y", holder=holder) for holder in "aabb"]
        reading = [asyncio.create_task(bodies.read(one.exchange, 100)) for one in senders]
        await asyncio.sleep(0)
        for holder in "abc":  # its own share is full, or that of all
            with pytest.raises(Overloaded):
                await bodies.read(Sender(b"x", b"y", holder=holder).exchange, 100)
            assert await bodies.read(Sender(b"whole" * 19, holder=holder).exchange, 100) == b"whole" * 19
        for one in senders:
            one.rest.set()
        assert await asyncio.gather(*reading) == [b"x" * 10 + b"y"] * 4
        # Nothing is left of them.
        with pytest.raises(Overloaded):
            await bodies.read(Sender(b"x", b"y", announced=21).exchange, 100)
        late = Sender(b"x" * 20, b"y", announced=20)
        late.rest.set()
        assert await bodies.read(late.exchange, 100) == b"x" * 20 + b"y"
        assert bodies._held == {}

    asyncio.run(run())


@pytest.mark.parametrize("ending", ["late", "too large", "gone"])
def test_what_a_body_held_is_free_however_it_ends(ending: str) -> None:
    async def run() -> None:
        bodies = Bodies(seconds=0.01)
        sender = Sender(b"x" * 10, b"y" * 10)
        if ending != "late":
            sender.rest.set()
        limit = 15 if ending == "too large" else 100

        async def receive() -> Any:
            if ending == "gone" and len(sender.pieces) == 1:
                return {"type": "http.disconnect"}
            return await sender.receive()

        sender.exchange.receive = receive
        with pytest.raises((TooSlow, TooLarge, Gone)):
            await bodies.read(sender.exchange, limit)
        assert bodies._held == {}

    asyncio.run(run())


def test_half_sent_events_are_answered_and_others_are_kept(store: SqliteStore) -> None:
    """As a public client key lets anybody send them: what one key's bodies hold has an end, and a time."""
    client = service(store, recorder=Recorder(MemorySink(), EventScope(HOME.project, HOME.environment)))
    front = client.app.front  # type: ignore[attr-defined]
    front.bodies = Bodies(seconds=0.2, limit=4_000_000, limit_each=2_000_000)
    page, app = (token(store, kind) for kind in (Kind.CLIENT, Kind.SERVER))
    event = b'{"events": [{"type": "track", "event_id": "1", "unit": "ada", "event": "order"}]}'
    fields = {"X-API-Key": page, "Content-Length": "900000"}

    async def run() -> list[int]:
        senders = [Sender(b" " * 800_000, event) for _ in range(10)]
        half = [asyncio.create_task(_posted(front, fields, one.receive)) for one in senders]
        while not all(one.done() or len(sender.pieces) == 1 for one, sender in zip(half, senders, strict=True)):
            await asyncio.sleep(0)
        answered = await sent(front, http_scope("POST", "/v1/events", {"X-API-Key": app}), event)
        assert answered.json() == {"accepted": 1, "rejected": []}
        return sorted(await asyncio.gather(*half))

    assert asyncio.run(run()) == [408, 408] + [503] * 8


async def _posted(app: Any, fields: dict[str, str], receive: Any) -> int:
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(http_scope("POST", "/v1/events", fields), receive, send)
    return statuses[0]
