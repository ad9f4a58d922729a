"""The same experiment from Burgee's records and from a team's own tables: the same digits from every engine."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import duckdb
import pytest
import sqlglot
from botocore.validate import ParamValidator
from sqlglot import exp

from burgee.analysis.dialects import identifier
from burgee.analysis.engines import engine_of
from burgee.analysis.evidence import gather
from burgee.analysis.queries import entries, units
from burgee.analysis.questions import number_of_questions, questions_of
from burgee.analysis.remote import Remote, connected, cost
from burgee.analysis.sources import counted, read
from burgee.errors import Refused
from burgee.events.athena import ResultSet
from burgee.flagfile.data_sources import DataSource, EngineName
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, track, written
from support.postgres import HAS_POSTGRES, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

EXPERIMENT = """\
version: 1
{sources}metrics:
  bought: {{event: order, kind: proportion, window: 7d}}
  revenue: {{event: order, kind: mean, value: amount, winsorise: 99}}
  basket: {{event: order, kind: ratio, value: amount, per: {{event: visit}}}}
  slow: {{event: visit, kind: quantile, value: ms, quantile: 0.9, direction: decrease}}
  brands: {{event: visit, kind: mean, distinct: brand, where: {{rank: [1, 2], paid: true}}, delay: 1h, window: 7d}}
flags:
  button:
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: A green button is found sooner
      {source}start: 2026-01-01
      end: 2026-01-29
      primary: [bought, brands]
      secondary: [revenue, basket]
      guardrails: {{slow: {{margin: 10}}}}
      method: group-sequential
      cuped: 7d
      segments: [country]
"""
SOURCE = """\
sources:
  shop:
    {engine}
    exposures:
      table: {exposures}
      unit: user_id
      time: seen_at
      variant: variation
      variants: {{"0": off, "1": on}}
      flag: experiment
      columns: {{country: geo}}
    facts:
      order: {{table: {orders}, unit: user_id, time: happened, id: order_id, columns: {{amount: total}}}}
      visit: {{table: {visits}, unit: user_id, time: happened, id: visit_id, where: {{bot: false}}}}
"""


def plan_of(folder: Path, source: str = "") -> ExperimentPlan:
    return planned(folder, EXPERIMENT.format(sources=source, source="source: shop\n      " if source else ""))


def lean_plan_of(folder: Path, source: str = "") -> ExperimentPlan:
    """One that takes few questions: a service is asked each of them alone."""
    text = EXPERIMENT.format(sources=source, source="source: shop\n      " if source else "")
    text = text.replace("      method: group-sequential\n      cuped: 7d\n", "").replace(
        "      segments: [country]\n", ""
    )
    return planned(folder, text.replace("[bought, brands]", "brands").replace("[revenue, basket]", "[basket]"))


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    found = crowd(200, lift=0.3)
    for i, one in enumerate(found):
        if one.get("event") == "visit":
            one["properties"] |= {"brand": f"b{i % 5}", "rank": i % 4, "paid": i % 3 > 0}
    return found


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> Path:
    return written(tmp_path_factory.mktemp("records"), records)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, lines: Path) -> Any:
    plan = plan_of(tmp_path_factory.mktemp("plan"))
    return results(gather_from(lines, plan, plan.end))


TABLES = {
    "exposures": """SELECT unit AS user_id, to_timestamp(time / 1000)::TIMESTAMP AS seen_at, flag AS experiment,
        CASE variant WHEN 'on' THEN 1 ELSE 0 END AS variation, properties['country'] AS geo
        FROM records WHERE type = 'exposure'""",
    "orders": """SELECT unit AS user_id, time AS ms_, to_timestamp(time / 1000)::TIMESTAMP AS happened,
        event_id AS order_id,        properties['amount']::DOUBLE AS total FROM records WHERE event = 'order'""",
    "visits": """SELECT unit AS user_id, to_timestamp(time / 1000) AS happened, event_id AS visit_id, false AS bot,
        properties['ms']::DOUBLE AS ms, properties['brand'] AS brand, properties['rank']::INT AS rank,
        properties['paid']::BOOLEAN AS paid FROM records WHERE event = 'visit'
        UNION ALL SELECT 'u1', TIMESTAMPTZ '2026-01-20 00:00:00+00', 'bot', true, 9e9, 'b', 1, true""",
}


DECLARED = {
    "exposures": "* REPLACE (CAST(variation AS VARCHAR) AS variation, CAST(seen_at AS TIMESTAMPTZ) AS seen_at)",
    "orders": "* REPLACE (CAST(happened AS TIMESTAMPTZ) AS happened)",
    "visits": "*",
}
"""Columns in the types that a source implies where nobody is asked for the real ones."""


POSTGRES = {
    "exposures": "user_id text, seen_at timestamp, experiment text, variation int, geo text",
    "orders": "user_id text, ms_ bigint, happened timestamp, order_id text, total double precision",
    "visits": """user_id text, happened timestamptz, visit_id text, bot boolean, ms double precision,
        brand text, rank int, paid boolean""",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, lines: Path) -> Path:
    """A team's tables, as Parquet, as CSV, and in a database."""
    folder = tmp_path_factory.mktemp("tables")
    connection = duckdb.connect(str(folder / "shop.duckdb"))
    kinds = dict.fromkeys(("type", "unit", "flag", "variant", "event", "event_id"), "VARCHAR")
    kinds |= {"time": "BIGINT", "properties": "MAP(VARCHAR, VARCHAR)"}
    rows = f"read_json('{lines}/a.jsonl', columns={json.dumps(kinds)})"
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TEMP TABLE records AS FROM {rows}")
    for name, sql in TABLES.items():
        connection.execute(f"CREATE TABLE {name} AS {sql}")
        connection.execute(f"COPY {name} TO '{folder}/{name}.parquet'")
        connection.execute(f"COPY {name} TO '{folder}/{name}.csv'")
    connection.execute("CREATE SCHEMA declared")
    for name, columns in DECLARED.items():
        connection.execute(f"CREATE TABLE declared.{name} AS SELECT {columns} FROM {name}")
    connection.close()
    return folder


