"""Systems that are asked over HTTP: OFREP by a service of ours, Unleash's frontend API by replies of its shape."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
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
        (429, {}, "status 429", sources.TRIES),
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
    assert ofrep("https://user:secret@flags.example/at?token=secret", None).name == "https://flags.example/at"


def test_no_other_scheme_is_asked() -> None:
    with pytest.raises(ValueError, match="not the http or https address"):
        ofrep("file:///etc/passwd", None)
