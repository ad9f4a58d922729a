"""The spans of requests, by OpenTelemetry's own SDK: what an exporter gets of each, and that no path is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import feature_flag_attributes
from opentelemetry.semconv._incubating.attributes.feature_flag_attributes import (
    FeatureFlagResultReasonValues as Reason,
)
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from burgee.access.keys import Kind
from burgee.web.telemetry import RequestLog, spans
from support.keys import bearer, service, shop, token
from support.planted import EMAIL, SEARCH, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True}, "half": {"status": True, "rollout_percentage": 50}}
BETA = {
    feature_flag_attributes.FEATURE_FLAG_KEY: "beta",
    feature_flag_attributes.FEATURE_FLAG_RESULT_VARIANT: "on",
    feature_flag_attributes.FEATURE_FLAG_RESULT_REASON: Reason.STATIC.value,
    feature_flag_attributes.FEATURE_FLAG_PROVIDER_NAME: "Burgee",
    feature_flag_attributes.FEATURE_FLAG_SET_ID: "shop/production",
    feature_flag_attributes.FEATURE_FLAG_VERSION: "1",
}
"""An evaluation in the words of OpenTelemetry's own package of them."""


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


def test_each_request_is_a_span_that_names_the_operation_and_nobody(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    client = service(store, watch=spans())
    headers = {**bearer(token(store, Kind.SERVER)), "X-Request-Id": "r-1"}
    client.get(f"/users/{UNIT}/flags/beta?email={EMAIL}", headers=headers)
    client.get(f"/nowhere/{UNIT}", headers=headers)
    provider.shutdown()
    found, refused = exporter.get_finished_spans()
    assert (found.name, refused.name) == ("burgee.user_flag", "burgee.none")
    assert dict(found.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "burgee.request_id": "r-1",
        "burgee.project": "shop",
        "burgee.environment": "production",
        "burgee.release": 1,
        **BETA,
    }
    assert (refused.attributes or {})["http.response.status_code"] == 403
    assert found.start_time is not None
    assert found.end_time is not None
    assert 0 < found.end_time - found.start_time < 60e9
    SEARCH.look(found.to_json() + refused.to_json(), "a span")


def test_the_evaluation_of_a_flag_is_an_event_of_its_span_and_names_nobody(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    records, logs = InMemoryLogRecordExporter(), LoggerProvider()  # type: ignore[no-untyped-call]
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    monkeypatch.setattr("opentelemetry._logs.get_logger", logs.get_logger)
    client = service(store, watch=spans())
    client.headers.update(bearer(token(store, Kind.SERVER)))
    client.post("/ofrep/v1/evaluate/flags/beta", json={"context": {"targetingKey": UNIT}})
    client.post("/ofrep/v1/evaluate/flags/half", json={"context": {"email": EMAIL}})
    client.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": UNIT}})
    client.get(f"/users/{UNIT}/flags/{UNIT}")
    provider.shutdown()
    first, second = (one.log_record for one in records.get_finished_logs())
    assert (first.event_name, second.event_name) == ("feature_flag.evaluation", "feature_flag.evaluation")
    assert dict(first.attributes or {}) == BETA
    assert dict(second.attributes or {}) == {
        **{name: value for name, value in BETA.items() if not name.endswith("variant")},
        feature_flag_attributes.FEATURE_FLAG_KEY: "half",
        feature_flag_attributes.FEATURE_FLAG_RESULT_REASON: Reason.ERROR.value,
        ERROR_TYPE: "targeting_key_missing",
    }
    of_first, _second, _bulk, unknown = exporter.get_finished_spans()
    assert (first.trace_id, first.span_id) == (of_first.context.trace_id, of_first.context.span_id)
    assert (unknown.attributes or {})[ERROR_TYPE] == "flag_not_found"
    assert feature_flag_attributes.FEATURE_FLAG_KEY not in (unknown.attributes or {})
    SEARCH.look("".join(one.to_json() for one in exporter.get_finished_spans()), "spans of evaluations")
    SEARCH.look(str([dict(one.attributes or {}) for one in (first, second)]), "events of evaluations")


def test_a_line_of_the_log_has_the_same_words(store: SqliteStore) -> None:
    lines: list[str] = []
    client = service(store, watch=RequestLog(lines.append, every=True))
    client.get(f"/users/{UNIT}/flags/beta", headers=bearer(token(store, Kind.SERVER)))
    assert json.loads(lines[-1]).items() >= BETA.items()
