"""An experiment's exposures and facts in a team's tables, with the columns that queries expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis

from burgee.analysis.columns import counted_by, events_of, segment
from burgee.analysis.files import Wanted
from burgee.analysis.inputs import Inputs, equals, event_columns, identified, inputs_from
from burgee.analysis.tables import SCHEMA
from burgee.errors import Refused
from burgee.flagfile.data_sources import Clock, EngineName, FactRows
from burgee.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.analysis.engines import Engine
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.tables import Records
    from burgee.flagfile.data_sources import DataSource, ExposureRows, Rows

EARLY_DAYS = 30
"""Days before an experiment that are searched for early exposures."""
STRICT = {EngineName.POSTGRES, EngineName.REDSHIFT}
"""Engines without a cast that returns null on failure."""
EXAMPLE = "_example"
"""The end of the names of counts' columns with an example."""
SECONDS = {Clock.SECONDS: 1000, Clock.MILLISECONDS: 1}


@dataclass(frozen=True, slots=True)
class Read:
    """The inputs of a report, and for each table the counts of rows and of unusable ones, by kind.

    `own` are Burgee's records, if those are read too; `lost` the lines of files that are not rows, by table.
    """

    inputs: Inputs
    counts: Mapping[str, Any]
    own: Records | None = None
    lost: Mapping[str, int] = field(default_factory=dict)


def needs_records(source: DataSource, plan: ExperimentPlan) -> bool:
    """Whether a plan's exposures, or an event of a metric, are in Burgee's records and not in the source's tables."""
    return source.exposures is None or any(event not in source.facts for event in events_of(plan))


def read(
    source: DataSource, plan: ExperimentPlan, engine: Engine, own: Records | None = None, project: str | None = None
) -> Read:
    """The inputs of a source for a plan; `own` are Burgee's records in files, if those are read."""
    recorded = None
    if own is not None:
        recorded = inputs_from(own.usable, plan, project)
        known = recorded.identities
        if known is not None and engine.rows(known.aggregate(n=known.count()))[0]["n"]:
            recorded = identified(recorded)
    elif source.records is not None:
        recorded = inputs_from(stored(source.records, plan, engine), plan, project)
    counts: dict[str, Any] = {}
    elsewhere = None
    if source.exposures is not None:
        exposures, counts["exposures"] = _exposures(source.exposures, plan, engine)
    elif recorded is not None:
        exposures, elsewhere = recorded.exposures, recorded.elsewhere
    else:
        raise Refused("no-records", "the source has no exposures, and Burgee's records are not read")
    parts = []
    for event in events_of(plan):
        if event in source.facts:
            part, counts[event] = _facts(event, source.facts[event], plan, engine)
            parts.append(part)
    unread = [event for event in events_of(plan) if event not in source.facts]
    if unread and recorded is not None:
        parts.append(recorded.events.filter(recorded.events.event.isin(unread)))
    return Read(Inputs(exposures, _together(parts), elsewhere=elsewhere), counts, own, engine.lost)


def counted(found: Read, rows: Callable[[Any], list[dict[str, Any]]]) -> tuple[int, dict[str, int]]:
    """The number of usable rows, and of unusable ones by kind."""
    usable, faults = 0, {f"a line that is not a row of {name}": n for name, n in found.lost.items()}
    for name, table in found.counts.items():
        row = rows(table)[0]
        examples = {kind: row.pop(kind) for kind in list(row) if kind.endswith(EXAMPLE)}
        n = {kind: int(value or 0) for kind, value in row.items()}
        usable += n.pop("rows") - sum(n.values())
        for kind in filter(n.get, n):
            label = f"{kind.replace('_', ' ')} in {name}"
            example = examples.get(kind + EXAMPLE)
            faults[label if example is None else f"{label} (such as {str(example)[:80]!r})"] = n[kind]
    return usable, faults


