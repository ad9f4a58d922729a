"""OFREP as clients demand it, stricter than its schema."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from burgee.access.settings import change
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import evaluation_app
from burgee.web.problems import refusal
from burgee.web.protection.body import Bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: dict[str, Any] = {
    "on": {"status": True, "owner": "team"},
    "half": {"status": True, "rollout_percentage": 50},
    "whole": {"status": True, "variants": {"v": 5}, "default": {"serve": "v"}},
    "real": {"status": True, "variants": {"v": 5.0}, "default": {"serve": "v"}},
    "text": {"status": True, "variants": {"v": "ü"}, "default": {"serve": "v"}},
    "object": {"status": True, "variants": {"v": {"a": [1, 2.0]}}, "default": {"serve": "v"}},
    "nothing": {"status": False, "variants": {"v": 1}, "default": {"serve": "v"}},
    "null": {"status": True, "variants": {"v": None}, "default": {"serve": "v"}},
    "ruled": {
        "status": True,
        "variants": {"a": 1, "b": 2},
        "rules": [{"name": "pros", "when": {"plan": "pro"}, "serve": "b"}],
        "default": {"serve": "a"},
    },
}
BROKEN = {"broken": {"status": True, "rules": [{"when": {"segment": "nobody"}}]}}
REASONS = {"STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"}
URL = "/ofrep/v1/evaluate/flags"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    snapshot = {"format": 1, "environment": None, "flags": FLAGS, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin(commit="abc123"), AuditContext("release.activate", "ci", "", 1_795_000_000.0))
    yield store
    store.close()


@pytest.fixture(params=["service", "function"])
def client(request: pytest.FixtureRequest, store: SqliteStore) -> TestClient:
    serving = Serving(store, refresh_seconds=0)
    return TestClient(create_app(store, serving) if request.param == "service" else evaluation_app(serving))


def ask(client: TestClient, key: str = "", context: Any = None, **headers: str) -> Any:
    body = {"context": {"targetingKey": "ada"} if context is None else context}
    return client.post(f"{URL}/{key}" if key else URL, json=body, headers=headers)


def test_values_keep_their_types(client: TestClient) -> None:
    for key, value in (
        ("whole", "5"),
        ("real", "5.0"),
        ("text", '"\\u00fc"'),
        ("object", '{"a":[1,2.0]}'),
        ("on", "true"),
    ):
        answered = ask(client, key)
        assert answered.status_code == 200
        assert f'"value":{value}' in answered.text
        assert f'"value":{value}' in ask(client).text


def test_an_answer_has_a_variant_a_standard_reason_and_scalar_metadata(client: TestClient) -> None:
    for flag in ask(client).json()["flags"]:
        assert set(flag) - {"value"} == {"key", "reason", "variant", "metadata"}
        assert isinstance(flag["variant"], str)
        assert flag["reason"] in REASONS
        assert all(isinstance(value, (str, int, float, bool)) for value in flag["metadata"].values())
        assert flag == ask(client, flag["key"]).json()
    metadata = ask(client, "ruled", {"plan": "pro"}).json()["metadata"]
    assert (metadata["version"], metadata["commit"], metadata["rule"]) == (1, "abc123", "pros")
    assert ask(client, "on").json()["metadata"]["owner"] == "team"


@pytest.mark.parametrize("key", ["nothing", "null"])
def test_no_value_means_the_callers_default(client: TestClient, key: str) -> None:
    reported = ask(client, key).json()
    assert "value" not in reported


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_trailing_slash_changes_nothing(client: TestClient, slash: str) -> None:
    for url in (URL, f"{URL}/on"):
        answered = client.post(url + slash, json={"context": {}}, follow_redirects=False)
        assert answered.status_code == 200


@pytest.mark.parametrize(
    ("key", "content", "status", "code"),
    [
        ("nope", b'{"context": {}}', 404, "FLAG_NOT_FOUND"),
        ("half", b'{"context": {}}', 400, "TARGETING_KEY_MISSING"),
        ("half", b'{"context": {"targetingKey": ""}}', 400, "TARGETING_KEY_MISSING"),
        ("half", b"{}", 400, "TARGETING_KEY_MISSING"),
        ("on", b"", 400, "PARSE_ERROR"),
        ("on", b"{", 400, "PARSE_ERROR"),
        ("on", b"{} {}", 400, "PARSE_ERROR"),
        ("on", b"{}x", 400, "PARSE_ERROR"),
        ("on", b"\xff", 400, "PARSE_ERROR"),
        ("on", b"[]", 400, "PARSE_ERROR"),
        ("on", b"null", 400, "PARSE_ERROR"),
        ("on", b"[" * 60_000, 400, "PARSE_ERROR"),
        ("on", b'{"context": []}', 400, "INVALID_CONTEXT"),
        ("on", b'{"context": {"targetingKey": 5}}', 400, "INVALID_CONTEXT"),
        ("on", b'{"context": {"a": NaN}}', 400, "INVALID_CONTEXT"),
        ("on", b'{"context": {"a": [1e999]}}', 400, "INVALID_CONTEXT"),
        ("on", b'{"context": {"a": {"b": {"c": {"d": 1}}}, "x": {"b": {"c": {"d": {}}}}}}', 400, "INVALID_CONTEXT"),
        ("on", json.dumps({"context": dict.fromkeys(map(str, range(201)), 1)}).encode(), 400, "INVALID_CONTEXT"),
        ("on", json.dumps({"context": {"a": "x" * 70_000}}).encode(), 400, "INVALID_CONTEXT"),
    ],
)
def test_errors_tell_their_code_and_details(
    client: TestClient, key: str, content: bytes, status: int, code: str
) -> None:
    answered = client.post(f"{URL}/{key}", content=content)
    reported = answered.json()
    assert (answered.status_code, reported["key"], reported["errorCode"]) == (status, key, code)
    assert reported["errorDetails"]
    if code in {"PARSE_ERROR", "INVALID_CONTEXT"}:
        bulk = client.post(URL, content=content)
        assert (bulk.status_code, bulk.json()["errorCode"]) == (400, code)
        assert bulk.json()["errorDetails"]


@pytest.mark.parametrize("key", ["a/b", "a\nb", "\n", "ü", "a b", "%", "?", "../on", "a" * 300])
def test_any_name_that_no_flag_has_is_not_found(client: TestClient, key: str) -> None:
    answered = client.post(f"{URL}/{quote(key, safe='')}", json={"context": {}})
    reported = answered.json()
    assert (answered.status_code, reported["key"], reported["errorCode"]) == (404, key, "FLAG_NOT_FOUND")
    assert reported["errorDetails"]


class Sender:
    """A client whose body comes in parts, each after so many seconds; after the last it says no more."""

    def __init__(self, *parts: tuple[float, bytes], ends: bool) -> None:
        self.parts = list(parts)
        self.ends = ends

    async def __call__(self) -> dict[str, Any]:
        if not self.parts:
            await asyncio.Future()
        seconds, part = self.parts.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.ends}


async def answered(sender: Any, url: str, seconds: float) -> list[dict[str, Any]]:
    """What is sent to a client that may take so long for its body."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    serving = Serving(bundled={"format": 1, "flags": FLAGS})
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": url, "query_string": b"", "headers": []}
    app = evaluation_app(serving)
    app.bodies = Bodies(seconds)
    await app(scope, sender, send)
    return sent


