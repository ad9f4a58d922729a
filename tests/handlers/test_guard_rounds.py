"""The function that runs guards on AWS: on a real table's protocol, with Athena's API over DuckDB."""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from burgee.errors import Conflict, Refused
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.flagfile.compile import compile_file
from burgee.releases.deploy import apply
from burgee.stores import Change, Origin, Put, Shelf, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.times import format_time, parse_time
from support.athena import FakeAthena, add, lake
from support.dynamodb import CREDENTIALS, table_at, wire_url
from support.iam import Asked, resources, statements
from support.lambda_runtime import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


HOUR, DAY = 3_600.0, 86_400.0
NOW = 1_800_000_000.0 // DAY * DAY + 10 * HOUR
TENANT = Tenant("shop", "production")
SCHEDULED = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
FILE = """\
version: 1
metrics:
  errors: {kind: proportion, event: error, direction: decrease, window: 10m}
flags:
  checkout:
    status: on
    rollout_percentage: 0
    guard:
      {steps: [10, 30, 100], hold: 1h, minimum: 100, guardrails: {errors: {margin: 10}}, alarms: [checkout-5xx]}
"""
ALARMS_ALONE = (
    FILE
    + """\
  search:
    status: on
    rollout_percentage: 0
    guard: {steps: [10, 100], hold: 1d, alarms: [another-5xx]}
"""
)


def alarm(name: str, at: float, value: str = "ALARM") -> dict[str, Any]:
    state = {"value": value, "timestamp": format_time(at).replace("Z", ".000+0000")}
    detail = {"alarmName": name, "state": state, "previousState": {"value": "OK"}}
    return {"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": detail}


class World:
    """A table with a guard, a clock, alarms, records and the handler."""

    def __init__(self, handlers: Any, folder: Path) -> None:
        self.now, self.left, self.name = NOW, 900.0, f"burgee-{uuid4().hex}"
        self.alarms = {"checkout-5xx": "OK", "another-5xx": "OK"}
        self.lake = lake([])
        self.athena = FakeAthena(self.lake)
        self.handlers = handlers
        self.stores: list[DynamoDbStore] = []
        path = folder / "flags.yaml"
        path.write_text(FILE, encoding="utf-8")
        by = AuditContext("release.activate", "ci", "", NOW)
        apply(self.table(), compile_file(path), Origin(), by)

    def table(self) -> DynamoDbStore:
        self.stores.append(table_at(wire_url(), self.name, TENANT))
        return self.stores[-1]

    def client(self, service: str, **_more: Any) -> Any:
        return {"athena": self.athena, "cloudwatch": self}[service]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_alarms"
        return self

    def paginate(self, **asked: Any) -> Iterator[Any]:
        for name in asked["AlarmNames"]:
            yield {"MetricAlarms": [{"AlarmName": name, "StateValue": self.alarms[name]}], "CompositeAlarms": []}

    def sleep(self, seconds: float) -> None:
        self.now, self.left = self.now + seconds, self.left - seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)

    def round(self, event: dict[str, Any] | None = None) -> Any:
        return self.handlers.handler(event or SCHEDULED, self)

    def share(self) -> Any:
        override = self.table().state().overrides.get("checkout")
        return None if override is None or override.definition is None else override.definition["rollout_percentage"]

    def actions(self) -> list[str]:
        return [entry.action for entry in reversed(self.table().audit())]

    def crowd(self, hours: float, rate: float, units: int = 1_500, share: int = 10) -> None:
        """Units exposed in the next hours: a share of those reached has errors at this rate, of the others at 0.1."""
        rng = random.Random(round(self.now))
        made = []
        for _ in range(units):
            unit, place = f"u{rng.random()}", rng.choice([*range(share), *range(30, 100)]) * 1000
            at = int((self.now + 120 + rng.random() * hours * HOUR) * 1000)
            shared = {"project": "shop", "environment": "production", "unit": unit, "time": at, "received": at}
            group = REACHED if place < share * 1000 else COMPARED
            own = {"flag": "guard:checkout", "variant": group, "reason": "SPLIT", "rule": "default"}
            properties = {"place": str(place), "share": str(share)}
            ids = {"event_id": f"e{unit}", "topic": "_guard.checkout"}
            made.append({**shared, **own, **ids, "type": "exposure", "properties": properties})
            if rng.random() < (rate if group == REACHED else 0.1):
                event = {
                    "type": "track",
                    "event": "error",
                    "topic": "_track",
                    "event_id": f"t{unit}",
                    "properties": {},
                }
                made.append({**shared, **event, "time": at + 1000, "received": at})
        add(self.lake, made)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("burgee.handlers.guard_rounds")
    found = World(module, tmp_path)
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: found.now, sleep=found.sleep))
    monkeypatch.setattr(module, "boto3", SimpleNamespace(client=found.client))
    monkeypatch.setattr(module, "DATABASE", "lake")
    monkeypatch.setattr(module, "WORKGROUP", "guards")
    monkeypatch.setattr(module.wiring, "TENANT", TENANT)
    monkeypatch.setattr(module.wiring, "table", found.table)
    yield found
    for store in found.stores:
        store.close()


