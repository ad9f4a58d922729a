"""The queries of a report as Athena's SQL, over the table that template.yaml makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import ibis

from burgee.analysis import queries
from burgee.analysis.stats.estimates import COLUMNS, VALUE
from burgee.analysis.tables import SCHEMA
from burgee.flagfile.experiments import Kind

if TYPE_CHECKING:
    from burgee.analysis.plans import Plan

EARLY_DAYS = 30
"""Athena looks back this many days before an experiment for exposures that came too early."""


def athena_table(plan: Plan, name: str = "burgee_events") -> ibis.Table:
    """The table that template.yaml makes, for compiling queries, without the days that are too early to matter."""
    table = ibis.table({**SCHEMA, "day": "string"}, name=name)
    since = datetime.fromtimestamp((plan.start - (plan.before or 0)) / 1000, UTC) - timedelta(days=EARLY_DAYS)
    return table.filter(table.day >= f"{since:%Y-%m-%d}").drop("day")


def athena_sql(plan: Plan) -> dict[str, str]:
    """What Athena would be asked for a report, by what is asked for."""

    events = athena_table(plan)
    seen = queries.units(events, plan, plan.end)
    counted = queries.tracked(events, seen, plan, plan.end)
    measured = queries.measures(seen, counted, plan)
    asked = {
        "units in two arms": queries.crossed(seen),
        "exposures before the start": queries.early(events, plan),
        "when events last came": queries.stopped(counted),
        "aggregates by arm": queries.aggregates(measured, plan, {}),
    }
    for index, (name, metric) in enumerate(plan.metrics.items()):
        if metric.winsorise is not None:
            asked[f"cap of {name}"] = queries.cap(measured, index, float(metric.winsorise))
        if metric.kind is Kind.QUANTILE:
            asked[f"units of {name}"] = queries.counted(measured, plan, name)
            asked[f"ranked values of {name}"] = queries.ranked(measured, plan, name, dict.fromkeys(plan.arms, (1,)))
    for name in plan.experiment.primaries:
        if plan.metrics[name].kind is not Kind.QUANTILE:
            centre = dict.fromkeys([VALUE, *COLUMNS], 0.0)
            asked[f"{name} over time"] = queries.series(seen, counted, plan, name, queries.Grain(86_400_000, centre))
    return {name: str(ibis.to_sql(table, dialect="athena")) for name, table in asked.items()}
