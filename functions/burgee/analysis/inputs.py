"""The input tables of the queries: exposures and events, from records or from a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from burgee.analysis.columns import distincts_of, events_of, filters_of, properties_of, segment
from burgee.events.records import TRACKED, texts_of
from burgee.model import Reason
from burgee.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.analysis.plans import ExperimentPlan

Table = Any
Column = Any


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input tables of every query, from any source.

    `exposures` has `unit, arm, time, seen, project, environment, release` and a column for each segment; `events` has
    `unit, event_id, event, time, seen, project, environment` and the columns of `event_columns`. Tables of a source
    have no `project` and `environment`, perhaps no `event_id`. Times are in milliseconds; `seen` is when a record had
    come and its time was past. `identities` has `unit, known, time, project, environment`. `elsewhere` are
    exposures of another project or environment than those asked for; None if all were asked for.
    """

    exposures: Table
    events: Table
    identities: Table | None = None
    elsewhere: Table | None = None


def inputs_from(
    records: Table,
    plan: ExperimentPlan,
    project: str | None = None,
    property_: Callable[[Table, str], Column] = lambda table, name: table.properties[name],
) -> Inputs:
    """The inputs from a table of records, of one project if given, and of the plan's environment.

    `property_` gives the column of an event's property.
    """
    every = records.mutate(
        seen=ibis.greatest(_.time, _.received.fill_null(_.time)),
        project=_.project.fill_null("default"),
        environment=_.environment.fill_null("default"),
    )
    wanted = [] if project is None else [_.project == project]
    if plan.experiment.environment is not None:
        wanted.append(_.environment == plan.experiment.environment)
    found = every.filter(*wanted) if wanted else every
    marked = (_.reason == str(Reason.SPLIT)) & (_.rule == plan.experiment.rule)
    unmarked = _.reason.isnull() & _.rule.isnull()
    shows = (_.topic == plan.topic, _.type == "exposure", _.variant.isin(list(plan.arms)), marked | unmarked)
    shown = found.filter(*shows).select(
        *("unit", "time", "seen", "project", "environment", "release"),
        arm=_.variant,
        **{segment(i): _.properties[name] for i, name in enumerate(plan.experiment.segments)},
    )
    tracked = found.filter(_.topic == TRACKED, _.type == "track", _.event.isin(events_of(plan))).select(
        *("unit", "event_id", "event", "time", "seen", "project", "environment"),
        **event_columns(plan, lambda name: property_(found, name), found.event),
    )
    identities = found.filter(_.type == "identify").select("unit", "known", "time", "project", "environment")
    others = every.filter(*shows, ibis.or_(*(~one for one in wanted))) if wanted else None
    scope = ("time", "seen", "project", "environment", "release")
    return Inputs(shown, tracked, identities, None if others is None else others.select(*scope))


def event_columns(
    plan: ExperimentPlan, property_: Callable[[str], Column | None], event: Column
) -> dict[str, Column]:
    """What metrics read of an event: `p0`... are summed, `d0`... counted distinct, `w0`... say if `where` holds.

    `property_` gives the column of a property, None where these events do not have it.
    """

    def read(name: str, kind: str) -> Column:
        column = property_(name)
        return ibis.null(kind) if column is None else column

    result = {f"p{i}": read(name, "float64") for i, name in enumerate(properties_of(plan))}
    result |= {f"d{i}": read(name, "string").cast("string") for i, name in enumerate(distincts_of(plan))}
    for i, one in enumerate(filters_of(plan)):
        holds = event == one.event
        for name, wanted in one.where.items():
            column = property_(name)
            holds = holds & (False if column is None else equals(column, wanted).fill_null(False))
        result[f"w{i}"] = holds
    return result


def equals(column: Column, wanted: Any) -> Column:
    """Whether a column has one of the values: strings as they are, numbers as numbers, booleans also in words."""
    found = []
    for one in wanted if isinstance(wanted, list) else [wanted]:
        if isinstance(one, bool):
            found.append(column == one if column.type().is_boolean() else column.cast("string") == str(one).lower())
        elif isinstance(one, str):
            found.append(column.cast("string") == one)
        elif raw_is_text(column):
            # Not every engine has a cast that may fail.
            found.append(column.isin(texts_of(one)))
        else:
            found.append(column == one)
    return ibis.or_(*found)


def raw_is_text(raw: Column) -> bool:
    """Strings are cast; a warehouse's columns may already be numbers."""
    return bool(raw.type().is_string())


def identified(found: Inputs) -> Inputs:
    """The inputs with anonymous units replaced by their known IDs, if there are some; the first ID wins."""
    if found.identities is None:
        return found
    window = ibis.window(group_by=("unit", "project", "environment"), order_by=("time", "known"))
    first = found.identities.mutate(rank=ibis.row_number().over(window)).filter(_["rank"] == 0)
    first = first.select("known", anonymous=_.unit, scope=_.project, place=_.environment)

    def renamed(table: Table) -> Table:
        on = [table.unit == first.anonymous, table.project == first.scope, table.environment == first.place]
        joined = table.left_join(first, on)
        return joined.mutate(unit=joined.known.coalesce(joined.unit), sent_as=joined.unit).drop(
            "known", "anonymous", "scope", "place"
        )

    return replace(
        found, exposures=renamed(found.exposures), events=renamed(found.events).drop("sent_as"), identities=None
    )
