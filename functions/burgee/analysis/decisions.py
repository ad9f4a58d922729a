"""The results of a plan's method for each metric: estimates at its looks, with the bounds valid there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from burgee.analysis.stats.estimates import (
    Estimate,
    compare,
    compare_quantiles,
    contrast,
    critical_t,
    gradient,
    margin_factor,
    margin_gap,
    non_inferiority,
    normal_z,
    pooled,
    quadratic,
    theta,
    with_interval,
)
from burgee.analysis.stats.multiplicity import benjamini_hochberg
from burgee.analysis.stats.numeric import FAR
from burgee.analysis.stats.sequential import sequence_bound, sequence_p_value, spending_bounds
from burgee.flagfile.experiments import Direction, Method, MetricKind
from burgee.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.evidence import Arm, Evidence, Moment
    from burgee.analysis.plans import ExperimentPlan

TUNING = 10_000
"""Units at which a confidence sequence is tightest, if no size is planned."""
ENOUGH = 30
"""Minimum units per arm for a confidence sequence, which is valid for averages of many."""


@dataclass(frozen=True, slots=True)
class Look:
    """An estimate at a time in milliseconds, with the interval valid then, if any."""

    at: int
    estimate: Estimate
    crossed: bool = False


@dataclass(frozen=True, slots=True)
class MetricFinding:
    """The current finding for a metric of one arm.

    `look` is the deciding look or the last one; None before the first. `latest` is the last one. `p_value` is
    adjusted for the comparisons that share alpha, None if the method has none.
    """

    look: Look | None
    latest: Look | None
    found: bool = False
    p_value: float | None = None
    curve: Sequence[Look] = ()


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whether a guardrail is shown to hold, shown to be broken, or neither, with its one-sided p-value."""

    holds: bool | None
    p_value: float | None


def decide(plan: ExperimentPlan, evidence: Evidence, *, over: bool) -> dict[tuple[str, str], MetricFinding]:
    """The findings of every metric and treatment.

    Primary metrics share the plan's alpha equally, so an interval excludes zero exactly if a difference is found.
    Secondary metrics control Benjamini and Hochberg's false discovery rate, and their intervals its false coverage
    rate.
    """
    primaries, alpha = plan.experiment.primaries, plan.experiment.alpha
    found = {
        (metric, arm): _finding(plan, evidence, (metric, arm), alpha / plan.comparisons, over=over)
        for metric in plan.metrics
        for arm in plan.treatments
        if metric in primaries or metric in plan.experiment.guardrails
    }
    found = {
        key: replace(one, p_value=min(one.p_value * plan.comparisons, 1.0))
        if key[0] in primaries and one.p_value is not None
        else one
        for key, one in found.items()
    }
    others = [(metric, arm) for metric in plan.metrics for arm in plan.treatments if (metric, arm) not in found]
    return found | _secondaries(plan, evidence, others, over=over)


def guarded(plan: ExperimentPlan, evidence: Evidence, metric: str, arm: str, *, over: bool) -> Guarded:
    """Whether a guardrail holds at alpha/2, by the plan's method; quantiles are tested only at the end."""
    increase = plan.metrics[metric].direction is Direction.INCREASE
    margin, alpha = float(plan.experiment.guardrails[metric].margin) / 100, plan.experiment.alpha
    if plan.experiment.method is Method.FIXED or plan.metrics[metric].kind is MetricKind.QUANTILE:
        whole = estimate_at_end(plan, evidence, metric, arm, alpha) if over else None
        tested = whole is not None and whole.p_value is not None
        p_value = non_inferiority(whole, margin, increase=increase) if whole is not None and tested else None
        if p_value is None:
            return Guarded(None, None)
        return Guarded(True if p_value < alpha / 2 else False if p_value > 1 - alpha / 2 else None, p_value)
    steps = _steps(plan, evidence, metric, arm, margin)
    smallest: float | None = None
    holds: bool | None = None
    for step, bound in zip(steps, _bounds(plan, steps, metric, alpha), strict=True):
        z = normal_z(step.gap)
        if holds is None and abs(z) > bound:
            holds = z > 0
        if plan.experiment.method is Method.ALWAYS_VALID and z > 0 and math.isfinite(bound):
            p_value = sequence_p_value(z, step.information, alpha, _planned(plan) or TUNING) / 2
            smallest = min(smallest or 1.0, p_value)
    return Guarded(holds, smallest)


