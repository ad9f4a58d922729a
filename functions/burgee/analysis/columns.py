"""What a plan reads of events, and the names of the columns that it becomes in every query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.analysis.stats.estimates import BEFORE, PER, PER_BEFORE, VALUE
from burgee.flagfile.experiments import MetricKind
from burgee.times import parse_duration

if TYPE_CHECKING:
    from burgee.analysis.plans import ExperimentPlan
    from burgee.flagfile.experiments import Counted, Metric


def events_of(plan: ExperimentPlan) -> list[str]:
    """The events that the plan's metrics count."""
    return sorted({one.event for one in _counted(plan)})


def properties_of(plan: ExperimentPlan) -> list[str]:
    """The properties that the plan's metrics sum: `p0`, `p1` ... in this order."""
    return sorted({one.value for one in _counted(plan) if one.value})


def distincts_of(plan: ExperimentPlan) -> list[str]:
    """The properties whose different values are counted: `d0`, `d1` ... in this order."""
    return sorted({one.distinct for one in _counted(plan) if one.distinct})


def filters_of(plan: ExperimentPlan) -> list[Counted]:
    """One for each different `where` of an event: `w0`, `w1` ... in this order."""
    return list({(one.event, repr(one.where)): one for one in _counted(plan) if one.where}.values())


def filter_index(plan: ExperimentPlan, counted_: Counted) -> int:
    wanted = counted_.event, counted_.where
    return next(i for i, one in enumerate(filters_of(plan)) if (one.event, one.where) == wanted)


def _counted(plan: ExperimentPlan) -> list[Counted]:
    return [one for metric in plan.metrics.values() for one in counted_by(metric)]


def counted_by(metric: Metric) -> list[Counted]:
    """What a metric counts, and what it divides by."""
    return [metric, metric.per] if metric.per else [metric]


def columns_of(metric: Metric, before: int | None) -> list[tuple[str, Counted, bool]]:
    """A metric's columns: the name, what is counted, and whether it is of the time before exposure."""
    result: list[tuple[str, Counted, bool]] = [(VALUE, metric, False)]
    if metric.per:
        result.append((PER, metric.per, False))
    if before is not None and metric.kind is not MetricKind.QUANTILE:
        result.append((BEFORE, metric, True))
        if metric.per:
            result.append((PER_BEFORE, metric.per, True))
    return result


def window_of(metric: Metric) -> int:
    """The milliseconds after its first exposure in which a unit's events count; 0 for no limit."""
    return 0 if metric.window is None else int(parse_duration(metric.window) * 1000)


def measure(index: int, column: str) -> str:
    """The name of a metric's column."""
    return f"m{index}_{column}"


def segment(index: int) -> str:
    """The name of a segment's column."""
    return f"segment{index}"


def is_property(name: str) -> bool:
    return name[0] == "p" and name[1:].isdigit()


def is_read(name: str) -> bool:
    """Whether it is one of `event_columns`."""
    return name[0] in "pdw" and name[1:].isdigit()
