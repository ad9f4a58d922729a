"""Planned sizes against tea-tasting, and against experiments simulated in numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

from burgee.analysis.stats.estimates import compare
from burgee.analysis.stats.planning import Design, MetricBaseline, detectable, inflation, power, sample_size
from burgee.analysis.stats.sequential import sequence_bound, spending_bounds
from burgee.flagfile.experiments import Method, Spending
from support.arrivals import outcomes, proportion

DESIGNS = [
    Design(),
    Design(power=0.9, alpha=0.01, control=0.8, treatment=0.2),
    Design(method=Method.GROUP_SEQUENTIAL),
    Design(method=Method.GROUP_SEQUENTIAL, spending=Spending.POCOCK, looks=3),
    Design(method=Method.ALWAYS_VALID),
    Design(method=Method.ALWAYS_VALID, at_once=True),
]
BASELINES = [(MetricBaseline(0.12), 0.012), (MetricBaseline(20, 35), 1.5), (MetricBaseline(1000, 2400), -40.0)]


def test_a_size_is_what_tea_tasting_says() -> None:
    metric = tt.Mean("v", alpha=0.05, power=0.8, effect_size=1.5)
    (theirs,) = metric.solve_power_from_aggregates(Aggregates(100, {"v": 20}, {"v": 35**2}), "n_obs")
    assert sample_size(MetricBaseline(20, 35), 1.5, Design()) == pytest.approx(theirs.n_obs, rel=1e-3)


@pytest.mark.parametrize("design", DESIGNS, ids=str)
@pytest.mark.parametrize(("baseline", "effect"), BASELINES, ids=str)
def test_size_power_and_effect_are_one_relation(baseline: MetricBaseline, effect: float, design: Design) -> None:
    n = sample_size(baseline, effect, design)
    assert power(n, baseline, effect, design) == pytest.approx(design.power, abs=1e-3)
    assert power(n * 0.9, baseline, effect, design) < design.power
    if effect > 0:
        assert detectable(n, baseline, design) == pytest.approx(effect, rel=1e-2)


def test_what_looking_early_costs() -> None:
    """Jennison and Turnbull's table 2.4 has 1.03 for O'Brien-Fleming and 1.23 for Pocock at five looks, power 0.8."""
    sequential = Design(method=Method.GROUP_SEQUENTIAL)
    mean = MetricBaseline(20, 35), 1.5
    assert inflation(*mean, Design()) == 1
    assert inflation(*mean, sequential) == pytest.approx(1.03, abs=0.01)
    assert inflation(*mean, replace(sequential, spending=Spending.POCOCK)) == pytest.approx(1.23, abs=0.02)
    assert 1.5 < inflation(*mean, replace(sequential, method=Method.ALWAYS_VALID)) < 2.5


@pytest.mark.parametrize("design", DESIGNS[2:], ids=str)
def test_the_planned_power_is_reached(design: Design) -> None:
    """Of experiments of the planned size with the planned effect, as many are found as planned."""
    n, runs = sample_size(MetricBaseline(20, 35), 1.5, design), 4000
    looks = design.looks
    if design.method is Method.ALWAYS_VALID:
        looks = 1 if design.at_once else 100
    fractions = np.arange(1, looks + 1) / looks
    if design.method is Method.ALWAYS_VALID:
        bounds = [sequence_bound(n * f, 0.05, n) for f in fractions]
    else:
        bounds = list(spending_bounds(tuple(fractions), 0.05, design.spending))
    steps = np.random.default_rng(9).normal(0, math.sqrt(1 / looks), (runs, looks))
    drift = 1.5 * math.sqrt(n) / (35 * 2)
    scores = steps.cumsum(axis=1) + drift * fractions
    found = (np.abs(scores / np.sqrt(fractions)) > np.array(bounds)).any(axis=1).mean()
    assert found == pytest.approx(0.8, abs=3.3 * math.sqrt(0.8 * 0.2 / runs))


@pytest.mark.parametrize("treated", [0.02, 0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("change", [0.5, 0.2, -0.5])
def test_one_look_at_arms_of_other_sizes_has_the_planned_power(treated: float, change: float) -> None:
    """Over all counts of both arms: no less than planned, and little more."""
    rates = 0.1, 0.1 * (1 + change)
    n = sample_size(MetricBaseline(0.1), 0.1 * change, Design(control=1 - treated, treatment=treated))
    sizes = n - round(n * treated), round(n * treated)
    found = 0.0
    for chance, counts in outcomes(sizes, rates):
        control, treatment = (proportion(count, size) for count, size in zip(counts, sizes, strict=True))
        found += chance * ((compare(control, treatment).p_value or 1) < 0.05)
    assert 0.795 < found < 0.85


@pytest.mark.parametrize(("treated", "change"), [(0.1, 0.5), (0.1, -0.5), (0.9, 0.5), (0.9, -0.5)])
@pytest.mark.parametrize("design", DESIGNS[2:5], ids=str)
def test_looks_at_arms_of_other_sizes_have_the_planned_power(design: Design, treated: float, change: float) -> None:
    """Counted conversions, tested with the larger of two standard errors, which are written out here."""
    design, rates = replace(design, control=1 - treated, treatment=treated), (0.02, 0.02 * (1 + change))
    n, runs = sample_size(MetricBaseline(rates[0]), rates[1] - rates[0], design), 2000
    looks = 100 if design.method is Method.ALWAYS_VALID else design.looks
    if design.method is Method.ALWAYS_VALID:
        bounds = [sequence_bound(n * (look + 1) / looks, 0.05, n) for look in range(looks)]
    else:
        bounds = list(spending_bounds(tuple((look + 1) / looks for look in range(looks)), 0.05, design.spending))
    generator = np.random.default_rng(5)
    entered = [np.full((runs, looks), round(n * share / looks)) for share in (1 - treated, treated)]
    units = [one.cumsum(axis=1) for one in entered]
    shares = [
        generator.binomial(arriving, rate).cumsum(axis=1) / there
        for arriving, there, rate in zip(entered, units, rates, strict=True)
    ]
    variances = [share * (1 - share) for share in shares]
    own = variances[0] / units[0] + variances[1] / units[1]
    common = (variances[0] * units[0] + variances[1] * units[1]) / (units[0] * units[1])
    z = (shares[1] - shares[0]) / np.sqrt(np.maximum(np.maximum(own, common), 1e-30))
    found = (np.abs(z) > np.array(bounds)).any(axis=1).mean()
    assert 0.775 < found < 0.86
