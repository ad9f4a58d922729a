"""Turns evidence into a report: health, the effects that may be shown, and a verdict in one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.analysis.decisions import ENOUGH, Guarded, MetricFinding, decide, estimate_of, guarded
from burgee.analysis.health import Check, Light, check
from burgee.analysis.stats.bayes import Belief, believe
from burgee.analysis.stats.estimates import compare
from burgee.analysis.verdicts import MetricOutcome, Progress, Verdict, judge
from burgee.flagfile.experiments import Direction, MetricKind
from burgee.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.analysis.decisions import Look
    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.stats.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Result:
    """A metric of one treatment against the control.

    `estimate` is that of the deciding or last look, None if none may be shown yet; `latest` that of the last look.
    `good` is None if no difference is found. `p_value` is the guardrail's own if `holds` was tested.
    """

    metric: str
    role: str
    arm: str
    kind: str
    direction: str
    finding: MetricFinding
    good: bool | None = None
    margin: float | None = None
    guarded: Guarded | None = None
    belief: Belief | None = None
    immature: int = 0

    @property
    def estimate(self) -> Estimate | None:
        """The difference that may be shown."""
        return None if self.finding.look is None else self.finding.look.estimate

    @property
    def latest(self) -> Estimate | None:
        """The difference at the last look."""
        return None if self.finding.latest is None else self.finding.latest.estimate

    @property
    def found(self) -> bool:
        """Whether a difference is found."""
        return self.finding.found

    @property
    def p_value(self) -> float | None:
        """The p-value of the test for the metric's role."""
        return self.finding.p_value if self.guarded is None or self.role == "primary" else self.guarded.p_value

    @property
    def holds(self) -> bool | None:
        """Whether a guardrail holds; None if neither is shown, or there is no guardrail."""
        return None if self.guarded is None else self.guarded.holds

    @property
    def curve(self) -> Sequence[Look]:
        """The looks so far."""
        return self.finding.curve


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A metric in one segment: exploratory only."""

    attribute: str
    value: str
    metric: str
    arm: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class CohortEffect:
    """A metric on one day since exposure or, if `entered`, of the units that came in on a day: exploratory only.

    `day` counts from 0.
    """

    metric: str
    arm: str
    entered: bool
    day: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Report:
    """The results of an experiment at `until`, in milliseconds. `over` says that it has ended."""

    plan: ExperimentPlan
    until: int
    over: bool
    units: Mapping[str, int]
    checks: Sequence[Check]
    results: Sequence[Result]
    verdict: Verdict
    breakdowns: Sequence[Breakdown] = ()
    cohorts: Sequence[CohortEffect] = ()
    deviations: Sequence[str] = ()
    registered: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether a verdict may be given."""
        return all(one.light is not Light.BAD for one in self.checks)


def report(
    plan: ExperimentPlan,
    evidence: Evidence,
    *,
    now: int | None = None,
    deviations: Sequence[str] = (),
    registered: str | None = None,
) -> Report:
    """The report of an experiment. Times after `now`, in milliseconds, are in the future and give no verdict."""
    future = now is not None and evidence.until > now
    over = evidence.until >= plan.end and not future
    checks = check(plan, evidence)
    bad = [one for one in checks if one.light is Light.BAD]
    results = _results(plan, evidence, over=over, future=future)
    ended = over or any(one.found for one in results if one.role == "primary")
    if bad or not ended:
        results = [replace(one, belief=None) for one in results]
    if bad:
        # Without health there are no findings.
        results = [
            replace(
                one,
                finding=replace(one.finding, found=False, p_value=None),
                good=None,
                guarded=None if one.guarded is None else Guarded(None, None),
            )
            for one in results
        ]
    units = {arm: found.n for arm, found in evidence.arms.items()}
    outcomes = [
        MetricOutcome(one.arm, one.metric, one.role == "primary", one.finding, one.good, one.guarded)
        for one in results
    ]
    return Report(
        plan=plan,
        until=evidence.until,
        over=over,
        units=units,
        checks=checks,
        results=results,
        verdict=judge(plan, outcomes, Progress(units, evidence.until, over, future), bad),
        breakdowns=_breakdowns(plan, evidence) if ended else (),
        cohorts=list(_cohorts(plan, evidence)) if ended else (),
        deviations=deviations,
        registered=registered,
    )


def _results(plan: ExperimentPlan, evidence: Evidence, *, over: bool, future: bool) -> list[Result]:
    findings = {} if future else decide(plan, evidence, over=over)
    results = []
    for metric in plan.experiment.metrics:
        for arm in plan.treatments:
            definition, experiment = plan.metrics[metric], plan.experiment
            finding = findings.get((metric, arm), MetricFinding(None, None))
            increase = definition.direction is Direction.INCREASE
            estimate = finding.look.estimate if finding.look else None
            is_guardrail = metric in experiment.guardrails
            role = "primary" if metric in experiment.primaries else "guardrail" if is_guardrail else "secondary"
            margin = float(experiment.guardrails[metric].margin) / 100 if is_guardrail else None
            found = finding.found and role != "guardrail"
            results.append(
                Result(
                    metric=metric,
                    role=role,
                    arm=arm,
                    kind=str(definition.kind),
                    direction=str(definition.direction),
                    finding=replace(finding, found=found),
                    good=(estimate.difference > 0) == increase if found and estimate else None,
                    margin=margin,
                    guarded=guarded(plan, evidence, metric, arm, over=over) if is_guardrail and not future else None,
                    belief=believe(estimate, increase=increase) if estimate else None,
                    immature=evidence.immature(metric),
                )
            )
    return results


def _cohorts(plan: ExperimentPlan, evidence: Evidence) -> Iterator[CohortEffect]:
    """The days on which both arms have enough units for an interval."""
    for metric, found in evidence.cohorts.items():
        for arm in plan.treatments:
            for entered, cohorts in ((False, found.since), (True, found.entered)):
                for one in cohorts:
                    sides = [one.arms.get(name) for name in (plan.control, arm)]
                    known = [side for side in sides if side is not None and side.n >= ENOUGH]
                    if len(known) == 2:
                        estimate = compare(known[0], known[1], plan.experiment.alpha)
                        yield CohortEffect(metric, arm, entered, one.day, estimate)


def _breakdowns(plan: ExperimentPlan, evidence: Evidence) -> list[Breakdown]:
    found = []
    for attribute, values in evidence.segments.items():
        for value, arms in values.items():
            for metric in plan.experiment.primaries:
                for arm in plan.treatments:
                    if plan.metrics[metric].kind is not MetricKind.QUANTILE:
                        estimate = estimate_of(plan, arms, metric, arm, plan.experiment.alpha)
                        if estimate is not None:
                            found.append(Breakdown(attribute, value, metric, arm, estimate))
    return found
