"""Records as one Ibis table: JSON lines and Parquet files in DuckDB, or the same columns in Athena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from burgee.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.plans import Plan

SCHEMA = ibis.schema(
    {
        "type": "string",
        "event_id": "string",
        "time": "int64",
        "project": "string",
        "environment": "string",
        "flag": "string",
        "variant": "string",
        "reason": "string",
        "rule": "string",
        "release": "string",
        "unit": "string",
        "event": "string",
        "properties": "map<string, string>",
        "topic": "string",
    }
)
_TYPES = {"int64": "BIGINT", "string": "VARCHAR", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}


def athena_table(name: str = "burgee_events") -> ibis.Table:
    """The table that template.yaml makes, for compiling queries."""
    return ibis.table(SCHEMA, name=name)


def local_table(connection: Any, folder: Path) -> ibis.Table:
    """The records of a folder: every .jsonl and .parquet file in it and below. Torn lines are passed over."""
    lines = sorted(str(path) for path in folder.rglob("*.jsonl"))
    columnar = sorted(str(path) for path in folder.rglob("*.parquet"))
    if not lines and not columnar:
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {folder}")
    parts = []
    if lines:
        columns = ", ".join(f"{name}: '{_TYPES[_type(name)]}'" for name in SCHEMA.names)
        parts.append(
            f"SELECT * FROM read_json({_list(lines)}, format='newline_delimited', ignore_errors=true, "  # noqa: S608
            f"columns={{{columns}}})"
        )
    if columnar:
        named = ", ".join(SCHEMA.names)
        parts.append(f"SELECT {named} FROM read_parquet({_list(columnar)}, union_by_name=true)")  # noqa: S608
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW events AS {' UNION ALL '.join(parts)}")
    return connection.table("events")


def _type(name: str) -> str:
    return str(SCHEMA[name]).replace("!", "")


def _list(paths: list[str]) -> str:
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"[{quoted}]"


def athena_sql(plan: Plan) -> dict[str, str]:
    """What Athena would be asked for a report, by what is asked for."""
    from burgee.analysis import queries
    from burgee.analysis.estimates import VALUE
    from burgee.analysis.evidence import COLUMNS
    from burgee.experiments import Kind

    events = athena_table()
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
