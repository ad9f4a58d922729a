"""What a look shows: harm at its share of alpha, and data that hold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from burgee.guards.judgement import RATIO_ALPHA, RATIO_PRIOR, compared_steps, judge, ratio_evidence
from burgee.guards.margins import critical, gap
from support.guards import aggregates, measured, metric, plan

if TYPE_CHECKING:
    from burgee.guards.aggregates import Aggregates, Measured

SHARE = 0.2
PLAN = plan(guardrails=(metric("errors"),), minimum=500)


def look(reached: Measured, compared: Measured, **more: Any) -> Aggregates:
    exposed = more.pop("exposed", (1000, 4000))
    return aggregates({"errors": reached}, {"errors": compared}, exposed, **more)


def codes(reasons: Any) -> list[str]:
    return [one.code for one in reasons]


GOOD = look(measured(1000, 1.0, 1.0), measured(4000, 1.0, 1.0))


def test_a_step_without_harm_shows_nothing() -> None:
    assert judge(PLAN, GOOD, SHARE) == ((), (), (), ())


def test_a_harm_is_shown_at_the_bound_and_not_before() -> None:
    alpha = PLAN.alpha / 3  # of four steps the last is not compared; one guardrail
    bound = critical(5000.0, alpha, 500 / SHARE)
    compared = measured(4000, 1.0, 1.0)
    low, high = 1.0, 3.0
    for _ in range(60):
        mean = (low + high) / 2
        harm = gap(measured(1000, mean, 1.0).moments, compared.moments, 0.05, increase=False).harm
        low, high = (mean, high) if harm < bound else (low, mean)
    assert not judge(PLAN, look(measured(1000, low - 1e-6, 1.0), compared), SHARE).harms
    found = judge(PLAN, look(measured(1000, high + 1e-6, 1.0), compared), SHARE)
    assert codes(found.harms) == ["worse"]
    assert found.harms[0].subject == "errors"
    numbers = found.harms[0].numbers
    assert numbers["p_value"] == pytest.approx(alpha, rel=1e-3)
    assert numbers["critical"] == bound
    assert numbers["z"] == pytest.approx(bound, rel=1e-3)
    assert numbers["change"] == pytest.approx(high - 1, abs=1e-5)
    assert "errors is worse by more than 5 %" in found.harms[0].message


def test_alpha_is_shared_over_guardrails_and_steps_and_signals_have_their_own() -> None:
    two = plan(guardrails=(metric("errors"), metric("time")), signals=(metric("revenue", direction="increase"),))
    assert compared_steps(two) == 3
    assert compared_steps(plan(steps=(5.0, 25.0))) == 2
    assert compared_steps(plan(steps=(100.0,))) == 1
    bad, good = measured(1000, 2.0, 1.0), measured(4000, 1.0, 1.0)
    found = judge(
        two,
        aggregates(
            {"errors": bad, "time": bad, "revenue": measured(1000, 0.1, 1.0)},
            {"errors": good, "time": good, "revenue": good},
            (1000, 4000),
        ),
        SHARE,
    )
    assert [one.subject for one in found.harms] == ["errors", "time"]
    assert {one.numbers["alpha"] for one in found.harms} == {0.05 / 3 / 2}
    assert [one.subject for one in found.asks] == ["revenue"]
    assert found.asks[0].numbers["alpha"] == 0.05 / 3


def test_a_minimum_below_what_can_be_tested_waits_for_that() -> None:
    """Two units would let every step pass, tested by nothing."""
    least = replace(PLAN, minimum=1)
    for n in (2, 29):
        (waits,) = judge(least, look(measured(n, 50.0, 1.0), measured(n, 1.0, 1.0)), SHARE).waits
        assert "of at least 30" in waits.message
    assert not judge(least, look(measured(30, 1.0, 1.0), measured(30, 1.0, 1.0)), SHARE).waits


def test_too_few_units_are_not_tested_and_wait() -> None:
    found = judge(PLAN, look(measured(29, 50.0, 1.0), measured(4000, 1.0, 1.0)), SHARE)
    assert not found.harms
    assert codes(found.waits) == ["few-units"]
    assert (
        "29 units of the step and 4,000 of the comparison group count in errors, of at least 500: a unit counts 7.5"
        in found.waits[0].message
    )
    assert codes(judge(PLAN, look(measured(499, 1.0, 1.0), measured(499, 1.0, 1.0)), SHARE).waits) == ["few-units"]
    early = judge(PLAN, look(measured(30, 50.0, 1.0), measured(4000, 1.0, 1.0)), SHARE)
    assert codes(early.harms) == ["worse"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (look(measured(1000, 0.0, 0.0, active=0), measured(4000, 0.0, 0.0, active=0)), "silent"),
        (look(measured(1000, 1.0, 1.0), measured(4000, 1.0, 1.0), quiet={"errors": 7}), "silent"),
        (
            look(measured(1000, 0.1, 0.3, active=100), measured(4000, 0.1, 0.3, active=400), quiet={"errors": 70}),
            "silent",
        ),
        (look(measured(1000, 0.0, 0.0, active=0), measured(4000, 0.1, 0.3, active=400)), "silent"),
        (look(measured(1000, 0.1, 0.3, active=100), measured(4000, 0.0, 0.0, active=0)), "silent"),
        (look(measured(1000, 9.0, 1.0), measured(4000, 1.0, 1.0), quiet={}), "no-data"),
        (look(measured(1000, 9.0, 1.0, largest=0.11), measured(4000, 1.0, 1.0)), "dominated"),
        (look(measured(1000, 9.0, 1.0), measured(4000, math.nan, 1.0)), "records"),
        (look(measured(1000, 9.0, math.inf), measured(4000, 1.0, 1.0)), "records"),
        (look(measured(1001, 9.0, 1.0), measured(4000, 1.0, 1.0)), "records"),
        (look(measured(1000, 9.0, 1.0), measured(4000, 1.0, 1.0), faults=("2 % cannot be read",)), "records"),
        (look(measured(1000, 9.0, 1.0), measured(4000, 1.0, 1.0), exposed=(1500, 4000)), "sample-ratio"),
        (look(measured(0, 9.0, 1.0), measured(0, 1.0, 1.0), exposed=(0, 4000)), "no-data"),
        (aggregates({}, {}, (1000, 4000)), "no-data"),
    ],
)
def test_bad_data_show_no_harm_and_hold(given: Aggregates, code: str) -> None:
    found = judge(PLAN, given, SHARE)
    assert code in codes(found.bad)
    assert not found.harms


def test_an_absence_that_may_be_chance_is_no_fault() -> None:
    rare = look(measured(1000, 0.1, 0.3, active=100), measured(4000, 0.1, 0.3, active=400), quiet={"errors": 60})
    assert not judge(PLAN, rare, SHARE).bad
    none_yet = look(measured(1000, 0.0, 0.0, active=0), measured(4000, 0.001, 0.03, active=4))
    assert not judge(PLAN, none_yet, SHARE).bad


def test_a_metric_that_vanishes_in_the_step_is_a_harm_where_more_is_better() -> None:
    more = plan(guardrails=(metric("orders", direction="increase"),), minimum=500)
    gone = aggregates(
        {"orders": measured(1000, 0.0, 0.0, active=0)}, {"orders": measured(4000, 0.1, 0.3, active=400)}, (1000, 4000)
    )
    found = judge(more, gone, SHARE)
    assert codes(found.harms) == ["worse"]
    assert not found.bad


def test_one_unit_may_dominate_what_is_capped() -> None:
    for definition in ({"winsorise": 99}, {"kind": "proportion"}):
        capped = plan(guardrails=(metric("errors", **definition),), minimum=500)
        big = look(measured(1000, 1.0, 1.0, largest=0.5), measured(4000, 1.0, 1.0))
        assert not judge(capped, big, SHARE).bad


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.01, 0.99))
def test_evidence_of_a_sample_ratio_is_that_of_scipy(reached: int, compared: int, share: float) -> None:
    prior = RATIO_PRIOR * share, RATIO_PRIOR * (1 - share)
    n = reached + compared
    expected = betabinom.logpmf(reached, n, *prior) - binom.logpmf(reached, n, share)
    assert ratio_evidence(reached, compared, share) == pytest.approx(float(expected), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5])
def test_looking_at_the_sample_ratio_after_every_unit_errs_rarely(share: float) -> None:
    generator = np.random.default_rng(2)
    mixed = 0
    for _ in range(100):
        reached = np.cumsum(generator.random(4000) < share)
        looks = range(19, 4000, 20)
        mixed += any(
            ratio_evidence(int(reached[at]), int(at + 1 - reached[at]), share) > -math.log(RATIO_ALPHA)
            for at in looks
        )
    assert mixed <= 2


@pytest.mark.parametrize(("reached", "compared", "share"), [(480, 3520, 0.2), (40, 7960, 0.02), (1850, 2150, 0.5)])
def test_a_wrong_sample_ratio_is_found(reached: int, compared: int, share: float) -> None:
    assert ratio_evidence(reached, compared, share) > -math.log(RATIO_ALPHA)
