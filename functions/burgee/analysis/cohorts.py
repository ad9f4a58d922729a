"""Whether an effect lasts: a metric by day since a unit's exposure, and of the units that came in on each day.

An effect that shrinks from the first days on is one of novelty; both views are exploratory.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from burgee.analysis import queries
from burgee.analysis.columns import columns_of, measure, window_of
from burgee.analysis.moments import moments_of
from burgee.analysis.stats.estimates import VALUE, Moments, pooled
from burgee.flagfile.experiments import MetricKind
from burgee.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.analysis.inputs import Table
    from burgee.analysis.plans import ExperimentPlan

DAY = 86_400_000
AGES = 28
"""Maximum days since exposure."""
ENTRIES = 56
"""Maximum cohorts of units that came in; those of longer experiments have several days."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The moments of each arm; `day` counts from 0, since a unit's exposure or since the start of the experiment."""

    day: int
    arms: Mapping[str, Moments]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """A metric on each day since exposure, and of the units that came in on each day; the latter only with a window,
    since others had different time.
    """

    since: Sequence[Cohort]
    entered: Sequence[Cohort]


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a report, and the values at which columns are winsorised."""

    events: Table
    measured: Table
    capped: Mapping[str, float]


def cohorts(
    rows: Callable[[Table], list[dict[str, Any]]],
    kept: Tables,
    plan: ExperimentPlan,
    until: int,
    entries: Sequence[Mapping[str, Any]],
) -> dict[str, Cohorts]:
    """The cohorts of every primary metric but quantiles; `entries` are the rows of `queries.entries`."""
    primaries = [name for name in plan.experiment.primaries if plan.metrics[name].kind is not MetricKind.QUANTILE]
    windowed = [name for name in primaries if plan.metrics[name].window is not None]
    length = days_of(plan)
    entered: dict[int, dict[str, Mapping[str, Moments]]] = {}
    for row in rows(by_entry(kept.measured, plan, kept.capped)) if windowed else ():
        entered.setdefault(int(row["cohort"]), {})[row["arm"]] = moments_of(row, plan)
    ages = [row for row in entries if not row["crossed"]]
    return {
        name: Cohorts(
            _since(rows(since_exposure(kept, plan, name, until)), ages, plan, name),
            [
                Cohort(at * length, {arm: moments[name] for arm, moments in arms.items()})
                for at, arms in sorted(entered.items())
                if name in windowed
            ],
        )
        for name in primaries
    }


def days_of(plan: ExperimentPlan) -> int:
    """The days in which the units of one cohort came in."""
    return max(-(-(plan.end - plan.start) // (ENTRIES * DAY)), 1)


def by_entry(measured: Table, plan: ExperimentPlan, capped: Mapping[str, float]) -> Table:
    """The aggregates of each arm by when units came in."""
    at = ((_["first"] - plan.start) / (days_of(plan) * DAY)).floor().cast("int64")
    return queries.aggregates(measured.mutate(cohort=at), plan, capped, ("arm", "cohort"))


def since_exposure(kept: Tables, plan: ExperimentPlan, metric: str, until: int) -> Table:
    """Means and covariances of each arm's units with an event, on each whole day since their exposure."""
    definition, index = plan.metrics[metric], list(plan.metrics).index(metric)
    columns = [column for column, _source, _earlier in columns_of(definition, None)]
    amounts = queries.amounts(kept.events, plan, index)
    added = {column: amounts[column].fill_null(0.0) for column in columns}
    day = ((_.time - _["first"]) / DAY).floor().cast("int64")
    found = kept.events.mutate(**added, day=day)
    found = found.filter(_.time >= _["first"], _.day < AGES, _["first"] + (_.day + 1) * DAY <= until)
    found = found.group_by("arm", "unit", "day").aggregate(**{column: _[column].sum() for column in columns})
    if definition.kind is MetricKind.PROPORTION:
        found = found.mutate(**{VALUE: ibis.ifelse(_[VALUE] > 0, 1, 0).cast("float64")})
    elif measure(index, VALUE) in kept.capped:
        found = found.mutate(**{VALUE: ibis.least(_[VALUE], ibis.literal(kept.capped[measure(index, VALUE)]))})
    result = {f"{column}_mean": _[column].mean() for column in columns}
    for one, other in combinations_with_replacement(columns, 2):
        both = _[one].var(how="sample") if one == other else _[one].cov(_[other], how="sample")
        result[f"{one}_{other}"] = both
    return found.group_by("arm", "day").aggregate(n=_.count(), **result)


def _since(
    found: Sequence[Mapping[str, Any]], ages: Sequence[Mapping[str, Any]], plan: ExperimentPlan, metric: str
) -> list[Cohort]:
    """Every day that some unit of each arm has completed; units without an event on it count as zero."""
    definition = plan.metrics[metric]
    longest = -(-window_of(definition) // DAY) if definition.window is not None else AGES
    columns = [column for column, _source, _earlier in columns_of(definition, None)]
    active = {(int(row["day"]), row["arm"]): row for row in found}
    result = []
    for day in range(min(longest, AGES)):
        n = {arm: sum(int(row["n"]) for row in ages if row["arm"] == arm and row["age"] > day) for arm in plan.arms}
        if not all(n.values()):
            break
        arms = {}
        for arm, units in n.items():
            known = _moments(active.get((day, arm)), columns)
            arms[arm] = pooled(known, _moments({"n": units - known.n}, columns))
        result.append(Cohort(day, arms))
    return result


def _moments(row: Mapping[str, Any] | None, columns: Sequence[str]) -> Moments:
    """The moments in a row of `since_exposure`; zeros for what it lacks."""
    row = row or {}
    means = {one: float(row.get(f"{one}_mean") or 0.0) for one in columns}
    both = {}
    for a in columns:
        for b in columns:
            both[a, b] = float(row.get(f"{a}_{b}", row.get(f"{b}_{a}")) or 0.0)
    return Moments(int(row.get("n", 0)), means, both)
