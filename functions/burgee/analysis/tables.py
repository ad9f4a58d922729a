"""Reads records from files into one table in DuckDB, tolerating faulty ones.

Each record that a report cannot use has a `fault`, so that it is counted and never fatal. JSON lines are parsed once
into a table; Parquet files are read in place, in groups of equal schemas.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from burgee.analysis.dialects import path_list
from burgee.analysis.keeping import Original, download, original
from burgee.errors import Refused
from burgee.events.athena import literal
from burgee.events.records import FAULTS, IDENTIFIED, REFUSED, TRACKED
from burgee.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from burgee.analysis.keeping import Keeper

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
        "received": "int64",
        "known": "string",
    }
)
_TYPES = {"int64": "BIGINT", "string": "VARCHAR", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}
Columns = tuple[tuple[str, str], ...]
"""The names and types of Parquet columns."""
PARTITIONS = ("topic", "day")
"""The keys that template.yaml puts into a file's path, as in `topic=checkout/day=2027-01-01/`; `topic` is then not in
the file.
"""
UNION = " UNION ALL BY NAME "
LONGEST_LINE = 32_000_000
_STRUCTURE = ", ".join(f'"{name}": "{_TYPES[str(kind)]}"' for name, kind in SCHEMA.items())


@dataclass(frozen=True, slots=True)
class Records:
    """A table of records of the requested topics, with a column `fault`.

    `read` counts all records of the files, including other topics; None if that would require reading them. `broken`
    are files that cannot be read at all, with the reason.
    """

    table: ibis.Table
    read: int | None = None
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> ibis.Table:
        """Those without a fault."""
        return self.table.filter(self.table.fault.isnull())


def records(connection: Any, place: Path | str, topics: Iterable[str] = (), keeper: Keeper | None = None) -> Records:
    """The records of a folder, or of a bucket's `s3://bucket/prefix`. Raises Refused if there are none.

    With a keeper, copies of the files are kept for the next time: JSON lines as Parquet, and a bucket's files.
    """
    wanted = {*topics, TRACKED, IDENTIFIED, REFUSED} if topics else set()
    if isinstance(place, str):
        return _bucket(connection, place, wanted, keeper)
    found = files_in(place)
    if keeper is not None:
        keeper.forget_others([original(path) for path in found if path.suffix == ".jsonl"])
    if not found:
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {place}")
    return _files(connection, found, wanted, keeper)


def files_in(folder: Path) -> list[Path]:
    """The files of records in a folder and below."""
    return sorted(path for path in folder.rglob("*") if path.suffix in {".jsonl", ".parquet"} and path.is_file())


def _files(connection: Any, found: Sequence[Path], topics: set[str], keeper: Keeper | None = None) -> Records:
    lines = [path for path in found if path.suffix == ".jsonl"]
    typed = [path for path in found if path.suffix == ".parquet" and _asked(path, topics)]
    # To read schemas takes pyarrow, and that numpy.
    groups, broken = _grouped(typed) if typed else ({}, {})
    selects = [_parquet(*_of_topic(topic, columns, paths)) for (topic, columns), paths in groups.items()]
    if lines and keeper is not None:
        selects.append(_kept_lines(connection, lines, keeper))
        lines = []
    files = UNION.join(selects) or _nothing()
    if not lines:
        connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW burgee_lines AS {_judged(files, topics)}")
        return Records(_lines(), _count(connection, files), broken)
    objects, rows = _parsed(lines)
    # Parsing takes the most time, so it is done once; records of other flags are counted and dropped.
    every = _judged(UNION.join([*selects, rows]), topics)
    connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE burgee_lines AS {every}")
    read = _count(connection, f"SELECT json FROM {objects}") + _count(connection, files)
    return Records(_lines(), read, broken)


def _parsed(lines: Sequence[Path]) -> tuple[str, str]:
    """Queries for the lines of files, one a row, and for the records in them."""
    named = path_list(str(path) for path in lines)
    options = f"ignore_errors=true, hive_partitioning=false, maximum_object_size={LONGEST_LINE}"
    objects = f"read_ndjson_objects({named}, {options})"
    parsed = f"SELECT json, from_json(json, '{{{_STRUCTURE}}}') AS r FROM {objects}"
    columns = ", ".join(f"r.{name}" for name in SCHEMA.names)
    strange = "CASE WHEN r.properties IS NULL THEN coalesce(json ->> '$.properties', '') <> '' END"
    rows = f"SELECT {columns}, json IS NULL AS torn, {strange} AS strange FROM ({parsed})"
    return objects, rows


def _kept_lines(connection: Any, lines: Sequence[Path], keeper: Keeper) -> str:
    """A query for the records of files that are parsed once and kept, those of every topic."""

    def make(one: Original, path: Path) -> None:
        rows = _parsed([Path(one.address)])[1]
        connection.raw_sql(f"COPY ({rows}) TO {literal(str(path))} (FORMAT parquet)")

    names = (*SCHEMA.names, "torn", "strange")

    def whole(_one: Original, path: Path) -> bool:
        groups, _broken = _grouped([path])
        return any({*names} <= {name for name, _kind in columns} for _topic, columns in groups)

    copies = keeper.copies([original(path) for path in lines], make, whole)
    found = f"read_parquet({path_list(str(path) for path in copies)}, hive_partitioning=false)"
    return f"SELECT {', '.join(names)} FROM {found}"


def _kept_objects(connection: Any, system: Any, objects: Sequence[Any], topics: set[str], keeper: Keeper) -> Records:
    """The records of a bucket's objects that are downloaded once and kept, those of the topics."""
    originals = _originals(objects)
    asked = [one for one in originals if _asked(Path(one.address), topics)]
    sizes = {one.path: one.size for one in objects}
    copies = keeper.copies(
        asked,
        lambda one, part: download(system, one.address, part),
        lambda one, path: path.stat().st_size == sizes[one.address],
    )
    return _files(connection, copies, topics)


