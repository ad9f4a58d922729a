"""From evidence to a report: health first, then estimates, then a verdict in a sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from burgee.analysis.decisions import Finding, decide
from burgee.analysis.health import Check, Light, check
from burgee.analysis.stats.estimates import Estimate, compare, compare_quantiles, non_inferiority
from burgee.analysis.stats.multiplicity import benjamini_hochberg
from burgee.analysis.verdicts import Outcome, Verdict, judge
from burgee.flagfile.experiments import Direction, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.decisions import Point
    from burgee.analysis.evidence import Arm, Evidence
    from burgee.analysis.plans import Plan


@dataclass(frozen=True, slots=True)
class Result:
    """A metric of one treatment against the control. `good` is None where nothing is found."""

    metric: str
    role: str
    arm: str
    kind: str
    direction: str
    estimate: Estimate
    finding: Finding | None = None
    adjusted_p: float | None = None
    found: bool = False
    good: bool | None = None
    margin: float | None = None
    non_inferior_p: float | None = None
    holds: bool | None = None
    curve: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A metric in one segment: exploratory, decides nothing."""

    attribute: str
    value: str
    metric: str
    arm: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of an experiment at `until`, in milliseconds."""

    plan: Plan
    until: int
    over: bool
    units: Mapping[str, int]
    checks: Sequence[Check]
    results: Sequence[Result]
    verdict: Verdict
    breakdowns: Sequence[Breakdown] = ()
    deviations: Sequence[str] = ()
    registered: str | None = field(default=None)

    @property
    def healthy(self) -> bool:
        """Whether a verdict may be given."""
        return all(one.light is not Light.BAD for one in self.checks)


def report(
    plan: Plan, evidence: Evidence, *, deviations: Sequence[str] = (), registered: str | None = None
) -> Report:
    """The report of an experiment."""
    over = evidence.until >= plan.end
    checks = check(plan, evidence)
    results = _results(plan, evidence, over=over)
    bad = [one for one in checks if one.light is Light.BAD]
    outcomes = [
        Outcome(
            one.arm,
            one.metric,
            one.estimate,
            found=one.found,
            good=one.good,
            unmet=[
                other.metric
                for other in results
                if other.role == "guardrail" and other.arm == one.arm and other.holds is not True
            ],
        )
        for one in results
        if one.role == "primary"
    ]
    units = {arm: found.n for arm, found in evidence.arms.items()}
    return Report(
        plan=plan,
        until=evidence.until,
        over=over,
        units=units,
        checks=checks,
        # An unhealthy experiment shows its numbers, and claims nothing of them.
        results=[replace(one, found=False, good=None, holds=None) for one in results] if bad else results,
        verdict=judge(plan, outcomes, units, evidence.until, bad),
        breakdowns=_breakdowns(plan, evidence),
        deviations=deviations,
        registered=registered,
    )


def _results(plan: Plan, evidence: Evidence, *, over: bool) -> list[Result]:
    findings = decide(plan, evidence, over=over)
    told = []
    for metric in plan.experiment.metrics:
        for arm in plan.treatments:
            finding = findings.get((metric, arm))
            alpha = finding.level if finding and finding.level else plan.experiment.alpha
            estimate = estimate_of(plan, evidence.arms, metric, arm, alpha)
            if estimate is not None:
                told.append(_result(plan, metric, arm, estimate, finding))
    return _exploring(told, plan.experiment.alpha)


def _result(plan: Plan, metric: str, arm: str, estimate: Estimate, finding: Finding | None) -> Result:
    definition, experiment = plan.metrics[metric], plan.experiment
    increase = definition.direction is Direction.INCREASE
    role = "primary" if metric in experiment.primaries else "secondary"
    margin = p_value = holds = None
    if metric in experiment.guardrails:
        role = "guardrail" if role == "secondary" else role
        margin = float(experiment.guardrails[metric].margin) / 100
        p_value = non_inferiority(estimate, margin, increase=increase)
        holds = None if p_value is None else _holding(p_value, experiment.alpha)
    found = finding is not None and finding.found
    better = (finding.difference if finding and found else estimate.difference) > 0
    return Result(
        metric=metric,
        role=role,
        arm=arm,
        kind=str(definition.kind),
        direction=str(definition.direction),
        estimate=estimate,
        finding=finding,
        adjusted_p=finding.adjusted_p if finding else estimate.p_value,
        found=found,
        good=(better == increase) if found else None,
        margin=margin,
        non_inferior_p=p_value,
        holds=holds,
        curve=finding.curve if finding else (),
    )


def _holding(p_value: float, alpha: float) -> bool | None:
    """Shown to hold, shown to be worse than its margin, or neither."""
    if p_value < alpha / 2:
        return True
    return False if p_value > 1 - alpha / 2 else None


def _exploring(results: list[Result], alpha: float) -> list[Result]:
    """Secondaries under Benjamini and Hochberg, told as found without deciding anything."""
    asked = [i for i, one in enumerate(results) if one.role == "secondary" and one.estimate.p_value is not None]
    adjusted = benjamini_hochberg([results[i].estimate.p_value or 0.0 for i in asked])
    told = list(results)
    for i, p_value in zip(asked, adjusted, strict=True):
        one = told[i]
        better = (one.estimate.difference > 0) == (one.direction == Direction.INCREASE)
        told[i] = replace(one, adjusted_p=p_value, found=p_value < alpha, good=better if p_value < alpha else None)
    return told


def estimate_of(plan: Plan, arms: Mapping[str, Arm], metric: str, arm: str, alpha: float) -> Estimate | None:
    """A treatment against the control in one metric; None where a quantile has too few values."""
    if plan.control not in arms or arm not in arms:
        return None
    control, treatment = arms[plan.control], arms[arm]
    if plan.metrics[metric].kind is not Kind.QUANTILE:
        return compare(control.moments[metric], treatment.moments[metric], alpha)
    if metric not in control.points or metric not in treatment.points:
        return None
    return compare_quantiles(control.points[metric], treatment.points[metric], alpha)


def _breakdowns(plan: Plan, evidence: Evidence) -> list[Breakdown]:
    told = []
    for attribute, values in evidence.segments.items():
        for value, arms in values.items():
            for metric in plan.experiment.primaries:
                for arm in plan.treatments:
                    if plan.metrics[metric].kind is not Kind.QUANTILE:
                        estimate = estimate_of(plan, arms, metric, arm, plan.experiment.alpha)
                        if estimate is not None:
                            told.append(Breakdown(attribute, value, metric, arm, estimate))
    return told
