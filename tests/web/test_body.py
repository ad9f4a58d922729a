"""Nothing is read, parsed or kept of a request before its route, its method and its caller are known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from burgee.stores import Shelf
from burgee.web.protection.body import json_fault
from support.keys import admin, service, shop

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
        told = client.request(method, path, headers={"Idempotency-Key": "1"}, content=b"{}")
        assert told.status_code in {401, 404, 405}
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
    told = admin(store).put(
        "/flags/beta", content=text.encode(encoding), headers={"Content-Type": "application/json"}
    )
    assert (told.status_code, told.json()["type"].rpartition("/")[2]) in {(422, "invalid-json"), (413, "too-large")}


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