def results(evidence: Evidence) -> Any:
    """Everything of the evidence that decides, to 9 digits: no engine adds up in a fixed order."""
    arms = {
        (arm, metric): (moments.n, rounded(moments.means), rounded(moments.covariances))
        for arm, one in evidence.arms.items()
        for metric, moments in one.moments.items()
    }
    points = {
        (arm, metric): tuple(round(value, 9) for value in (found.n, found.value, found.low, found.high))
        for arm, one in evidence.arms.items()
        for metric, found in one.points.items()
    }
    series = {
        (metric, moment.at, arm): (moments.n, rounded(moments.means), rounded(moments.covariances))
        for metric, looks in evidence.series.items()
        for moment in looks
        for arm, moments in moment.arms.items()
    }
    segments = {
        (value, arm): one.n
        for value, arms in evidence.segments.get("country", {}).items()
        for arm, one in arms.items()
    }
    arrived = {
        (name, arm): (one.n, one.units)
        for name, arms in evidence.quality.arrivals.items()
        for arm, one in arms.items()
    }
    days = evidence.quality.days
    return arms, points, series, segments, arrived, days, evidence.units, evidence.crossed, evidence.early


def rounded(values: Any) -> dict[Any, float]:
    return {key: float(f"{value:.9g}") for key, value in values.items() if abs(value) > 1e-9}


def gathered(folder: Path, tables: Path, source: str, lines: Path | None = None) -> Evidence:
    plan = plan_of(folder, source)
    return gather((tables, lines or folder / "none"), plan, plan.end)


def test_tables_that_duckdb_reads_give_the_same_digits(tmp_path: Path, tables: Path, expected: Any) -> None:
    """Parquet, CSV and a table of an attached database, in one experiment."""
    names = {"exposures": "exposures.parquet", "orders": "orders.csv", "visits": "shop.main.visits"}
    found = gathered(tmp_path, tables, SOURCE.format(engine="attach: {shop: shop.duckdb}", **names))
    assert results(found) == expected
    assert found.quality.faults == {}


@contextmanager
def filled(tables: Path) -> Iterator[str]:
    """A PostgreSQL with the tables; yields its socket's folder."""
    import psycopg

    with postgres() as socket:
        with psycopg.connect(host=socket, user="tester", dbname="postgres") as connection:
            connection.execute("SET TIME ZONE 'Asia/Tokyo'")
            for name, columns in POSTGRES.items():
                connection.execute(f"CREATE TABLE {name} ({columns})")
            for name in TABLES:
                with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv, HEADER)") as copy:
                    copy.write((tables / f"{name}.csv").read_bytes())
        yield socket


@pytest.mark.skipif(not HAS_POSTGRES, reason="there is no PostgreSQL on this machine")
def test_postgres_gives_the_same_digits(tmp_path: Path, tables: Path, expected: Any) -> None:
    """Its tables are asked where they are; all that comes back are aggregates."""
    with filled(tables) as socket:
        engine = f"engine: postgres\n    connect: {{host: {socket}, database: postgres, user: tester}}"
        found = gathered(tmp_path, tables, SOURCE.format(engine=engine, **{name: name for name in TABLES}))
    assert results(found) == expected


