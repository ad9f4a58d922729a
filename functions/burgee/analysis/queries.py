"""The questions asked of exposures and events, each an Ibis expression: the same for DuckDB and every warehouse.

Only aggregates leave: counts, means, covariances and a few values of each arm; never a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
from ibis import _

from burgee.analysis.stats.estimates import BEFORE, PER, PER_BEFORE, VALUE
from burgee.events.records import MAX_NUMBER, TRACKED
from burgee.flagfile.experiments import MetricKind
from burgee.model import Reason
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.plans import Plan
    from burgee.flagfile.experiments import Metric

Table = Any
Column = Any

DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Inputs:
    """The two tables that every question is asked of, wherever they come from.

    `exposures` has `unit, arm, time, seen, project, environment, release` and a column for each segment; `events` has
    `unit, event_id, event, time, seen, project, environment` and, as strings, a column for each property that is
    summed. Times are in milliseconds; `seen` is when a record had come and its time was past.
    `identities` has `unit, known, time, project, environment`.
    """

    exposures: Table
    events: Table
    identities: Table | None = None


def inputs(records: Table, plan: Plan, project: str | None = None) -> Inputs:
    """The inputs in a table of records, of one project if it is named, and of the plan's environment."""
    found = records.mutate(
        seen=ibis.greatest(_.time, _.received.fill_null(_.time)),
        project=_.project.fill_null("default"),
        environment=_.environment.fill_null("default"),
    )
    if project is not None:
        found = found.filter(_.project == project)
    if plan.experiment.environment is not None:
        found = found.filter(_.environment == plan.experiment.environment)
    marked = (_.reason == str(Reason.SPLIT)) & (_.rule == plan.experiment.rule)
    unmarked = _.reason.isnull() & _.rule.isnull()
    shown = found.filter(
        _.topic == plan.flag, _.type == "exposure", _.variant.isin(list(plan.arms)), marked | unmarked
    ).select(
        *("unit", "time", "seen", "project", "environment", "release"),
        arm=_.variant,
        **{segment(i): _.properties[name] for i, name in enumerate(plan.experiment.segments)},
    )
    tracked = found.filter(_.topic == TRACKED, _.type == "track", _.event.isin(events_of(plan))).select(
        *("unit", "event_id", "event", "time", "seen", "project", "environment"),
        **{f"p{i}": _.properties[name] for i, name in enumerate(properties_of(plan))},
    )
    identities = found.filter(_.type == "identify").select("unit", "known", "time", "project", "environment")
    return Inputs(shown, tracked, identities)


def identified(found: Inputs) -> Inputs:
    """The inputs with anonymous units under the names that they became known by; the first name stays."""
    assert found.identities is not None  # noqa: S101 - asked for only where there are some
    window = ibis.window(group_by=("unit", "project", "environment"), order_by=("time", "known"))
    first = found.identities.mutate(rank=ibis.row_number().over(window)).filter(_["rank"] == 0)
    first = first.select("known", anonymous=_.unit, scope=_.project, place=_.environment)

    def renamed(table: Table) -> Table:
        on = [table.unit == first.anonymous, table.project == first.scope, table.environment == first.place]
        joined = table.left_join(first, on)
        return joined.mutate(unit=joined.known.coalesce(joined.unit), sent_as=joined.unit).drop(
            "known", "anonymous", "scope", "place"
        )

    return Inputs(renamed(found.exposures), renamed(found.events).drop("sent_as"))


def units(exposures: Table, plan: Plan, until: int) -> Table:
    """One row for each unit: its arm, its first exposure, and what could spoil it."""
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


def early(exposures: Table, plan: Plan) -> Table:
    """How many exposures came before the start."""
    return exposures.filter(_.time < plan.start).aggregate(exposures=_.count())


def scopes(exposures: Table, plan: Plan, until: int) -> Table:
    """Projects, environments and releases of the exposures, with how many there are of each."""
    inside = exposures.filter(_.time >= plan.start, _.seen < until)
    return inside.group_by("project", "environment", "release").aggregate(n=_.count()).order_by(ibis.desc("n"))


