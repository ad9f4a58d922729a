"""`burgee guard`: rounds over real records, and what a person does."""

from __future__ import annotations

import json
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from burgee.cli import guarding
from burgee.cli.stores import StoreOptions, opened
from burgee.errors import StoreUnavailable
from burgee.guards.alarms import firing
from burgee.guards.plan import plan_of
from burgee.releases.deploy import live
from burgee.stores import Put, Shelf
from support.waiting import PATIENCE, eventually

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
    assert guarded("guard", "status").out.startswith("checkout: has not begun; ")
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
    assert guarded("guard", "status").out == "checkout: step 1 of 3, 20 %, watched for 0 seconds of 8 seconds\n"


def test_status_says_what_a_guard_waits_for(guarded: Burgee) -> None:
    guarded("guard", "run")
    guarded("guard", "run")
    assert guarded("guard", "status").out.endswith("of 8 seconds; waits: nothing was measured in this round\n")
    records(guarded, reached=0.1, compared=0.1, units=200)
    guarded("guard", "run")
    said = guarded("guard", "status").out
    assert "units of the step and " in said
    assert (
        "of the comparison group count in errors, of at least 50: a unit counts 1 second after its exposure" in said
    )
    guarded("guard", "pause", "checkout", "--reason", "on holiday")
    assert "; waits: " in guarded("guard", "status").out
    guarded.write(FILE.replace("status: on", "status: on\n    owner: shop"))
    guarded("apply")
    assert guarded("guard", "status").out == "checkout: changed in Git, which ends the guard at 20 %\n"


ALARMED = """\
  alarmed:
    status: on
    rollout_percentage: 0
    guard: {steps: [10, 100], hold: 8s, alarms: [5xx]}
"""


def test_a_guard_that_runs_is_no_drift_and_its_end_is(guarded: Burgee) -> None:
    guarded("guard", "run")
    ran = guarded("status")
    assert (ran.code, ran.out) == (0, "release 1 is the file; no overrides but the steps of guards: checkout\n")
    ran = guarded("status", "--json")
    assert (ran.code, ran.json["drifted"], ran.json["guards"]) == (0, False, ["checkout"])
    guarded("guard", "pause", "checkout", "--reason", "on holiday")
    assert guarded("status").code == 0, "the share is still that of the plan"

    guarded.write(FILE.replace("status: on", "status: on\n    owner: shop"))
    assert guarded("status").code == 1, "the file has changed"
    guarded("apply")
    ran = guarded("status", "--json")
    assert (ran.code, ran.json["guards"]) == (1, []), "Git ended it, and its share is not in the file"
    assert guarded("pull").code == 0
    assert guarded("apply").code == 0
    assert guarded("status").code == 0


def test_another_override_is_drift(guarded: Burgee) -> None:
    guarded("guard", "run")
    assert guarded("kill", "checkout", "--reason", "orders fail").code == 0
    assert guarded("status").code == 1


def test_alarms_that_cannot_be_asked_stop_no_other_guard(guarded: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.write(FILE + ALARMED)
    guarded("apply")

    def unreachable(_names: list[str]) -> dict[str, bool]:
        raise StoreUnavailable("CloudWatch did not answer: no region")

    monkeypatch.setattr("burgee.guards.alarms.firing", unreachable)
    ran = guarded("guard", "run")
    assert ran.code == 1
    assert "checkout raised to 20 %\n" in ran.out
    assert "alarmed holds at 0 %: the state of alarm 5xx is not known\n" in ran.out
    assert "A guard could not be run: CloudWatch did not answer: no region" in ran.err
    records(guarded, reached=0.4, compared=0.1)
    ran = guarded("guard", "run", "--json")
    assert ran.code == 1
    assert {one["flag"]: one["action"] for one in json.loads(ran.out)} == {"checkout": "roll_back", "alarmed": "hold"}
    assert "alarmed: before its first step; waits: the state of alarm 5xx" in guarded("guard", "status").out


def test_a_record_that_cannot_be_read_is_named(guarded: Burgee) -> None:
    guarded("guard", "run")
    with opened(StoreOptions(guarded.folder / "flags.yaml", None)) as store:
        before = store.find(Shelf.GUARDS, "checkout")
        assert before is not None
        store.keep([Put(Shelf.GUARDS, "checkout", {**before, "format": 9}, before)])
    said = guarded("guard", "status")
    assert (said.code, "its record cannot be read: the guard's state has format 9" in said.out) == (0, True)
    assert "format 9" in json.loads(guarded("guard", "status", "--json").out)[0]["fault"]
    assert guarded("status").code == 1
    ran = guarded("guard", "run")
    assert (ran.code, ran.out) == (1, f"checkout holds: {said.out.removeprefix('checkout: ')}")
    assert guarded("guard", "stop", "checkout", "--reason", "x").code == 1


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


def test_serving_goes_on_with_rounds_whatever_fails_and_begins_one_when_the_file_changes(
    guarded: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds fail alike, which is said once; then a release begins the next before it is due."""
    real, failures = guarding.run_guards, iter([RuntimeError("a fault"), RuntimeError("a fault")])

    def failing(*arguments: Any) -> Any:
        for error in failures:
            raise error
        return real(*arguments)

    class Releasing:
        """Releases after each wait, until there were three."""

        waits = 0

        def wait(self, _seconds: float) -> bool:
            self.waits += 1
            guarded.write(FILE.replace("status: on", f"status: on\n    owner: team-{self.waits}"))
            assert guarded("apply").code == 0
            return self.waits > 3

    said: list[str] = []
    monkeypatch.setattr(guarding, "run_guards", failing)
    monkeypatch.setattr("burgee.cli.render.output.tell", lambda text, *_colour: said.append(text))
    where = StoreOptions(guarded.folder / "flags.yaml", None)
    with opened(where) as store:
        guarding.follow(store, where, Releasing())  # type: ignore[arg-type]
    assert [one for one in said if "guard" in one] == ["A guard cannot be run: RuntimeError: a fault"]
    assert "checkout raised to 20 %" in said


def test_serve_begins_a_round_when_an_alarm_goes_off(guarded: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other while it fires; what else it waits for would take an hour."""
    guarded.write(FILE + ALARMED)
    guarded("apply")
    for name, seconds in (("EVERY_SECONDS", 3_600.0), ("LOOK_SECONDS", 0.01), ("ALARM_SECONDS", 0.01)):
        monkeypatch.setattr(guarding, name, seconds)
    states = {"5xx": False}
    monkeypatch.setattr(guarding, "alarms_of", lambda _found: ({**states}, ""))
    stop, rounds = Event(), list[list[str]]()
    run_guards = guarding.run_guards

    def counted(*where: Any) -> Any:
        found, failed = run_guards(*where)
        rounds.append([str(one.decision.action) for one in found if one.flag == "alarmed"])
        return found, failed

    monkeypatch.setattr(guarding, "run_guards", counted)
    with opened(StoreOptions(guarded.folder / "flags.yaml", None)) as store:
        following = Thread(
            target=guarding.follow, args=(store, StoreOptions(guarded.folder / "flags.yaml", None), stop)
        )
        following.start()
        eventually(lambda: rounds)
        states["5xx"] = True
        eventually(lambda: len(rounds) > 1)
        assert not stop.wait(0.3)
        stop.set()
        following.join(PATIENCE)
    assert rounds == [["advance"], ["roll_back"]]
