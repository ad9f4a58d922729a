"""Web pages of other sites and the open service on this machine: they read nothing and write nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.access.settings import change
from burgee.cli.serve import LOOPBACK
from burgee.events.recorder import Recorder
from burgee.events.sinks import MemorySink
from burgee.stores.audit import AuditContext
from burgee.web.protection.cors import foreign
from support.asgi import ask
from support.keys import ALL, bearer, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True, "rollout_percentage": 50}}
EVENT = b'{"events": [{"type": "track", "event_id": "1", "unit": "ada", "event": "order"}]}'
CONTEXT = b'{"context": {"targetingKey": "ada"}}'
OFREP = "/ofrep/v1/evaluate/flags/beta"
# What a page can send without a preflight, and with one that it was not answered; by what browsers say of it.
PAGES = {
    "a page elsewhere": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a page on another port": {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    "a sandbox": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "an image": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "an older browser": {"Origin": "https://evil.example"},
    "another scheme's name": {"Origin": "https://localhost:8000.evil.example"},
}
REQUESTS = [
    ("POST", "/flags/beta/kill", b"{}"),
    ("POST", "/keys", b'{"kind": "admin", "name": "x", "scopes": ["read", "write", "release"]}'),
    ("PUT", "/settings", b'{"cors_origins": ["*"]}'),
    ("DELETE", "/flags/beta", b""),
    ("POST", "/releases/1/activate", b"{}"),
    ("POST", "/v1/events", EVENT),
    ("POST", f"{OFREP}?expose=true", CONTEXT),
    ("GET", "/users/ada/flags/beta?expose=true", b""),
    ("GET", "/flags", b""),
    ("GET", "/ruleset", b""),
]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def client(store: SqliteStore, sink: MemorySink) -> TestClient:
    """The open service as `burgee serve` sets it up."""
    return service(store, ring=None, hosts=LOOPBACK, recorder=Recorder(sink))


def sent(client: TestClient, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Any:
    typed = {"Host": "localhost:8000", **headers}
    return ask(client.app, target, method, typed, body)


@pytest.mark.parametrize("kind", ["application/json", "text/plain;charset=UTF-8", None])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_foreign_page_changes_and_reads_nothing(
    client: TestClient, store: SqliteStore, sink: MemorySink, page: dict[str, str], kind: str | None
) -> None:
    before = store.state(), store.audit()
    for method, target, body in REQUESTS:
        headers = {**page, **({} if kind is None else {"Content-Type": kind})}
        answer = sent(client, method, target, body, headers)
        assert answer.status == 403, (method, target, answer)
        assert b"requests from this web page are not allowed" in answer.body
        assert "access-control-allow-origin" not in answer.headers
    assert (store.state(), store.audit()) == before
    assert sink.records == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=["a command line", "its own page in an older browser", "its own page", "an address typed in"],
)
def test_its_own_pages_and_programs_are_served(client: TestClient, headers: dict[str, str]) -> None:
    for method, target, body in [("GET", "/flags", b""), ("POST", OFREP, CONTEXT), ("POST", "/v1/events", EVENT)]:
        typed = {**headers, "Content-Type": "application/json"}
        assert sent(client, method, target, body, typed).status == 200
    killed = sent(client, "POST", "/flags/beta/kill", b"{}", {**headers, "Content-Type": "application/json"})
    assert killed.status == 200


def test_a_page_that_the_settings_name_evaluates_and_does_nothing_else(
    client: TestClient, store: SqliteStore
) -> None:
    change(store, ["https://shop.example"], AuditContext("settings.change", "ada", "", time.time()))
    page = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    for method, target, body in REQUESTS:
        evaluates = target.startswith(("/ofrep", "/users", "/v1"))
        answer = sent(client, method, target, body, page)
        assert answer.status == (200 if evaluates else 403), (method, target)
        assert ("access-control-allow-origin" in answer.headers) is evaluates


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_public_pages_answer_any_page_that_links_to_them(client: TestClient, page: dict[str, str]) -> None:
    for target in ("/health", "/docs", "/openapi.json"):
        assert sent(client, "GET", target, b"", page).status == 200


def test_with_keys_a_page_may_evaluate_and_not_manage(store: SqliteStore) -> None:
    client = service(store)
    page = {**PAGES["a page elsewhere"], **bearer(token(store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "test"}
    assert sent(client, "POST", OFREP, CONTEXT, page).status == 200
    for method, target, body in REQUESTS[:5]:
        assert sent(client, method, target, body, {**page, "Content-Type": "application/json"}).status == 403


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({b"host": b"localhost:8000", b"origin": b"http://localhost:8000"}, False),
        ({b"host": b"localhost:8000", b"origin": b"http://localhost"}, True),
        ({b"host": b"[::1]:8000", b"origin": b"http://[::1]:8000"}, False),
        ({b"host": b"flags.internal", b"origin": b"https://flags.internal"}, False),
        # Behind a proxy that changes the host a browser still knows that it is its own.
        ({b"host": b"10.0.0.1", b"origin": b"https://flags.example", b"sec-fetch-site": b"same-origin"}, False),
        ({b"host": b"", b"origin": b""}, True),
        ({b"host": b"localhost", b"origin": b"tauri://localhost"}, True),
        ({b"host": b"localhost", b"origin": b"chrome-extension://abcdef", b"sec-fetch-site": b"none"}, True),
        ({b"host": b"localhost", b"sec-fetch-site": b"none"}, False),
        ({b"origin": b"null"}, True),
        ({b"sec-fetch-site": b""}, True),
        ({}, False),
    ],
)
def test_what_a_browser_says_of_the_page(fields: dict[bytes, bytes], *, answer: bool) -> None:
    assert foreign(fields) is answer
