"""The plan of a guard, read from a released flag."""

from __future__ import annotations

from typing import Any

from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.ruleset import Ruleset
from burgee.guards.plan import guarded, plan_of, served, unguarded

GUARD = {"steps": [1, 5, 25, 100], "hold": "6h", "guardrails": {"errors": {"margin": 20}}, "approve": [25]}
METRICS = {"errors": {"event": "failed", "kind": "proportion", "direction": "decrease"}}


def snapshot(**keys: Any) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": {"f": {"status": True, **keys}}, "metrics": METRICS}


def test_a_flag_without_a_guard_has_no_plan() -> None:
    assert plan_of("f", snapshot(rollout_percentage=10)) is None
    assert plan_of("no such flag", snapshot()) is None


def test_the_plan_has_every_default() -> None:
    plan = plan_of("f", snapshot(rollout_percentage=0, guard=GUARD))
    assert plan is not None
    assert (plan.rule, plan.begins, plan.steps, plan.hold) == (None, 0, (1, 5, 25, 100), 6 * 3600 * 1000)
    assert (plan.minimum, plan.comparison, plan.on_harm, plan.alpha) == (500, 75, "roll_back", 0.05)
    assert (plan.start, plan.approve, plan.alarms, plan.signals) == (None, frozenset({2}), (), ())
    assert [(one.name, one.margin, one.direction) for one in plan.guardrails] == [("errors", 20, "decrease")]
    assert plan.guardrails[0].definition == METRICS["errors"]


def test_bands_and_the_comparison_group_divide_the_line_until_the_last_step() -> None:
    plan = plan_of("f", snapshot(rollout_percentage=0.5, guard=GUARD))
    assert plan is not None
    bands = [plan.band(step) for step in range(4)]
    assert bands == [(500, 1000), (1000, 5000), (5000, 25_000), (25_000, BUCKETS)]
    assert plan.compared == (25_000, BUCKETS)
    assert [plan.is_compared(step) for step in range(4)] == [True, True, True, False]


def test_a_last_step_below_100_is_compared_too() -> None:
    plan = plan_of("f", snapshot(rollout_percentage=0, guard={**GUARD, "steps": [1, 50], "approve": []}))
    assert plan is not None
    assert plan.comparison == 50
    assert plan.is_compared(1)


def test_a_guard_of_a_rule_raises_that_rule_alone() -> None:
    rules: list[dict[str, Any]] = [
        {"name": "staff", "when": {"staff": True}},
        {"name": "EU", "when": {"country": "DE"}, "rollout_percentage": 0, "salt": "eu", "guard": GUARD},
    ]
    flags = snapshot(rules=rules, rollout_percentage=0)
    plan = plan_of("f", flags)
    assert plan is not None
    assert (plan.rule, plan.salt) == ("EU", "eu")
    raised = served(flags["flags"]["f"], 12.5)
    assert raised == {**flags["flags"]["f"], "rules": [rules[0], {**rules[1], "rollout_percentage": 12.5}]}
    assert guarded(raised) is not None


def test_a_unit_is_served_where_its_place_says() -> None:
    """By the engine: the place of a plan is where the evaluation cuts, for our hash and for a pinned one."""
    pinned: list[dict[str, Any]] = [{}, {"salt": "other"}, {"hash": "goff"}, {"bucket_by": "company"}]
    for keys in pinned:
        flags = snapshot(rollout_percentage=0, guard=GUARD, **keys)
        plan = plan_of("f", flags)
        assert plan is not None
        for step, share in enumerate(plan.steps):
            ruleset = Ruleset({**flags, "flags": {"f": served(flags["flags"]["f"], share)}})
            for number in range(300):
                unit = f"unit-{number}"
                answer = ruleset.evaluate("f", {plan.unit: unit})
                assert (answer.variant == "on") is (plan.place(unit) < plan.band(step).high)


def test_evaluation_ignores_a_guard() -> None:
    """Answers are the same without it, with their reasons and metadata, by name and with all flags."""
    rules = [{"name": "EU", "when": {"country": "DE"}, "rollout_percentage": 30, "salt": "eu", "guard": GUARD}]
    for keys in ({"guard": GUARD, "rollout_percentage": 30}, {"rules": rules, "default": {"serve": "off"}}):
        flags = snapshot(**keys)
        plain = {**flags, "flags": {"f": unguarded(flags["flags"]["f"])}}
        assert plain != flags
        one, other = Ruleset(flags), Ruleset(plain)
        for number in range(200):
            context = {"targetingKey": f"u{number}", "country": "DE"}
            assert one.evaluate("f", context) == other.evaluate("f", context)
            assert one.evaluate_all(context) == other.evaluate_all(context)