def estimate_at_end(plan: ExperimentPlan, evidence: Evidence, metric: str, arm: str, alpha: float) -> Estimate | None:
    """The fixed test of all data so far; None if a quantile has too few values."""
    return estimate_of(plan, evidence.arms, metric, arm, alpha)


def estimate_of(
    plan: ExperimentPlan, arms: Mapping[str, Arm], metric: str, arm: str, alpha: float
) -> Estimate | None:
    """A treatment against the control in one metric, by the fixed test."""
    if plan.control not in arms or arm not in arms:
        return None
    control, treatment = arms[plan.control], arms[arm]
    if plan.metrics[metric].kind is not MetricKind.QUANTILE:
        return compare(control.moments[metric], treatment.moments[metric], alpha)
    if metric not in control.points or metric not in treatment.points:
        return None
    return compare_quantiles(control.points[metric], treatment.points[metric], alpha)


def _secondaries(
    plan: ExperimentPlan, evidence: Evidence, keys: list[tuple[str, str]], *, over: bool
) -> dict[tuple[str, str], MetricFinding]:
    """The largest number R of m hypotheses rejected at level alpha R/m (Benjamini and Hochberg 1995).

    All intervals use that level (Benjamini and Yekutieli 2005): exactly those of rejected hypotheses exclude zero.
    """
    alpha = plan.experiment.alpha
    for count in range(len(keys), 0, -1):
        level = alpha * count / len(keys)
        found = {key: _finding(plan, evidence, key, level, over=over) for key in keys}
        if sum(one.found for one in found.values()) >= count or count == 1:
            return _adjusted(found)
    return {}


def _adjusted(found: dict[tuple[str, str], MetricFinding]) -> dict[tuple[str, str], MetricFinding]:
    known = [key for key, one in found.items() if one.p_value is not None]
    adjusted = benjamini_hochberg([found[key].p_value or 0.0 for key in known])
    return found | {key: replace(found[key], p_value=p) for key, p in zip(known, adjusted, strict=True)}


def _finding(
    plan: ExperimentPlan, evidence: Evidence, key: tuple[str, str], alpha: float, *, over: bool
) -> MetricFinding:
    metric, arm = key
    if plan.experiment.method is Method.FIXED or plan.metrics[metric].kind is MetricKind.QUANTILE:
        return _at_end(plan, evidence, metric, arm, alpha) if over else MetricFinding(None, None)
    steps = _steps(plan, evidence, metric, arm, None)
    bounds = _bounds(plan, steps, metric, alpha)
    looks = [_look(step, bound) for step, bound in zip(steps, bounds, strict=True)]
    if not looks:
        return MetricFinding(None, None)
    p_value = None
    if plan.experiment.method is Method.ALWAYS_VALID:
        tuning = _planned(plan) or TUNING
        usable = [step for step, bound in zip(steps, bounds, strict=True) if math.isfinite(bound)]
        values = [sequence_p_value(normal_z(one.gap), one.information, alpha, tuning) for one in usable]
        p_value = min(values, default=None)
    deciding = next((look for look in looks if look.crossed), None)
    return MetricFinding(deciding or looks[-1], looks[-1], deciding is not None, p_value, looks)


def _at_end(plan: ExperimentPlan, evidence: Evidence, metric: str, arm: str, alpha: float) -> MetricFinding:
    estimate = estimate_at_end(plan, evidence, metric, arm, alpha)
    if estimate is None:
        return MetricFinding(None, None)
    found = estimate.p_value is not None and estimate.p_value < alpha
    look = Look(evidence.until, estimate, found)
    curve = [
        Look(moment.at, compare(moment.arms[plan.control], moment.arms[arm], alpha))
        for moment in evidence.series.get(metric, ())
        if min(moment.arms[plan.control].n, moment.arms[arm].n) >= 2
    ]
    return MetricFinding(look, look, found, estimate.p_value, curve)


@dataclass(frozen=True, slots=True)
class _Step:
    """The test at a look: a difference, or the gap to a margin, with the information so far.

    `sampled` is the standard error of the gap from each arm's own variance, as are the covariances between looks.
    """

    at: int
    gap: Estimate
    information: float
    sampled: float


