"""Methods and bounds: one test for verdict and interval, and looks that are as alike as their values make them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from burgee.analysis.decisions import decide, guarded
from burgee.analysis.stats import estimates
from burgee.analysis.stats.estimates import (
    VALUE,
    ArmEstimate,
    compare,
    fieller,
    margin_factor,
    non_inferiority,
    with_interval,
)
from burgee.analysis.stats.sequential import crossing, spending_bounds
from burgee.flagfile.experiments import Method, Spending
from support.arrivals import Crowd, evidence_of, plan_for
from support.moments import moments

SEQUENTIAL = [Method.GROUP_SEQUENTIAL, Method.ALWAYS_VALID]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("rare", [False, True])
def test_an_interval_excludes_zero_exactly_where_the_test_finds(seed: int, rare: bool) -> None:
    """Skewed and small: where a log-ratio interval beside Welch's test said one thing and its opposite."""
    generator = np.random.default_rng(seed)
    sizes, shift = generator.integers(5, 60, 2), float(generator.choice([0, 1]))
    arms = [generator.lognormal(0, 1.5, int(sizes[0])), generator.lognormal(shift, 1.5, int(sizes[1]))]
    if rare:
        rates = 0.1, float(generator.choice([0.1, 0.25]))
        counts = int(sizes[0]) * 10, int(sizes[1])
        arms = [(generator.random(n) < rate).astype(float) for n, rate in zip(counts, rates, strict=True)]
        arms[0][0], arms[0][1] = 1.0, 0.0
    found = compare(moments({VALUE: arms[0]}), moments({VALUE: arms[1]}))
    assert found.p_value is not None
    assert found.low is not None
    assert found.high is not None
    decided = found.p_value < 0.05
    assert decided == (not found.low <= 0 <= found.high)
    if found.relative is not None:
        assert found.relative_low is not None
        assert found.relative_high is not None
        assert decided == (not found.relative_low <= 0 <= found.relative_high)
        assert found.relative_low <= found.relative <= found.relative_high


def test_fiellers_interval_is_that_of_testing_every_ratio() -> None:
    """Brute force: a ratio is inside where `treatment - ratio * control` is not found to differ from zero."""
    for common in (0.0, 0.1, 0.38, 0.45):
        control, treatment, critical = ArmEstimate(50, 2.0, 0.4, common), ArmEstimate(60, 2.9, 0.3, common), 1.96
        bounds = fieller(control, treatment, critical)
        assert bounds is not None
        ratios = np.linspace(0, 8, 2_000_001)
        error = np.maximum(np.hypot(treatment.se, ratios * control.se), np.hypot(common, ratios * common))
        inside = ratios[np.abs(treatment.value - ratios * control.value) / error <= critical]
        assert bounds == pytest.approx((float(np.min(inside)), float(np.max(inside))), abs=1e-5)
    assert fieller(ArmEstimate(50, 0.5, 0.4), treatment, critical) is None, "its control may be zero"
    assert fieller(ArmEstimate(50, -2.0, 0.1), treatment, critical) is None


@pytest.mark.parametrize("method", SEQUENTIAL)
@pytest.mark.parametrize(
    "crowd",
    [
        Crowd(effect=0.3, units=400, looks=8),
        Crowd(growing=True, effect=0.3, units=400, looks=8),
        Crowd(growing=True, effect=0.6, units=800, looks=8, treated=0.1),
        Crowd(kind="proportion", rate=0.05, effect=1.0, units=4000, looks=8, treated=0.05),
    ],
    ids=["even", "growing", "growing and uneven", "rare and uneven"],
)
def test_a_look_crosses_exactly_where_its_interval_excludes_zero(method: Method, crowd: Crowd) -> None:
    plan = plan_for(crowd, method)
    crossed = 0
    for seed in range(12):
        found = decide(plan, evidence_of(crowd, np.random.default_rng(seed)), over=True)
        for one in found.values():
            for look in one.curve:
                if look.estimate.low is not None and look.estimate.high is not None:
                    assert look.crossed == (not look.estimate.low <= 0 <= look.estimate.high)
                    crossed += look.crossed
    assert crossed


