"""Athena's API over DuckDB: parameters are checked by botocore, and the very SQL is translated by sqlglot and run.

What differs from Athena: DuckDB's own optimiser and rounding, no partitions (`day` and `topic` are columns), no bytes
that are scanned (a test says which query would read too many), and `element_at` of a map, which sqlglot rewrites.
"""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import duckdb
import sqlglot
from botocore.validate import ParamValidator

from burgee.analysis.tables import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TYPES = {"int64": "BIGINT", "string": "VARCHAR", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}
_SERVICE = botocore.session.get_session().get_service_model("athena")


def lake(records: Iterable[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    """A database with a stack's table of records; a record's day is that of its arrival."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 1")
    kinds = {name: TYPES[str(kind)] for name, kind in SCHEMA.items()}
    columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    connection.execute(f"CREATE TABLE burgee_events ({columns}, day VARCHAR)")
    add(connection, records)
    return connection


def add(connection: duckdb.DuckDBPyConnection, records: Iterable[dict[str, Any]]) -> None:
    """Writes records that have arrived."""
    lines = json.dumps([{name: one.get(name) for name in SCHEMA.names} for one in records])
    shape = json.dumps([{name: TYPES[str(kind)] for name, kind in SCHEMA.items()}])
    day = "strftime(make_timestamp(r.received * 1000), '%Y-%m-%d')"
    sql = f"INSERT INTO burgee_events SELECT r.*, {day} FROM (SELECT unnest(from_json(?, '{shape}')) AS r)"
    connection.execute(sql, [lines])


@dataclass
class FakeAthena:
    """A client. `status` says how a query ends, by its SQL: None to answer it, else a state and a reason."""

    connection: duckdb.DuckDBPyConnection
    status: Callable[[str], tuple[str, str] | None] = lambda _sql: None
    asked: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def start_query_execution(self, **parameters: Any) -> Any:
        _check("StartQueryExecution", parameters)
        assert parameters["WorkGroup"] == "guards"
        self.asked.append(parameters["QueryString"])
        return {"QueryExecutionId": str(len(self.asked) - 1)}

    def get_query_execution(self, **parameters: Any) -> Any:
        _check("GetQueryExecution", parameters)
        state, reason = self.status(self.asked[int(parameters["QueryExecutionId"])]) or ("SUCCEEDED", "")
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}}}

    def stop_query_execution(self, **parameters: Any) -> Any:
        _check("StopQueryExecution", parameters)
        self.stopped.append(parameters["QueryExecutionId"])
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_query_results"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        _check("GetQueryResults", parameters)
        (query,) = sqlglot.transpile(self.asked[int(parameters["QueryExecutionId"])], read="athena", write="duckdb")
        ran = self.connection.execute(query)
        names = [str(column[0]) for column in ran.description or []]
        rows = [[_cell(cell) for cell in row] for row in ran.fetchall()]
        cells: list[list[str | None]] = [[*names], *rows]
        info = [{"Name": name, "Type": "varchar"} for name in names]
        shown = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in cells]
        for start in range(0, len(shown), 2):
            yield {"ResultSet": {"Rows": shown[start : start + 2], "ResultSetMetadata": {"ColumnInfo": info}}}

    def first_days(self, topic: str) -> set[str]:
        """The first day of a topic that queries asked for."""
        return {found for sql in self.asked for found in re.findall(rf"topic = '{topic}' AND day >= '([^']+)'", sql)}


def _cell(cell: Any) -> str | None:
    if cell is None or isinstance(cell, bool):
        return None if cell is None else str(cell).lower()
    return repr(cell) if isinstance(cell, float) else str(cell)


def _check(operation: str, parameters: dict[str, Any]) -> None:
    shape = _SERVICE.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()


@contextmanager
def translated(emulator: str) -> Iterator[str]:
    """The address of Athena's API before an emulator that runs DuckDB: passes queries on in DuckDB's dialect."""

    class Passing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "QueryString" in asked:
                (asked["QueryString"],) = sqlglot.transpile(asked["QueryString"], read="athena", write="duckdb")
            names = ("Authorization", "Content-Type", "X-Amz-Target")
            headers = {name: self.headers[name] for name in names}
            with urllib.request.urlopen(
                urllib.request.Request(emulator, json.dumps(asked).encode(), headers)
            ) as found:
                body = found.read()
            self.send_response(200)
            self.send_header("Content-Type", headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
