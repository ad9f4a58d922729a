"""Plans an experiment from stored events: what its metric was, and what past weeks of traffic would have found."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import ibis

from burgee.analysis import queries
from burgee.analysis.evidence import gatherer
from burgee.analysis.moments import moments_of
from burgee.analysis.stats.estimates import gradient, pooled, quadratic, ratio, theta
from burgee.analysis.stats.planning import MetricBaseline, detectable, sample_size
from burgee.errors import Refused
from burgee.flagfile.experiments import Metric, MetricKind
from burgee.plurals import counted
from burgee.records import dataclass, replace
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from burgee.analysis.evidence import Gatherer
    from burgee.analysis.inputs import Inputs
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.stats.estimates import Moments

WEEK = 7 * 86_400_000
MOST_WEEKS = 8
CUPED = "14d"
"""The time before a unit's entry whose gain is shown if the plan has no `cuped`."""
QUESTIONS = 3 * MOST_WEEKS
"""The maximum number of statements that read tables, for an engine that keeps nothing between two."""
ENTRY = "entry"
"""The metric that makes queries read the entry event."""


@dataclass(frozen=True, slots=True)
class PastWeeks:
    """An experiment of so many weeks that had ended now: its units, and the metric's mean and standard deviation.

    `gain` is the share of the variance that CUPED removes; `detectable` and `detectable_cuped` are in percent,
    infinite where no effect is large enough.
    """

    weeks: int
    units: int
    mean: float
    sd: float
    gain: float
    detectable: float
    detectable_cuped: float


def weeks_for(found: Sequence[PastWeeks], plan: ExperimentPlan, percent: float, *, cuped: bool) -> int | None:
    """The weeks that an effect takes: of those recorded, else at the last week's number of new units; None for never.

    Raises ValueError for an effect that the metric cannot have.
    """
    last = found[-1]
    proportion = plan.metrics[plan.experiment.primaries[0]].kind is MetricKind.PROPORTION
    sd = None if proportion and not cuped else last.sd * math.sqrt(1 - last.gain) if cuped else last.sd
    baseline = MetricBaseline(last.mean, sd)
    needed = sample_size(baseline, baseline.effect(percent), plan.design)
    enough = next((one.weeks for one in found if one.units >= needed), None)
    if enough is not None:
        return enough
    before, since = (found[-2].units, found[-2].weeks) if len(found) > 1 else (0, last.weeks - 1)
    gained = (last.units - before) / (last.weeks - since)
    return last.weeks + math.ceil((needed - last.units) / gained) if gained > 0 else None


