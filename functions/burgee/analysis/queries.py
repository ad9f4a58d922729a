"""The queries on exposures and events, as Ibis expressions: the same for DuckDB and every warehouse.

Results are only aggregates: counts, means, covariances and a few values of each arm; never a unit.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple

import ibis
from ibis import _

from burgee.analysis.columns import (
    columns_of,
    distincts_of,
    filter_index,
    is_property,
    is_read,
    measure,
    properties_of,
    segment,
    window_of,
)
from burgee.analysis.inputs import raw_is_text
from burgee.analysis.stats.estimates import VALUE
from burgee.events.records import MAX_NUMBER
from burgee.flagfile.experiments import MetricKind
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.inputs import Column, Table
    from burgee.analysis.plans import ExperimentPlan
    from burgee.flagfile.experiments import Counted, Metric

DAY = 86_400_000


def units(exposures: Table, plan: ExperimentPlan, until: int) -> Table:
    """One row per unit: its arm, its first exposure, and possible faults."""
    inside = exposures.filter(_.time >= plan.start, _.seen < until)
    names = exposures.columns
    more: dict[str, Column] = {}
    if "project" in names:
        more |= {"project": _.project.min(), "environment": _.environment.min()}
        more["scattered"] = (_.environment.min() != _.environment.max()) | (_.project.min() != _.project.max())
    if "sent_as" in names:
        more["aliased"] = _.sent_as.min() != _.sent_as.max()
    return inside.group_by("unit").aggregate(
        arm=_.arm.min(),
        crossed=_.arm.min() != _.arm.max(),
        first=_.time.min(),
        seen=_.seen.min(),
        **more,
        **{segment(i): _[segment(i)].min() for i in range(len(plan.experiment.segments))},
    )


def scopes(exposures: Table, plan: ExperimentPlan, until: int) -> Table:
    """Projects, environments and releases of the exposures, with their counts, and those before the start.

    One row where exposures have none of the three, as in a team's own tables.
    """
    by = [name for name in ("project", "environment", "release") if name in exposures.columns]
    inside, before = (_.time >= plan.start) & (_.seen < until), _.time < plan.start
    return exposures.aggregate(by=by, n=_count_of(inside), early=_count_of(before))


def joined(events: Table, seen: Table, plan: ExperimentPlan, until: int) -> Table:
    """The events of units in one arm, with `first`; `elsewhere` marks those of another project or environment."""
    since = plan.start - (plan.before or 0)
    inside = events.filter(_.time >= since, _.time < until)
    kept = seen.filter(~_.crossed)
    scoped = "project" in seen.columns and "project" in events.columns
    theirs = {"home": _.project, "place": _.environment} if scoped else {}
    found = inside.inner_join(kept.select("unit", "first", "arm", entry=_.seen, **theirs), "unit")
    elsewhere = (_.project != _.home) | (_.environment != _.place) if scoped else ibis.literal(False)
    kept_columns = [name for name in events.columns if name == "event_id" or is_read(name)]
    return found.select(
        *("unit", "event", "time", "seen", "first", "arm", "entry", *kept_columns),
        elsewhere=elsewhere,
        late=_.seen >= until,
    )


def tracked(found: Table, plan: ExperimentPlan) -> Table:
    """Each event once, with numeric properties: of a unit's records with one id the first counts.

    `f_` columns are 1 for the first event with a value that a metric counts distinct, else 0.
    """
    kept = found.filter(~_.elsewhere, ~_.late)
    raw = [name for name in found.columns if is_read(name)]
    if "event_id" in found.columns:
        order = ("seen", "time", "event", *raw)
        window = ibis.window(group_by=("unit", "event_id"), order_by=order)
        kept = kept.mutate(rank=ibis.row_number().over(window)).filter(_["rank"] == 0)
    known = {name: number(kept[name]) if is_property(name) else kept[name] for name in raw}
    once = kept.select(*("unit", "event", "time", "seen", "first", "arm", "entry"), **known)
    firsts = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, counted_, earlier in columns_of(metric, plan.before):
            if counted_.distinct is not None:
                value = once[f"d{distincts_of(plan).index(counted_.distinct)}"]
                inside = _inside(once, plan, metric, counted_, earlier) & value.notnull()
                window = ibis.window(group_by=(once.unit, value, inside), order_by=(once.seen, once.time))
                firsts[f"f_{measure(index, column)}"] = _one(inside & (ibis.row_number().over(window) == 0))
    return once.mutate(**firsts)


def _inside(events: Table, plan: ExperimentPlan, metric: Metric, counted_: Counted, earlier: bool) -> Column:
    """Whether an event is of those that a metric counts, at a time at which it does."""
    wanted = events.event == counted_.event
    if counted_.where:
        wanted &= events[f"w{filter_index(plan, counted_)}"]
    return wanted & _within(events, metric, plan.before, earlier)


def amounts(events: Table, plan: ExperimentPlan, index: int) -> dict[str, Column]:
    """What each event adds to the columns of a metric; null where an event has no value to sum."""
    metric, names = list(plan.metrics.values())[index], properties_of(plan)
    found = {}
    for column, counted_, earlier in columns_of(metric, plan.before):
        if counted_.distinct is not None:
            found[column] = events[f"f_{measure(index, column)}"]
            continue
        inside = _inside(events, plan, metric, counted_, earlier)
        value = counted_.value
        # An event counts as a double: a literal 1.0 would be a decimal, whose variance is rounded.
        found[column] = ibis.ifelse(inside, events[f"p{names.index(value)}"], None) if value else _one(inside)
    return found


def _one(condition: Column) -> Column:
    """1 where it holds, else 0, as a double; not every engine casts a boolean to a double."""
    return ibis.ifelse(condition, 1, 0).cast("float64")


def _count_of(condition: Column) -> Column:
    """How many rows it holds for; not every engine casts a boolean to a number."""
    return ibis.ifelse(condition, 1, 0).sum()


def number(raw: Column) -> Column:
    """A string as a finite number; null otherwise."""
    value = raw.try_cast("float64") if raw_is_text(raw) else raw
    return ibis.ifelse(value.abs() <= MAX_NUMBER, value, None)


def replays(found: Table) -> Table:
    """The number of repeated event ids of a unit, and of those with other contents."""
    kept = found.filter(~_.elsewhere, ~_.late)
    content = ["time", "event", *(name for name in found.columns if is_property(name) or name[0] == "d")]
    differs = ibis.or_(*((_[name].min() != _[name].max()).fill_null(False) for name in content))
    by_id = kept.group_by("unit", "event_id").aggregate(n=_.count(), differs=differs).filter(_.n > 1)
    return by_id.aggregate(again=(_.n - 1).sum(), clashes=_count_of(_.differs))


def arrivals(found: Table) -> Table:
    """For each event and arm: the number of records, units, records before exposure, late and from elsewhere.

    And of each property that is summed: the number of values, of non-numbers and of too large ones, with an example.
    """
    here = ~found.elsewhere & ~found.late
    values: dict[str, Column] = {}
    for name in (one for one in found.columns if is_property(one)):
        raw = found[name]
        number_ = raw.try_cast("float64") if raw_is_text(raw) else raw
        large = number_.notnull() & ~(number_.abs() <= MAX_NUMBER)
        odd = raw.notnull() & number_.isnull()
        values[f"{name}_present"] = _count_of(here & raw.notnull())
        values[f"{name}_odd"] = _count_of(here & odd)
        values[f"{name}_large"] = _count_of(here & large)
        values[f"{name}_example"] = ibis.ifelse(here & (odd | large), raw.cast("string"), None).min()
    return found.group_by("event", "arm").aggregate(
        n=_count_of(here),
        units=ibis.ifelse(here & (_.time >= _.first), _.unit, None).nunique(),
        before=_count_of(here & (_.time < _.first)),
        late=_count_of(_.late & ~_.elsewhere),
        elsewhere=_count_of(_.elsewhere),
        last=ibis.ifelse(here, _.time, None).max(),
        **values,
    )


def measures(
    seen: Table, events: Table, plan: ExperimentPlan, until: int, more: Mapping[str, Column] | None = None
) -> Table:
    """One row per unit in one arm: the value of every metric; null while the metric's window is not over.

    `more` are aggregates of a unit's events, by the name of their column.
    """
    sums: dict[str, Column] = {**(more or {})}
    for index, metric in enumerate(plan.metrics.values()):
        for column, amount in amounts(events, plan, index).items():
            sums[measure(index, column)] = amount.mean() if metric.kind is MetricKind.QUANTILE else amount.sum()
    by_unit = events.group_by("unit").aggregate(**sums)
    rows = seen.filter(~_.crossed).left_join(by_unit, "unit").drop("unit_right")
    filled = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, _source, _span in columns_of(metric, plan.before):
            name = measure(index, column)
            value_ = rows[name]
            if metric.kind is MetricKind.PROPORTION:
                value_ = _one(value_.fill_null(0.0) > 0)
            elif metric.kind is not MetricKind.QUANTILE:
                value_ = value_.fill_null(0.0)
            over = rows["first"] <= until - window_of(metric)
            filled[name] = value_ if metric.window is None else ibis.ifelse(over, value_, None)
    return rows.mutate(**filled)


def cap(measured: Table, index: int, percent: float) -> Table:
    """The value at which a metric is winsorised: the percentile over units of all arms."""
    rows = measured.select(value=_[measure(index, VALUE)]).filter(_.value.notnull())
    rank = ibis.row_number().over(order_by="value") + 1
    rows = rows.mutate(rank=rank, total=rows.count().over(ibis.window()))
    return rows.filter(_["rank"] == (_.total * percent / 100).ceil().cast("int64")).select("value")


def aggregates(
    measured: Table,
    plan: ExperimentPlan,
    capped: Mapping[str, float],
    by: Sequence[str] = ("arm",),
    more: Mapping[str, Column] | None = None,
) -> Table:
    """Counts, means and covariances of each arm; for heavy-tailed values also the mean of cubes and the largest. Of a
    quantile only the units with a value.

    `more` are other aggregates of the units, by the name of their column.
    """
    result: dict[str, Column] = {"n": _.count(), **(more or {})}
    for index, metric in enumerate(plan.metrics.values()):
        result[f"m{index}_n"] = _[measure(index, VALUE)].count()
        if metric.kind is MetricKind.QUANTILE:
            continue
        columns = [column for column, _source, _span in columns_of(metric, plan.before)]
        values_ = {column: _capped(measure(index, column), capped) for column in columns}
        for one in columns:
            result[f"{measure(index, one)}_mean"] = values_[one].mean()
        if metric.kind is not MetricKind.PROPORTION:
            result[f"{measure(index, VALUE)}_cubed"] = (values_[VALUE] * values_[VALUE] * values_[VALUE]).mean()
            result[f"{measure(index, VALUE)}_largest"] = _[measure(index, VALUE)].max()
            result[f"{measure(index, VALUE)}_total"] = _[measure(index, VALUE)].sum()
        for one, other in combinations_with_replacement(columns, 2):
            name = f"{measure(index, one)}_{other}"
            result[name] = (
                values_[one].var(how="sample") if one == other else values_[one].cov(values_[other], how="sample")
            )
    return measured.group_by(*by).aggregate(**result)


def entries(seen: Table, plan: ExperimentPlan, until: int) -> Table:
    """The number of units by arm, whether they were in several arms, the day of their first exposure, and their whole
    days since; and of those with several IDs or environments.
    """
    day = ((_["first"] - plan.start) / DAY).floor().cast("int64")
    age = ((until - _["first"]) / DAY).floor().cast("int64")
    counts = {name: _count_of(_[name]) for name in ("scattered", "aliased") if name in seen.columns}
    return seen.group_by("arm", "crossed", day=day, age=age).aggregate(n=_.count(), **counts)


def mid_quantiles(measured: Table, plan: ExperimentPlan, metric: str, wanted: Mapping[str, Sequence[float]]) -> Table:
    """For each arm, the adjacent values between which the mid-distribution function passes the given shares.

    `low` and `high` are the values, `below` and `above` the shares there, `n` and `n_high` the units with these
    values; `above` is null beyond the largest value.
    """
    name = measure(list(plan.metrics).index(metric), VALUE)
    rows = measured.filter(_[name].notnull()).group_by("arm", low=_[name]).aggregate(n=_.count())
    window = ibis.window(group_by="arm", order_by="low", preceding=(None, 0))
    rows = rows.mutate(upto=_.n.sum().over(window), total=_.n.sum().over(ibis.window(group_by="arm")))
    rows = rows.mutate(below=(_.upto.cast("float64") - _.n / 2) / _.total)
    order = ibis.window(group_by="arm", order_by="low")
    rows = rows.mutate(
        high=_.low.lead().over(order),
        above=_.below.lead().over(order),
        n_high=_.n.lead().over(order),
        lowest=_.upto == _.n,
    )
    keep = [
        (_.arm == arm) & ((_.below <= share) | _.lowest) & (_.above.isnull() | (_.above > share))
        for arm, shares in wanted.items()
        for share in shares
    ]
    return rows.filter(ibis.or_(*keep)).select("arm", "low", "high", "below", "above", "n", "n_high")


class Grain(NamedTuple):
    """The parameters of a curve: a period and the end in milliseconds, values near the means, and the cap."""

    period: int
    until: int
    centre: Mapping[str, float]
    cap: float | None = None


def series(seen: Table, events: Table, plan: ExperimentPlan, metric: str, grain: Grain) -> Table:
    """The additions of each period to an arm's sums; their running totals are the moments at its end.

    `grown_` and `cross_` are of units present before: they give the covariances with the previous period.
    """
    index = list(plan.metrics).index(metric)
    rows = _steps(seen, events, plan, index, grain)
    columns = [column for column, _source, _span in columns_of(plan.metrics[metric], plan.before)]
    past = ibis.window(group_by="unit", order_by="bucket", preceding=(None, 0))
    running = {}
    for column in columns:
        total = rows[column].sum().over(past)
        if plan.metrics[metric].kind is MetricKind.PROPORTION:
            total = _one(total > 0)
        elif column == VALUE and grain.cap is not None:
            total = ibis.least(total, ibis.literal(float(grain.cap)))
        running[column] = total - grain.centre[column]
    rows = rows.mutate(**running)
    order = ibis.window(group_by="unit", order_by="bucket")
    rows = rows.mutate(**{f"was_{column}": rows[column].lag().over(order) for column in columns})
    result: dict[str, Column] = {"n": ibis.ifelse(_[f"was_{VALUE}"].isnull(), 1, 0).sum()}
    for column in columns:
        result[f"sum_{column}"] = (_[column] - _[f"was_{column}"].fill_null(0.0)).sum()
        result[f"grown_{column}"] = (_[column] - _[f"was_{column}"]).sum()
    for one, other in combinations_with_replacement(columns, 2):
        now, was = _[one] * _[other], _[f"was_{one}"] * _[f"was_{other}"]
        result[f"both_{one}_{other}"] = (now - was.fill_null(0.0)).sum()
    for one in columns:
        for other in columns:
            result[f"cross_{one}_{other}"] = (_[f"was_{one}"] * (_[other] - _[f"was_{other}"])).sum()
    return rows.group_by("arm", "bucket").aggregate(**result).order_by("bucket")


def _steps(seen: Table, events: Table, plan: ExperimentPlan, index: int, grain: Grain) -> Table:
    """The additions per unit and period. The period of a unit's entry is present even if it adds nothing.

    A unit enters when its exposure is known or, for a metric with a window, when that is over.
    """
    metric = list(plan.metrics.values())[index]
    bucket = ((_.time - plan.start) / grain.period).floor().cast("int64")
    wait = window_of(metric)
    single = seen.filter(~_.crossed).mutate(entry=ibis.greatest(_.seen, _["first"] + wait))
    added = {column: amount.fill_null(0.0) for column, amount in amounts(events, plan, index).items()}
    # Earlier events count from the entry on.
    when = ibis.greatest(_.seen, _.entry, _["first"] + wait)
    moved = events.mutate(time=when, **added).select("unit", "time", *added)
    start = single.select("unit", time=_.entry, **{column: ibis.literal(0.0) for column in added})
    # The last period may end before it is over: units whose window ends in the rest of it do not count yet.
    rows = moved.union(start).filter(_.time <= grain.until).mutate(bucket=bucket)
    rows = rows.group_by("unit", "bucket").aggregate(**{column: _[column].sum() for column in added})
    return rows.inner_join(single.select("unit", "arm"), "unit")


def _within(events: Table, metric: Metric, before: int | None, earlier: bool) -> Column:
    time, first = events.time, events["first"]
    if earlier:
        return (time < first) & (time >= first - (before or 0))
    after = time >= first + (0 if metric.delay is None else int(parse_duration(metric.delay) * 1000))
    return after if metric.window is None else after & (time < first + window_of(metric))


def _capped(name: str, capped: Mapping[str, float]) -> Column:
    """A column at most its cap. Null while the unit's window is not over: the least of null and a number is the
    number in some engines.
    """
    if name not in capped:
        return _[name]
    most = ibis.literal(float(capped[name]))
    return ibis.ifelse(_[name] > most, most, _[name])
