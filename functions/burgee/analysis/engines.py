"""Runs a report's queries: in an engine through Ibis, or in an AWS service that takes SQL."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import ibis
from ibis.common.exceptions import IbisError

from burgee.analysis.dialects import identifier
from burgee.analysis.files import EVERYTHING, Files, Wanted, kind_of
from burgee.analysis.keeping import keeper_in
from burgee.errors import Refused
from burgee.events.athena import literal
from burgee.flagfile.data_sources import EngineName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.flagfile.data_sources import DataSource

MEMORY = "2GB"
"""DuckDB's memory limit; the rest spills to disk, for reports from files."""


class Engine(Protocol):
    """The place of the tables, which answers all queries."""

    @property
    def name(self) -> EngineName:
        """Its SQL dialect."""

    @property
    def lost(self) -> Mapping[str, int]:
        """The lines of files that are not rows, by table."""

    def table(self, name: str, wanted: Wanted = EVERYTHING) -> Any:
        """A table as an expression with its columns; `wanted` is what is read of files."""

    def query(self, sql: str) -> Any:
        """A query as an expression with its columns."""

    def keep(self, name: str, table: Any) -> Any:
        """The result of an expression, computed once for all queries if the engine can store it."""

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """The rows of an expression."""


class IbisEngine:
    """A connection of Ibis."""

    lost: Mapping[str, int] = MappingProxyType({})

    def __init__(self, name: EngineName, connection: Any) -> None:
        self.name, self.connection = name, connection

    def table(self, name: str, wanted: Wanted = EVERYTHING) -> Any:
        """A table by name, prefixed with its database and schema if needed."""
        del wanted
        *path, last = name.split(".")
        return self.connection.table(last, database=tuple(path) if path else None)

    def query(self, sql: str) -> Any:
        """A SELECT."""
        return self.connection.sql(sql)

    def keep(self, name: str, table: Any) -> Any:
        """A temporary table."""
        return self.connection.create_table(name, obj=table, temp=True)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """All rows, by column."""
        found: list[dict[str, Any]] = self.connection.to_pyarrow(table).to_pylist()
        return found


class DuckDB(IbisEngine):
    """DuckDB, which reads files too; their paths are relative to `folder`."""

    def __init__(self, connection: Any, files: Files | None = None, folder: Path | None = None) -> None:
        super().__init__(EngineName.DUCKDB, connection)
        self._views, self._files = 0, files
        self.lost = files.lost if files else {}
        if folder is not None:
            connection.raw_sql(f"SET file_search_path = {literal(str(folder.resolve()))}")

    def table(self, name: str, wanted: Wanted = EVERYTHING) -> Any:
        """A table by name, or files by path: Parquet, CSV or JSON."""
        if self._files is None or kind_of(name) is None:
            return super().table(name)
        return self._files.table(name, self._next(), wanted)

    def query(self, sql: str) -> Any:
        """A SELECT, as a view of this connection."""
        name = self._next()
        self.connection.raw_sql(f"CREATE TEMP VIEW {name} AS {sql.rstrip().rstrip(';')}")
        return self.connection.table(name)

    def _next(self) -> str:
        self._views += 1
        return f"burgee_view{self._views}"

    def keep(self, name: str, table: Any) -> Any:
        """A temporary table."""
        sql = self.connection.compile(table)
        self.connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        # To ask DuckDB for its columns, Ibis imports pyarrow and with it numpy.
        return ibis.table(table.schema(), name=name)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """All rows, by column, without pandas: Ibis imports it for each result, which takes as long as a report."""
        found = self.connection.raw_sql(self.connection.compile(table))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def duck(scratch: str) -> Any:
    """An in-memory DuckDB connection, with a folder for spilling; times without a zone are in UTC everywhere."""
    connection = ibis.duckdb.connect()
    settings = {"temp_directory": scratch, "memory_limit": MEMORY, "preserve_insertion_order": "false"}
    for name, value in {**settings, "TimeZone": "UTC"}.items():
        connection.raw_sql(f"SET {name} = {literal(value)}")
    return connection


@contextmanager
def engine_of(source: DataSource, folder: Path, scratch: str, keep: Path | None = None) -> Iterator[Engine]:
    """The engine of a source, connected; `folder` is that of the flag file, `keep` one for copies."""
    if source.engine in {EngineName.ATHENA, EngineName.REDSHIFT}:
        from burgee.analysis.remote import connected

        yield connected(source)
        return
    connection = duck(scratch) if source.engine is EngineName.DUCKDB else _connected(source)
    try:
        if source.engine is not EngineName.DUCKDB:
            yield IbisEngine(source.engine, connection)
            return
        for name, where in source.attach.items():
            _attach(connection, name, where, folder)
        with ExitStack() as stack:
            copies = keep or Path(scratch) / "objects"
            files = Files(connection, lambda address: stack.enter_context(keeper_in(copies, address)))
            yield DuckDB(connection, files, folder)
    finally:
        connection.disconnect()


def _connected(source: DataSource) -> Any:
    """The keys of `connect`; the rest, and all secrets, come from the environment, as for the engine's own tools."""
    settings: dict[str, Any] = dict(source.connect)
    if "port" in settings:
        settings["port"] = int(settings["port"])
    module = getattr(ibis, str(source.engine))
    connection = module.connect(**settings)
    if source.engine is EngineName.POSTGRES:
        with connection.raw_sql("SET TIME ZONE 'UTC'"):
            pass
    return connection


def _attach(connection: Any, name: str, where: str, folder: Path) -> None:
    kind, colon, rest = where.partition(":")
    if colon and kind in {"postgres", "mysql", "sqlite"}:
        target, options = rest, f"TYPE {kind}, READ_ONLY"
    else:
        target, options = str(folder / where), "READ_ONLY"
    connection.raw_sql(f"ATTACH {literal(target)} AS {identifier(name)} ({options})")


@contextmanager
def refusals(place: object) -> Iterator[None]:
    """Turns an engine's errors on unreadable tables into one sentence."""
    import duckdb

    try:
        yield
    except (duckdb.Error, IbisError, OSError) as error:
        raise Refused("unreadable-records", f"{place} cannot be read: {first_line(error)}") from error
    except Exception as error:
        # Libraries have their own error types, which are not imported here; our own bugs keep their traceback.
        if type(error).__module__.partition(".")[0] not in {"psycopg", "google", "snowflake", "botocore", "pyarrow"}:
            raise
        raise Refused("unreadable-records", f"{place} cannot be read: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The message of an error, at most 300 characters."""
    return str(error).strip().partition("\n")[0][:300]
