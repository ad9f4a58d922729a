"""What a look of a guard reads, by the queries of experiments: both groups' counts and moments from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

from burgee.analysis import queries
from burgee.analysis.columns import measure, segment
from burgee.analysis.evidence import reader
from burgee.analysis.plans import ExperimentPlan
from burgee.evaluation.definition import DEFAULT_RULE
from burgee.evaluation.snapshots import GUARD
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.events.guard_looks import UNREADABLE
from burgee.events.guard_parts import part_of
from burgee.flagfile.experiments import Experiment, Metric
from burgee.guards.aggregates import VALUE, window_of
from burgee.plurals import counted
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from burgee.analysis.evidence import Gatherer
    from burgee.analysis.inputs import Column, Table
    from burgee.guards.aggregates import Aggregates
    from burgee.guards.driver import Ask
    from burgee.guards.plan import GuardPlan

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
    exposures = in_their_groups(given.exposures, ask)
    (latest,) = gatherer.rows(newest(exposures, given.events))
    if latest["exposure"] is None:
        return None
    until = max(int(latest["exposure"]), int(latest["event"] or 0))
    seen = gatherer.keep("burgee_units", first_seen(exposures, asked, until, (ask.since, until + 1)))
    joined = gatherer.keep("burgee_joined", queries.joined(given.events, seen, asked, until + 1))
    events = gatherer.keep("burgee_tracked", queries.tracked(joined, asked))
    measured = gatherer.keep("burgee_measures", measures(seen, events, asked, until))
    capped = gatherer.caps(measured, asked)
    part = part_of(gatherer.rows(look(measured, asked, capped)), ask.metrics)
    return part.aggregates(ask, until, _faults(gatherer))


def in_their_groups(exposures: Table, ask: Ask) -> Table:
    """The exposures of units in the step's places, or in the comparison group's."""
    place = exposures[segment(0)].try_cast("int64")  # null is in neither: one bad record must not stop all looks
    reached = (exposures.arm == REACHED) & (place >= ask.reached.low) & (place < ask.reached.high)
    compared = (exposures.arm == COMPARED) & (place >= ask.compared.low) & (place < ask.compared.high)
    return exposures.filter(reached | compared)


def newest(exposures: Table, events: Table) -> Table:
    """One row: when the last `exposure` and the last `event` had come; null for none."""
    return exposures.aggregate(exposure=_.seen.max()).cross_join(events.aggregate(event=_.seen.max()))


def first_seen(exposures: Table, asked: ExperimentPlan, until: int, between: tuple[int, int]) -> Table:
    """One row per unit whose first exposure in the step is at or after the first time, and before the second."""
    found = queries.units(exposures, asked, until + 1)
    return found.filter(found["first"] >= between[0], found["first"] < between[1])


def measures(seen: Table, events: Table, asked: ExperimentPlan, until: int) -> Table:
    """One row per unit: its measures, and for each metric whether it has an event, and when its last was."""
    more: dict[str, Column] = {}
    for index, metric in enumerate(asked.metrics.values()):
        amount = queries.amounts(events, asked, index)[VALUE]
        counts = amount.notnull() if metric.value else amount > 0
        more[f"active{index}"] = ibis.ifelse(counts, 1, 0).max()
        more[f"last{index}"] = ibis.ifelse(counts, events.time, None).max()
    return queries.measures(seen, events, asked, until, more)


def look(
    measured: Table, asked: ExperimentPlan, capped: Mapping[str, float], known: Mapping[int, int] | None = None
) -> Table:
    """One row per group, as `part_of` reads it. `known` are the last events of earlier units, by metric."""
    last = {
        f"last{index}": ibis.greatest(
            measured[f"last{index}"].max().over(ibis.window()).fill_null(0), ibis.literal((known or {}).get(index, 0))
        )
        for index in range(len(asked.metrics))
    }
    rows = measured.mutate(**last)
    more: dict[str, Column] = {}
    for index in range(len(asked.metrics)):
        counts = rows[measure(index, VALUE)].notnull()
        more[f"active{index}"] = ibis.ifelse(counts, rows[f"active{index}"].fill_null(0), 0).sum()
        more[f"quiet{index}"] = ibis.ifelse(counts & (rows["first"] > rows[f"last{index}"]), 1, 0).sum()
        more[f"last{index}"] = rows[f"last{index}"].max()
    return queries.aggregates(rows, asked, capped, more=more)


def _faults(gatherer: Gatherer) -> Iterator[str]:
    """Why the records cannot be trusted."""
    quality = gatherer.faults()
    for name, why in quality.broken.items():
        yield f"{name} cannot be read: {why}"
    bad = sum(quality.faults.values())
    if quality.read is not None and bad > UNREADABLE * (quality.read + bad):
        yield f"{bad:,} of {counted(quality.read + bad, 'record')} cannot be read"
