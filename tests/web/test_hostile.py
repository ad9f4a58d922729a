"""What a stranger may send: nothing hangs, nothing breaks, nothing comes back or goes into a log unescaped."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from starlette.testclient import TestClient

from burgee.access.keys import Kind
from burgee.evaluation.ruleset import Ruleset
from burgee.stores.sqlite import SqliteStore
from burgee.web.protection.body import Bodies
from burgee.web.telemetry import Metrics, RequestLog, together
from burgee.web.tenants import Tenants
from support.hostile import BODIES
from support.keys import ALL, admin, bearer, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator


FLAGS: dict[str, Any] = {"beta": {"status": True, "rollout_percentage": 50, "client": True}}
CONTEXT = {"targetingKey": "u"}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return admin(store)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "path", ["POST /flags", "PUT /flags/beta", "POST /flags/beta/kill", "POST /keys", "PUT /settings"]
)
def test_no_body_breaks_a_write(client: TestClient, path: str, body: bytes) -> None:
    method, _, url = path.partition(" ")
    reported = client.request(method, url, content=body, headers={"Content-Type": "application/json"})
    assert 200 <= reported.status_code < 500, reported.text
    if reported.status_code >= 400:
        assert reported.headers["content-type"] == "application/problem+json"
        assert len(reported.content) < 5000
        assert "Traceback" not in reported.text
        assert "pydantic" not in reported.text
    assert client.get("/flags").status_code == 200


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_breaks_an_evaluation(client: TestClient, body: bytes) -> None:
    for content in (body, b'{"context": ' + (body or b"{}") + b"}"):
        for url in ("/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/beta"):
            reported = client.post(url, content=content, headers={"Content-Type": "application/json"})
            assert reported.status_code in {200, 400}, reported.text
            assert len(reported.content) < 5000


@pytest.mark.parametrize(
    ("size", "status"), [(128 * 1024, 422), (128 * 1024 + 1, 413)], ids=["at the limit", "over it"]
)
def test_a_body_is_bounded_before_it_is_parsed(client: TestClient, size: int, status: int) -> None:
    head, tail = b'{"flag_name": "x", "description": "', b'"}'
    body = head + b"x" * (size - len(head) - len(tail)) + tail
    for content in (body, iter([body[:1000], body[1000:]])):
        assert client.post("/flags", content=content).status_code == status


def test_a_claimed_length_is_refused_without_reading(client: TestClient) -> None:
    assert asyncio.run(status(client, [(b"content-length", b"99999999999")])) == 413


def test_a_body_that_trickles_is_given_up_on(client: TestClient) -> None:
    assert asyncio.run(status(client, [])) == 408


async def status(client: TestClient, headers: list[tuple[bytes, bytes]]) -> int:
    """What is answered to a write whose body never comes."""
    statuses: list[int] = []

    async def receive() -> Any:
        await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    given = [(name.lower().encode(), value.encode()) for name, value in client.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/flags", "query_string": b"", "headers": [*given, *headers]}
    client.app.front.bodies = Bodies(seconds=0.05)  # type: ignore[attr-defined]
    await client.app(scope, receive, send)
    return statuses[0]


class Spy(trace.TracerProvider):
    """An application's own OpenTelemetry, which notes who asks it for a tracer."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_tracer(self, instrumenting_module_name: str, *_arguments: Any, **_more: Any) -> trace.Tracer:
        self.asked.append(instrumenting_module_name)
        return trace.NoOpTracer()


def test_the_framework_makes_no_spans_which_would_name_users(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spy)
    assert client.get("/users/ada/flags").status_code == 200
    assert spy.asked == []
    TestClient(FastAPI()).get("/users/ada/flags")
    assert spy.asked, "as it does by itself"


