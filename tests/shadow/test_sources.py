"""Systems that are asked over HTTP: OFREP by a service of ours, Unleash's frontend API by replies of its shape."""

from __future__ import annotations

import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.serving.serving import Serving
from burgee.shadow import sources
from burgee.shadow.sources import RulesetSource, Unanswered, ofrep, unleash
from burgee.web.evaluation_app import evaluation_app
from support.http import handled, served

if TYPE_CHECKING:
    from collections.abc import Callable

FLAGS: dict[str, Any] = {
    "half": {"status": True, "rollout_percentage": 50},
    "colour": {
        "status": True,
        "variants": {"red": {"hex": "#f00", "at": 1.0}, "blue": {"hex": "#00f", "at": 2}},
        "off_variant": "red",
        "rules": [{"name": "pro", "when": {"plan": {"equals": "pro"}}, "serve": "blue"}],
        "default": {"serve": "red"},
    },
    "silent": {"status": False, "variants": {"on": True}},
    "by company": {"status": True, "rollout_percentage": 50, "bucket_by": "company"},
}
SNAPSHOT = {"format": 1, "environment": None, "flags": FLAGS, "segments": {}, "holdouts": {}}
CONTEXTS: list[dict[str, Any]] = [
    *({"targetingKey": f"user-{number}", "plan": "pro" if number % 2 else "free"} for number in range(40)),
    {"plan": "pro"},
    {"targetingKey": "x", "company": "acme"},
]


def replying(reply: Callable[[Any], tuple[int, Any]]) -> type[BaseHTTPRequestHandler]:
    """A server that answers a POST's body with a status and JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = reply({"path": self.path, "body": body, "key": self.headers.get("Authorization")})
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    return Handler


def test_a_service_answers_as_its_ruleset_in_process() -> None:
    here = RulesetSource("here", Ruleset(SNAPSHOT), None)
    with served(evaluation_app(Serving(bundled=SNAPSHOT))) as base:
        assert [*ofrep(base, None).answers(CONTEXTS)] == [*here.answers(CONTEXTS)]


def test_unleash_names_only_enabled_features_and_their_variants() -> None:
    asked = []

    def reply(request: Any) -> tuple[int, Any]:
        asked.append(request)
        off = {"name": "disabled", "enabled": False, "feature_enabled": True}
        toggles = [
            {"name": "plain", "enabled": True, "variant": off},
            {"name": "named", "enabled": True, "variant": {"name": "b", "enabled": True}},
            *(
                {"name": kind, "enabled": True, "variant": {"name": "v", "enabled": True, "payload": payload}}
                for kind, payload in (
                    ("text", {"type": "string", "value": "B"}),
                    ("json", {"type": "json", "value": '{"a": 1.0}'}),
                    ("number", {"type": "number", "value": "12.5"}),
                )
            ),
        ]
        return 200, {"toggles": toggles}

    with handled(replying(reply)) as base:
        source = unleash(base, "default:development.key")
        context = {"targetingKey": "ada", "sessionId": 7, "plan": "pro", "age": 30, "beta": True}
        (answers,) = source.answers([context])
    assert answers == {"plain": "on", "named": '"b"', "text": '"B"', "json": '{"a":1}', "number": "12.5"}
    assert source.silence == "off"
    (request,) = asked
    assert request["path"] == "/api/frontend"
    assert request["key"] == "default:development.key"
    assert request["body"] == {
        "context": {"userId": "ada", "sessionId": "7", "properties": {"plan": "pro", "age": "30", "beta": "true"}}
    }


@pytest.mark.parametrize(
    ("status", "body", "fault", "asked"),
    [
        (500, {}, "status 500", sources.TRIES),
        (429, {}, "status 429", sources.PATIENT_TRIES),
        (400, {}, "status 400", 1),
        (302, {}, "status 302", 1),
        (200, b"<html>", "not an answer of this protocol", 1),
        (200, {"flags": 3}, "not an answer of this protocol", 1),
        (200, {"flags": [{"value": 3}]}, "not an answer of this protocol", 1),
        (200, b'{"flags":' + b"[" * 100_000, "not an answer of this protocol", 1),
    ],
)
def test_what_is_no_answer_is_unanswered(
    status: int, body: Any, fault: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0.0)
    requests = []

    def reply(request: Any) -> tuple[int, Any]:
        requests.append(request)
        return status, body

    with handled(replying(reply)) as base:
        (found,) = ofrep(base, None).answers([{"targetingKey": "ada"}])
    assert isinstance(found, Unanswered)
    assert str(found) == fault
    assert len(requests) == asked


def test_a_wrong_key_ends_it_and_is_not_named() -> None:
    wrong = pytest.raises(StoreUnavailable, match="the key is missing or wrong")
    with handled(replying(lambda _request: (401, {}))) as base, wrong as refused:
        [*ofrep(base, "a-secret").answers([{"targetingKey": "ada"}])]
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://ada:secret@flags.example/at", "https://flags.example/at?token=secret"])
def test_an_address_with_a_secret_is_refused_without_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://flags\.example/at'") as refused:
        ofrep(url, None)
    assert "secret" not in str(refused.value)


def test_a_service_that_asks_for_time_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("burgee.shadow.sources.time.sleep", waited.append)
    pending = [(503, "Mon, 30 Nov 2026 23:00:00 GMT"), (429, "7"), (429, "3600"), (200, "")]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, after = pending.pop(0)
            data = b'{"flags":[{"key":"a","value":true}]}'
            self.send_response(status)
            self.send_header("Retry-After", after)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with handled(Handler) as base:
        assert [*ofrep(base, None).answers([{}])] == [{"a": "true"}]
    assert waited == [0.0, sources.PAUSE_SECONDS, 7.0, sources.LONGEST_PAUSE_SECONDS]


def test_a_body_that_does_not_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a stream of events, which keeps a connection alive."""
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(sources, "TIMEOUT_SECONDS", 0.2)
    ended = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not ended.wait(0.01):
                    self.wfile.write(b": alive\n")

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with handled(Handler) as base:
        (found,) = ofrep(base, None).answers([{}])
    assert str(found) == "TimeoutError"


def test_a_cut_body_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0.0)
    whole = b'{"flags":[{"key":"a","value":true}]}'
    bodies = [whole[:9], whole]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(bodies.pop(0))

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with handled(Handler) as base:
        assert [*ofrep(base, None).answers([{}])] == [{"a": "true"}]
    assert bodies == []


def test_what_a_service_writes_into_an_error_is_not_repeated() -> None:
    def reply(request: Any) -> tuple[int, Any]:
        echoed = request["body"]["context"]["targetingKey"]
        return 200, {
            "flags": [
                {"key": "echoed", "errorCode": f"BAD {echoed}", "errorDetails": echoed},
                {"key": "known", "errorCode": "TARGETING_KEY_MISSING", "errorDetails": echoed},
            ]
        }

    with handled(replying(reply)) as base:
        (found,) = ofrep(base, None).answers([{"targetingKey": "ada@example.com"}])
    assert found == {"echoed": "error GENERAL", "known": "error TARGETING_KEY_MISSING"}


def test_a_context_that_cannot_be_sent_is_unanswered() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    (found,) = ofrep("http://127.0.0.1:1", None).answers([{"deep": nested}])
    assert str(found) == "a context that cannot be sent"


def test_no_other_scheme_is_asked() -> None:
    with pytest.raises(ValueError, match="not the http or https address"):
        ofrep("file:///etc/passwd", None)