def hours(world: World, number: int, rate: float, share: int = 10) -> None:
    """So many hourly rounds, with records in between."""
    for _ in range(number):
        world.crowd(0.9, rate, share=share)
        world.now += HOUR
        world.round()


def test_a_harmless_step_advances_and_a_harmful_one_goes_back(world: World) -> None:
    assert "raised to 10 %" in world.round()["rounds"]["checkout"]
    hours(world, 1, 0.1)
    assert world.share() == 10, "it was watched for an hour, from the first look on"
    hours(world, 1, 0.1)
    assert world.share() == 30
    hours(world, 2, 0.3, share=30)
    assert world.share() == 0
    reason = world.table().state().overrides["checkout"].reason
    assert "errors is worse by more than 10 %" in reason
    asked = len(world.athena.asked)
    assert world.round()["rounds"] == {}
    assert len(world.athena.asked) == asked, "a guard that has ended asks nothing"


def test_closed_days_are_kept_in_the_table_and_not_asked_again(world: World, tmp_path: Path) -> None:
    """Ten in the morning, six the next day, and seven."""
    path = tmp_path / "flags.yaml"
    path.write_text(FILE.replace("hold: 1h", "hold: 3d"), encoding="utf-8")
    apply(world.table(), compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW))
    world.round()
    world.crowd(19.9, 0.1)
    world.now += 20 * HOUR
    world.round()
    kept = world.table().find(Shelf.GUARD_DAYS, "checkout")
    assert kept is not None
    assert format_time(kept["upto"] / 1000) == format_time(NOW + 16 * HOUR)
    world.athena.asked.clear()
    world.crowd(0.9, 0.1, units=100)
    world.now += HOUR
    assert world.round()["failures"] == []
    assert world.athena.first_days("_track") == {format_time(NOW + DAY)[:10]}
    assert len(world.athena.asked) == 2
    assert world.table().find(Shelf.GUARD_DAYS, "checkout") == kept


def test_it_loads_nothing_that_writes_sql_or_statistics() -> None:
    code = "import burgee.handlers.guard_rounds, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    environment = {**os.environ, **CREDENTIALS}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=FUNCTIONS, env=environment, capture_output=True, text=True, check=True
    )
    loaded = {*ran.stdout.split()}
    assert "burgee" in loaded
    assert not loaded & {"ibis", "duckdb", "sqlglot", "numpy", "scipy", "pyarrow", "pydantic", "fastapi", "yaml"}


def test_an_alarm_rolls_back_at_once_without_a_query(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.round()
    world.now += 600
    revision = world.table().pointer().revision
    assert world.round(alarm("another", world.now)) == {"rounds": {}, "failures": []}
    assert world.round(alarm("checkout-5xx", world.now, "OK"))["rounds"] == {}
    assert world.table().pointer().revision == revision
    answer = world.round(alarm("checkout-5xx", world.now))
    assert "rolled back to 0 %: alarm checkout-5xx fires" in answer["rounds"]["checkout"]
    assert world.share() == 0
    assert world.athena.asked == []
    assert world.round(alarm("checkout-5xx", world.now))["rounds"] == {}, "the same event again"
    assert world.actions().count("guard.roll_back") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"guard": "checkout", "action": "roll_back", "reasons": ["alarm"]} in lines