def _steps(plan: ExperimentPlan, evidence: Evidence, metric: str, arm: str, margin: float | None) -> list[_Step]:
    """The looks that the method may use, oldest first.

    Information is the number of units if a unit's value is final when it counts, after the metric's window. If values
    still grow, looks are less correlated than that: then the covariance of each look with the one before determines
    the information gained, in units at the first look.
    """
    final, steps = plan.metrics[metric].window is not None, list[_Step]()
    increase = plan.metrics[metric].direction is Direction.INCREASE
    moments = evidence.series.get(metric, ())
    for index, moment in enumerate(moments):
        sides = moment.arms[plan.control], moment.arms[arm]
        if min(side.n for side in sides) < _least(plan):
            continue
        found = contrast(*sides)
        gap = found if margin is None else margin_gap(found, margin, increase=increase)
        if not gap.se > 0 or not _may_look(plan, moment.at):
            continue
        factor = 1.0 if margin is None else margin_factor(found.control.value, margin, increase=increase)
        information = float(found.n)
        sampled = math.hypot(found.treatment.se, factor * found.control.se)
        if steps and not final:
            covariance = _covariance(plan, arm, moments[index - 1], moment, factor)
            likeness = covariance / (steps[-1].sampled * sampled)
            information = steps[-1].information / min(max(likeness, 0.01), 1.0) ** 2
        steps.append(_Step(moment.at, gap, information, sampled))
    return steps


def _least(plan: ExperimentPlan) -> int:
    return ENOUGH if plan.experiment.method is Method.ALWAYS_VALID else 2


def _may_look(plan: ExperimentPlan, at: int) -> bool:
    if plan.experiment.method is Method.ALWAYS_VALID:
        return True
    return look_number(plan, at) is not None


def look_number(plan: ExperimentPlan, at: int) -> int | None:
    """The planned look of a group-sequential design at a time, counted from 1; None between two."""
    length = (plan.end - plan.start) / plan.experiment.looks
    number = round((at - plan.start) / length)
    return number if abs(at - plan.start - number * length) <= plan.experiment.looks else None


def _covariance(plan: ExperimentPlan, arm: str, before: Moment, now: Moment, factor: float) -> float:
    """The estimated covariance of the gap at a look with the gap at the look before."""
    assert now.lagged is not None  # noqa: S101 - only the first has none
    coefficients = [theta(pooled(one.arms[plan.control], one.arms[arm])) for one in (before, now)]
    covariance = 0.0
    for name, weight in ((plan.control, factor), (arm, 1.0)):
        left = gradient(before.arms[name], coefficients[0])
        right = gradient(now.arms[name], coefficients[1])
        covariance += weight**2 * quadratic(left, now.lagged[name], right) / now.arms[name].n
    return covariance


def _bounds(plan: ExperimentPlan, steps: list[_Step], metric: str, alpha: float) -> list[float]:
    """The z to cross, either way, at each look."""
    if not steps:
        return []
    if plan.experiment.method is Method.ALWAYS_VALID:
        return [sequence_bound(step.information, alpha, _planned(plan) or TUNING) for step in steps]
    looks, planned = plan.experiment.looks, _planned(plan)
    numbers = [look_number(plan, step.at) or looks for step in steps]
    final = plan.metrics[metric].window is not None
    fractions = tuple(
        1.0 if number == looks else min(step.gap.n / planned, 1.0) if final and planned else number / looks
        for number, step in zip(numbers, steps, strict=True)
    )
    information = tuple(step.information for step in steps)
    return list(spending_bounds(fractions, alpha, plan.experiment.spending, information))


def _look(step: _Step, bound: float) -> Look:
    if not math.isfinite(bound) or bound >= FAR:
        return Look(step.at, step.gap)
    critical = critical_t(step.gap, bound)
    return Look(step.at, with_interval(step.gap, critical), abs(step.gap.z) > critical)


def _planned(plan: ExperimentPlan) -> float | None:
    """The planned units in the control and the smallest other arm."""
    size = plan.experiment.sample_size
    if size is None:
        return None
    return size * plan.pair