def joined(events: Table, seen: Table, plan: Plan, until: int) -> Table:
    """The events of units in one arm, with `first`; `elsewhere` marks those of another project or environment."""
    since = plan.start - (plan.before or 0)
    inside = events.filter(_.time >= since, _.time < until)
    kept = seen.filter(~_.crossed)
    scoped = "project" in seen.columns and "project" in events.columns
    theirs = {"home": _.project, "place": _.environment} if scoped else {}
    found = inside.inner_join(kept.select("unit", "first", "arm", entry=_.seen, **theirs), "unit")
    elsewhere = (_.project != _.home) | (_.environment != _.place) if scoped else ibis.literal(False)
    raw = [name for name in events.columns if _is_property(name)]
    return found.select(
        *("unit", "event_id", "event", "time", "seen", "first", "arm", "entry", *raw),
        elsewhere=elsewhere,
        late=_.seen >= until,
    )


def tracked(found: Table) -> Table:
    """Each event once, with numbers for its properties: of a unit's records with one id the first counts, whole."""
    kept = found.filter(~_.elsewhere, ~_.late)
    raw = [name for name in found.columns if _is_property(name)]
    if "event_id" in found.columns:
        order = ("seen", "time", "event", *raw)
        window = ibis.window(group_by=("unit", "event_id"), order_by=order)
        kept = kept.mutate(rank=ibis.row_number().over(window)).filter(_["rank"] == 0)
    return kept.select(
        *("unit", "event", "time", "seen", "first", "arm", "entry"), **{name: number(kept[name]) for name in raw}
    )


def number(raw: Column) -> Column:
    """The finite number that a string is; null for anything else."""
    value = raw.try_cast("float64") if raw_is_text(raw) else raw
    return ibis.ifelse(value.abs() <= MAX_NUMBER, value, None)


def raw_is_text(raw: Column) -> bool:
    """Strings are cast; columns of a warehouse may be numbers already."""
    return bool(raw.type().is_string())


def replays(found: Table) -> Table:
    """How many records came again under the id of another of the same unit, and how many ids with another content."""
    kept = found.filter(~_.elsewhere, ~_.late)
    content = ["time", "event", *(name for name in found.columns if _is_property(name))]
    differs = ibis.or_(*((_[name].min() != _[name].max()).fill_null(False) for name in content))
    by_id = kept.group_by("unit", "event_id").aggregate(n=_.count(), differs=differs).filter(_.n > 1)
    return by_id.aggregate(again=(_.n - 1).sum(), clashes=_.differs.cast("int64").sum())


def arrivals(found: Table) -> Table:
    """For each event and arm: how many records, of how many units, before exposure, late and from elsewhere."""
    here = ~_.elsewhere & ~_.late
    return found.group_by("event", "arm").aggregate(
        n=here.cast("int64").sum(),
        units=_.unit.nunique(where=here & (_.time >= _.first)),
        before=(here & (_.time < _.first)).cast("int64").sum(),
        late=(_.late & ~_.elsewhere).cast("int64").sum(),
        elsewhere=_.elsewhere.cast("int64").sum(),
        last=ibis.ifelse(here, _.time, None).max(),
    )


def values(found: Table) -> Table:
    """For each event and property: how many values there are, that are no number, or too large, with an example."""
    here = found.filter(~_.elsewhere, ~_.late)
    told: dict[str, Column] = {}
    for name in (one for one in found.columns if _is_property(one)):
        number_ = here[name].try_cast("float64")
        large = number_.notnull() & ~(number_.abs() <= MAX_NUMBER)
        odd = here[name].notnull() & number_.isnull()
        told[f"{name}_present"] = here[name].count()
        told[f"{name}_odd"] = odd.cast("int64").sum()
        told[f"{name}_large"] = large.cast("int64").sum()
        told[f"{name}_example"] = ibis.ifelse(odd | large, here[name], None).min()
    return here.group_by("event").aggregate(n=here.count(), **told)


def measures(seen: Table, events: Table, plan: Plan, until: int) -> Table:
    """One row for each unit in one arm: what every metric says of it; null while the metric's window is not over."""
    names = properties_of(plan)
    sums: dict[str, Column] = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, (event, value), span in columns_of(metric, plan.before):
            inside = (_.event == event) & _within(metric, plan.before, span)
            name = measure(index, column)
            # Counts are cast from booleans: a literal 1.0 would be a decimal, whose variance is rounded.
            amount = ibis.ifelse(inside, _[f"p{names.index(value)}"], None) if value else inside.cast("float64")
            sums[name] = amount.mean() if metric.kind is MetricKind.QUANTILE else amount.sum()
    by_unit = events.group_by("unit").aggregate(**sums)
    rows = seen.filter(~_.crossed).left_join(by_unit, "unit").drop("unit_right")
    filled = {}
    for index, metric in enumerate(plan.metrics.values()):
        for column, _source, _span in columns_of(metric, plan.before):
            name = measure(index, column)
            value_ = rows[name]
            if metric.kind is MetricKind.PROPORTION:
                value_ = (value_.fill_null(0.0) > 0).cast("float64")
            elif metric.kind is not MetricKind.QUANTILE:
                value_ = value_.fill_null(0.0)
            over = rows["first"] <= until - window_of(metric)
            filled[name] = value_ if metric.window is None else ibis.ifelse(over, value_, None)
    return rows.mutate(**filled)