def test_memory_stays_bounded_whatever_is_sent(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    client.post("/flags", content=b"{}", headers=headers)
    tracemalloc.start()
    try:
        for body in BODIES.values():
            client.put("/flags/beta", content=body[: 128 * 1024], headers=headers)
            client.post("/ofrep/v1/evaluate/flags", content=b'{"context": ' + body + b"}", headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000, f"{peak:,} bytes"


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: x=1", "a\nb", "\x1b[31m", "<script>", "a\x00b", "é" * 300])
def test_what_is_sent_comes_back_in_no_header(client: TestClient, text: str) -> None:
    for url in (f"/users/{quote(text, safe='')}/flags/beta", f"/flags/{quote(text, safe='')}", f"/{quote(text)}"):
        reported = client.get(url, headers={"X-Request-Id": quote(text)})
        assert "set-cookie" not in reported.headers
        for value in reported.headers.values():
            assert "<script>" not in value
            assert "\x1b" not in value
        assert reported.headers["content-type"] in {"application/json", "application/problem+json"}
        assert reported.headers["x-content-type-options"] == "nosniff"


def test_every_response_carries_the_headers_of_a_safe_one(client: TestClient) -> None:
    for url in ("/health", "/flags", "/nowhere", "/users/u/flags", "/openapi.json"):
        reported = client.get(url)
        assert reported.headers["content-security-policy"].startswith("default-src 'none'")
        assert reported.headers["cross-origin-resource-policy"] == "same-origin"
        assert reported.headers["x-request-id"]
        assert "server" not in reported.headers
    assert client.get("/flags", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    page = client.get("/docs").headers
    assert "unsafe" not in page["content-security-policy"]
    assert "http" not in page["content-security-policy"], "nothing from elsewhere"
    assert page["referrer-policy"] == "no-referrer"
    assert client.get("/flags", headers={"Authorization": "Bearer x"}).headers["x-content-type-options"] == "nosniff"


def test_an_open_service_answers_to_its_own_names_alone(store: SqliteStore) -> None:
    client = service(store, ring=None, hosts=frozenset({"localhost", "127.0.0.1"}))
    named = [("localhost:8000", 200), ("127.0.0.1", 200)]
    named += [(host, 421) for host in ("evil.example:8000", "", "localhost:x", "localhost:", ":8000")]
    for host, status in named:
        assert client.get("/flags", headers={"Host": host}).status_code == status
    twice = client.get("/flags", headers=[("Host", "evil.example"), ("Host", "localhost")])
    assert twice.status_code == 421


@pytest.mark.parametrize(
    ("part", "function", "method", "url", "kind"),
    [
        (SqliteStore, "state", "GET", "/flags", "application/problem+json"),
        (Tenants, "serving", "GET", "/flags", "application/problem+json"),
        (Ruleset, "evaluate_all", "POST", "/ofrep/v1/evaluate/flags", "application/json"),
    ],
    ids=["of a route", "before anybody is let in", "of OFREP"],
)
def test_a_fault_of_ours_says_nothing_of_itself_but_its_request_id(  # noqa: PLR0917 - each has a name
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, part: Any, function: str, method: str, url: str, kind: str
) -> None:
    def broken(*_arguments: Any) -> Any:
        raise RuntimeError("secret internals at /var/task/burgee")

    lines: list[str] = []
    client = admin(store, watch=RequestLog(lines.append, every=True))
    monkeypatch.setattr(part, function, broken)
    reported = client.request(method, url, content=b'{"context": {"targetingKey": "ada"}}')
    assert (reported.status_code, reported.headers["content-type"]) == (500, kind)
    assert "secret" not in reported.text
    assert "burgee/" not in reported.text.replace("https://burgee.dev/", "")
    assert [json.loads(line)["request_id"] for line in lines] == [reported.headers["x-request-id"]]


def test_who_may_not_write_is_refused_before_a_body_is_read(store: SqliteStore) -> None:
    async def receive() -> Any:
        pytest.fail("the body was asked for")

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def ask() -> None:
        scope = {"type": "http", "method": "POST", "path": "/flags", "headers": [(b"content-length", b"200000")]}
        await service(store).app(scope, receive, send)

    statuses: list[int | None] = []
    asyncio.run(ask())
    assert statuses == [401, None]


def test_logs_and_metrics_hold_nothing_personal(store: SqliteStore) -> None:
    """Planted in every place that a request has: path, query, headers, body; none of it is in a line."""
    lines: list[str] = []
    client = service(
        store, watch=together(RequestLog(lines.append, every=True), Metrics(lines.append, flush_seconds=0))
    )
    admin = token(store, Kind.ADMIN, *ALL)
    planted = ["ada@example.com", "zanzibar", "4111111111111111", admin, "203.0.113.99"]
    headers = {
        **bearer(admin),
        "X-Burgee-Reason": planted[0],
        "X-Forwarded-For": planted[4],
        "User-Agent": planted[1],
    }
    for one in planted[:3]:
        context = {"context": {"targetingKey": one, "email": one}}
        client.get(f"/users/{one}/flags?email={one}", headers=headers)
        client.get(f"/users/{one}/flags/beta?card={one}", headers=headers)
        client.get(f"/users/{one}/nowhere", headers={**headers, "X-Request-Id": f"{one} {one}"})
        client.post("/ofrep/v1/evaluate/flags", json=context, headers=headers)
        client.post("/ofrep/v1/evaluate/flags/beta", json=context, headers=headers)
        client.post(
            f"/ofrep/v1/evaluate/flags/{one}", json={"context": {"targetingKey": 5, one: one}}, headers=headers
        )
        client.put("/flags/beta", json={"description": one, "targets": {"on": [one]}}, headers=headers)
        client.put("/flags/beta", json={one: one}, headers=headers)
        client.get("/users/u/flags", headers={"Authorization": f"Bearer {one}"})
    reported = "".join(lines)
    assert len(lines) > 40
    for one in planted:
        assert one not in reported
    records = [json.loads(line) for line in lines]
    requests = [record for record in records if record.get("message") == "request"]
    assert {record["operation"] for record in requests} >= {"user_flags", "user_flag", "bulk", "one", "update_flag"}
    assert all(record["request_id"] for record in requests)
    metrics = [record for record in records if "_aws" in record]
    reasons = {record["Reason"] for record in metrics if "Reason" in record}
    assert "SPLIT" in reasons
    for record in metrics:
        (directive,) = record["_aws"]["CloudWatchMetrics"]
        assert set(directive["Dimensions"][0]) | {one["Name"] for one in directive["Metrics"]} | {"_aws"} == set(
            record
        )
    assert sum(record.get("Requests", 0) for record in metrics) == len([one for one in requests if "key" in one])
