"""Every route that evaluates counts its answers, under the key that asked; other processes send theirs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, create
from burgee.events.http_sink import HttpSink
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.events.usage import Queued, UsageCounter
from burgee.events.usage_records import Cell, Window, as_sent, counts_of, usage_records
from burgee.serving.serving import Serving
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.evaluation_app import evaluation_app
from burgee.web.exposures import Draining
from burgee.web.front import Setup
from burgee.web.routes.events import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOT = {"flags": {"half": {"status": True, "rollout_percentage": 50, "client": True}, "plain": {"status": True}}}
ONE = "/ofrep/v1/evaluate/flags"


class Service:
    """An evaluation service with keys, and what it counts."""

    def __init__(self, store: SqliteStore, *, keyed: bool = True) -> None:
        act = AuditContext("key.create", "test", "", 0.0)
        self.keys = {kind: create(store, kind, f"{kind} key", act).token for kind in (Kind.SERVER, Kind.CLIENT)}
        self.sink, self.events = MemorySink(), MemorySink()
        self.usage = UsageCounter(self.sink, RecordScope("p", "e"), threaded=False)
        recorder = Recorder(self.events, RecordScope("default", "default"))
        setup = Setup(ring=KeyRing(store) if keyed else None, usage=self.usage, recorder=recorder, limits=None)
        serving = Serving(bundled=SNAPSHOT)
        self.client = TestClient(evaluation_app(serving, store, setup))

    def ask(self, method: str, path: str, kind: Kind = Kind.SERVER, body: Any = None) -> Any:
        headers = {"x-api-key": self.keys[kind]}
        return self.client.request(method, path, headers=headers, json=body)

    def counted(self) -> dict[Cell, int]:
        self.usage.flush()
        return {cell: count for record in self.sink.records for cell, count in counts_of(record)}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    made = SqliteStore(":memory:")
    yield made
    made.close()


@pytest.fixture
def service(store: SqliteStore) -> Service:
    return Service(store)


def by(flag: str, *, bulk: bool = False, key: str = "server key", **more: Any) -> Cell:
    rule = "default" if flag == "half" else None
    cell = Cell(flag, "on", "SPLIT" if flag == "half" else "STATIC", rule, None, 0, False, key, bulk)
    return cell._replace(**more)


ON = {"context": {"targetingKey": "user-1"}}


@pytest.mark.parametrize(
    ("method", "path", "bulk"),
    [
        ("POST", f"{ONE}/plain", False),
        ("GET", "/users/user-1/flags/plain", False),
        ("POST", ONE, True),
        ("GET", "/users/user-1/flags", True),
    ],
)
def test_every_way_to_evaluate_is_counted(service: Service, method: str, path: str, bulk: bool) -> None:
    for _ in range(3):
        assert service.ask(method, path, body=ON if method == "POST" else None).status_code == 200
    found = service.counted()
    assert found[by("plain", bulk=bulk)] == 3
    assert {cell.flag for cell in found} == ({"plain", "half"} if bulk else {"plain"})
    assert sum(found.values()) == (6 if bulk else 3)


def test_a_client_key_is_counted_for_its_flags_and_for_no_other_name(service: Service) -> None:
    service.ask("POST", f"{ONE}/half", Kind.CLIENT, ON)
    for name in ("plain", "invented"):
        assert service.ask("POST", f"{ONE}/{name}", Kind.CLIENT, ON).status_code == 404
    service.ask("GET", "/users/user-1/flags/invented", Kind.CLIENT)
    assert {(cell.flag, cell.key, count) for cell, count in service.counted().items()} == {("half", "client key", 1)}


def test_errors_and_unknown_names_are_counted_on_both_routes(service: Service) -> None:
    service.ask("POST", f"{ONE}/gone", body=ON)
    service.ask("GET", "/users/user-1/flags/gone")
    service.ask("POST", f"{ONE}/half", body={"context": {}})
    found = {(cell.flag, cell.error): count for cell, count in service.counted().items()}
    assert found == {("gone", "FLAG_NOT_FOUND"): 2, ("half", "TARGETING_KEY_MISSING"): 1}


def test_what_is_refused_is_not_counted(service: Service) -> None:
    assert service.client.post(f"{ONE}/plain", json=ON).status_code == 401
    assert (
        service.ask("POST", f"{ONE}/plain", body={"context": {"a": {"b": {"c": {"d": {"e": 1}}}}}}).status_code == 400
    )
    assert service.counted() == {}


def test_a_frozen_process_writes_before_it_freezes() -> None:
    sink = MemorySink()
    recorder = Recorder(sink)
    usage = UsageCounter(Queued(recorder), threaded=False)
    app = evaluation_app(Serving(bundled=SNAPSHOT), setup=Setup(usage=usage, recorder=recorder))
    client = TestClient(Draining(app, recorder, usage))
    client.get("/health")
    client.post(f"{ONE}/plain", json=ON)
    assert [record["type"] for record in sink.records] == ["usage"]


def record(counts: dict[Cell, int], since: float = 10.0) -> dict[str, Any]:
    now = time.time()
    (made,) = usage_records(counts, Window(now - since, now, 3), RecordScope())
    return as_sent(made)


def test_the_usage_of_another_process_is_taken_under_the_name_of_its_key(service: Service) -> None:
    sent = record({by("plain", key="pretended"): 7, by("gone", variant=None, error="FLAG_NOT_FOUND"): 1})
    answer = service.ask("POST", "/v1/events", body={"events": [sent]})
    assert answer.json() == {"accepted": 1, "rejected": []}
    (stored,) = service.sink.records
    assert {(cell.flag, cell.key, count) for cell, count in counts_of(stored)} == {
        ("plain", "server key", 7),
        ("gone", "server key", 1),
    }
    assert (stored["event_id"], stored["lost"], stored["project"]) == (sent["event_id"], 3, "default")
    assert not service.events.records


def test_a_client_key_sends_no_usage(service: Service) -> None:
    answer = service.ask("POST", "/v1/events", Kind.CLIENT, {"events": [record({by("plain"): 7})]})
    (refused,) = answer.json()["rejected"]
    assert "server keys" in refused["error"]
    assert not service.sink.records


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("answers", 1),
        ("answers", [1]),
        ("answers", [{"flag": "plain", "reason": "STATIC"}]),
        ("answers", [{"flag": "../etc", "reason": "STATIC", "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "STATIC", "count": -1}]),
        ("answers", [{"flag": "plain", "reason": "STATIC", "count": True}]),
        ("answers", [{"flag": "plain", "reason": "STATIC", "count": 10**40}]),
        ("answers", [{"flag": "plain", "reason": "x" * 65, "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "S", "variant": "\x00", "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "S", "variant": 1, "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "S", "key": "other", "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "S", "bulk": "yes", "count": 1}]),
        ("answers", [{"flag": "plain", "reason": "S", "count": 1}] * 5_001),
        (
            "answers",
            [{"flag": f"f{i}", "reason": "ERROR", "error": "FLAG_NOT_FOUND", "count": 1} for i in range(101)],
        ),
        ("time", 1e12),
        ("time", "now"),
        ("time", float("1e308")),
        ("since", 9e9),
        ("lost", -1),
        ("event_id", ""),
        ("event_id", 5),
        ("unit", "ada"),
    ],
)
def test_hostile_usage_is_refused_and_the_rest_is_stored(service: Service, member: str, value: Any) -> None:
    body = {"events": [{**record({by("plain"): 7}), member: value}, record({by("plain"): 2})]}
    answer = service.ask("POST", "/v1/events", body=body)
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert len(service.sink.records) == 1


def test_a_record_of_usage_meets_its_schema() -> None:
    (route,) = ROUTES
    assert route.document is not None
    schema = route.document()["requestBody"]["content"]["application/json"]["schema"]
    sent = json.loads(json.dumps(record({by("plain"): 7, by("half", override=True, bulk=True): 1})))
    Draft202012Validator(schema).validate({"events": [sent]})
    assert not Draft202012Validator(schema).is_valid({"events": [{**sent, "unit": "ada"}]})


def test_a_process_sends_what_a_service_takes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = HttpSink("http://127.0.0.1:1", key="k")

    def post(body: bytes) -> Any:
        answer = service.client.post("/v1/events", content=body, headers={"x-api-key": service.keys[Kind.SERVER]})
        return answer.json()

    monkeypatch.setattr(sink, "_post", post)
    now = time.time()
    sink.write(usage_records({by("plain"): 7}, Window(now - 60, now, 1), RecordScope()))
    (stored,) = service.sink.records
    assert list(counts_of(stored)) == [(by("plain"), 7)]
