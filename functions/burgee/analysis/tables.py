"""Records as one Ibis table: JSON lines and Parquet files in DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from burgee.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

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


PARTITIONS = ("topic", "day")
"""What template.yaml tells by a file's path, as `topic=checkout/day=2027-01-01/`; `topic` is then in no file."""


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