def test_an_alarm_of_before_the_step_acts_only_if_it_still_fires(world: World) -> None:
    rang = world.now - 60
    world.round()
    assert "holds" in world.round(alarm("checkout-5xx", rang))["rounds"]["checkout"]
    world.alarms["checkout-5xx"] = "ALARM"
    assert "rolled back" in world.round(alarm("checkout-5xx", rang))["rounds"]["checkout"]


def test_an_alarm_while_a_look_waits_for_athena(world: World) -> None:
    """The alarm's round commits first; the look reads again, asks nothing again, and finds the guard at its end."""
    world.round()
    hours(world, 1, 0.1)
    rang: list[Any] = []

    def status(sql: str) -> None:
        if not rang and "m0_n" in sql:
            rang.append(None)
            rang.append(world.round(alarm("checkout-5xx", world.now)))

    world.athena.status = status
    asked = len(world.athena.asked)
    world.crowd(0.9, 0.1)
    world.now += HOUR
    answer = world.round()
    assert "rolled back" in rang[1]["rounds"]["checkout"]
    assert "raised" not in answer["rounds"]["checkout"]
    assert len(world.athena.asked) - asked == 2
    assert world.share() == 0
    assert world.actions().count("guard.roll_back") == 1


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (("FAILED", "TYPE_MISMATCH: line 1:1"), "TYPE_MISMATCH"),
        (("CANCELLED", "Bytes scanned limit was exceeded"), "Bytes scanned limit was exceeded"),
        (("RUNNING", ""), "of the function's time"),
    ],
)
def test_what_cannot_be_measured_holds_and_is_counted(
    world: World, capsys: pytest.CaptureFixture[str], ends: tuple[str, str], said: str
) -> None:
    world.round()
    hours(world, 1, 0.1)
    world.crowd(0.9, 0.1)
    world.now += HOUR
    world.athena.status = lambda _sql: ends
    capsys.readouterr()
    answer = world.round()
    assert said in answer["failures"][0]
    assert "holds at 10 %" in answer["rounds"]["checkout"]
    assert world.athena.stopped == ([] if ends[0] != "RUNNING" else [str(len(world.athena.asked) - 1)])
    assert world.left > 0
    metric = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert metric["Failures"] == 1
    assert metric["_aws"]["Timestamp"] == int(world.now * 1000), "an alarm looks back less than a round may take"
    world.athena.status, world.left = (lambda _sql: None), 900.0
    assert "raised to 30 %" in world.round()["rounds"]["checkout"], "the next round has what it needs"


def test_a_step_begins_when_it_is_served_however_long_the_look_before_it_took(world: World) -> None:
    """Else the comparison group counts units of minutes in which the step reached nobody yet."""
    world.round()
    hours(world, 1, 0.1)
    world.crowd(0.9, 0.1)
    world.now += HOUR
    until = world.now + 600
    world.athena.status = lambda _sql: ("RUNNING", "") if world.now < until else None
    assert "raised to 30 %" in world.round()["rounds"]["checkout"]
    state = world.table().find(Shelf.GUARDS, "checkout")
    assert state is not None
    assert state["since"] >= until * 1000
    assert parse_time(world.table().state().overrides["checkout"].updated_at) >= until


