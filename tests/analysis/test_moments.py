"""Moments at extreme values against exact fractions: right to rounding errors, or zero and then without interval."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from burgee.analysis.evidence import gather
from burgee.analysis.moments import moments_of_sums
from burgee.analysis.reports import report
from burgee.analysis.stats.estimates import BEFORE, VALUE, Moments, pooled
from support.experiments import DAY, FILE, START, planned, track, written
from support.moments import moments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

GENERATOR = np.random.default_rng(5)
VALUES: dict[str, list[float]] = {
    "amounts": GENERATOR.lognormal(3, 1, 60).tolist(),
    "far from zero": (1e8 + GENERATOR.random(60)).tolist(),
    "further": (1e8 + 1e-3 * GENERATOR.random(60)).tolist(),
    "largest": (1e15 * GENERATOR.choice([-1, 1], 60)).tolist(),
    "smallest": (1e-60 * GENERATOR.random(60)).tolist(),
    "one": [0.0] * 59 + [5.0],
    "all equal": [0.1] * 60,
    "all equal and large": [1e8 + 0.1] * 60,
    "none": [0.0] * 60,
}


def exact(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """The mean of one, and its covariance with the other."""
    pairs = [(Fraction(a), Fraction(b)) for a, b in zip(one, other, strict=True)]
    means = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    return float(means[0]), float(sum((a - means[0]) * (b - means[1]) for a, b in pairs) / max(len(pairs) - 1, 1))


@pytest.mark.parametrize("cut", [1, 2, 20, 59])
@pytest.mark.parametrize("name", VALUES)
def test_pooled_moments_are_those_of_all_units(name: str, cut: int) -> None:
    values = np.array(VALUES[name])
    columns = {VALUE: values, BEFORE: np.roll(values, 7)}
    sides = []
    for part in (slice(None, cut), slice(cut, None)):
        side = {column: cells[part] for column, cells in columns.items()}
        n = len(side[VALUE])
        both = {(a, b): exact(side[a].tolist(), side[b].tolist())[1] for a in side for b in side}
        sides.append(
            Moments(n, {column: exact(cells.tolist(), cells.tolist())[0] for column, cells in side.items()}, both)
        )
    found = pooled(*sides)
    assert found.n == 60
    for a, one in columns.items():
        for b, other in columns.items():
            mean, both_ = exact(one.tolist(), other.tolist())
            spread = exact(one.tolist(), one.tolist())[1] ** 0.5
            assert found.means[a] == pytest.approx(mean, rel=1e-15)
            assert found.covariances[a, b] == pytest.approx(both_, rel=1e-6, abs=1e-6 * spread**2 + 1e-16 * mean**2)


def test_an_arm_without_units_adds_nothing() -> None:
    some, none = moments({VALUE: np.array([1.0, 2.0, 4.0])}), Moments(0, {VALUE: 0.0}, {(VALUE, VALUE): 0.0})
    assert pooled(some, none) == pooled(none, some) == some
    assert pooled(none, none) == none


@pytest.mark.parametrize("name", VALUES)
def test_sums_of_units_that_enter_at_zero_are_exact_or_zero(name: str) -> None:
    """A curve's sums have each unit at zero first, and then at its value."""
    values = VALUES[name]
    mean, variance = exact(values, values)
    sums, centre = {"n": 60.0, "sum_value": 0.0, "both_value_value": 0.0}, {VALUE: mean * (1 + 1e-15)}
    for was, now in [*((None, 0.0) for _ in values), *((0.0, value) for value in values)]:
        before = None if was is None else was - centre[VALUE]
        after = now - centre[VALUE]
        sums["sum_value"] += after - (before or 0.0)
        sums["both_value_value"] += after * after - (before or 0.0) ** 2
    found = moments_of_sums(sums, centre)
    assert found.means[VALUE] == pytest.approx(mean, rel=1e-13, abs=1e-13 * variance**0.5)
    if variance > 1e-12 * mean**2:
        assert found.covariances[VALUE, VALUE] == pytest.approx(variance, rel=1e-2, abs=0)
    else:
        assert found.covariances[VALUE, VALUE] == 0


SPENT = FILE.replace("primary: bought", "primary: [revenue, basket]").replace(
    "[revenue, basket]\n      guard", "[bought]\n      guard"
)
SPENT = SPENT.replace(", winsorise: 99", "").replace("per: {event: visit}", "per: {event: order}")


def gathered(folder: Path, values: Sequence[float], method: str) -> tuple[ExperimentPlan, Evidence]:
    """An experiment in which units get the values in turn, an hour after their exposure; half of them in each arm."""
    plan = planned(folder, SPENT.replace("segments", f"method: {method}\n      segments"))
    records = []
    for i, value in enumerate([*values, *values]):
        unit, at = f"u{i}", START + (i % 60) * DAY * 0.4
        shown = {"type": "exposure", "event_id": f"x{i}", "unit": unit, "flag": "button", "time": at}
        records.append({**shown, "variant": "on" if i >= 60 else "off", "reason": "SPLIT", "rule": "default"})
        if value:
            records.append(track(f"o{i}", unit, "order", at + 3600, amount=value))
    return plan, gather((folder, written(folder / "events", records)), plan, plan.end)


@pytest.mark.parametrize("method", ["fixed", "group-sequential", "always-valid"])
@pytest.mark.parametrize("name", VALUES)
def test_reports_of_extreme_values_are_exact_and_find_nothing_between_equal_arms(
    tmp_path: Path, name: str, method: str
) -> None:
    values = VALUES[name]
    plan, evidence = gathered(tmp_path, values, method)
    mean, variance = exact(values, values)
    third = float(sum((Fraction(one) - Fraction(mean)) ** 3 for one in values) / 60)
    for arm in plan.arms:
        days = [one.arms[arm] for one in evidence.cohorts["revenue"].since]
        for found in (evidence.arms[arm].moments["revenue"], days[0]):
            assert found.means[VALUE] == pytest.approx(mean, rel=1e-14, abs=1e-14 * variance**0.5)
            assert found.covariances[VALUE, VALUE] == pytest.approx(variance, rel=1e-3, abs=0)
        assert all(day.means[VALUE] == day.covariances[VALUE, VALUE] == 0 for day in days[1:])
        known = evidence.arms[arm].moments["revenue"].third
        if known is None:
            assert variance < 1e-8 * mean**2
        else:
            assert known == pytest.approx(third, rel=1e-3, abs=1e-4 * variance**1.5)
    for result in report(plan, evidence).results:
        if result.estimate is not None and result.metric in {"revenue", "basket"}:
            assert not result.found
            assert result.estimate.low is None or result.estimate.low <= 0 <= (result.estimate.high or 0)