def _originals(objects: Iterable[Any]) -> list[Original]:
    return [Original(one.path, f"{one.size} {one.mtime_ns}", _keys(one.path)) for one in objects]


def _keys(path: str) -> str:
    """The keys in a path, such as `topic=checkout/day=2027-01-01`, without what could leave a folder."""
    return "/".join(part for part in path.split("/") if re.fullmatch(r"(topic|day)=[A-Za-z0-9._-]+", part))


def _bucket(connection: Any, url: str, topics: set[str], keeper: Keeper | None = None) -> Records:
    """The Parquet files written by template.yaml's stream, read with AWS's usual environment."""
    import pyarrow as pa
    from pyarrow import dataset, fs

    keys = dataset.partitioning(pa.schema([(name, pa.string()) for name in PARTITIONS]), flavor="hive")
    try:
        system, path = fs.FileSystem.from_uri(url)
        chosen = fs.FileSelector(path, recursive=True)
        objects = [one for one in system.get_file_info(chosen) if one.path.endswith(".parquet")]
        if keeper is not None:
            keeper.forget_others(_originals(objects))
        if keeper is not None and objects:
            return _kept_objects(connection, system, objects, topics, keeper)
        stored = [one.path for one in objects]
        form = dataset.ParquetFileFormat()
        made = dataset.FileSystemDatasetFactory(
            system, stored, form, dataset.FileSystemFactoryOptions(path, partitioning=keys)
        ).finish(pa.schema([(name, pa.string()) for name in PARTITIONS]))
        asked = dataset.field("topic").isin(sorted(topics)) if topics else None
        fragments = list(made.get_fragments(filter=asked))
    except (OSError, pa.ArrowException) as error:
        raise Refused("no-records", f"{url} cannot be read: {error}") from error
    if not stored:
        raise Refused("no-records", f"there are no Parquet files in {url}")
    groups: dict[Any, list[Any]] = defaultdict(list)
    broken: dict[str, str] = {}
    for fragment in fragments:
        try:
            groups[tuple((one.name, str(one.type)) for one in fragment.physical_schema)].append(fragment)
        except (OSError, pa.ArrowException) as error:
            broken[fragment.path.rpartition("/")[2]] = _first_line(error)
    selects = []
    for index, (columns, some) in enumerate(groups.items()):
        names = {name for name, _kind in columns}
        schema = some[0].physical_schema
        for name in PARTITIONS:
            schema = schema if name in names else schema.append(pa.field(name, pa.string()))
        connection.con.register(
            f"burgee_stored{index}", dataset.FileSystemDataset(some, schema, form, filesystem=system)
        )
        selects.append(_parquet(f"burgee_stored{index}", (*columns, ("topic", "string"))))
    every = UNION.join(selects) or _nothing()
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW burgee_lines AS {_judged(every, topics)}")
    return Records(_lines(), None, broken)


