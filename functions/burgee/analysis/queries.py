"""The questions asked of the records, each an Ibis expression: the same for DuckDB and for Athena.

Only aggregates leave: counts, means, covariances and a few ranked values of each arm; never a unit.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
from ibis import _

from burgee.analysis.stats.estimates import BEFORE, PER, PER_BEFORE, VALUE
from burgee.events.records import TRACKED
from burgee.flagfile.experiments import Kind
from burgee.model import Reason
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.analysis.plans import Plan
    from burgee.flagfile.experiments import Metric

Table = Any
Column = Any


def exposures(events: Table, plan: Plan) -> Table:
    """The records of answers that the experiment's split decided, whenever they came."""
    marked = (_.reason == str(Reason.SPLIT)) & (_.rule == plan.experiment.rule)
    said = _.reason.isnull() & _.rule.isnull()
    found = events.filter(
        _.topic == plan.flag,
        _.type == "exposure",
        _.flag == plan.flag,
        _.variant.isin(list(plan.arms)),
        marked | said,
    )
    environment = plan.experiment.environment
    return found if environment is None else found.filter(_.environment == environment)


def units(events: Table, plan: Plan, until: int) -> Table:
    """One row for each unit: its arm, its first exposure, whether it was seen in two arms."""
    inside = exposures(events, plan).filter(_.time >= plan.start, _.time < until)
    return inside.group_by("unit").aggregate(
        arm=_.variant.min(),
        crossed=_.variant.min() != _.variant.max(),
        first=_.time.min(),
        **{_segment(i): _.properties[name].min() for i, name in enumerate(plan.experiment.segments)},
    )


def early(events: Table, plan: Plan) -> Table:
    """How many exposures came before the start."""
    return exposures(events, plan).filter(_.time < plan.start).aggregate(exposures=_.count())


def tracked(events: Table, seen: Table, plan: Plan, until: int) -> Table:
    """The events of units that were exposed, each counted once, with the values that metrics ask for."""
    names = sorted({event for metric in plan.metrics.values() for event, _value in _sources(metric)})
    values = sorted({value for metric in plan.metrics.values() for _event, value in _sources(metric) if value})
    since = plan.start - (plan.before or 0)
    found = events.filter(
        _.topic == TRACKED, _.type == "track", _.event.isin(names), _.time >= since, _.time < until
    ).select(
        "event_id",
        "unit",
        "time",
        "event",
        **{_property(values, name): _.properties[name].try_cast("float64") for name in values},
    )
    joined = found.inner_join(seen.filter(~_.crossed).select("unit", "first"), "unit")
    kept = ("unit", "time", "event", "first", *(_property(values, value) for value in values))
    once = {name: _[name].min() for name in kept}
    return joined.group_by("event_id").aggregate(**once).drop("event_id")


def measures(seen: Table, events: Table, plan: Plan) -> Table:
    """One row for each unit in one arm: what every metric says of it."""
    values = sorted({value for metric in plan.metrics.values() for _event, value in _sources(metric) if value})
    sums: dict[str, Column] = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, (event, value), span in _columns(metric, plan.before):
            inside = (_.event == event) & _within(metric, plan.before, span)
            name = _measure(index, column)
            # Counts are cast from truths: a literal 1.0 would be a decimal, whose variance is rounded to its digits.
            amount = ibis.ifelse(inside, _[_property(values, value)], None) if value else inside.cast("float64")
            sums[name] = amount.mean() if metric.kind is Kind.QUANTILE else amount.sum()
    by_unit = events.group_by("unit").aggregate(**sums)
    joined = seen.filter(~_.crossed).left_join(by_unit, "unit").drop("unit_right")
    filled = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, _source, _span in _columns(metric, plan.before):
            name = _measure(index, column)
            if metric.kind is Kind.PROPORTION:
                filled[name] = (joined[name].fill_null(0.0) > 0).cast("float64")
            elif metric.kind is not Kind.QUANTILE:
                filled[name] = joined[name].fill_null(0.0)
    return joined.mutate(**filled)


def cap(measured: Table, index: int, percent: float) -> Table:
    """The value at which a metric is winsorised: that of the unit at the percentile, over all arms together."""
    rows = measured.select(value=_[_measure(index, VALUE)])
    rank = ibis.row_number().over(order_by="value") + 1
    rows = rows.mutate(rank=rank, total=rows.count().over(ibis.window()))
    return rows.filter(_["rank"] == (_.total * percent / 100).ceil().cast("int64")).select("value")


def aggregates(measured: Table, plan: Plan, capped: Mapping[str, float], by: Sequence[str] = ("arm",)) -> Table:
    """Counts, means and covariances of each arm; of values that have a tail, the mean of their cubes, too."""
    told: dict[str, Column] = {"n": _.count()}
    for index, metric in enumerate(plan.metrics.values()):
        if metric.kind is Kind.QUANTILE:
            continue
        columns = [column for column, _source, _span in _columns(metric, plan.before)]
        values = {column: _capped(_measure(index, column), capped) for column in columns}
        for one in columns:
            told[f"{_measure(index, one)}_mean"] = values[one].mean()
        if metric.kind is not Kind.PROPORTION:
            told[f"{_measure(index, VALUE)}_cubed"] = (values[VALUE] * values[VALUE] * values[VALUE]).mean()
        for one, other in combinations_with_replacement(columns, 2):
            name = f"{_measure(index, one)}_{other}"
            told[name] = (
                values[one].var(how="sample") if one == other else values[one].cov(values[other], how="sample")
            )
    return measured.group_by(*by).aggregate(**told)


