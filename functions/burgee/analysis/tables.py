"""Records as one Ibis table: JSON lines and Parquet files in DuckDB, or the same columns in Athena."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
EARLY_DAYS = 30
"""Athena looks so far back before an experiment for exposures that came too early."""
_TYPES = {"int64": "BIGINT", "string": "VARCHAR", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}


PARTITIONS = ("topic", "day")
"""What template.yaml tells by a file's path, as `topic=checkout/day=2027-01-01/`; `topic` is then in no file."""


def athena_table(plan: Plan, name: str = "burgee_events") -> ibis.Table:
    """The table that template.yaml makes, for compiling queries, without the days that are too early to matter."""
    table = ibis.table({**SCHEMA, "day": "string"}, name=name)
    since = datetime.fromtimestamp((plan.start - (plan.before or 0)) / 1000, UTC) - timedelta(days=EARLY_DAYS)
    return table.filter(table.day >= f"{since:%Y-%m-%d}").drop("day")


def records(connection: Any, place: Path | str) -> ibis.Table:
    """The records of a folder, or of a bucket's `s3://bucket/prefix`."""
    return bucket_table(connection, place) if isinstance(place, str) else local_table(connection, place)


def bucket_table(connection: Any, url: str) -> ibis.Table:
    """The Parquet files that template.yaml's stream writes, read with AWS's usual environment."""
    import pyarrow as pa
    from pyarrow import dataset, fs

    keys = dataset.partitioning(pa.schema([(name, pa.string()) for name in PARTITIONS]), flavor="hive")
    schema = SCHEMA.to_pyarrow().append(pa.field("day", pa.string()))
    try:
        found, path = fs.FileSystem.from_uri(url)
        stored = dataset.dataset(path, schema, format="parquet", filesystem=found, partitioning=keys)
    except (OSError, pa.ArrowInvalid) as error:
        raise Refused("no-records", f"{url} cannot be read: {error}") from error
    if not stored.files:
        raise Refused("no-records", f"there are no Parquet files in {url}")
    connection.con.register("burgee_stored", stored)
    return connection.table("burgee_stored").select(*SCHEMA.names)


def local_table(connection: Any, folder: Path) -> ibis.Table:
    """The records of a folder: every .jsonl and .parquet file in it and below. Torn lines are passed over."""
    lines = sorted(str(path) for path in folder.rglob("*.jsonl"))
    columnar = sorted(folder.rglob("*.parquet"))
    if not lines and not columnar:
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {folder}")
    parts = []
    if lines:
        columns = ", ".join(f"{name}: '{_TYPES[_type(name)]}'" for name in SCHEMA.names)
        parts.append(
            f"SELECT * FROM read_json({_list(lines)}, format='newline_delimited', ignore_errors=true, "  # noqa: S608
            f"columns={{{columns}}})"
        )
    named = ", ".join(SCHEMA.names)
    for keyed in (True, False):
        files = [str(path) for path in columnar if any(part.startswith("topic=") for part in path.parts) is keyed]
        if files:
            read = f"{_list(files)}, union_by_name=true, hive_partitioning={keyed}, hive_types_autocast=false"
            parts.append(f"SELECT {named} FROM read_parquet({read})")  # noqa: S608
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
