"""Exposures beside answers, events over HTTP, and experiments as JSON."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from burgee.cli.recording import LocalReports
from burgee.errors import SinkUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.events.recorder import Recorder
from burgee.events.records import MAX_RECORDS, RecordScope
from burgee.events.sinks import MemorySink
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import evaluation_app
from burgee.web.exposures import Draining
from burgee.web.front import Setup
from support.experiments import FILE, crowd, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SNAPSHOT = {
    "format": 1,
    "flags": {
        "logged": {"status": True, "rollout_percentage": 50},
        "silent": {"status": True, "rollout_percentage": 50},
        "plain": {"status": True},
    },
    "exposed": {"logged": ["country"]},
}
TRACK = {"type": "track", "event_id": "1", "unit": "ada", "event": "order", "properties": {"amount": 12.5}}


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def recorder(sink: MemorySink) -> Recorder:
    return Recorder(sink, RecordScope("p", "e"))


@pytest.fixture
def client(recorder: Recorder) -> TestClient:
    return TestClient(evaluation_app(Serving(None, SNAPSHOT), setup=Setup(recorder=recorder)))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/ada/flags/logged?country=DE", ["logged"]),
        ("/users/ada/flags/silent", []),
        ("/users/ada/flags/silent?expose=true", ["silent"]),
        ("/users/ada/flags/silent?mail=a%40x.example&%65xpose=tru%65", ["silent"]),
        ("/users/ada/flags/silent?exposed=true", []),
        ("/users/ada/flags/plain?expose=true", ["plain"]),
        ("/users/ada/flags", []),
        ("/users/ada/flags?expose=true", ["logged", "silent"]),
    ],
)
def test_which_answers_are_noted(
    client: TestClient, recorder: Recorder, sink: MemorySink, path: str, expected: list[str]
) -> None:
    assert client.get(path).status_code == 200
    assert recorder.drain(5)
    assert [record["flag"] for record in sink.records] == expected


def test_openfeature_clients_are_noted_too(client: TestClient, recorder: Recorder, sink: MemorySink) -> None:
    body = {"context": {"targetingKey": "ada", "country": "DE", "email": "ada@example.com"}}
    reported = client.post("/ofrep/v1/evaluate/flags/logged", json=body).json()
    assert client.post("/ofrep/v1/evaluate/flags?expose=true", json=body).status_code == 200
    assert recorder.drain(5)
    assert [record["flag"] for record in sink.records] == ["logged", "logged", "silent"]
    record = sink.records[0]
    assert record["variant"] == reported["variant"]
    assert record["properties"] == {"country": "DE"}
    assert (record["project"], record["environment"], record["unit"]) == ("p", "e", "ada")


HELD: dict[str, Any] = {
    "format": 1,
    "flags": {
        "new": {"status": True, "holdout": "q4", "client": True},
        "inner": {"status": True, "holdout": "q4"},
        "free": {"status": True, "client": True},
    },
    "holdouts": {"q4": {"percentage": 50}},
    "exposed": {"holdout:q4": ["country"]},
}


@pytest.mark.parametrize(
    ("path", "exposed"),
    [
        ("/ofrep/v1/evaluate/flags", True),
        ("/ofrep/v1/evaluate/flags/new", True),
        ("/ofrep/v1/evaluate/flags/free", False),
        ("/users/ada/flags", True),
        ("/users/ada/flags/inner", True),
        ("/users/ada/flags/nowhere", False),
    ],
)
def test_asking_for_a_flag_of_a_holdout_is_an_exposure_to_it(
    recorder: Recorder, sink: MemorySink, path: str, exposed: bool
) -> None:
    client = TestClient(evaluation_app(Serving(None, HELD), setup=Setup(recorder=recorder)))
    context = {"targetingKey": "ada", "country": "DE"}
    for _ in range(2):
        if path.startswith("/ofrep"):
            client.post(path, json={"context": context})
        else:
            client.get(f"{path}?country=DE")
    assert recorder.drain(5)
    assert [(one["flag"], one["unit"], one["properties"]) for one in sink.records] == (
        [("holdout:q4", "ada", {"country": "DE"})] if exposed else []
    )


def test_who_may_see_no_flag_of_a_holdout_is_not_exposed_to_it(recorder: Recorder, sink: MemorySink) -> None:
    hidden = {**HELD, "flags": {**HELD["flags"], "new": {"status": True, "holdout": "q4"}}}
    view = Ruleset(hidden).for_clients()
    recorder.fetched(view, view.evaluate_all({"targetingKey": "ada"}), {"targetingKey": "ada"})
    for flag in ("new", "inner"):
        recorder.answered(view, flag, view.evaluate(flag, {}), {"targetingKey": "ada"}, asked=False)
    assert recorder.drain(5)
    assert sink.records == []


@pytest.mark.parametrize("path", ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/"])
def test_who_fetches_the_only_flag_has_not_seen_it(recorder: Recorder, sink: MemorySink, path: str) -> None:
    snapshot = {**SNAPSHOT, "flags": {"logged": {"status": True, "rollout_percentage": 50}}}
    app = evaluation_app(Serving(None, snapshot), setup=Setup(recorder=recorder))
    assert TestClient(app).post(path, json={"context": {"targetingKey": "ada"}}).status_code == 200
    assert recorder.drain(5)
    assert sink.records == []


def test_events_are_judged_one_by_one(client: TestClient, sink: MemorySink) -> None:
    answered = client.post("/v1/events", json={"events": [TRACK, {"type": "no"}, {**TRACK, "unit": ""}, TRACK]})
    assert answered.status_code == 200
    assert answered.json() == {
        "accepted": 2,
        "rejected": [
            {"index": 1, "error": "`type` must be `exposure`, `track` or `identify`"},
            {"index": 2, "event_id": "1", "error": "`unit` must be a non-empty string"},
        ],
    }
    assert [record["event_id"] for record in sink.records[:2]] == ["1", "1"]  # counted once in a report
    assert sink.records[2]["type"] == "refused"
    assert sink.records[2]["properties"]["count"] == "2"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e100", "9" * 400, "9" * 5000, '"NaN"', '"inf"'])
def test_a_number_that_cannot_be_summed_costs_no_other_record(
    client: TestClient, sink: MemorySink, number: str
) -> None:
    """Python does not read an integer of 5,000 digits, and JSON has no NaN."""
    events = [{**TRACK, "event_id": str(i), "properties": {"amount": "HERE" if i == 7 else 1}} for i in range(500)]
    body = json.dumps({"events": events}).replace('"HERE"', number)
    answered = client.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 200, answered.text
    assert answered.json()["accepted"] == 499
    assert [one["index"] for one in answered.json()["rejected"]] == [7]
    assert len(sink.records) == 500, "499, and a record of the refusal"


def test_nobody_makes_up_flags(client: TestClient, sink: MemorySink) -> None:
    """Storage is partitioned by flag."""
    shown = {"type": "exposure", "event_id": "1", "unit": "ada", "variant": "on"}
    events = [{**shown, "flag": flag} for flag in ("logged", "unheard-of", "../logged", "_track")]
    answered = client.post("/v1/events", json={"events": events}).json()
    assert answered["accepted"] == 1
    assert [one["error"] for one in answered["rejected"]] == [
        "there is no flag 'unheard-of'",
        "`flag` is not a flag's name",
        "`flag` is not a flag's name",
    ]
    assert [record["topic"] for record in sink.records] == ["logged", "_refused"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no", 422),
        (b"[]", 422),
        (b'{"events": []}', 422),
        (b'{"events": {}, "x": 1}', 422),
        (json.dumps({"events": [TRACK] * (MAX_RECORDS + 1)}).encode(), 422),
        (b" " * 1_000_001, 413),
        (b"[" * 100_000, 422),
    ],
    ids=["text", "list", "none", "more", "many", "large", "deep"],
)
def test_bodies_that_are_refused(client: TestClient, body: bytes, status: int) -> None:
    answered = client.post("/v1/events", content=body)
    assert answered.status_code == status
    assert answered.headers["content-type"] == "application/problem+json"


def test_events_that_cannot_be_kept_are_not_acknowledged() -> None:
    class Full:
        def write(self, _records: Sequence[Any]) -> None:
            raise SinkUnavailable("full")

    client = TestClient(evaluation_app(Serving(None, SNAPSHOT), setup=Setup(recorder=Recorder(Full()))))
    assert client.post("/v1/events", json={"events": [TRACK]}).status_code == 503
    assert client.get("/users/ada/flags/logged").status_code == 200


def test_exposures_are_written_before_a_machine_that_stops_between_requests(
    recorder: Recorder, sink: MemorySink
) -> None:
    app = evaluation_app(Serving(None, SNAPSHOT), setup=Setup(recorder=recorder))
    TestClient(Draining(app, recorder)).get("/users/ada/flags/logged")
    assert len(sink.records) == 1


@pytest.fixture
def service(tmp_path: Path, recorder: Recorder) -> Iterator[TestClient]:
    (tmp_path / "flags.yaml").write_text(FILE, encoding="utf-8")
    store = SqliteStore(":memory:")
    reports = LocalReports(tmp_path / "flags.yaml", "p", "e")
    yield TestClient(create_app(store, Serving(store), Setup(recorder=recorder), reports))
    store.close()


def test_experiments_are_reported(service: TestClient, tmp_path: Path) -> None:
    written(tmp_path / ".burgee/events", crowd(300))
    (reported,) = service.get("/experiments").json()["experiments"]
    assert (reported["flag"], reported["verdict"]["decision"]) == (
        "button",
        service.get("/experiments/button").json()["verdict"]["decision"],
    )
    assert service.get("/experiments/nope").status_code == 404


def test_one_report_is_computed_at_a_time(recorder: Recorder) -> None:
    store, entered, gate = SqliteStore(":memory:"), Event(), Event()

    class Slow:
        project, environment = "p", "e"

        def every(self) -> list[dict[str, Any]]:
            entered.set()
            assert gate.wait(30)
            return []

        def one(self, flag: str) -> dict[str, Any]:
            raise ValueError(flag)

        def evidence(self, report: object) -> str:
            raise ValueError(report)

    app = create_app(store, Serving(store), Setup(recorder=recorder), Slow())
    client = TestClient(app, raise_server_exceptions=False)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, "/experiments")
        assert entered.wait(30)
        for path in ("/experiments", "/experiments/button"):
            busy = client.get(path)
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
            assert busy.json()["type"].endswith("/report-busy")
        gate.set()
        assert first.result(30).status_code == 200
    assert client.get("/experiments/button").status_code == 500
    assert client.get("/experiments").status_code == 200, "also after one that failed"
    store.close()


def test_without_records_an_experiment_waits(service: TestClient) -> None:
    found = service.get("/experiments/button").json()
    assert found["verdict"] == {"decision": "wait", "arm": None, "sentence": "Not decided yet: there are no records."}
    assert service.get("/experiments").json()["experiments"] == [found]


def test_the_routes_are_documented(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    assert {"/v1/events", "/experiments", "/experiments/{flag}"} <= set(paths)
    schema = paths["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({"events": [TRACK]})
