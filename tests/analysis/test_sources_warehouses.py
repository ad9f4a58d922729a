"""Warehouses: SQL in their dialects, and how they are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import duckdb
import pytest
import sqlglot
from botocore.validate import ParamValidator

from burgee.analysis.evidence import gather
from burgee.analysis.queries import entries, units
from burgee.analysis.questions import number_of_questions, questions_of
from burgee.analysis.remote import connected, cost
from burgee.analysis.sources import counted, read
from burgee.errors import Refused
from support.experiments import gather_from
from support.team_tables import SOURCE, TABLES, lean_plan_of, plan_of, results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def warehouse(tables: Path) -> Iterator[Any]:
    """DuckDB with the tables, in place of a warehouse."""
    connection = duckdb.connect(str(tables / "shop.duckdb"), read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("USE declared")
    connection.execute("CREATE TEMP MACRO ieee_divide(a, b) AS a / b")
    yield connection
    connection.close()


COMPARED = (
    "exposures by environment",
    "units by day",
    "events by arm",
    "aggregates by arm",
    "quantile of slow",
    "brands over time",
    "brands since exposure",
    "aggregates by day of entry",
)


@pytest.fixture(scope="module")
def asked_of_duckdb(tmp_path_factory: pytest.TempPathFactory, warehouse: Any) -> dict[str, Any]:
    source = SOURCE.format(engine="engine: duckdb", **{name: name for name in TABLES})
    engine, questions = questions_of(lean_plan_of(tmp_path_factory.mktemp("plan"), source))
    return {name: answered(warehouse.execute(engine.sql(questions[name]))) for name in COMPARED}


@pytest.mark.parametrize("dialect", ["athena", "redshift", "bigquery", "snowflake"])
def test_a_warehouses_sql_means_what_duckdb_is_asked(
    tmp_path: Path, warehouse: Any, asked_of_duckdb: dict[str, Any], dialect: str
) -> None:
    """The SQL in a warehouse's own dialect, read by sqlglot and answered by DuckDB."""
    source = SOURCE.format(engine=f"engine: {dialect}", **{name: name for name in TABLES})
    engine, questions = questions_of(lean_plan_of(tmp_path, source))
    assert all(asked_of_duckdb.values()), "an answer without rows compares nothing"
    for name, expected_ in asked_of_duckdb.items():
        (query,) = sqlglot.transpile(engine.sql(questions[name]), read=dialect, write="duckdb")
        assert answered(warehouse.execute(query)) == expected_, name


def answered(ran: Any) -> list[Any]:
    names = [column[0].lower() for column in ran.description]
    rows = [
        {
            name: float(f"{round(float(cell), 12):.9g}") if isinstance(cell, (int, float)) else str(cell)
            for name, cell in zip(names, row, strict=True)
        }
        for row in ran.fetchall()
    ]
    return sorted(rows, key=str)