@pytest.mark.parametrize("control", [-20.0, -0.5, 0.0, 3.0, 250.0])
@pytest.mark.parametrize("increase", [True, False])
def test_a_margin_is_of_the_controls_size_whatever_its_sign(control: float, increase: bool) -> None:
    allowed = control * margin_factor(control, 0.1, increase=increase)
    assert allowed == pytest.approx(control - 0.1 * abs(control) * (1 if increase else -1))


def test_a_negative_control_keeps_its_margin() -> None:
    """A loss of 10 that becomes one of 15 is worse than a margin of 20 % allows; one of 10 is not."""
    generator = np.random.default_rng(1)
    control = moments({VALUE: generator.normal(-10, 2, 2000)})
    same, worse = (compare(control, moments({VALUE: generator.normal(at, 2, 2000)})) for at in (-10, -15))
    assert (non_inferiority(same, 0.2, increase=True) or 1.0) < 1e-6
    assert (non_inferiority(worse, 0.2, increase=True) or 0.0) > 1 - 1e-6


def walked(covariance: Any, runs: int = 400_000) -> Any:
    return np.random.default_rng(3).multivariate_normal(
        np.zeros(len(covariance)), covariance, runs, method="cholesky"
    )


GROWTH: dict[str, Any] = {
    "sums of independent steps": min,
    "uniform arrivals, each at its own rate": lambda j, k: (
        min(j, k) ** 2 * (max(j, k) / 2 - min(j, k) / 6) / max(j, k)
    ),
    "the same people at another pace": lambda j, k: j * k * 0.5 + 0.5 * min(j, k),
}


@pytest.mark.parametrize("kind", GROWTH)
@pytest.mark.parametrize("spending", list(Spending))
def test_bounds_from_the_covariance_between_looks_spend_alpha(kind: str, spending: Spending) -> None:
    """Walks drawn from the whole covariance, of which the bounds use neighbours."""
    looks = range(1, 6)
    covariance = np.array([[GROWTH[kind](j, k) for k in looks] for j in looks], dtype=np.float64)
    deviations = np.sqrt(np.diag(covariance))
    likeness = covariance / np.outer(deviations, deviations)
    information = [1.0]
    for k in range(1, 5):
        information.append(information[-1] / likeness[k - 1, k] ** 2)
    bounds = spending_bounds(tuple(k / 5 for k in looks), 0.05, spending, tuple(information))
    crossed = (np.abs(walked(likeness)) > np.array(bounds)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.004)


def test_looks_that_add_nothing_are_one_look() -> None:
    """Everybody came and spent in the first fifth: five looks at one number, the last of which spends the rest."""
    bounds = spending_bounds((0.2, 0.4, 0.6, 0.8, 1.0), 0.05, Spending.OBRIEN_FLEMING, (100.0,) * 5)
    assert list(bounds) == sorted(bounds, reverse=True)
    assert bounds[-1] == pytest.approx(stats.norm.isf(0.025), abs=1e-6)


@pytest.mark.parametrize("method", list(Method))
def test_nothing_may_be_read_before_a_look_that_may_decide(method: Method) -> None:
    crowd = Crowd(effect=0.5, looks=5)
    plan = plan_for(crowd, method)
    whole = evidence_of(crowd, np.random.default_rng(2))
    day = 86_400_000
    early = replace(
        whole,
        until=plan.start + day,
        series={name: [replace(moments_[0], at=plan.start + day)] for name, moments_ in whole.series.items()},
    )
    found = decide(plan, early, over=False)
    rail = guarded(plan, early, "guard", "on", over=False)
    if method is Method.ALWAYS_VALID:
        assert all(one.look is not None for one in found.values())
    else:
        assert all(one.look is None and not one.found and one.p_value is None for one in found.values())
        assert rail.holds is None


