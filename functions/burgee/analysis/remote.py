"""AWS services that run a statement and return rows, without a driver: Athena, and Redshift through its Data API.

Results are only aggregates. Neither service stores anything between two queries, so each reads the tables.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import ibis
import sqlglot
from sqlglot import exp

from burgee.analysis.dialects import compiled, identifier
from burgee.analysis.files import EVERYTHING
from burgee.errors import Refused
from burgee.events.athena import RETRIES, Athena, ResultSet, pauses, refused
from burgee.flagfile.data_sources import EngineName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.analysis.files import Wanted
    from burgee.flagfile.data_sources import DataSource

GB = 1_000_000_000
DOLLARS_PER_TB = 5.0
"""The price of Athena's queries in most regions; see its price list."""
KINDS = {
    **dict.fromkeys(("varchar", "char", "string", "text", "bpchar"), "string"),
    **dict.fromkeys(("tinyint", "smallint", "integer", "int", "bigint", "int2", "int4", "int8"), "int64"),
    **dict.fromkeys(("real", "float", "double", "decimal", "numeric", "float4", "float8"), "float64"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    "date": "date",
    "timestamp": "timestamp",
    "map": "map<string, string>",
    **dict.fromkeys(("timestamp with time zone", "timestamptz"), "timestamp('UTC')"),
}
"""Ibis's types by the services' type names."""


class AwsService(Protocol):
    """Runs statements."""

    def ask(self, sql: str) -> ResultSet:
        """The result of a SELECT. Raises Refused with the service's message if there is none."""


@dataclass(slots=True)
class Remote:
    """An engine that runs one statement at a time."""

    name: EngineName
    service: AwsService
    queries: dict[str, str] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)

    def table(self, name: str, wanted: Wanted = EVERYTHING) -> Any:
        """A table by name, or by database and name; reading its columns reads no rows."""
        del wanted
        *path, last = name.split(".")
        quoted = ".".join(identifier(part) for part in (*path, last))
        columns = self._columns(f"SELECT * FROM {quoted} LIMIT 0")
        return ibis.table(columns, name=last, database=".".join(path) or None)

    def query(self, sql: str) -> Any:
        """A reviewed query, as a named subquery of every query."""
        name = f"burgee_query_{len(self.queries)}"
        self.queries[name] = sql
        whole = sql.rstrip().rstrip(";")
        return ibis.table(self._columns(f"SELECT * FROM (\n{whole}\n) AS asked LIMIT 0"), name=name)

    def keep(self, name: str, table: Any) -> Any:
        """Returns it unchanged: every query contains what it needs."""
        del name
        return table

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """The result of a query, in the types of the expression."""
        schema = table.as_table().schema()
        read = [_READERS.get(str(kind.copy(nullable=True)), str) for kind in schema.types]
        return [
            {
                name: None if cell is None else kind(cell)
                for name, kind, cell in zip(schema.names, read, row, strict=True)
            }
            for row in self.service.ask(compiled(table, self.name, self.queries)).rows
        ]

    def _columns(self, sql: str) -> dict[str, str]:
        found = self.service.ask(sql).columns
        return {name: KINDS.get(kind.lower().partition("(")[0].strip(), "string") for name, kind in found}


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64"), int),
    **dict.fromkeys(("float32", "float64"), float),
    "boolean": lambda cell: cell in {True, "true"},
}
"""Converters of cells by Ibis type; all others are strings."""


def check_limit(athena: Any, source: DataSource) -> None:
    """Raises Refused unless the workgroup limits the bytes of a query, which bounds the cost of mistakes."""
    workgroup = workgroup_of(source)
    found = athena.get_work_group(WorkGroup=workgroup)["WorkGroup"]["Configuration"]
    limit = found.get("BytesScannedCutoffPerQuery")
    if limit is None or limit > source.max_gb * GB:
        said = "no limit to the bytes of a query" if limit is None else f"a limit of {limit / GB:,.0f} GB a query"
        hint = f"set BytesScannedCutoffPerQuery to at most the source's `max_gb`, {source.max_gb:,} GB"
        raise Refused("athena-limit", f"workgroup {workgroup} has {said}: {hint}")


def workgroup_of(source: DataSource) -> str:
    """The workgroup of a source's queries in Athena."""
    return source.workgroup or "primary"