def test_rounds_at_once_count_no_minute_twice(world: World, tmp_path: Path) -> None:
    """A round that waited for another guard's look comes to this one after a later round."""
    path = tmp_path / "flags.yaml"
    path.write_text(ALARMS_ALONE, encoding="utf-8")
    apply(world.table(), compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW))
    world.round()
    world.now += 60
    world.round()
    began, until = world.now, world.now + 600
    nested: list[Any] = []

    def slow(_sql: str) -> tuple[str, str] | None:
        if not nested and world.now >= began + 300:
            nested.append(world.round(alarm("checkout-5xx", NOW - DAY)))
        return ("RUNNING", "") if world.now < until else None

    world.athena.status = slow
    world.round()
    world.now += 60
    world.athena.status = lambda _sql: None
    world.round()
    state = world.table().find(Shelf.GUARDS, "search")
    assert nested
    assert state is not None
    assert state["held"] <= (world.now - began) * 1000


SECOND = """\
  search:
    status: on
    rollout_percentage: 0
    guard: {steps: [10, 30, 100], hold: 1h, minimum: 100, guardrails: {errors: {margin: 10}}}
"""


def both(world: World, folder: Path, watched: str = "guardrails: {errors: {margin: 10}}") -> None:
    """Another guard beside the first."""
    path = folder / "flags.yaml"
    path.write_text(FILE + SECOND.replace("guardrails: {errors: {margin: 10}}", watched), encoding="utf-8")
    apply(world.table(), compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW))


def test_a_guard_that_cannot_be_measured_stops_no_other_whatever_the_error(world: World, tmp_path: Path) -> None:
    both(world, tmp_path)
    world.round()
    hours(world, 1, 0.1)

    def broken(sql: str) -> None:
        if "_guard.search" in sql:
            raise KeyError("failed")

    world.athena.status = broken
    world.crowd(0.9, 0.3)
    world.now += HOUR
    answer = world.round()
    assert answer["failures"] == ["search: its metrics could not be measured: KeyError: 'failed'"]
    assert world.share() == 0, "the harm of the other is seen"


def runs_on(topic: str) -> Callable[[str], tuple[str, str] | None]:
    return lambda sql: ("RUNNING", "") if topic in sql else None


def test_a_slow_guard_takes_no_time_of_another(world: World, tmp_path: Path) -> None:
    """Whichever is asked first."""
    both(world, tmp_path)
    world.round()
    hours(world, 1, 0.1)
    for slow, other in (("search", "checkout"), ("checkout", "search")):
        asked = len(world.athena.asked)
        world.left, world.athena.status = 900.0, runs_on(f"_guard.{slow}")
        world.now += 60
        answer = world.round()
        assert [one.partition(":")[0] for one in answer["failures"]] == [slow]
        assert any(f"_guard.{other}" in sql for sql in world.athena.asked[asked:])
        assert world.left > 0


def test_of_more_guards_than_there_is_time_for_as_many_as_possible_are_measured(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal parts of 180 seconds would be too short for each of ten guards; who comes first is left to chance."""
    names = [f"flag-{number}" for number in range(9)]
    path = tmp_path / "flags.yaml"
    path.write_text(FILE + "".join(SECOND.replace("search", name) for name in names), encoding="utf-8")
    apply(world.table(), compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW))
    world.round()
    world.now += HOUR
    started: dict[str, float] = {}

    def slow(sql: str) -> tuple[str, str] | None:
        return ("RUNNING", "") if world.now < started.setdefault(sql, world.now) + 40 else None

    world.athena.status = slow
    measured = set[str]()
    for step in (1, -1):
        monkeypatch.setattr(random, "sample", lambda flags, _count, step=step: flags[::step])
        started.clear()
        world.left = 200.0
        failed = {one.partition(":")[0] for one in world.round()["failures"]}
        found = {"checkout", *names} - failed
        assert len(found) >= 3
        assert not found & measured
        measured |= found
        assert world.left > 0


def test_a_guard_that_cannot_be_written_stops_no_other_and_is_tried_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda calls a function again that has raised."""
    both(world, tmp_path, "alarms: [checkout-5xx]")
    world.round()
    hours(world, 1, 0.1)
    commit = DynamoDbStore.commit

    def others(store: DynamoDbStore, change: Change, *, expected: int) -> Any:
        if change.lay[0].flag == "search":
            raise Conflict("another writer was first")
        return commit(store, change, expected=expected)

    monkeypatch.setattr(DynamoDbStore, "commit", others)
    with pytest.raises(Refused, match="search: its round failed: another writer was first"):
        world.round(alarm("checkout-5xx", world.now))
    assert world.share() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["Failures"] == 1


def test_a_guard_with_metrics_where_nothing_is_recorded_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.handlers, "DATABASE", "")
    world.round()
    world.now += HOUR
    (failure,) = world.round()["failures"]
    assert "the stack stores no records: deploy it with Recording=true" in failure
    assert world.share() == 10
    assert "rolled back" in world.round(alarm("checkout-5xx", world.now))["rounds"]["checkout"]