def _exposures(named: ExposureRows, plan: ExperimentPlan, engine: Engine) -> tuple[Any, Any]:
    table = _rows(named, plan, engine, "exposures")
    if named.flag is not None:
        table = table.filter(_column(table, named.flag, "exposures").cast("string") == plan.flag)
    said = _column(table, named.variant, "exposures").cast("string")
    arm = said
    if named.variants:
        ours = ((said == theirs, ibis.literal(variant)) for theirs, variant in named.variants.items())
        arm = ibis.cases(*ours, else_=said)
    segments = {
        segment(i): _column(table, named.column(name), "exposures").cast("string")
        for i, name in enumerate(plan.experiment.segments)
    }
    made = table.select(**_who_and_when(table, named, "exposures", engine), arm=arm, **segments)
    known = made.arm.isin(list(plan.arms))
    counts = _counts(made, a_variant_that_is_not_an_arm=(_usable(made) & ~known.fill_null(False), made.arm))
    return made.filter(_usable(made), known).drop("written"), counts


def _facts(event: str, named: FactRows, plan: ExperimentPlan, engine: Engine) -> tuple[Any, Any]:
    table = _rows(named, plan, engine, event)
    summed = {
        one.value
        for metric in plan.metrics.values()
        for one in counted_by(metric)
        if one.event == event and one.value is not None
    }
    needed = summed | {
        name
        for metric in plan.metrics.values()
        for one in counted_by(metric)
        if one.event == event
        for name in (one.distinct, *one.where)
        if name is not None
    }

    def property_(name: str) -> Any:
        return _column(table, named.column(name), event) if name in needed else None

    for name in sorted(summed):
        if _column(table, named.column(name), event).type().is_string() and engine.name in STRICT:
            raise Refused("source-column", f"{named.column(name)} of {event} is text: make it a number in `sql`")
    read_ = event_columns(plan, property_, ibis.literal(event))
    if named.id is None:
        made = table.select(**_who_and_when(table, named, event, engine), event=ibis.literal(event), **read_)
        return made.filter(_usable(made)).drop("written"), _counts(made)
    # Ids belong to a table: an order's id is not a visit's.
    known = _column(table, named.id, event)
    made = table.select(
        **_who_and_when(table, named, event, engine),
        event=ibis.literal(event),
        event_id=ibis.literal(f"{event} ") + known.cast("string"),
        **read_,
    )
    without = _usable(made) & made.event_id.isnull()
    counts = _counts(made, no_id=(without, None))
    return made.filter(_usable(made), made.event_id.notnull()).drop("written"), counts


def _rows(named: Rows, plan: ExperimentPlan, engine: Engine, name: str) -> Any:
    """The requested rows, from a month before the experiment."""
    if named.sql is not None:
        table = engine.query(named.sql)
    else:
        texts = {named.unit, named.time, named.received, named.id if isinstance(named, FactRows) else None}
        table = engine.table(str(named.table), Wanted({one for one in texts if one}, named.day, since(plan)))
    for column, wanted in named.where.items():
        table = table.filter(equals(_column(table, column, name), wanted))
    if named.day is not None:
        table = table.filter(_column(table, named.day, name).cast("string") >= since(plan))
    return table


def _who_and_when(table: Any, named: Rows, name: str, engine: Engine) -> dict[str, Any]:
    time = _milliseconds(_column(table, named.time, name), named, name, engine)
    seen = time
    if named.received is not None:
        came = _milliseconds(_column(table, named.received, name), named, name, engine)
        seen = ibis.greatest(time, came.fill_null(time))
    unit = _column(table, named.unit, name)
    if unit.type().is_floating() and engine.name is EngineName.DUCKDB:
        # pandas makes IDs fractions where one is missing: 7.0 is not a unit of a table with 7.
        hint = f"write them as strings, or read {named.unit}::BIGINT in `sql`"
        raise Refused("source-column", f"{named.unit} of {name} has fractions, not IDs: {hint}")
    text = _column(table, named.time, name)
    written = text if text.type().is_string() else ibis.null("string")
    return {"unit": unit.cast("string"), "time": time, "seen": seen, "written": written}


