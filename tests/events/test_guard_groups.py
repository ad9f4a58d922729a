"""Exposures to a guard: which units are recorded, in which group, against a search through the definition by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.bucketing import bucket
from burgee.evaluation.ruleset import Ruleset
from burgee.events.recorder import Recorder
from burgee.events.records import Pseudonyms, RecordScope
from burgee.events.sinks import MemorySink
from burgee.flagfile.compile import compile_file
from burgee.guards.plan import plan_of, served
from burgee.model import Override

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = "2027-01-01T00:00:00Z"
GUARD = {"steps": [10, 40, 100], "hold": "6h", "comparison": 30, "guardrails": {"errors": {"margin": 20}}}
METRICS = {"errors": {"event": "failed", "kind": "proportion"}}
FLAGS: dict[str, Any] = {
    "plain": {"status": True, "rollout_percentage": 0, "guard": GUARD},
    "ruled": {
        "status": True,
        "client": True,
        "targets": {"on": ["user-7"]},
        "rules": [
            {"name": "staff", "when": {"staff": True}},
            {"name": "EU", "when": {"country": "DE"}, "rollout_percentage": 0, "salt": "eu", "guard": GUARD},
            {"name": "rest", "when": {"country": "DE"}, "rollout_percentage": 50, "salt": "rest"},
        ],
        "default": {"serve": "off"},
    },
    "off": {"status": False, "rollout_percentage": 0, "guard": GUARD},
}
SNAPSHOT = {
    "format": 1,
    "flags": FLAGS,
    "segments": {},
    "holdouts": {},
    "metrics": METRICS,
    "exposed": {f"guard:{name}": [] for name in FLAGS},
}
USERS = [f"user-{number}" for number in range(400)]


def ruleset(share: float | None, moment: str = "2027-01-01T00:00:00Z") -> Ruleset:
    """The file with an override of the guard on each flag; None for none."""
    laid = [
        Override(name, served(flag, share), "guard", "", moment, moment)
        for name, flag in FLAGS.items()
        if share is not None
    ]
    return Ruleset(SNAPSHOT, laid, {"version": 7})


def recorded(
    flag: str, share: float | None, scope: RecordScope | None = None, **attributes: Any
) -> dict[str, dict[str, Any]]:
    """The exposures of all users who ask for a flag by name, by unit."""
    rules = ruleset(share)
    sink = MemorySink()
    recorder = Recorder(sink, scope)
    for user in USERS:
        context = {"targetingKey": user, **attributes}
        for _ in range(2):
            recorder.answered(rules, flag, rules.evaluate(flag, context), context, asked=False)
    assert recorder.drain(5)
    return {record["unit"]: record for record in sink.records}


MIXED = """\
version: 1
metrics:
  errors: {kind: proportion, event: error}
holdouts:
  q4: {percentage: 20}
flags:
  base: {status: on, rollout_percentage: 60}
  layered:
    status: on
    layer: {name: l, range: [0, 50]}
    holdout: q4
    rollout_percentage: 0
    guard: GUARD
  required:
    status: on
    requires: [{flag: base, variant: on}]
    layer: {name: l, range: [50, 100]}
    targets: {off: [user-3], on: [user-5]}
    rules: [{name: r, when: {plan: pro}, rollout_percentage: 0, salt: r, guard: GUARD}]
    default: {serve: off}
  companies:
    status: on
    bucket_by: company
    holdout: q4
    rollout_percentage: 0
    guard: GUARD
