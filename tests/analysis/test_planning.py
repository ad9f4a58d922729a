"""Planned sizes against tea-tasting, and against experiments simulated in numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

from burgee.analysis.stats.planning import Design, MetricBaseline, detectable, inflation, power, sample_size
from burgee.analysis.stats.sequential import sequence_bound, spending_bounds
from burgee.flagfile.experiments import Method, Spending

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
    assert inflation(Design()) == 1
    assert inflation(sequential) == pytest.approx(1.03, abs=0.01)
    assert inflation(replace(sequential, spending=Spending.POCOCK)) == pytest.approx(1.23, abs=0.02)
    assert 1.5 < inflation(replace(sequential, method=Method.ALWAYS_VALID)) < 2.5


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