def _milliseconds(column: Any, named: Rows, name: str, engine: Engine) -> Any:
    """Milliseconds since 1970 of a column of times; a timestamp without a zone is in UTC."""
    title = f"{column.get_name()} of {name}"
    if engine.name is EngineName.DUCKDB and (column.type().is_string() or column.type().is_unknown()):
        # Files without types, and types that Ibis does not know: what is not a time becomes null, and is counted.
        column = column.try_cast("timestamp('UTC')" if named.clock is Clock.TIMESTAMP else "float64")
    kind = column.type()
    if named.clock is not Clock.TIMESTAMP:
        if not kind.is_numeric():
            raise Refused("source-column", f"{title} is {kind}, and `clock` says {named.clock}")
        scaled = column * SECONDS[named.clock]
        return scaled.try_cast("int64") if engine.name is EngineName.DUCKDB else scaled.cast("int64")
    if not (kind.is_timestamp() or kind.is_date()):
        hint = "write `clock: ms` or `clock: s`" if kind.is_numeric() else "make it one in `sql`"
        raise Refused("source-column", f"{title} is {kind}, not a timestamp: {hint}")
    if engine.name is EngineName.SNOWFLAKE:
        moment = column.cast("timestamp") if kind.is_date() else column
        return moment.truncate("s").epoch_seconds().cast("int64") * 1000 + moment.millisecond().cast("int64")
    if kind.is_date() or engine.name is EngineName.BIGQUERY:
        column = column.cast("timestamp")
    zoned = column.type().timezone is not None
    zero = ibis.literal("1970-01-01T00:00:00" + "+00:00" * zoned, type="timestamp('UTC')" if zoned else "timestamp")
    return column.truncate("ms").delta(zero, unit="millisecond")


def _column(table: Any, name: str, rows: str) -> Any:
    """A column; engines differ in the case of names, so case is ignored if unambiguous."""
    if name in table.columns:
        return table[name]
    alike = [one for one in table.columns if one.lower() == name.lower()]
    if len(alike) == 1:
        return table[alike[0]]
    shown = ", ".join(table.columns[:20])
    raise Refused("source-column", f"there is no column {name!r} in {rows}; there are {shown}")


def _usable(made: Any) -> Any:
    return (made.unit.fill_null("") != "") & made.time.notnull()


def _counts(made: Any, **more: tuple[Any, Any]) -> Any:
    """One row: the number of rows, of those without a unit or a time, and of `more` faults, each with an example of
    a column.
    """
    no_unit = made.unit.fill_null("") == ""
    kinds = {"no_unit": (no_unit, None), "no_time": (~no_unit & made.time.isnull(), made.written), **more}
    found = {name: ibis.ifelse(one, 1, 0).sum() for name, (one, _shown) in kinds.items()}
    for name, (one, shown) in kinds.items():
        if shown is not None:
            found[name + EXAMPLE] = ibis.ifelse(one, shown, ibis.null("string")).min()
    return made.aggregate(rows=made.count(), **found)


def _together(parts: list[Any]) -> Any:
    """Events of several tables in their common columns; numbers become strings if one table has strings."""
    columns = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    # Rows without an id all count, so a mixture could count one twice.
    if "event_id" not in columns and any("event_id" in part.columns for part in parts):
        raise Refused("source-id", "some facts of the experiment have an `id` and some have none: name one for each")
    kinds = {}
    for name in columns:
        if name[0] == "p" and name[1:].isdigit():
            kinds[name] = "string" if any(part[name].type().is_string() for part in parts) else "float64"
    shaped = [
        part.select(**{name: part[name].cast(kinds[name]) if name in kinds else part[name] for name in columns})
        for part in parts
    ]
    return shaped[0] if len(shaped) == 1 else ibis.union(*shaped)


def stored(name: str, plan: ExperimentPlan, engine: Engine) -> Any:
    """Burgee's own records in an engine's table, as in template.yaml, without days that are too early."""
    if engine.name is EngineName.ATHENA:
        # Its partitions by topic refuse queries without a topic, such as one for the columns.
        *path, last = name.split(".")
        table = ibis.table({**SCHEMA, "day": "string"}, name=last, database=".".join(path) or None)
    else:
        table = engine.table(name)
    missing = [column for column in SCHEMA.names if column not in table.columns]
    if missing:
        raise Refused("source-column", f"{name} is not a table of Burgee's records: it has no {', '.join(missing)}")
    if "day" in table.columns:
        table = table.filter(table.day >= since(plan))
    return table.select(*SCHEMA.names)


def since(plan: ExperimentPlan) -> str:
    """The first day that is read: early exposures are searched from a month before the experiment."""
    first = datetime.fromtimestamp((plan.start - (plan.before or 0)) / 1000, UTC) - timedelta(days=EARLY_DAYS)
    return f"{first:%Y-%m-%d}"
