"""An experiment's records, and a team's tables that are made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from support.experiments import crowd, gather_from, written
from support.team_tables import DECLARED, TABLES, plan_of, results

if TYPE_CHECKING:
    from pathlib import Path


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