def cap(measured: Table, index: int, percent: float) -> Table:
    """The value at which a metric is winsorised: that of the unit at the percentile, over all arms together."""
    rows = measured.select(value=_[measure(index, VALUE)]).filter(_.value.notnull())
    rank = ibis.row_number().over(order_by="value") + 1
    rows = rows.mutate(rank=rank, total=rows.count().over(ibis.window()))
    return rows.filter(_["rank"] == (_.total * percent / 100).ceil().cast("int64")).select("value")


def aggregates(measured: Table, plan: Plan, capped: Mapping[str, float], by: Sequence[str] = ("arm",)) -> Table:
    """Counts, means and covariances of each arm; for values with a tail the mean of cubes and the largest."""
    told: dict[str, Column] = {"n": _.count()}
    for index, metric in enumerate(plan.metrics.values()):
        if metric.kind is MetricKind.QUANTILE:
            continue
        columns = [column for column, _source, _span in columns_of(metric, plan.before)]
        values_ = {column: _capped(measure(index, column), capped) for column in columns}
        told[f"m{index}_n"] = _[measure(index, VALUE)].count()
        for one in columns:
            told[f"{measure(index, one)}_mean"] = values_[one].mean()
        if metric.kind is not MetricKind.PROPORTION:
            told[f"{measure(index, VALUE)}_cubed"] = (values_[VALUE] * values_[VALUE] * values_[VALUE]).mean()
            told[f"{measure(index, VALUE)}_largest"] = _[measure(index, VALUE)].max()
            told[f"{measure(index, VALUE)}_total"] = _[measure(index, VALUE)].sum()
        for one, other in combinations_with_replacement(columns, 2):
            name = f"{measure(index, one)}_{other}"
            told[name] = (
                values_[one].var(how="sample") if one == other else values_[one].cov(values_[other], how="sample")
            )
    return measured.group_by(*by).aggregate(**told)


def by_day(seen: Table, plan: Plan) -> Table:
    """Units of each arm by the day of their first exposure."""
    day = ((_.first - plan.start) / DAY).floor().cast("int64")
    return seen.filter(~_.crossed).group_by("arm", day=day).aggregate(n=_.count()).order_by("day")


def counted(measured: Table, plan: Plan, metric: str) -> Table:
    """How many units of each arm have a value of a quantile metric."""
    name = measure(list(plan.metrics).index(metric), VALUE)
    return measured.filter(_[name].notnull()).group_by("arm").aggregate(n=_.count())


def mid_quantiles(measured: Table, plan: Plan, metric: str, wanted: Mapping[str, Sequence[float]]) -> Table:
    """Of each arm the neighbouring values between which the mid-distribution function passes the given shares.

    `low` and `high` are the values, `below` and `above` the shares there, `n` and `n_high` the units that have them;
    `above` is null past the largest value.
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


def totals(seen: Table) -> Table:
    """How many units there are, and how many of them have several arms, names or environments."""
    counts = {
        name: _[name].cast("int64").sum() for name in ("crossed", "scattered", "aliased") if name in seen.columns
    }
    if "aliased" in seen.columns:
        counts["crossed_aliases"] = (_.aliased & _.crossed).cast("int64").sum()
    return seen.aggregate(units=_.count(), last=_["first"].max(), **counts)


class Grain(NamedTuple):
    """How a curve is cut: the length of its periods in milliseconds, values near the means, and the metric's cap."""

    period: int
    centre: Mapping[str, float]
    cap: float | None = None