""".replace("GUARD", "{steps: [10, 40, 100], hold: 6h, comparison: 30, guardrails: {errors: {margin: 20}}}")


@pytest.mark.parametrize("share", [10, 100])
@pytest.mark.parametrize("flag", ["layered", "required", "companies"])
def test_layers_holdouts_required_flags_and_targets_leave_their_users_out(
    tmp_path: Path, flag: str, share: float
) -> None:
    """Exposed are the users whose answer differs between 0 and 100 %."""
    (tmp_path / "flags.yaml").write_text(MIXED, encoding="utf-8")
    snapshot = compile_file(tmp_path / "flags.yaml")
    plan = plan_of(flag, snapshot)
    assert plan is not None

    def at(percentage: float) -> Ruleset:
        laid = served(snapshot["flags"][flag], percentage)
        return Ruleset(snapshot, [Override(flag, laid, "guard", "", MOMENT, MOMENT)], {"version": 1})

    none, everyone, now = at(0), at(100), at(share)
    sink = MemorySink()
    recorder = Recorder(sink)
    expected = {}
    for number in range(2_000):
        context = {"targetingKey": f"user-{number}", "plan": "pro", "company": f"c{number}"}
        answered = now.evaluate(flag, context)
        recorder.answered(now, flag, answered, context, asked=False)
        if none.evaluate(flag, context).value != everyone.evaluate(flag, context).value:
            unit = str(context[plan.unit])
            if answered.value:
                expected[unit] = "reached"
            elif plan.place(unit) >= plan.compared.low:
                expected[unit] = "compared"
    assert recorder.drain(5)
    assert {one["unit"]: one["variant"] for one in sink.records if one["flag"] == f"guard:{flag}"} == expected
    assert {*expected.values()} == ({"reached"} if share == 100 else {"reached", "compared"})


@pytest.mark.parametrize("share", [10, 40, 100])
def test_units_that_a_step_has_reached_and_the_comparison_group_are_recorded_once(share: float) -> None:
    found = recorded("plain", share)
    expected = {}
    for user in USERS:
        place = bucket(user, "plain")
        if place < share * 1000:
            expected[user] = "reached"
        elif place >= 70_000:
            expected[user] = "compared"
    assert {user: record["variant"] for user, record in found.items()} == expected
    for user, record in found.items():
        assert record["properties"] == {"place": str(bucket(user, "plain")), "share": f"{share:g}"}
        assert (record["flag"], record["topic"]) == ("guard:plain", "_guard.plain")
        assert (record["rule"], record["release"]) == ("default", "7")


def test_the_place_is_the_plans_also_where_units_are_pseudonyms() -> None:
    plan = plan_of("plain", SNAPSHOT)
    assert plan is not None
    scope = RecordScope(pseudonyms=Pseudonyms("k1", b"0123456789abcdef"))
    places = {record["properties"]["place"] for record in recorded("plain", 10, scope).values()}
    wanted = {plan.place(user) for user in USERS}
    assert places == {str(place) for place in wanted if place < 10_000 or place >= 70_000}


def test_of_a_rules_guard_only_units_that_reach_it_and_match_are_recorded() -> None:
    """Users that a target or an earlier rule serves are in no group, whatever a later rule answers."""
    found = recorded("ruled", 40, country="DE")
    expected = {user for user in USERS if bucket(user, "eu") < 40_000 or bucket(user, "eu") >= 70_000} - {"user-7"}
    assert set(found) == expected
    assert bucket("user-7", "eu") < 40_000 or bucket("user-7", "eu") >= 70_000
    assert recorded("ruled", 40, country="FR") == {}
    assert recorded("ruled", 40, country="DE", staff=True) == {}


def test_an_answer_is_what_it_was_and_the_groups_agree_with_it() -> None:
    rules = ruleset(40)
    for user, record in recorded("plain", 40).items():
        answer = rules.evaluate("plain", {"targetingKey": user})
        assert (answer.variant == "on") is (record["variant"] == "reached")


@pytest.mark.parametrize(("flag", "share"), [("off", 40), ("plain", None), ("ruled", None)])
def test_nothing_is_recorded_while_no_step_is_served(flag: str, share: float | None) -> None:
    assert recorded(flag, share, country="DE") == {}


def asked_in_turn(*steps: tuple[float, str]) -> list[set[tuple[str, str]]]:
    """The units and groups that one process records at each step, of a share and the time of its override."""
    sink = MemorySink()
    recorder = Recorder(sink)
    found = []
    for share, moment in steps:
        rules, before = ruleset(share, moment), len(sink.records)
        for user in USERS:
            context = {"targetingKey": user}
            recorder.answered(rules, "plain", rules.evaluate("plain", context), context, asked=False)
        assert recorder.drain(5)
        found.append({(one["unit"], one["variant"]) for one in sink.records[before:]})
    return found


def test_the_next_step_is_recorded_again_for_both_groups() -> None:
    first, second = asked_in_turn((10, "2027-01-01T00:00:00Z"), (40, "2027-01-01T06:00:00Z"))
    compared = {unit for unit, group in first if group == "compared"}
    assert compared == {unit for unit, group in second if group == "compared"} != set()
    assert first < second


def test_a_step_that_is_taken_again_on_the_same_day_is_recorded_again() -> None:
    first, second = asked_in_turn((10, "2027-01-01T00:00:00Z"), (10, "2027-01-01T06:00:00Z"))
    assert first == second != set()
    assert asked_in_turn((10, "2027-01-01T00:00:00Z"), (10, "2027-01-01T00:00:00Z"))[1] == set()


def test_fetching_all_flags_is_asking_for_each_also_with_a_client_key() -> None:
    rules = ruleset(40)
    for view, flags in ((rules, {"plain", "ruled"}), (rules.for_clients(), {"ruled"})):
        sink = MemorySink()
        recorder = Recorder(sink)
        for user in USERS[:50]:
            context = {"targetingKey": user, "country": "DE"}
            recorder.fetched(view, view.evaluate_all(context), context)
        assert recorder.drain(5)
        assert {one["flag"] for one in sink.records} == {f"guard:{flag}" for flag in flags}