def has_extension() -> bool:
    """Whether DuckDB's extension for PostgreSQL is installed; it is not part of its package."""
    with duckdb.connect() as connection, suppress(duckdb.Error):
        connection.execute("LOAD postgres")
        return HAS_POSTGRES
    return False


def test_a_postgres_that_duckdb_attaches_gives_the_same_digits(tmp_path: Path, tables: Path, expected: Any) -> None:
    if not has_extension():
        pytest.skip("DuckDB's extension for PostgreSQL is not installed")
    with filled(tables) as socket:
        engine = f'attach: {{shop: "postgres:host={socket} dbname=postgres user=tester"}}'
        named = {name: f"shop.public.{name}" for name in TABLES}
        found = gathered(tmp_path, tables, SOURCE.format(engine=engine, **named))
    assert results(found) == expected


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


def test_exposures_of_burgee_beside_a_teams_facts(tmp_path: Path, tables: Path, lines: Path, expected: Any) -> None:
    """Visits are tracked by Burgee, orders are the team's: each is read where it is."""
    source = """\
sources:
  shop:
    facts:
      order: {table: orders.csv, unit: user_id, time: ms_, clock: ms, id: order_id, columns: {amount: total}}
"""
    assert results(gathered(tmp_path, tables, source, lines)) == expected


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    rows = [
        "u1,2026-01-02 10:00:00,on", "u2,2026-01-02 10:00:00,off", ",2026-01-02 10:00:00,on", "u3,,on",
        "u4,2026-01-02 10:00:00,purple", "u5,2026-01-02 10:00:00,on",
    ]  # fmt: skip
    (tmp_path / "exposures.csv").write_text("\n".join(["user,at,arm", *rows]), encoding="utf-8")
    orders = [
        "u1,2026-01-03 10:00:00,5",
        "u1,2026-01-03 10:00:00,inf",
        "u2,2026-01-03 10:00:00,x",
        ",2026-01-03 10:00:00,1",
    ]
    (tmp_path / "orders.csv").write_text("\n".join(["user,at,amount", *orders]), encoding="utf-8")
    source = """\
sources:
  shop:
    exposures: {table: exposures.csv, unit: user, time: at, variant: arm, columns: {country: user}}
    facts:
      order: {table: orders.csv, unit: user, time: at}
      visit: {sql: "SELECT * FROM (VALUES ('u1', 1767500000000, 3.5, 'b', 1, true)) t(u, ms_, ms, brand, rank, paid)",
              unit: u, time: ms_, clock: ms}
"""
    found = gathered(tmp_path, tmp_path, source)
    assert found.quality.faults == {
        "a variant that is no arm in exposures (such as 'purple')": 1,
        "no time in exposures": 1,
        "no unit in exposures": 1,
        "no unit in order": 1,
    }
    assert (found.quality.read, found.units) == (7, 3)
    (amount,) = [one for one in found.quality.values if one.name == "amount"]
    assert (amount.no_number, amount.too_large) == (1, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("unit: user_id", "unit: person"), "there is no column 'person' in exposures; there are user_id, seen_at"),
        (("time: seen_at", "time: variation"), "variation of exposures is int32 and no timestamp: write `clock: ms`"),
        (("time: seen_at", "time: seen_at\n      clock: ms"), "seen_at of exposures is timestamp"),
        (("id: order_id, ", ""), "some facts of the experiment have an `id` and some have none"),
        (("table: orders.parquet", "table: nowhere.parquet"), "source shop cannot be read: "),
        (("table: orders.parquet", "sql: SELEC 1"), "source shop cannot be read: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, tables: Path, change: tuple[str, str], said: str) -> None:
    source = SOURCE.format(engine="engine: duckdb", **{name: f"{name}.parquet" for name in TABLES})
    with pytest.raises(Refused) as refused:
        gathered(tmp_path, tables, source.replace(*change, 1))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_counted_distinct_filtered_and_late_is_what_counting_by_hand_gives(
    tmp_path: Path, lines: Path, records: list[dict[str, Any]]
) -> None:
    plan = plan_of(tmp_path)
    found = gather_from(lines, plan, plan.end)
    first = {one["unit"]: one for one in records if one["type"] == "exposure"}
    brands: dict[str, set[str]] = {unit: set() for unit in first}
    for one in records:
        if one.get("event") == "visit":
            shown, said = first[one["unit"]], one["properties"]
            after = int(one["time"] * 1000) - int(shown["time"] * 1000)
            if 3_600_000 <= after < 7 * DAY * 1000 and said["rank"] in {1, 2} and said["paid"]:
                brands[one["unit"]].add(said["brand"])
    for arm in ("on", "off"):
        mine = [len(brands[unit]) for unit, one in first.items() if one["variant"] == arm]
        assert found.arms[arm].moments["brands"].means["value"] == pytest.approx(sum(mine) / len(mine))
        assert found.series["brands"][-1].arms[arm].means["value"] == pytest.approx(sum(mine) / len(mine))


PAGE = Path(__file__).parents[2] / "docs/sources.md"
EXPOSED = [("u1", "on"), ("u2", "off"), ("u3", "on")]


def example(name: str) -> str:
    """A source of the documentation."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if f"\n  {name}:" in block]
    return str(found)


def exported_by_goff(folder: Path) -> None:
    rows = [
        {"kind": "feature", "contextKind": "user", "userKey": unit, "creationDate": START + DAY, "key": "button",
         "variation": variant, "value": variant == "on", "default": False, "version": "", "source": "SERVER"}
        for unit, variant in [*EXPOSED, ("u4", "on")]
    ]  # fmt: skip
    rows[-1]["default"] = True
    (folder / "goff").mkdir()
    (folder / "goff/a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    duckdb.sql(f"COPY (FROM read_ndjson_auto('{folder}/goff/a.jsonl')) TO '{folder}/goff/a.parquet'")


def exported_by_otel(folder: Path) -> None:
    def attributes(**said: str) -> list[Any]:
        return [
            {"key": f"feature_flag.{key.replace('_', '.')}", "value": {"stringValue": value}}
            for key, value in said.items()
        ]

    records = [
        {"timeUnixNano": str((START + DAY) * 10**9), "eventName": "feature_flag.evaluation",
         "attributes": attributes(key="button", result_variant=variant, context_id=unit)}
        for unit, variant in EXPOSED
    ]  # fmt: skip
    other = {"timeUnixNano": "1", "eventName": "another", "attributes": []}
    lines = [{"resourceLogs": [{"scopeLogs": [{"logRecords": [one, other]}]}]} for one in records]
    (folder / "otel").mkdir()
    (folder / "otel/a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


@pytest.mark.parametrize(("name", "export"), [("goff", exported_by_goff), ("otel", exported_by_otel)])
def test_what_other_systems_export_is_read_as_documented(tmp_path: Path, name: str, export: Any) -> None:
    export(tmp_path)
    orders = written(tmp_path / "events", [track("o1", "u1", "order", START + 2 * DAY)])
    text = FILE.replace("start:", f"source: {name}\n      start:").replace("segments: [country]", "")
    plan = planned(tmp_path, text + example(name))
    found = gather((tmp_path, orders), plan, plan.end)
    assert {arm: one.n for arm, one in found.arms.items()} == {"on": 2, "off": 1}
    assert found.arms["on"].moments["bought"].means["value"] == 0.5


def test_appconfigs_treatments_are_arms(tmp_path: Path) -> None:
    visits = "      visit: {table: visits, unit: user_id, time: seen_at}\n"
    plan = planned(
        tmp_path, FILE.replace("start:", "source: appconfig\n      start:") + example("appconfig") + visits
    )
    engine, questions = questions_of(plan)
    sql = engine.sql(questions["units by day"])
    assert "WHEN \"t0\".\"variant\" = '__c__' THEN 'off'" in " ".join(sql.split())
    assert '"t0"."day" >= \'2025-12-02\'' in sql


NAMES = ["it's", 'say "hi"', 'orders" WHERE false -- ', "orders' OR '1' = '1", "; DROP TABLE orders"]


class Recording:
    """A service that keeps the statements that it gets."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def ask(self, sql: str) -> ResultSet:
        self.statements.append(sql)
        return ResultSet([("unit", "varchar")], [])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", [EngineName.ATHENA, EngineName.REDSHIFT])
def test_a_table_of_any_name_is_one_name_in_a_statement(engine: EngineName, name: str) -> None:
    service = Recording()
    Remote(engine, service).table(f"shop.{name}")
    (statement,) = sqlglot.parse(service.statements[0], read=str(engine))
    assert statement is not None
    (found,) = statement.find_all(exp.Table)
    assert (found.db, found.name) == ("shop", name)
    assert statement.find(exp.Where) is None


@pytest.mark.parametrize("name", NAMES)
def test_files_and_databases_of_any_name_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.csv").write_text("unit\n1\n2\n", encoding="utf-8")
    duckdb.connect(str(tmp_path / f"{name}.db")).execute("CREATE TABLE one AS SELECT 1 AS unit")
    source = DataSource.model_validate({"engine": "duckdb", "attach": {name: f"{name}.db"}, "records": "records"})
    with engine_of(source, tmp_path, str(tmp_path)) as engine:
        assert engine.rows(engine.table(f"{name}.csv")) == [{"unit": 1}, {"unit": 2}]
        assert engine.rows(engine.query(f"SELECT * FROM {identifier(name)}.one")) == [{"unit": 1}]