def _asked(path: Path, topics: set[str]) -> bool:
    """Whether a file may hold records of the topics, according to its path."""
    topic = _topic_in(path)
    return topic is None or not topics or topic in topics


def _topic_in(path: Path) -> str | None:
    keys = [part.removeprefix("topic=") for part in path.parts if part.startswith("topic=")]
    return keys[-1] if keys else None


def _of_topic(topic: str | None, columns: Columns, files: list[str]) -> tuple[str, Columns]:
    """A source and its columns. Of the keys in paths only `topic` counts: a folder may be named after any column."""
    source = f"read_parquet({path_list(files)}, hive_partitioning=false)"
    if topic is None:
        return source, columns
    rest = tuple(one for one in columns if one[0] != "topic")
    every = "*" if rest == columns else "* EXCLUDE (topic)"
    return f"(SELECT {every}, {literal(topic)} AS topic FROM {source})", (*rest, ("topic", "string"))


def _grouped(paths: Iterable[Path]) -> tuple[dict[tuple[str | None, Any], list[str]], dict[str, str]]:
    """Parquet files grouped by the topic in their path and by schema, and files that are not Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    groups: dict[tuple[str | None, Any], list[str]] = defaultdict(list)
    broken = {}
    for path in paths:
        try:
            columns = tuple((one.name, str(one.type)) for one in parquet.read_schema(path))
        except (OSError, pa.ArrowException) as error:
            broken[path.name] = _first_line(error)
            continue
        groups[_topic_in(path), columns].append(str(path))
    return groups, broken


def _parquet(source: str, columns: Columns) -> str:
    """Files of one schema with a record's columns: absent values and those of another type become null."""
    known = dict(columns)
    result = []
    for name, kind in SCHEMA.items():
        wanted, there = _TYPES[str(kind)], known.get(name)
        if there is None:
            result.append(f"CAST(NULL AS {wanted}) AS {name}")
        elif there.startswith("timestamp") and wanted == "BIGINT":
            result.append(f"epoch_ms({name}) AS {name}")
        elif wanted.startswith("MAP") and not there.startswith("map<string, string"):
            result.append(f"from_json(to_json({name}), '\"{wanted}\"') AS {name}")
        else:
            result.append(f"TRY_CAST({name} AS {wanted}) AS {name}")
    strange = "NULL" if "properties" not in known else "false"
    return f"SELECT {', '.join(result)}, false AS torn, {strange} AS strange FROM {source}"


def _lines() -> ibis.Table:
    """The table of records in DuckDB, which need not be asked for its columns."""
    return ibis.table({**SCHEMA, "fault": "string"}, name="burgee_lines")


def _judged(every: str, topics: set[str]) -> str:
    """All records of the topics, each with its fault; faulty ones may be of any topic."""
    fault = f"""CASE WHEN torn THEN 'not JSON' {FAULTS}
        WHEN strange THEN 'properties that are not an object'
        WHEN topic IS NULL THEN 'no topic' END"""
    named = ", ".join(SCHEMA.names)
    judged = f"SELECT {named}, {fault} AS fault FROM ({every})"
    if not topics:
        return judged
    wanted = ", ".join(literal(topic) for topic in sorted(topics))
    return f"SELECT * FROM ({judged}) WHERE fault IS NOT NULL OR topic IN ({wanted})"


def _nothing() -> str:
    columns = ", ".join(f"CAST(NULL AS {_TYPES[str(kind)]}) AS {name}" for name, kind in SCHEMA.items())
    return f"SELECT {columns}, false AS torn, false AS strange WHERE false"


def _count(connection: Any, sql: str) -> int:
    return int(connection.con.execute(f"SELECT count(*) FROM ({sql})").fetchall()[0][0])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