@dataclass(slots=True)
class Redshift:
    """Redshift's Data API, which uses AWS credentials instead of a database password."""

    data: Any
    source: DataSource
    sleep: Callable[[float], None] = time.sleep

    def ask(self, sql: str) -> ResultSet:
        """Runs a statement, waits for it, and reads its rows."""
        names = {
            "cluster": "ClusterIdentifier",
            "workgroup": "WorkgroupName",
            "database": "Database",
            "user": "DbUser",
        }
        where = {names[key]: value for key, value in self.source.connect.items() if key in names}
        if self.source.workgroup is not None:
            where["WorkgroupName"] = self.source.workgroup
        identity = str(self.data.execute_statement(Sql=sql, **where)["Id"])
        for _pause in pauses(self.sleep, lambda: self.data.cancel_statement(Id=identity)):
            found = self.data.describe_statement(Id=identity)
            if found["Status"] in {"FAILED", "ABORTED"}:
                raise refused("Redshift", found.get("Error", found["Status"]))
            if found["Status"] == "FINISHED":
                break
        columns: list[tuple[str, str]] = []
        rows: list[list[Any]] = []
        for page in self.data.get_paginator("get_statement_result").paginate(Id=identity):
            columns = [(one["name"], one["typeName"]) for one in page["ColumnMetadata"]]
            rows += [[_cell(cell) for cell in row] for row in page["Records"]]
        return ResultSet(columns, rows)


def _cell(cell: dict[str, Any]) -> Any:
    return None if cell.get("isNull") else next(iter(cell.values()))


def connected(source: DataSource) -> Remote:
    """The service that a source names, with AWS's usual environment."""
    import boto3
    from botocore.config import Config

    region = source.connect.get("region")
    if source.engine is EngineName.REDSHIFT:
        return Remote(source.engine, Redshift(boto3.client("redshift-data", region_name=region), source))
    client = boto3.client("athena", region_name=region, config=Config(retries=RETRIES))
    check_limit(client, source)
    return Remote(source.engine, Athena(client, workgroup_of(source), source.connect.get("database")))


@dataclass(frozen=True, slots=True)
class Cost:
    """The maximum that a report reads: the bytes of all files of its tables, in each of its queries."""

    tables: dict[str, int]
    questions: int

    @property
    def bytes(self) -> int:
        """For all queries together."""
        return sum(self.tables.values()) * self.questions

    @property
    def sentence(self) -> str:
        """Bytes and dollars, in words."""
        files = ", ".join(f"{name} {size / GB:,.2f} GB" for name, size in self.tables.items())
        dollars = self.bytes / 1e12 * DOLLARS_PER_TB
        return (
            f"{self.questions} questions read at most {self.bytes / GB:,.2f} GB, about ${dollars:,.2f}"
            f" (all files of {files}; columns and days that are not asked for cost nothing)"
        )


def cost(source: DataSource, questions: int, glue: Any = None, s3: Any = None) -> Cost:
    """The maximum that Athena would read for some questions, from file sizes; runs no query."""
    import boto3

    region = source.connect.get("region")
    glue = glue or boto3.client("glue", region_name=region)
    s3 = s3 or boto3.client("s3", region_name=region)
    sizes = {}
    for name in tables_of(source):
        database, _dot, table = name.rpartition(".")
        wanted = {"DatabaseName": database or source.connect.get("database", "default"), "Name": table}
        location = glue.get_table(**wanted)["Table"].get("StorageDescriptor", {}).get("Location", "")
        bucket, _slash, prefix = location.removeprefix("s3://").partition("/")
        if not bucket:
            raise Refused(
                "athena-size", f"{name} has no files of its own, as a view has none: name its tables in `sql`"
            )
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        sizes[name] = sum(one["Size"] for page in pages for one in page.get("Contents", ()))
    found = Cost(sizes, questions)
    if found.bytes > source.max_gb * GB:
        hint = f"raise the source's `max_gb` above {source.max_gb:,} to allow it"
        raise Refused("athena-size", f"{found.sentence}: {hint}")
    return found


def tables_of(source: DataSource) -> list[str]:
    """The tables that a source names, including those inside its queries."""
    rows = [*([source.exposures] if source.exposures else []), *source.facts.values()]
    found = [source.records, *(one.table for one in rows)]
    for one in rows:
        if one.sql is not None:
            tree = sqlglot.parse_one(one.sql, read=str(source.engine))
            inside = {part.alias for part in tree.find_all(exp.CTE)}
            found += [
                f"{table.db}.{table.name}" if table.db else table.name
                for table in tree.find_all(exp.Table)
                if table.name not in inside
            ]
    return list(dict.fromkeys(name for name in found if name is not None))