PARTS = [b'{"context": ', b'{"targetingKey": ', b'"ada"}}']


@pytest.mark.parametrize("url", [URL, f"{URL}/on"])
@pytest.mark.parametrize("parts", [[], [(0.0, PARTS[0])], [(0.0, PARTS[0]), (0.01, PARTS[1])], [(0.02, b" ")] * 100])
def test_a_body_that_does_not_arrive_is_given_up_on(url: str, parts: list[tuple[float, bytes]]) -> None:
    start, body = asyncio.run(answered(Sender(*parts, ends=False), url, seconds=0.1))
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"]) == {"errorCode": "GENERAL", "errorDetails": "the body did not arrive in time"}


@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_a_body_that_comes_in_parts_is_waited_for(pause: float) -> None:
    sender = Sender(*[(pause, part) for part in PARTS], ends=True)
    start, body = asyncio.run(answered(sender, f"{URL}/half", seconds=60))
    assert start["status"] == 200
    assert json.loads(body["body"])["key"] == "half"


def test_a_slash_is_a_flag_that_is_not_there(client: TestClient) -> None:
    reported = client.post(f"{URL}//", json={"context": {"targetingKey": "ada"}})
    assert (reported.status_code, reported.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")


@pytest.mark.parametrize(("before", "after"), [(b"", b"\n"), (b" ", b""), (b"\r\n\t", b" \n")])
def test_space_around_a_body_is_none_of_it(client: TestClient, before: bytes, after: bytes) -> None:
    reported = client.post(f"{URL}/half", content=before + b'{"context": {"targetingKey": "ada"}}' + after)
    assert reported.json() == client.post(f"{URL}/half", json={"context": {"targetingKey": "ada"}}).json()
    assert reported.status_code == 200


def test_who_hangs_up_is_not_answered() -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    assert asyncio.run(answered(gone, URL, seconds=60)) == []


def test_a_server_that_stops_is_not_held_up_by_a_body() -> None:
    async def stopped() -> None:
        waiting = asyncio.create_task(answered(Sender(ends=False), URL, seconds=60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(stopped())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_nothing_else_is_at_these_paths(client: TestClient, method: str) -> None:
    for url in (URL, f"{URL}/on"):
        refused = client.request(method, url)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert refused.headers["content-type"] == "application/problem+json"
    assert client.post(URL + "x", json={}).status_code == 404


def test_what_is_kept_of_answers_does_not_grow_with_users() -> None:
    serving = Serving(bundled={"format": 1, "flags": FLAGS})
    client = TestClient(evaluation_app(serving))
    for number in range(100):
        assert ask(client, context={"targetingKey": f"user-{number}", "plan": "pro"}).status_code == 200
        assert ask(client, f"no-{number}").status_code == 404
    assert len(serving.ruleset().written) == len(FLAGS) + 1  # of `half` both answers


def test_the_limits_are_allowed(client: TestClient) -> None:
    deepest = {"a": {"b": {"c": 1}}}
    for context in (deepest, dict.fromkeys(map(str, range(200)), 1), {"a": "x" * 65_000}, {"targetingKey": None}, {}):
        assert ask(client, "on", context).status_code == 200


def test_one_flag_that_fails_spoils_no_bulk() -> None:
    snapshot = {"format": 1, "flags": {**FLAGS, **BROKEN}, "segments": {}, "holdouts": {}}
    client = TestClient(evaluation_app(Serving(bundled=snapshot)))
    flags = {flag["key"]: flag for flag in ask(client, context={}).json()["flags"]}
    assert len(flags) == len(FLAGS) + 1
    assert flags["on"]["value"] is True
    assert flags["half"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert flags["broken"]["errorCode"] == "PARSE_ERROR"
    assert flags["broken"]["errorDetails"]
    assert ask(client, "broken").status_code == 400


def test_a_bulk_answer_is_304_for_who_has_it(client: TestClient) -> None:
    first = ask(client)
    etag = first.headers["etag"]
    assert etag.startswith('"')
    assert etag.endswith('"')
    for held in (etag, f'"x", {etag}', f'"x" ,W/{etag}', f"W/{etag}", "*", " * "):
        again = ask(client, **{"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    for held in ('"x"', "", etag.strip('"'), '"a, *, b"', f"W/{etag}x"):
        assert ask(client, **{"If-None-Match": held}).status_code == 200
    headers = [("If-None-Match", '"x"'), ("If-None-Match", etag)]
    assert client.post(URL, json={"context": {"targetingKey": "ada"}}, headers=headers).status_code == 304


def test_what_an_event_stream_sent_is_accepted(client: TestClient) -> None:
    etag = ask(client).headers["etag"]
    for query in (
        "flagConfigEtag=x",
        "flagConfigLastModified=1771622898",
        "flagConfigLastModified=2026-02-20T21:28:18Z",
    ):
        answered = client.post(f"{URL}?{query}", json={"context": {"targetingKey": "ada"}})
        assert (answered.status_code, answered.headers["etag"]) == (200, etag)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_is_reported_in_the_protocols_words(status: int) -> None:
    for path, kind in (
        (URL, "application/json"),
        (f"{URL}/on", "application/json"),
        ("/flags", "application/problem+json"),
    ):
        refused = refusal(path, status, "refused", "why", (b"retry-after", b"7"))
        reported = json.loads(bytes(refused.body))
        headers = {name.decode(): value.decode() for name, value in refused.raw_headers}
        assert (refused.status_code, headers["content-type"], headers["retry-after"]) == (status, kind, "7")
        assert reported.get("errorDetails", reported.get("detail")) == "why"
        assert (reported.get("errorCode") == "GENERAL") is path.startswith("/ofrep")


def test_the_tag_is_over_what_this_context_gets(client: TestClient) -> None:
    tags = {
        ask(client, context=context).headers["etag"] for context in ({"targetingKey": "ada"}, {"plan": "pro"}, {})
    }
    assert len(tags) == 3
    assert ask(client, context={"unused": 1}).headers["etag"] in tags, (
        "an attribute that no rule asks for changes nothing"
    )


def test_the_tag_changes_with_an_override(store: SqliteStore) -> None:
    client = TestClient(create_app(store, Serving(store, refresh_seconds=0)))
    before = ask(client).headers["etag"]
    client.put("/flags/on", json={"status": False})
    assert ask(client).headers["etag"] != before


def test_the_tag_changes_as_a_ramp_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = {"from": 0, "to": 100, "start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z"}
    flags = {"ramp": {"status": True, "rollout_percentage": ramp}}
    client = TestClient(evaluation_app(Serving(bundled={"format": 1, "flags": flags})))
    tags = set()
    for now in (1_798_761_500, 1_798_761_550, 1_798_848_100):
        monkeypatch.setattr("burgee.web.routes.ofrep.time.time", lambda now=now: float(now))
        tags.add(ask(client).headers["etag"])
    assert len(tags) == 2


def test_a_browser_may_ask_from_an_origin_in_the_settings_and_read_the_tag(store: SqliteStore) -> None:
    change(store, ["https://shop.example.com"], AuditContext("settings.change", "ada", "", 1_795_000_000.0))
    client = TestClient(evaluation_app(Serving(store, refresh_seconds=0), store))
    asked = {
        "Origin": "https://shop.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,if-none-match,authorization",
    }
    for url in (URL, f"{URL}/on"):
        preflight = client.options(url, headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example.com"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert all(name in allowed for name in ("content-type", "if-none-match", "authorization"))
    answered = ask(client, Origin="https://shop.example.com")
    assert answered.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert "ETag" in answered.headers["access-control-expose-headers"]


def test_no_page_may_ask_unless_the_settings_say_so(client: TestClient) -> None:
    asked = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}
    preflight = client.options(URL, headers=asked)
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in ask(client, Origin="https://shop.example.com").headers


def test_the_other_routes_are_closed_to_other_origins(client: TestClient) -> None:
    assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": "https://x.example"}).headers


def test_explain_shows_the_bucket(client: TestClient) -> None:
    reported = client.post(f"{URL}/half?explain=true", json={"context": {"targetingKey": "ada"}}).json()
    assert reported["metadata"]["hashed"] == "ada:half"
    assert (reported["metadata"]["bucket"] < reported["metadata"]["below"]) is reported["value"]
    assert "bucket" not in ask(client, "half").json()["metadata"]
