"""From the OpenFeature SDK's `client.track` to a report: through the application's own files, or a service's."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails
from starlette.responses import Response

from burgee.analysis.reports import report
from burgee.errors import SinkUnavailable
from burgee.events.http_sink import HttpSink
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.recorder import Recorder
from burgee.events.records import MAX_BYTES, MAX_RECORDS, RecordScope, accept
from burgee.events.sinks import MemorySink
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.experiments import FILE, gather_from, planned
from support.http import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime.now(UTC)
CURRENT = (
    FILE.replace(", window: 7d", "")
    .replace("2026-01-01", f"{NOW - timedelta(days=2):%Y-%m-%d}")
    .replace("2026-01-29", f"{NOW + timedelta(days=20):%Y-%m-%d}")
    .replace("      segments:", "      auto_expose: true\n      segments:")
)


@pytest.fixture(autouse=True)
def _sdk() -> Iterator[None]:
    yield
    api.clear_providers()


@pytest.fixture(params=["files", "service"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[BurgeeProvider, Path]]:
    """A provider that records, and the folder where its records end."""
    flags, folder = tmp_path / "flags.yaml", tmp_path / "events"
    flags.write_text(CURRENT, encoding="utf-8")
    if request.param == "files":
        yield BurgeeProvider.from_file(flags, recorder=Recorder(JsonlSink(folder))), folder
        return
    store = SqliteStore(":memory:")
    apply(store, compile_file(flags), Origin(commit="abc"), AuditContext("release.activate", "ci", "", time.time()))
    recorder = Recorder(JsonlSink(folder), RecordScope("shop", "production"))
    app = create_app(store, Serving(store), Setup(recorder=recorder))
    with served(app) as url:
        yield BurgeeProvider.from_url(url, recorder=Recorder(HttpSink(url))), folder
    store.close()


def test_what_an_application_tracks_is_what_a_report_counts(
    recorded: tuple[BurgeeProvider, Path], tmp_path: Path
) -> None:
    provider, folder = recorded
    api.set_provider_and_wait(provider)
    client = api.get_client()
    arms: dict[bool, list[str]] = {True: [], False: []}
    for i in range(300):
        context = EvaluationContext(f"u{i}", {"country": "DE", "email": f"u{i}@example.com"})
        arms[client.get_boolean_value("button", False, context)].append(f"u{i}")
        client.track("visit", context, TrackingEventDetails(attributes={"ms": 100 + i, "seen": [1]}))
        if i % 3 == 0:
            details = TrackingEventDetails(5.0, {"amount": 2.5, "items": ["a"]})
            client.track("order", context, details)
    client.track("order")  # by nobody: it cannot be counted
    api.shutdown()

    plan = planned(tmp_path, CURRENT)
    evidence = gather_from(folder, plan, int(time.time() * 1000) + 1)
    assert {arm: found.n for arm, found in evidence.arms.items()} == {"off": len(arms[False]), "on": len(arms[True])}
    for arm, units in (("off", arms[False]), ("on", arms[True])):
        bought = sum(int(unit[1:]) % 3 == 0 for unit in units) / len(units)
        moments = evidence.arms[arm].moments
        assert moments["bought"].means["value"] == pytest.approx(bought)
        assert moments["basket"].means == pytest.approx({"value": 2.5 * bought, "per": 1.0})
    reported = report(plan, evidence)
    assert reported.healthy
    assert set(evidence.segments["country"]) == {"DE"}
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == 700
    assert "example.com" not in str(lines)
    (order,) = [line for line in lines if line["event"] == "order" and line["unit"] == "u0"]
    assert order["properties"] == {"amount": "2.5", "value": "5.0"}


def records(n: int, **more: Any) -> list[dict[str, Any]]:
    raw = [{"type": "track", "event_id": str(i), "unit": "u", "event": "e", **more} for i in range(n)]
    return [accept(one, RecordScope(), time.time()) for one in raw]


def test_requests_are_as_large_as_a_service_takes() -> None:
    sizes, sink = [], MemorySink()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        found = json.loads(body)["events"]
        sizes.append((len(body), len(found)))
        sink.records.extend(found)
        answer = {"accepted": len(found), "rejected": []}
        await Response(json.dumps(answer))(scope, receive, send)

    with served(app) as url:
        HttpSink(url).write(records(1200) + records(100, properties={f"k{i}": "x" * 500 for i in range(40)}))
    assert max(size for size, _count in sizes) <= MAX_BYTES
    assert max(count for _size, count in sizes) == MAX_RECORDS
    assert len(sink.records) == 1300
    assert set(sink.records[0]) == {"type", "event_id", "time", "unit", "event", "properties"}


@pytest.mark.parametrize("status", [401, 503])
def test_a_service_that_refuses_costs_the_application_nothing(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with served(Response(status_code=status)) as url:
        with pytest.raises(SinkUnavailable, match=str(status)):
            HttpSink(url).write(records(1))
        recorder = Recorder(HttpSink(url))
        recorder.tracked("order", "ada", time.time(), {})
        assert recorder.drain(10)
    assert recorder.dropped == 1
    assert f"answered {status}" in caplog.text


def test_what_the_service_rejects_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps({"accepted": 0, "rejected": [{"index": 0, "error": "there is no flag 'x'"}]})
    with served(Response(body)) as url:
        HttpSink(url).write(records(1))
    assert "1 record was rejected" in caplog.text
    assert "there is no flag 'x'" in caplog.text


def test_only_http_is_spoken() -> None:
    with pytest.raises(ValueError, match="not the http"):
        HttpSink("file:///etc")
