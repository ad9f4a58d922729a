"""What the handlers' environment turns on: records of exposures and usage go into one stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from burgee.handlers import wiring
from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app

if TYPE_CHECKING:
    import pytest

SNAPSHOT = {"flags": {"beta": {"status": True}}}


class Stream:
    """A delivery stream that takes everything."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        assert DeliveryStreamName == "events"
        self.records += [json.loads(line) for one in Records for line in one["Data"].splitlines()]
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"}] * len(Records)}


def test_usage_is_written_before_the_function_freezes_and_then_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    monkeypatch.setattr(wiring, "STREAM", "events")
    monkeypatch.setattr("burgee.events.firehose_sink._connected", lambda _service: stream)
    app = evaluation_app(Serving(bundled=SNAPSHOT), None, wiring.setup(None, "open"))
    client = TestClient(wiring.draining(app))
    client.get("/health")
    assert not stream.records, "nothing was asked for"
    for _ in range(5):
        assert client.post("/ofrep/v1/evaluate/flags/beta", json={"context": {}}).status_code == 200
    assert app.recorder is not None
    assert app.recorder.drain(5)
    (record,) = stream.records
    assert (record["type"], record["topic"], record["answers"][0]["count"]) == ("usage", "_usage", 1)
    assert app.usage is not None
    app.usage.flush()
    assert app.recorder.drain(5)
    assert [one["answers"][0]["count"] for one in stream.records] == [1, 4]


def test_without_a_stream_nothing_is_counted() -> None:
    assert wiring.setup(None, "open").usage is None
