"""What a look of a guard reads, by the queries of experiments: both groups' counts and moments from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from burgee.analysis import queries
from burgee.analysis.columns import measure, segment
from burgee.analysis.evidence import reader
from burgee.analysis.moments import moments_of
from burgee.analysis.plans import ExperimentPlan
from burgee.evaluation.definition import DEFAULT_RULE
from burgee.evaluation.snapshots import GUARD
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.flagfile.experiments import Experiment, Metric
from burgee.guards.aggregates import VALUE, Aggregates, Arm, Measured, Moments, window_of
from burgee.plurals import counted
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from burgee.analysis.evidence import Gatherer
    from burgee.analysis.inputs import Column, Table
    from burgee.guards.driver import Ask
    from burgee.guards.plan import GuardPlan

UNREADABLE = 0.01
"""The share of records that cannot be read above which a guard does not trust the others."""
LONGEST = 365 * 86_400.0
"""Seconds that a step may take."""


def aggregates(
    place: Path | str, plan: GuardPlan, ask: Ask, scope: tuple[str, str], keep: Path | None = None
) -> Aggregates | None:
    """What a guard asks, from a folder of records or a bucket; None if no record of the guard has arrived.

    `scope` is the project and environment. Raises Refused if the records cannot be read.
    """
    project, environment = scope
    asked = _plan(plan, ask, environment)
    with reader(place, asked, project, keep) as gatherer:
        return _aggregates(gatherer, ask, asked)


def _plan(plan: GuardPlan, ask: Ask, environment: str) -> ExperimentPlan:
    """The step as an experiment with two arms, whose metrics all have a window."""
    metrics = {
        one.name: Metric.model_validate(one.definition).model_copy(
            update={"window": f"{max(window_of(one, plan) // 1000, 1)}s"}
        )
        for one in ask.metrics
    }
    experiment = Experiment.model_validate(
        {
            "hypothesis": "no metric is worse by more than its margin",
            "environment": environment,
            "start": format_time(ask.since / 1000),
            "end": format_time(ask.since / 1000 + LONGEST),
            "rule": plan.rule or DEFAULT_RULE,
            "primary": list(metrics),
            "segments": ["place"],
        }
    )
    both = ask.reached.share + ask.compared.share
    arms = {COMPARED: ask.compared.share / both, REACHED: ask.reached.share / both}
    return ExperimentPlan(f"{GUARD}{plan.flag}", experiment, metrics, arms)


def _aggregates(gatherer: Gatherer, ask: Ask, asked: ExperimentPlan) -> Aggregates | None:
    given = gatherer.inputs(asked)
    exposures = given.exposures.filter(_in_its_group(given.exposures, ask))
    latest = gatherer.rows(exposures.aggregate(seen=_.seen.max()))[0]["seen"]
    if latest is None:
        return None
    last_event = gatherer.rows(given.events.aggregate(seen=_.seen.max()))[0]["seen"]
    until = max(int(latest), int(last_event or 0))
    seen = gatherer.keep("burgee_units", queries.units(exposures, asked, until + 1))
    joined = gatherer.keep("burgee_joined", queries.joined(given.events, seen, asked, until + 1))
    events = gatherer.keep("burgee_tracked", queries.tracked(joined, asked))
    measured = gatherer.keep("burgee_measures", queries.measures(seen, events, asked, until))
    capped = gatherer.caps(measured, asked)
    rows = {row["arm"]: row for row in gatherer.rows(queries.aggregates(measured, asked, capped))}
    active = {row["arm"]: row for row in gatherer.rows(_active(measured, events, asked))}
    quiet = gatherer.rows(_quiet(measured, events, asked))[0]
    return Aggregates(
        step=ask.step,
        since=ask.since,
        until=until,
        reached=_arm(rows.get(REACHED), active.get(REACHED), asked),
        compared=_arm(rows.get(COMPARED), active.get(COMPARED), asked),
        quiet={metric: int(quiet[f"quiet{index}"] or 0) for index, metric in enumerate(asked.metrics)},
        faults=tuple(_faults(gatherer)),
    )


def _in_its_group(exposures: Table, ask: Ask) -> Column:
    """Whether an exposure is of a unit in the step's places, or in the comparison group's."""
    place = exposures[segment(0)].try_cast("int64")  # null is in neither: one bad record must not stop all looks
    reached = (exposures.arm == REACHED) & (place >= ask.reached.low) & (place < ask.reached.high)
    return reached | ((exposures.arm == COMPARED) & (place >= ask.compared.low) & (place < ask.compared.high))


def _events(events: Table, asked: ExperimentPlan) -> list[Column]:
    """For each metric, whether an event is one that it counts."""
    found = []
    for index, metric in enumerate(asked.metrics.values()):
        amount = queries.amounts(events, asked, index)[VALUE]
        found.append(amount.notnull() if metric.value else amount > 0)
    return found


def _active(measured: Table, events: Table, asked: ExperimentPlan) -> Table:
    """For each arm, `active0` and so on: units with an event of the metric, of those whose window is over."""
    counts = {f"active{index}": ibis.ifelse(one, 1, 0).max() for index, one in enumerate(_events(events, asked))}
    rows = measured.left_join(events.group_by("unit").aggregate(**counts), "unit").drop("unit_right")
    both = {
        name: ibis.ifelse(rows[measure(index, VALUE)].notnull(), rows[name], 0).sum()
        for index, name in enumerate(counts)
    }
    return rows.group_by("arm").aggregate(**both)


def _quiet(measured: Table, events: Table, asked: ExperimentPlan) -> Table:
    """`quiet0` and so on: units whose window is over, first exposed after the metric's last event."""
    last = events.aggregate(
        **{
            f"last{index}": ibis.ifelse(one, events.time, None).max()
            for index, one in enumerate(_events(events, asked))
        }
    )
    rows = measured.cross_join(last)
    return rows.aggregate(
        **{
            f"quiet{index}": ibis.ifelse(
                rows[measure(index, VALUE)].notnull() & (rows["first"] > rows[f"last{index}"].fill_null(0)), 1, 0
            ).sum()
            for index in range(len(asked.metrics))
        }
    )


def _arm(row: Mapping[str, Any] | None, active: Mapping[str, Any] | None, asked: ExperimentPlan) -> Arm:
    found = {}
    for index, (name, moments) in enumerate(moments_of(row, asked).items()):
        total = float((row or {}).get(f"{measure(index, VALUE)}_total") or 0.0)
        largest = float((row or {}).get(f"{measure(index, VALUE)}_largest") or 0.0)
        found[name] = Measured(
            Moments(moments.n, moments.means, moments.covariances),
            int((active or {}).get(f"active{index}") or 0),
            largest / total if total else 0.0,
        )
    return Arm(int(row["n"]) if row else 0, found)


def _faults(gatherer: Gatherer) -> Iterator[str]:
    """Why the records cannot be trusted."""
    quality = gatherer.faults()
    for name, why in quality.broken.items():
        yield f"{name} cannot be read: {why}"
    bad = sum(quality.faults.values())
    if quality.read is not None and bad > UNREADABLE * (quality.read + bad):
        yield f"{bad:,} of {counted(quality.read + bad, 'record')} cannot be read"
