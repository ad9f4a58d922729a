"""The same experiment from Burgee's records and from a team's own tables: the same digits from every engine."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from burgee.analysis.dialects import identifier
from burgee.analysis.engines import engine_of
from burgee.analysis.remote import Remote
from burgee.errors import Refused
from burgee.events.athena import ResultSet
from burgee.flagfile.data_sources import DataSource, EngineName
from support.experiments import DAY, gather_from
from support.postgres import HAS_POSTGRES, postgres
from support.team_tables import SOURCE, TABLES, gathered, plan_of, results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


POSTGRES = {
    "exposures": "user_id text, seen_at timestamp, experiment text, variation int, geo text",
    "orders": "user_id text, ms_ bigint, happened timestamp, order_id text, total double precision",
    "visits": """user_id text, happened timestamptz, visit_id text, bot boolean, ms double precision,
        brand text, rank int, paid boolean""",
}


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
        "a variant that is not an arm in exposures (such as 'purple')": 1,
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
        (("time: seen_at", "time: variation"), "variation of exposures is int32, not a timestamp: write `clock: ms`"),
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