def past_weeks(
    where: tuple[Path, Path | str],
    plan: ExperimentPlan,
    until: int,
    *,
    entry: str | None = None,
    **records: Any,
) -> list[PastWeeks]:
    """What each number of past weeks would have shown of the first primary metric, at most eight.

    Units enter with their exposure or, if named, with the event `entry`; `records` are the options of `gatherer`.
    Raises Refused if the records do not reach a week back, or the metric is a quantile.
    """
    metric = plan.experiment.primaries[0]
    if plan.metrics[metric].kind is MetricKind.QUANTILE:
        raise Refused("no-baseline", f"{metric} is a quantile: plan it with --baseline and --sd")
    longest = _as_if(plan, metric, until, MOST_WEEKS, entry)
    with gatherer(where, longest, **records) as asked:
        given = asked.inputs(longest)
        if entry is not None:
            given = replace(given, exposures=_entries(given, entry))
        first = asked.rows(given.exposures.aggregate(first=given.exposures.time.min()))[0]["first"]
        if first is None:
            hint = "name the event with which units come in: --entry EVENT" if entry is None else "is it tracked?"
            what = f"exposures to {plan.flag}" if entry is None else f"events {entry!r}"
            raise Refused("no-past", f"no {what} are recorded; {hint}")
        weeks = min((until - int(first)) // WEEK, MOST_WEEKS)
        if weeks < 1:
            since = format_time(int(first) / 1000)[:16]
            raise Refused("no-past", f"records of {plan.flag} begin on {since}, less than a week ago")
        plans = [_as_if(plan, metric, until, one + 1, entry) for one in range(weeks)]
        found = [(one + 1, _moments(asked, given, as_if)) for one, as_if in enumerate(plans)]
    known, reason = [], Refused("no-past", f"no unit came since {weeks} weeks ago whose window of {metric} is over")
    for span, moments in found:
        # The last week alone may have few units, and no event of them.
        try:
            known += [] if moments is None else [_summary(span, plan, moments)]
        except Refused as error:
            reason = error
    if not known:
        raise reason
    return known


def _as_if(plan: ExperimentPlan, metric: str, until: int, weeks: int, entry: str | None) -> ExperimentPlan:
    """The plan as if it had run for so many weeks until now, without its other metrics."""
    changes: dict[str, Any] = {
        "start": format_time((until - weeks * WEEK) / 1000),
        "end": format_time(until / 1000),
        "primary": metric,
        "secondary": [],
        "segments": [],
        "guardrails": {},
        "cuped": plan.experiment.cuped or CUPED,
    }
    metrics = {metric: plan.metrics[metric]}
    if entry is not None:
        metrics[ENTRY] = Metric.model_validate({"event": entry, "kind": "mean"})
    arms = plan.arms if entry is None else {ENTRY: 1.0}
    return replace(plan, experiment=plan.experiment.model_copy(update=changes), metrics=metrics, arms=arms)


def _entries(given: Inputs, entry: str) -> Any:
    """The entry events in place of exposures."""
    scope = [name for name in ("project", "environment") if name in given.events.columns]
    found = given.events.filter(given.events.event == entry)
    return found.select("unit", "time", "seen", *scope, arm=ibis.literal(ENTRY))


def _moments(asked: Gatherer, given: Inputs, plan: ExperimentPlan) -> Moments | None:
    """The moments of the plan's first metric over all arms; None without units whose window is over."""
    seen = asked.keep("burgee_units", queries.units(given.exposures, plan, plan.end))
    found = asked.keep("burgee_joined", queries.joined(given.events, seen, plan, plan.end))
    tracked = asked.keep("burgee_tracked", queries.tracked(found, plan))
    measured = asked.keep("burgee_measures", queries.measures(seen, tracked, plan, plan.end))
    rows = asked.rows(queries.aggregates(measured, plan, asked.caps(measured, plan)))
    arms = [moments_of(row, plan)[plan.experiment.primaries[0]] for row in rows]
    known = [one for one in arms if one.n > 1]
    return reduce(pooled, known) if known else None


def _summary(weeks: int, plan: ExperimentPlan, found: Moments) -> PastWeeks:
    plain = gradient(found, 0.0)
    variance = quadratic(plain, found.covariances, plain)
    adjusted = gradient(found, theta(found))
    left = quadratic(adjusted, found.covariances, adjusted)
    mean, sd = ratio(found), math.sqrt(max(variance, 0.0))
    metric = plan.experiment.primaries[0]
    proportion = plan.metrics[metric].kind is MetricKind.PROPORTION
    try:
        baseline = MetricBaseline(mean, None if proportion else sd)
        better = MetricBaseline(mean, math.sqrt(max(left, 0.0)))
    except ValueError as error:
        units = counted(found.n, "unit")
        raise Refused("no-baseline", f"{metric} of {units} cannot be planned with: {error}") from error
    if mean == 0:
        raise Refused("no-baseline", f"the mean of {metric} is 0, so an effect in percent has no meaning")
    effects = [detectable(found.n, one, plan.design) / abs(mean) * 100 for one in (baseline, better)]
    return PastWeeks(weeks, found.n, mean, sd, 1 - left / variance if variance > 0 else 0.0, *effects)
