"""The queries of a report as Athena's SQL, over the table that template.yaml makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import ibis

from burgee.analysis import queries
from burgee.analysis.queries import Inputs, inputs
from burgee.analysis.stats.estimates import COLUMNS, VALUE
from burgee.analysis.tables import SCHEMA
from burgee.flagfile.experiments import MetricKind

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
    return compiled(inputs(athena_table(plan), plan), plan, "athena")


def compiled(given: Inputs, plan: Plan, dialect: str) -> dict[str, str]:
    """The SQL of a report's questions in a dialect, by what is asked for."""
    seen = queries.units(given.exposures, plan, plan.end)
    joined = queries.joined(given.events, seen, plan, plan.end)
    tracked = queries.tracked(joined)
    measured = queries.measures(seen, tracked, plan, plan.end)
    asked = {
        "units in two arms": queries.totals(seen),
        "exposures before the start": queries.early(given.exposures, plan),
        "units by day": queries.by_day(seen, plan),
        "events by arm": queries.arrivals(joined),
        "aggregates by arm": queries.aggregates(measured, plan, {}),
    }
    for index, (name, metric) in enumerate(plan.metrics.items()):
        if metric.winsorise is not None:
            asked[f"cap of {name}"] = queries.cap(measured, index, float(metric.winsorise))
        if metric.kind is MetricKind.QUANTILE:
            asked[f"units of {name}"] = queries.counted(measured, plan, name)
            shares = dict.fromkeys(plan.arms, (float(metric.quantile or 0.5),))
            asked[f"quantile of {name}"] = queries.mid_quantiles(measured, plan, name, shares)
    for name in plan.experiment.primaries:
        if plan.metrics[name].kind is not MetricKind.QUANTILE:
            grain = queries.Grain(86_400_000, dict.fromkeys([VALUE, *COLUMNS], 0.0))
            asked[f"{name} over time"] = queries.series(seen, tracked, plan, name, grain)
    return {name: str(ibis.to_sql(table, dialect=dialect)) for name, table in asked.items()}
