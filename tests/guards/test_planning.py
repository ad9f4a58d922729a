"""Units that a step needs, against simulated steps that are judged at that size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burgee.guards.aggregates import VALUE, Aggregates, Arm, Measured, Moments
from burgee.guards.judgement import judge
from burgee.guards.plan import GuardPlan, plan_of
from burgee.guards.planning import POWER, UnitValue, units_needed

METRICS = {
    "errors": {"event": "failed", "kind": "proportion", "direction": "decrease"},
    "sales": {"event": "sold", "kind": "proportion"},
    "spent": {"event": "sold", "kind": "mean", "value": "amount", "winsorise": 99.9},
}


def plan(metric: str, margin: float, **keys: Any) -> GuardPlan:
    guard = {"steps": [5, 25, 50, 100], "hold": "6h", "guardrails": {metric: {"margin": margin}}, **keys}
    flag = {"status": True, "rollout_percentage": 0, "guard": guard}
    made = plan_of("f", {"flags": {"f": flag}, "metrics": METRICS})
    assert made is not None
    return made


def measured(values: Any) -> Measured:
    moments = Moments(len(values), {VALUE: float(values.mean())}, {(VALUE, VALUE): float(values.var(ddof=1))})
    return Measured(moments, int(np.count_nonzero(values)))


@pytest.mark.parametrize(
    ("metric", "margin", "today", "step"),
    [
        ("errors", 20, UnitValue(0.05), 0),
        ("errors", 50, UnitValue(0.02), 2),
        ("sales", 10, UnitValue(0.3), 1),
        ("spent", 5, UnitValue(20, 400), 1),
    ],
)
def test_a_harm_of_twice_the_margin_is_shown_as_often_as_planned(
    metric: str, margin: float, today: UnitValue, step: int
) -> None:
    made = plan(metric, margin)
    needed = units_needed(made, made.guardrails[0], step, today)
    assert needed is not None
    share = made.band(step).share / (made.band(step).share + made.compared.share)
    sizes = round(needed * share), round(needed * (1 - share))
    sign = -1 if made.guardrails[0].direction == "increase" else 1
    means = today.mean * (1 + sign * 2 * margin / 100), today.mean
    source = np.random.default_rng(7)
    rounds, shown = 400, 0
    for _ in range(rounds):
        arms = []
        for mean, size in zip(means, sizes, strict=True):
            values = (
                source.binomial(1, mean, size)
                if today.variance is None
                else source.normal(mean, today.variance**0.5, size)
            )
            arms.append(Arm(size, {metric: measured(values)}))
        found = judge(made, Aggregates(step, 0, 0, arms[0], arms[1], {metric: 0}), share)
        assert not found.bad
        shown += bool(found.harms)
    error = (POWER * (1 - POWER) / rounds) ** 0.5
    assert abs(shown / rounds - POWER) < 4 * error


def test_some_harms_are_never_shown() -> None:
    errors = plan("errors", 20)
    assert units_needed(errors, errors.guardrails[0], 3, UnitValue(0.02)) is None  # nobody to compare with
    assert units_needed(errors, errors.guardrails[0], 0, UnitValue(0.9)) is None  # beyond a proportion
    assert units_needed(errors, errors.guardrails[0], 0, UnitValue(0)) is None
    free = plan("errors", 0)
    assert units_needed(free, free.guardrails[0], 0, UnitValue(0.02)) is None


def test_a_larger_margin_needs_fewer_units() -> None:
    plans = [plan("errors", margin) for margin in (10, 20, 40)]
    needed = [units_needed(made, made.guardrails[0], 1, UnitValue(0.02)) or 0 for made in plans]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] > 10 * needed[2]