def counted(measured: Table, plan: Plan, metric: str) -> Table:
    """How many units of each arm have a value of a quantile metric."""
    name = _measure(list(plan.metrics).index(metric), VALUE)
    return measured.filter(_[name].notnull()).group_by("arm").aggregate(n=_.count())


def ranked(measured: Table, plan: Plan, metric: str, wanted: Mapping[str, Iterable[int]]) -> Table:
    """The values at given ranks of each arm, counted from 1."""
    name = _measure(list(plan.metrics).index(metric), VALUE)
    rows = measured.filter(_[name].notnull()).select("arm", value=_[name])
    window = ibis.window(group_by="arm", order_by="value")
    rows = rows.mutate(rank=ibis.row_number().over(window) + 1)
    keep = [(_.arm == arm) & _["rank"].isin(sorted(set(ranks))) for arm, ranks in wanted.items()]
    return rows.filter(ibis.or_(*keep))


def stopped(events: Table) -> Table:
    """When each event was last tracked by an exposed unit."""
    return events.group_by("event").aggregate(last=_.time.max(), records=_.count())


def crossed(seen: Table) -> Table:
    """How many units there are, and how many of them were seen in two arms."""
    return seen.aggregate(units=_.count(), crossed=_.crossed.cast("int64").sum(), last=_.first.max())


class Grain(NamedTuple):
    """How a curve is cut: the length of its periods in milliseconds, values near the means, and the metric's cap."""

    period: int
    centre: Mapping[str, float]
    cap: float | None = None


def series(seen: Table, events: Table, plan: Plan, metric: str, grain: Grain) -> Table:
    """What each period adds to the sums of an arm, so that their running totals are the moments at its end."""
    index = list(plan.metrics).index(metric)
    rows = _steps(seen, events, plan, index, grain.period)
    columns = [column for column, _source, _span in _columns(plan.metrics[metric], plan.before)]
    past = ibis.window(group_by="unit", order_by="bucket", preceding=(None, 0))
    running = {}
    for column in columns:
        total = rows[column].sum().over(past)
        if plan.metrics[metric].kind is Kind.PROPORTION:
            total = (total > 0).cast("float64")
        elif column == VALUE and grain.cap is not None:
            total = ibis.least(total, ibis.literal(float(grain.cap)))
        running[column] = total - grain.centre[column]
    rows = rows.mutate(**running)
    order = ibis.window(group_by="unit", order_by="bucket")
    rows = rows.mutate(**{f"was_{column}": rows[column].lag().over(order) for column in columns})
    told: dict[str, Column] = {"n": ibis.ifelse(_[f"was_{VALUE}"].isnull(), 1, 0).sum()}
    for column in columns:
        told[f"sum_{column}"] = (_[column] - _[f"was_{column}"].fill_null(0.0)).sum()
    for one, other in combinations_with_replacement(columns, 2):
        now, was = _[one] * _[other], _[f"was_{one}"] * _[f"was_{other}"]
        told[f"both_{one}_{other}"] = (now - was.fill_null(0.0)).sum()
    return rows.group_by("arm", "bucket").aggregate(**told).order_by("bucket")


def _steps(seen: Table, events: Table, plan: Plan, index: int, period: int) -> Table:
    """For each unit and period: what was added. The period of its exposure is there even if nothing was."""
    metric = list(plan.metrics.values())[index]
    values = sorted({value for one in plan.metrics.values() for _event, value in _sources(one) if value})
    bucket = ((_.time - plan.start) / period).floor().cast("int64")
    single = seen.filter(~_.crossed)
    added: dict[str, Column] = {}
    for column, (event, value), span in _columns(metric, plan.before):
        inside = (_.event == event) & _within(metric, plan.before, span)
        amount = ibis.ifelse(inside, _[_property(values, value)], None) if value else inside.cast("float64")
        added[column] = amount.fill_null(0.0)
    # What came before the exposure counts from the exposure on.
    when = ibis.greatest(_.time, _.first)
    moved = events.mutate(time=when, **added).select("unit", "time", *added)
    start = single.select("unit", time=_.first, **{column: ibis.literal(0.0) for column in added})
    rows = moved.union(start).mutate(bucket=bucket)
    rows = rows.group_by("unit", "bucket").aggregate(**{column: _[column].sum() for column in added})
    return rows.inner_join(single.select("unit", "arm"), "unit")


def _sources(metric: Metric) -> list[tuple[str, str | None]]:
    """The events that a metric counts, each with the property it sums."""
    sources = [(metric.event, metric.value)]
    return [*sources, (metric.per.event, metric.per.value)] if metric.per else sources


def _columns(metric: Metric, before: int | None) -> list[tuple[str, tuple[str, str | None], bool]]:
    """A metric's columns: the name, its source, and whether it looks at the time before exposure."""
    told = [(VALUE, _sources(metric)[0], False)]
    if metric.per:
        told.append((PER, _sources(metric)[1], False))
    if before is not None and metric.kind is not Kind.QUANTILE:
        told.append((BEFORE, _sources(metric)[0], True))
        if metric.per:
            told.append((PER_BEFORE, _sources(metric)[1], True))
    return told


def _within(metric: Metric, before: int | None, earlier: bool) -> Column:
    if earlier:
        return (_.time < _.first) & (_.time >= _.first - (before or 0))
    after = _.time >= _.first
    return after if metric.window is None else after & (_.time < _.first + int(parse_duration(metric.window) * 1000))


def _capped(name: str, capped: Mapping[str, float]) -> Column:
    return _[name] if name not in capped else ibis.least(_[name], ibis.literal(float(capped[name])))


def _measure(index: int, column: str) -> str:
    return f"m{index}_{column}"


def _segment(index: int) -> str:
    return f"segment{index}"


def _property(values: Sequence[str], name: str | None) -> str:
    return f"p{list(values).index(name or '')}"
