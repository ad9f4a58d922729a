"""The spans of requests, by OpenTelemetry's own SDK: what an exporter gets of each, and that no path is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from burgee.access.keys import Kind
from burgee.web.telemetry import spans
from support.keys import bearer, service, shop, token
from support.planted import EMAIL, SEARCH, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True}}


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
    }
    assert (refused.attributes or {})["http.response.status_code"] == 403
    assert found.start_time is not None
    assert found.end_time is not None
    assert 0 < found.end_time - found.start_time < 60e9
    SEARCH.look(found.to_json() + refused.to_json(), "a span")
