"""What a method of looking has found of the primary metrics so far, and the curve over time with its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scipy.special import ndtr, ndtri, stdtr

from burgee.analysis.stats.estimates import compare, compare_quantiles, contrast
from burgee.analysis.stats.multiplicity import holm
from burgee.analysis.stats.sequential import FAR, sequence_bound, sequence_p_value, spending_bounds
from burgee.flagfile.experiments import Kind, Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.analysis.evidence import Evidence, Moment
    from burgee.analysis.plans import Plan
    from burgee.analysis.stats.estimates import Estimate

TUNING = 10_000
"""Units at which a confidence sequence is tightest, where no size is planned."""


@dataclass(frozen=True, slots=True)
class Point:
    """The difference at a time, with the interval that may be looked at then, if there is any."""

    at: int
    n: int
    difference: float
    low: float | None
    high: float | None
    z: float = 0.0
    se: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a difference is found, when, how large it was then, and the interval that stands now.

    `level` is the alpha at which a plain interval is as wide as the bounds of a sequential method are now.
    """

    found: bool
    at: int | None
    difference: float
    low: float | None
    high: float | None
    adjusted_p: float | None
    curve: Sequence[Point] = field(default=())
    level: float | None = None


def decide(plan: Plan, evidence: Evidence, *, over: bool) -> dict[tuple[str, str], Finding]:
    """The findings of each primary metric and treatment; those of one experiment share its alpha."""
    method = plan.experiment.method
    found = {
        (metric, arm): _METHODS[method](plan, evidence, metric, arm)
        for metric in plan.experiment.primaries
        for arm in plan.treatments
    }
    if method is not Method.GROUP_SEQUENTIAL:
        _share(found, plan.experiment.alpha, decided=over or method is Method.ALWAYS_VALID)
    return found


def _share(found: dict[tuple[str, str], Finding], alpha: float, *, decided: bool) -> None:
    """Holm's procedure over all comparisons."""
    asked = [key for key, one in found.items() if one.adjusted_p is not None]
    adjusted = holm([found[key].adjusted_p or 0.0 for key in asked])
    for key, p_value in zip(asked, adjusted, strict=True):
        found[key] = replace(found[key], adjusted_p=p_value, found=decided and p_value < alpha)


def _fixed(plan: Plan, evidence: Evidence, metric: str, arm: str) -> Finding:
    """One look, at the end; what is seen before decides nothing."""
    estimate = _estimate(plan, evidence, metric, arm)
    curve = []
    for moment, at_it in _curve(plan, evidence, metric, arm):
        curve.append(Point(moment.at, _n(at_it), at_it.difference, at_it.low, at_it.high, at_it.z))
    if estimate is None:
        return Finding(False, None, 0.0, None, None, None, curve)
    return Finding(False, evidence.until, estimate.difference, estimate.low, estimate.high, estimate.p_value, curve)


def _group_sequential(plan: Plan, evidence: Evidence, metric: str, arm: str) -> Finding:
    """The planned looks that are past; each may stop it."""
    experiment = plan.experiment
    alpha = experiment.alpha / plan.comparisons
    length = (plan.end - plan.start) / experiment.looks
    known = [
        (look, estimate)
        for moment, estimate in _curve(plan, evidence, metric, arm)
        for look in [round((moment.at - plan.start) / length)]
        if abs(moment.at - plan.start - look * length) < 1000 and estimate.se > 0
    ]
    sizes = [_n(estimate) for _look, estimate in known]
    planned = _planned(plan)
    fractions = tuple(
        1.0 if look == experiment.looks else min(n / planned if planned else look / experiment.looks, 1.0)
        for (look, _estimate), n in zip(known, sizes, strict=True)
    )
    information = tuple(n / sizes[-1] for n in sizes)
    bounds = spending_bounds(fractions, alpha, experiment.spending, information)
    curve = [
        _point(plan.start + round(look * length), estimate, bound)
        for (look, estimate), bound in zip(known, bounds, strict=True)
    ]
    return _first(curve, [abs(point.z) > bound for point, bound in zip(curve, bounds, strict=True)], None)


def _always_valid(plan: Plan, evidence: Evidence, metric: str, arm: str) -> Finding:
    """Any look at any time: a confidence sequence."""
    alpha, tuning = plan.experiment.alpha, _planned(plan) or TUNING
    curve, smallest, crossed = [], 1.0, []
    for moment, estimate in _curve(plan, evidence, metric, arm):
        n = _n(estimate)
        usable = min(estimate.control.n, estimate.treatment.n) >= 30 and estimate.se > 0
        bound = sequence_bound(n, alpha, tuning) if usable else math.inf
        curve.append(_point(moment.at, estimate, bound))
        if usable:
            smallest = min(smallest, sequence_p_value(_normal(estimate), n, alpha, tuning))
        crossed.append(usable and abs(_normal(estimate)) > bound)
    return _first(curve, crossed, smallest if curve else None)


def _first(curve: list[Point], crossed: list[bool], p_value: float | None) -> Finding:
    """The first crossing decides; without one, the last look tells where things stand."""
    if not curve:
        return Finding(False, None, 0.0, None, None, p_value, curve)
    at = crossed.index(True) if True in crossed else None
    point = curve[-1 if at is None else at]
    last = curve[-1]
    level = None if last.high is None or not last.se else 2 * float(ndtr(-(last.high - last.difference) / last.se))
    return Finding(at is not None, point.at, point.difference, last.low, last.high, p_value, curve, level)


def _planned(plan: Plan) -> float | None:
    """Units of two arms of the plan."""
    size = plan.experiment.sample_size
    if size is None:
        return None
    return size * (plan.arms[plan.control] + min(plan.arms[arm] for arm in plan.treatments))


def _point(at: int, estimate: Estimate, bound: float) -> Point:
    n, difference = _n(estimate), estimate.difference
    if not math.isfinite(bound) or bound >= FAR or estimate.se <= 0:
        return Point(at, n, difference, None, None, estimate.z)
    half = bound * estimate.se
    return Point(at, n, difference, difference - half, difference + half, _normal(estimate), estimate.se)


def _normal(estimate: Estimate) -> float:
    """The normal z as extreme as Welch's t: with few units a t is wilder than bounds for z expect."""
    if not math.isfinite(estimate.degrees) or estimate.degrees > 2000:
        return estimate.z
    return math.copysign(float(-ndtri(stdtr(estimate.degrees, -abs(estimate.z)))), estimate.z)


def _curve(plan: Plan, evidence: Evidence, metric: str, arm: str) -> list[tuple[Moment, Estimate]]:
    moments: Sequence[Moment] = evidence.series.get(metric, ())
    return [
        (moment, contrast(moment.arms[plan.control], moment.arms[arm], plan.experiment.alpha))
        for moment in moments
        if min(moment.arms[plan.control].n, moment.arms[arm].n) >= 2
    ]


def _estimate(plan: Plan, evidence: Evidence, metric: str, arm: str) -> Estimate | None:
    control, treatment = evidence.arms[plan.control], evidence.arms[arm]
    if plan.metrics[metric].kind is not Kind.QUANTILE:
        return compare(control.moments[metric], treatment.moments[metric], plan.experiment.alpha)
    if metric not in control.points or metric not in treatment.points:
        return None
    return compare_quantiles(control.points[metric], treatment.points[metric], plan.experiment.alpha)


def _n(estimate: Estimate) -> int:
    return estimate.control.n + estimate.treatment.n


_METHODS = {
    Method.FIXED: _fixed,
    Method.GROUP_SEQUENTIAL: _group_sequential,
    Method.ALWAYS_VALID: _always_valid,
}