@dataclass
class Aws:
    """A service of AWS whose parameters are checked by botocore, and whose statements DuckDB answers."""

    service: str
    dialect: str
    warehouse: Any
    asked: list[str] = field(default_factory=list)
    limit: int | None = 50_000_000_000

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            name = "".join(part.capitalize() for part in operation.split("_"))
            shape = botocore.session.get_session().get_service_model(self.service).operation_model(name).input_shape
            assert shape is not None
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), report.generate_report()
            return getattr(self, f"_{operation}")(**parameters)

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **parameters: [getattr(self, operation)(**parameters)])

    def _get_work_group(self, **_parameters: Any) -> Any:
        limit = {} if self.limit is None else {"BytesScannedCutoffPerQuery": self.limit}
        return {"WorkGroup": {"Configuration": limit}}

    def _start_query_execution(self, **parameters: Any) -> Any:
        assert parameters["WorkGroup"] == "experiments"
        self.asked.append(parameters["QueryString"])
        return {"QueryExecutionId": str(len(self.asked) - 1)}

    def _get_query_execution(self, **parameters: Any) -> Any:
        status = {"State": "SUCCEEDED"}
        if "nowhere" in self.asked[int(parameters["QueryExecutionId"])]:
            status = {"State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND: nowhere"}
        return {"QueryExecution": {"Status": status}}

    def _answer(self, sql: str) -> tuple[list[tuple[str, str]], list[Any]]:
        (query,) = sqlglot.transpile(sql, read=self.dialect, write="duckdb")
        ran = self.warehouse.execute(query)
        kinds = {"DOUBLE": "double", "VARCHAR": "varchar", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp"}
        kinds |= {"TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "INTEGER": "integer"}
        return [(one[0], kinds.get(str(one[1]), "bigint")) for one in ran.description], ran.fetchall()

    def _get_query_results(self, **parameters: Any) -> Any:
        columns, rows = self._answer(self.asked[int(parameters["QueryExecutionId"])])
        cells = [[name for name, _kind in columns], *rows]
        written_ = [
            [None if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in row]
            for row in cells
        ]
        shown = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in written_]
        info = [{"Name": name, "Type": kind} for name, kind in columns]
        return {"ResultSet": {"Rows": shown, "ResultSetMetadata": {"ColumnInfo": info}}}

    def _execute_statement(self, **parameters: Any) -> Any:
        self.asked.append(parameters["Sql"])
        return {"Id": str(len(self.asked) - 1)}

    def _describe_statement(self, **_parameters: Any) -> Any:
        return {"Status": "FINISHED"}

    def _get_statement_result(self, **parameters: Any) -> Any:
        columns, rows = self._answer(self.asked[int(parameters["Id"])])
        shown = [[{"isNull": True} if cell is None else {"value": cell} for cell in row] for row in rows]
        return {"ColumnMetadata": [{"name": name, "typeName": kind} for name, kind in columns], "Records": shown}

    def _get_table(self, **parameters: Any) -> Any:
        return {"Table": {"StorageDescriptor": {"Location": f"s3://lake/{parameters['Name']}/"}}}

    def _list_objects_v2(self, **parameters: Any) -> Any:
        return {"Contents": [{"Size": 3_000_000_000}, {"Size": len(parameters["Prefix"])}]}


def test_athena_gives_the_same_digits(
    tmp_path: Path, warehouse: Any, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole report over its API; the answers are DuckDB's."""
    named = "engine: athena\n    workgroup: experiments\n    connect: {database: lake}"
    source = SOURCE.format(engine=named, **{name: name for name in TABLES})
    client = Aws("athena", "athena", warehouse)
    monkeypatch.setattr("boto3.client", lambda *_names, **_more: client)
    plan = lean_plan_of(tmp_path, source.replace("table: exposures", "sql: SELECT * FROM exposures;"))
    expected = results(gather_from(lines, plan, plan.end))
    assert results(gather((tmp_path, tmp_path), plan, plan.end)) == expected
    assert len([sql for sql in client.asked if "LIMIT 0" not in sql]) <= number_of_questions(plan)


def test_redshift_is_asked_by_its_data_api(tmp_path: Path, warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    named = "engine: redshift\n    connect: {cluster: main, database: dev, user: analyst}"
    plan = lean_plan_of(tmp_path, SOURCE.format(engine=named, **{name: name for name in TABLES}))
    client = Aws("redshift-data", "redshift", warehouse)
    monkeypatch.setattr("boto3.client", lambda *_names, **_more: client)
    assert plan.source is not None
    engine = connected(plan.source)
    found = read(plan.source, plan, engine)
    assert counted(found, engine.rows)[1] == {}
    days = engine.rows(entries(units(found.inputs.exposures, plan, plan.end), plan, plan.end))
    assert (sum(row["n"] for row in days), {row["crossed"] for row in days}) == (200, {False})


def test_athena_is_asked_only_where_its_workgroup_limits_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "sources:\n  shop: {engine: athena, workgroup: experiments, records: nowhere, max_gb: 20}\n"
    plan = plan_of(tmp_path, source)
    client = Aws("athena", "athena", None)
    monkeypatch.setattr("boto3.client", lambda *_names, **_more: client)
    for limit, said in (
        (None, "no limit"),
        (50_000_000_000, "a limit of 50 GB"),
        (10_000_000_000, "TABLE_NOT_FOUND"),
    ):
        client.limit = limit
        with pytest.raises(Refused, match=said):
            gather((tmp_path, tmp_path), plan, plan.end)


def test_what_athena_could_read_is_said_and_bounded(tmp_path: Path) -> None:
    sql = "WITH mine AS (SELECT * FROM lake.seen) SELECT * FROM mine JOIN users USING (user_id)"
    source = SOURCE.format(
        engine="engine: athena\n    max_gb: 200", exposures="x", orders="lake.orders", visits="visits"
    )
    plan = plan_of(tmp_path, source.replace("table: x", f"sql: {sql}"))
    glue, s3 = Aws("glue", "", None), Aws("s3", "", None)
    assert plan.source is not None
    found = cost(plan.source, 10, glue, s3)
    assert found.tables.keys() == {"lake.seen", "users", "lake.orders", "visits"}
    assert found.sentence.startswith(
        "10 questions read at most 120.00 GB, about $0.60 (all files of lake.orders 3.00 GB"
    )
    with pytest.raises(Refused, match="raise the source's `max_gb` above 200"):
        cost(plan.source, 20, glue, s3)