def test_queries_that_run_are_stopped_though_one_cannot_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.round()
    hours(world, 1, 0.1)
    world.crowd(0.9, 0.1)
    world.now += HOUR
    world.athena.status = lambda _sql: ("RUNNING", "")
    stopped: list[str] = []

    def refuses(**parameters: Any) -> None:
        stopped.append(parameters["QueryExecutionId"])
        raise RuntimeError("Rate exceeded")

    monkeypatch.setattr(world.athena, "stop_query_execution", refuses)
    assert "did not answer" in world.round()["failures"][0]
    assert stopped


def test_what_athena_refuses_as_too_many_requests_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers so with the status 400, which not every way of asking again counts as busy."""
    asked: list[bytes] = []

    def refused(request: Any, **_more: Any) -> AWSResponse:
        asked.append(request.body)
        status, body = 200, b'{"QueryExecutionId": "7"}'
        if len(asked) == 1:
            status, body = 400, b'{"__type": "TooManyRequestsException", "message": "busy"}'
        return AWSResponse(request.url, status, HTTPHeaders(), SimpleNamespace(stream=lambda **_: [body]))

    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None, time=lambda: 0))
    client = boto3.client("athena", config=world.handlers._config)
    client.meta.events.register("before-send.athena.StartQueryExecution", refused)
    found = client.start_query_execution(QueryString="SELECT 1", WorkGroup="guards")
    assert (found["QueryExecutionId"], len(asked)) == ("7", 2)


def test_a_kept_day_that_cannot_be_read_is_asked_again(world: World) -> None:
    world.round()
    hours(world, 1, 0.1)
    world.table().keep([Put(Shelf.GUARD_DAYS, "checkout", {"of": "another version"}, None)])
    world.crowd(0.9, 0.1)
    world.now += HOUR
    assert world.round()["failures"] == []
    assert world.share() == 30


def test_a_cloudwatch_that_does_not_answer_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.round()
    hours(world, 1, 0.1)
    world.crowd(0.9, 0.1)
    world.now += HOUR

    def broken(names: list[str], _client: Any) -> Any:
        raise KeyError(names[0])

    monkeypatch.setattr(world.handlers, "firing", broken)
    answer = world.round()
    assert answer["failures"] == ["KeyError: 'checkout-5xx'"]
    assert "is not known" in answer["rounds"]["checkout"]
    assert world.share() == 10


def test_its_role_allows_what_it_does_and_nothing_that_lets_anyone_in(world: World) -> None:
    asked: list[Asked] = []
    table = world.table

    def watched() -> Any:
        store = table()
        asked.append(Asked(store))
        return store

    world.handlers.wiring.table = watched
    world.round()
    hours(world, 3, 0.1)
    world.round(alarm("checkout-5xx", world.now))
    role = statements(resources("template.yaml")["GuardRoundsFunction"])
    granted = [one for one in role if "dynamodb" in str(one["Action"])]
    assert len(asked) == 5
    assert [one.refused(granted) for one in asked] == [[]] * 5
    used = {key.split("#")[2] for one in asked for _action, key in one.actions}
    assert {"STATE", "GUARDS", "AUDIT"} <= used
    assert not {"KEYS", "USE", "SETTINGS", "PROPOSALS", "WEBHOOKS"} & {
        key.split("#")[2]
        for one in granted
        for key in one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    }
