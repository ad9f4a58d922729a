"""`burgee guard`: rounds over real records, and what a person does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from burgee.cli import guarding
from burgee.cli.alarms import firing
from burgee.cli.stores import StoreOptions, opened
from burgee.guards.plan import plan_of
from burgee.releases.deploy import live

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = """\
version: 1
metrics:
  errors: {kind: proportion, event: error, direction: decrease, window: 1s}
flags:
  checkout:
    status: on
    rollout_percentage: 0
    guard: {steps: [20, 50, 100], hold: 8s, minimum: 50, guardrails: {errors: {margin: 10}}}
"""


@pytest.fixture
def guarded(burgee: Burgee) -> Burgee:
    burgee.write(FILE)
    assert burgee("apply").code == 0
    return burgee


def records(burgee: Burgee, *, reached: float, compared: float, units: int = 3_000) -> None:
    """Exposures of units in both groups just now, each of which has an error with the probability of its group."""
    with opened(StoreOptions(burgee.folder / "flags.yaml", None)) as store:
        _, snapshot = live(store)
    plan = plan_of("checkout", snapshot)
    assert plan is not None
    since = json.loads(burgee("guard", "status", "--json").out)[0]["state"]["since"] + 1_500
    made: list[dict[str, Any]] = []
    for number in range(units):
        unit, at = f"user-{number}", since + number
        place = plan.place(unit)
        group = "reached" if place < 20_000 else "compared" if place >= 50_000 else None
        if group is None:
            continue
        shared = {"unit": unit, "project": "default", "environment": "default", "time": at, "received": at}
        own = {"flag": "guard:checkout", "variant": group, "reason": "SPLIT", "rule": "default"}
        placed = {"properties": {"place": str(place)}, "topic": "_guard.checkout", "event_id": f"e{number}"}
        made.append({"type": "exposure", **shared, **own, **placed})
        if number * 37 % 100 < 100 * (reached if group == "reached" else compared):
            event = {"type": "track", "event": "error", "event_id": f"t{number}", "topic": "_track", "properties": {}}
            made.append({**shared, **event, "time": at + 1, "received": at + 2_000})
    burgee.write("".join(json.dumps(one) + "\n" for one in made), ".burgee/events/a.jsonl")


def test_rounds_over_real_records_roll_a_harmful_step_back(guarded: Burgee) -> None:
    assert guarded("guard", "status").out == "checkout: has not begun\n"
    assert guarded("guard", "run").out == "checkout raised to 20 %\n"
    assert "holds at 20 %: nothing was measured" in guarded("guard", "run").out
    records(guarded, reached=0.4, compared=0.1)
    ran = guarded("guard", "run")
    assert ran.code == 0
    assert ran.out.startswith("checkout rolled back to 0 %: errors is worse by more than 10 %")
    assert guarded("guard", "run").out.startswith("no guard is running")
    assert guarded("guard", "status").out.startswith("checkout: rolled back at 0 %: errors is worse")
    (state,) = [json.loads(guarded("guard", "status", "--json").out)[0]["state"]]
    numbers = state["ended"]["reasons"][0]["numbers"]
    assert numbers["reached"] == pytest.approx(0.4, abs=0.05)
    assert "guard.roll_back" in guarded("audit", "--flag", "checkout").out
    pulled = guarded("pull")
    assert pulled.code == 0
    assert "guard" not in (guarded.folder / "flags.yaml").read_text(encoding="utf-8")


def test_a_harmless_step_holds_until_it_was_watched(guarded: Burgee) -> None:
    guarded("guard", "run")
    records(guarded, reached=0.1, compared=0.1)
    ran = json.loads(guarded("guard", "run", "--json").out)
    assert (ran[0]["action"], ran[0]["share"]) == ("hold", 20)
    assert [one["code"] for one in ran[0]["reasons"]] == ["hold"]


def test_a_person_pauses_resumes_advances_and_stops(guarded: Burgee) -> None:
    assert "no guard that has begun" in guarded("guard", "pause", "checkout").err
    guarded("guard", "run")
    assert guarded("guard", "pause", "checkout", "--reason", "on holiday").code == 0
    assert "paused by" in guarded("guard", "status").out
    assert "on holiday" in guarded("guard", "status").out
    assert guarded("guard", "pause", "checkout").code == 1
    assert guarded("guard", "resume", "checkout").code == 0
    assert guarded("guard", "approve", "checkout").code == 1
    assert guarded("guard", "advance", "checkout", "--reason", "sure").out.startswith("checkout raised to 50 %")
    assert guarded("guard", "stop", "checkout", "--back").code == 0
    assert "stopped at 0 %" in guarded("guard", "status").out
    assert "--reason" in guarded("guard", "pause", "checkout", "--reason", " ").err


def test_a_file_without_guards_says_so(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  plain: {status: on}\n")
    burgee("apply")
    assert burgee("guard", "status").out.startswith("no guards")
    assert burgee("guard", "run").out.startswith("no guard is running")
    assert json.loads(burgee("guard", "run", "--json").out) == []


@mock_aws
def test_alarms_fire_or_not_or_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = boto3.client("cloudwatch", region_name="eu-central-1")
    for name, state in (("errors", "ALARM"), ("latency", "OK"), ("idle", "INSUFFICIENT_DATA")):
        metric: dict[str, Any] = {"MetricName": "m", "Namespace": "n", "Period": 60, "Statistic": "Sum"}
        over: dict[str, Any] = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "EvaluationPeriods": 1}
        client.put_metric_alarm(AlarmName=name, **metric, **over)
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
    assert firing(["errors", "latency", "idle", "gone"]) == {"errors": True, "latency": False}


def test_serving_runs_rounds_until_it_is_stopped(guarded: Burgee, capsys: pytest.CaptureFixture[str]) -> None:
    class Once:
        """Stops after the first round."""

        def wait(self, seconds: float) -> bool:
            return bool(seconds)

    where = StoreOptions(guarded.folder / "flags.yaml", None)
    with opened(where) as store:
        guarding.follow(store, where, Once())  # type: ignore[arg-type]
    assert "checkout raised to 20 %" in capsys.readouterr().err