def test_secondaries_are_found_where_their_intervals_exclude_zero() -> None:
    """Benjamini and Hochberg's selection, with intervals of Benjamini and Yekutieli's level."""
    plan = plan_for(Crowd(), Method.FIXED)
    experiment = plan.experiment.model_copy(update={"secondary": [f"s{i}" for i in range(12)], "guardrails": {}})
    metric = plan.metrics["spend"]
    generator = np.random.default_rng(8)
    for _ in range(20):
        arms: dict[str, dict[str, Any]] = {"off": {}, "on": {}}
        for name in ["spend", *experiment.secondary]:
            effect = generator.choice([0, 0, 0.1, 0.2])
            for arm, known in arms.items():
                known[name] = moments({VALUE: generator.normal(effect * (arm == "on"), 1, 400)})
        evidence = evidence_of(Crowd(units=50), generator)
        evidence = replace(
            evidence, arms={arm: replace(evidence.arms[arm], n=400, moments=one) for arm, one in arms.items()}
        )
        chosen = replace(plan, experiment=experiment, metrics=dict.fromkeys(arms["off"], metric))
        found = decide(chosen, evidence, over=True)
        plain = [stats.false_discovery_control([_plain(arms, name) for name in experiment.secondary])]
        for name, adjusted in zip(experiment.secondary, plain[0], strict=True):
            one = found[name, "on"]
            assert one.found == (adjusted < 0.05)
            assert one.p_value == pytest.approx(adjusted)
            assert one.look is not None
            estimate = one.look.estimate
            assert estimate.low is not None
            assert estimate.high is not None
            assert one.found == (not estimate.low <= 0 <= estimate.high)


def _plain(arms: dict[str, dict[str, Any]], name: str) -> float:
    return compare(arms["off"][name], arms["on"][name]).p_value or 0.0


@pytest.mark.parametrize("method", SEQUENTIAL)
@pytest.mark.parametrize("crowd", [Crowd("day one", growing=True), Crowd("front-loaded", growing=True)], ids=str)
def test_equal_arms_are_seldom_found_to_differ_however_they_come(method: Method, crowd: Crowd) -> None:
    """A few of the thousands of `benchmarks/arrivals.py`."""
    crowd = replace(crowd, units=300)
    plan, generator, runs = plan_for(crowd, method), np.random.default_rng(4), 60
    found = sum(decide(plan, evidence_of(crowd, generator), over=True)["spend", "on"].found for _ in range(runs))
    assert found <= stats.binom.ppf(0.999, runs, 0.05)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize(("rate", "treated"), [(0.02, 0.02), (0.005, 0.1), (0.02, 0.5)])
def test_rare_conversions_in_uneven_arms_are_seldom_found_to_differ(
    method: Method, rate: float, treated: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Welch's standard error alone, 8 to 48 % of the experiments of docs/statistics.md are, if arms are uneven."""
    crowd = Crowd(kind="proportion", rate=rate, treated=treated, units=10_000)
    plan, runs = plan_for(crowd, method), 100
    found = {}
    for alone in (False, True):
        if alone:
            monkeypatch.setattr(estimates, "standard_error", sampled)
        generator, hits = np.random.default_rng(5), {"spend": 0, "guard": 0}
        for _ in range(runs):
            evidence = evidence_of(crowd, generator)
            hits["spend"] += decide(plan, evidence, over=True)["spend", "on"].found
            hits["guard"] += guarded(plan, evidence, "guard", "on", over=True).holds is not None
        found[alone] = hits
    most = stats.binom.ppf(0.999, runs, 0.05)
    assert max(found[False].values()) <= most
    if method is not Method.FIXED and treated == 0.02:
        assert min(found[True].values()) > most


def sampled(control: ArmEstimate, treatment: ArmEstimate, factor: float = 1.0) -> float:
    return math.hypot(treatment.se, factor * control.se)


def test_the_walk_agrees_with_crossing() -> None:
    bounds = spending_bounds((0.5, 0.75, 1.0), 0.05, Spending.POCOCK)
    assert crossing(bounds, (0.5, 0.75, 1.0)) == pytest.approx(0.05, abs=1e-7)


def test_an_infinite_bound_gives_no_interval() -> None:
    found = compare(moments({VALUE: np.array([1.0, 2, 3])}), moments({VALUE: np.array([1.0, 2, 5])}))
    assert with_interval(replace(found, low=None), math.inf).low is None
