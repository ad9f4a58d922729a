"""Personal data and secrets, planted in every route by every way in, are in no log: in process, served, on Lambda."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.serving.serving import Serving
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from burgee.web.telemetry import Metrics, RequestLog, together
from support.dynamodb import CREDENTIALS, wire_url
from support.keys import ALL, HOME, release, token
from support.lambda_runtime import FUNCTIONS, emulator, event, function
from support.planted import EMAIL, FLAG, MARKERS, SEARCH, Search, headers, requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS: dict[str, Any] = {FLAG: {"status": True, "rollout_percentage": 50, "targets": {"on": [EMAIL]}}}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", HOME)
    release(store, FLAGS)
    yield store
    store.close()


def app(store: SqliteStore) -> Any:
    watch = together(RequestLog(sys.stderr.write, every=True), Metrics(sys.stderr.write, flush_seconds=0))
    recorder = Recorder(MemorySink(), RecordScope(HOME.project, HOME.environment))
    setup = Setup(KeyRing(store), watch=watch, limits=None, recorder=recorder)
    return create_app(store, Serving(store, refresh_seconds=0), setup)


def test_in_process_nothing_planted_is_logged(
    store: SqliteStore, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx2")  # the client that asks
    client = TestClient(app(store), raise_server_exceptions=False)
    asked = 0
    for given in headers(token(store, Kind.ADMIN, *ALL)):
        for method, url, body in requests(client.app.openapi()):  # type: ignore[attr-defined]
            assert client.request(method, url, json=body, headers=given).status_code < 500
            asked += 1
    store.state = store.pointer = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    assert client.get("/flags", headers=next(headers(token(store, Kind.ADMIN, *ALL)))).status_code == 500
    reported = capsys.readouterr().err
    assert reported.count('"message": "request"') == asked + 1 > 100
    SEARCH.look(reported + caplog.text, "the log")


@pytest.mark.sam
@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
@pytest.mark.parametrize("handler", ["evaluate", "manage"])
def test_on_lambda_nothing_planted_is_logged(
    tmp_path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    table = DynamoDbStore(f"planted-{handler}", HOME, endpoint_url=wire_url())
    table.create_table()
    release(table, FLAGS)
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": wire_url(),
        "BURGEE_TABLE": f"planted-{handler}",
        "BURGEE_PROJECT": HOME.project,
        "BURGEE_ENVIRONMENT": HOME.environment,
        "BURGEE_LOG_LEVEL": "DEBUG",
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
    }
    log = tmp_path / "log"
    with function(f"burgee.handlers.{handler}.handler", FUNCTIONS, log, environment) as running:
        for given in headers(token(table, Kind.ADMIN, *ALL)):
            for method, url, body in requests(app(store).openapi()):
                assert running(asked(method, url, body, given))["statusCode"] < 500
    table.close()
    assert log.read_text(encoding="utf-8").count('"message": "request"') > 100


def asked(method: str, url: str, body: Any, given: dict[str, str]) -> dict[str, Any]:
    """A request as API Gateway's HTTP API hands it on."""
    made: dict[str, Any] = event("http-api-put-flag")
    made["rawPath"], made["rawQueryString"] = urlsplit(url).path, urlsplit(url).query
    made["requestContext"]["http"] |= {"method": method, "path": urlsplit(url).path}
    made["headers"] |= {name.lower(): value for name, value in given.items()}
    made["body"] = None if body is None else json.dumps(body)
    return made


@pytest.mark.parametrize(
    "marker", [*MARKERS, "planted-5d1c%40example.com", f"burgee_admin_a/b_{'0' * 16}_{'f' * 64}"]
)
def test_the_search_finds_what_it_is_for(marker: str) -> None:
    search = Search()
    search.look("a clean line\n", "a log")
    with pytest.raises(AssertionError, match="a log holds"):
        search.look(f'{{"path": "/users/{marker}"}}\n', "a log")
    assert (len(search.found), search.characters > len(marker)) == (1, True)