def series(seen: Table, events: Table, plan: Plan, metric: str, grain: Grain) -> Table:
    """What each period adds to the sums of an arm, so that their running totals are the moments at its end.

    `grown_` and `cross_` are of the units that were there before: they give the covariances with the last period.
    """
    index = list(plan.metrics).index(metric)
    rows = _steps(seen, events, plan, index, grain.period)
    columns = [column for column, _source, _span in columns_of(plan.metrics[metric], plan.before)]
    past = ibis.window(group_by="unit", order_by="bucket", preceding=(None, 0))
    running = {}
    for column in columns:
        total = rows[column].sum().over(past)
        if plan.metrics[metric].kind is MetricKind.PROPORTION:
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
        told[f"grown_{column}"] = (_[column] - _[f"was_{column}"]).sum()
    for one, other in combinations_with_replacement(columns, 2):
        now, was = _[one] * _[other], _[f"was_{one}"] * _[f"was_{other}"]
        told[f"both_{one}_{other}"] = (now - was.fill_null(0.0)).sum()
    for one in columns:
        for other in columns:
            told[f"cross_{one}_{other}"] = (_[f"was_{one}"] * (_[other] - _[f"was_{other}"])).sum()
    return rows.group_by("arm", "bucket").aggregate(**told).order_by("bucket")


def _steps(seen: Table, events: Table, plan: Plan, index: int, period: int) -> Table:
    """For each unit and period: what was added. The period of its entry is there even if nothing was.

    A unit enters when its exposure is known, and for a metric with a window when that is over.
    """
    metric = list(plan.metrics.values())[index]
    names = properties_of(plan)
    bucket = ((_.time - plan.start) / period).floor().cast("int64")
    wait = window_of(metric)
    single = seen.filter(~_.crossed).mutate(entry=ibis.greatest(_.seen, _["first"] + wait))
    added: dict[str, Column] = {}
    for column, (event, value), span in columns_of(metric, plan.before):
        inside = (_.event == event) & _within(metric, plan.before, span)
        amount = ibis.ifelse(inside, _[f"p{names.index(value)}"], None) if value else inside.cast("float64")
        added[column] = amount.fill_null(0.0)
    # What came before the entry counts from the entry on.
    when = ibis.greatest(_.seen, _.entry, _["first"] + wait)
    moved = events.mutate(time=when, **added).select("unit", "time", *added)
    start = single.select("unit", time=_.entry, **{column: ibis.literal(0.0) for column in added})
    rows = moved.union(start).mutate(bucket=bucket)
    rows = rows.group_by("unit", "bucket").aggregate(**{column: _[column].sum() for column in added})
    return rows.inner_join(single.select("unit", "arm"), "unit")


def events_of(plan: Plan) -> list[str]:
    """The events that the plan's metrics count."""
    return sorted({event for metric in plan.metrics.values() for event, _value in sources_of(metric)})


def properties_of(plan: Plan) -> list[str]:
    """The properties that the plan's metrics sum: `p0`, `p1` ... in this order."""
    return sorted({value for metric in plan.metrics.values() for _event, value in sources_of(metric) if value})


def sources_of(metric: Metric) -> list[tuple[str, str | None]]:
    """The events that a metric counts, each with the property it sums."""
    sources = [(metric.event, metric.value)]
    return [*sources, (metric.per.event, metric.per.value)] if metric.per else sources


def columns_of(metric: Metric, before: int | None) -> list[tuple[str, tuple[str, str | None], bool]]:
    """A metric's columns: the name, its source, and whether it is of the time before exposure."""
    told = [(VALUE, sources_of(metric)[0], False)]
    if metric.per:
        told.append((PER, sources_of(metric)[1], False))
    if before is not None and metric.kind is not MetricKind.QUANTILE:
        told.append((BEFORE, sources_of(metric)[0], True))
        if metric.per:
            told.append((PER_BEFORE, sources_of(metric)[1], True))
    return told


def window_of(metric: Metric) -> int:
    """The milliseconds after its first exposure that a unit's events count; 0 where there is no end."""
    return 0 if metric.window is None else int(parse_duration(metric.window) * 1000)


def measure(index: int, column: str) -> str:
    """The name of a metric's column."""
    return f"m{index}_{column}"


def segment(index: int) -> str:
    """The name of a segment's column."""
    return f"segment{index}"


def _within(metric: Metric, before: int | None, earlier: bool) -> Column:
    if earlier:
        return (_.time < _.first) & (_.time >= _.first - (before or 0))
    after = _.time >= _.first
    return after if metric.window is None else after & (_.time < _.first + window_of(metric))


def _capped(name: str, capped: Mapping[str, float]) -> Column:
    return _[name] if name not in capped else ibis.least(_[name], ibis.literal(float(capped[name])))


def _is_property(name: str) -> bool:
    return name[0] == "p" and name[1:].isdigit()
