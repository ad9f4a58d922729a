"""A team's files: one bad line is never fatal, every line is counted, and no ID or time changes on the way."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from burgee.analysis import files, keeping
from burgee.analysis.engines import engine_of
from burgee.analysis.evidence import gather
from burgee.analysis.files import Wanted
from burgee.errors import Refused
from burgee.flagfile.data_sources import DataSource
from support.experiments import DAY, START, planned

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence

FILE = """\
version: 1
sources:
  shop:
    exposures: {table: EXPOSURES, unit: user, time: at, variant: arm}
    facts:
      order: {table: ORDERS, unit: user, time: at, id: id, where: {test: false}}
metrics:
  bought: {event: order, kind: proportion}
  revenue: {event: order, kind: mean, value: amount}
flags:
  button:
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: A green button is found sooner
      source: shop
      start: 2026-01-01
      end: 2026-01-29
      primary: bought
      secondary: [revenue]
"""
EXPOSURES = [(f"{i:04d}", f"2026-01-02 10:00:{i % 60:02d}", ("on", "off")[i % 2]) for i in range(200)]
ORDERS = [(f"{i:04d}", f"2026-01-03 10:00:{i % 60:02d}", str(i), f"{i / 4}", "false") for i in range(0, 200, 3)]
HEADER = "user,at,id,amount,test"


def csv(rows: list[Any], header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *(",".join(row) for row in rows)]) + end


def gathered(
    folder: Path, orders: str | bytes, name: str = "orders.csv", exposures: str = "exposures.csv"
) -> Evidence:
    (folder / "exposures.csv").write_text(csv(EXPOSURES, "user,at,arm"), encoding="utf-8")
    if "*" not in name:
        (folder / name).write_bytes(orders if isinstance(orders, bytes) else orders.encode())
    plan = planned(folder, FILE.replace("EXPOSURES", exposures).replace("ORDERS", name))
    return gather((folder, folder / "none"), plan, plan.end)


def total(found: Evidence) -> float:
    """What all units spent."""
    arms = [arm.moments["revenue"] for arm in found.arms.values()]
    return sum(one.n * one.means["value"] for one in arms)


PLAIN = csv(ORDERS)
SPENT = sum(float(row[3]) for row in ORDERS)
LOST = "a line that is not a row of orders.csv"


@pytest.mark.parametrize(
    ("more", "faults", "odd", "spent"),
    [
        ("", {}, 0, 0),
        ('0001,2026-01-03 10:00:00,A-17,"12,50",false\n', {}, 1, 0),
        ("0001,2026-01-03 10:00:00,a,1e300,false\n", {}, 1, 0),
        (f"0001,2026-01-03 10:00:00,a,{'9' * 400},false\n", {}, 1, 0),
        ("0001,2026-01-03 10:00:00,a,nan,false\n", {}, 1, 0),
        ("0001,yesterday,a,7,false\n", {"no time in order (such as 'yesterday')": 1}, 0, 0),
        ("0001,infinity,a,7,false\n", {"no time in order (such as 'infinity')": 1}, 0, 0),
        ("0001,03.01.2026 10:00,a,7,false\n", {"no time in order (such as '03.01.2026 10:00')": 1}, 0, 0),
        ("0001\n", {LOST: 1}, 0, 0),
        ("0001,2026-01-03 10:00:00,a,7,false,more,and more\n", {}, 0, 7),
        (",2026-01-03 10:00:00,a,7,false\n", {"no unit in order": 1}, 0, 0),
        ("0001,2026-01-03 10:00:00,,7,false\n", {"no id in order": 1}, 0, 0),
        ("stranger,2026-01-03 10:00:00,a,7,false\n", {}, 0, 0),
        ("1,2026-01-03 10:00:00,a,7,false\n", {}, 0, 0),
        ("0001,2026-01-03 10:00:00,a,7,maybe\n", {}, 0, 0),
        ("0001,2026-01-03 10:00:00,a,7,FALSE\n", {}, 0, 7),
        ('0001,2026-01-03 10:00:00,"a\nb",7,false\n', {}, 0, 7),
        ('0001,2026-01-03 10:00:00,"never closed,7,false\n', {}, 0, 7),
        (f"0001,2026-01-03 10:00:00,{'x' * 5_000_000},7,false\n", {}, 0, 7),
        ("0001,2026-01-03 10:00:00,a,7,false\r\n", {}, 0, 7),
        ("\n\n\n", {}, 0, 0),
        (b"0001,2026-01-03 10:00:00,\xff,7,false\n", {LOST: 1}, 0, 0),
        (b"0001,2026-01-03 10:00:00,a\0b,7,false\n", {}, 0, 7),
    ],
)
def test_a_bad_line_is_counted_and_spoils_no_other(
    tmp_path: Path, more: str | bytes, faults: dict[str, int], odd: int, spent: float
) -> None:
    """Also where DuckDB would find out from its first 20,480 lines what types all have."""
    found = gathered(tmp_path, PLAIN.encode() + (more if isinstance(more, bytes) else more.encode()))
    assert found.quality.faults == faults
    assert sum(one.no_number + one.too_large for one in found.quality.values) == odd
    assert total(found) == pytest.approx(SPENT + spent)
    assert found.units == 200


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_and_ends_of_lines_are_found(tmp_path: Path, separator: str) -> None:
    text = csv(ORDERS, end="\r\n").replace(",", separator)
    assert total(gathered(tmp_path, b"\xef\xbb\xbf" + text.encode())) == pytest.approx(SPENT)


def test_types_come_from_all_lines(tmp_path: Path) -> None:
    """A number of 20,000 lines becomes a string in the last one."""
    rows = [(f"{i % 200:04d}", "2026-01-03", str(i), "1", "false") for i in range(30_000)]
    found = gathered(tmp_path, csv([*rows, ("0001", "2026-01-03", "last", "x", "false")]))
    assert total(found) == 30_000
    assert [one.no_number for one in found.quality.values] == [1]


def test_ids_keep_every_digit(tmp_path: Path) -> None:
    rows = ["007", "7", "18446744073709551615", "18446744073709551616", "1e3", "1000", "1000.0", "true"]
    (tmp_path / "a.csv").write_text("User,n\n" + "".join(f"{row},1\n" for row in rows), encoding="utf-8")
    lines = [{"User": int(row) if row.isdecimal() and row[0] != "0" else row, "n": 1} for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with engine_of(DataSource.model_validate({"records": "r"}), tmp_path, str(tmp_path)) as engine:
        for name in ("a.csv", "a.jsonl"):
            assert [row["User"] for row in engine.rows(engine.table(name, Wanted({"user"})))] == rows


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_times_are_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """Without a zone they are in UTC, beside others with one, and in the hour that a clock skips."""
    monkeypatch.setenv("TZ", zone)
    times = [
        "2026-03-08 02:30:00",
        "2026-03-08T02:30:00Z",
        "2026-03-08 04:30:00+02:00",
        "2026-03-07T21:00:00.000-0530",
    ]
    (tmp_path / "a.csv").write_text("user,at\n" + "".join(f"u,{at}\n" for at in times), encoding="utf-8")
    source = DataSource.model_validate({"facts": {"a": {"table": "a.csv", "unit": "user", "time": "at"}}})
    with engine_of(source, tmp_path, str(tmp_path)) as engine:
        rows = engine.rows(engine.query("SELECT epoch_ms(TIMESTAMPTZ '2026-03-08 02:30:00') AS ms"))
        table = engine.table("a.csv", Wanted({"user", "at"}))
        found = engine.rows(table.select(ms=table.at.try_cast("timestamp('UTC')").epoch_seconds()))
    assert {row["ms"] // 1000 for row in rows} == {row["ms"] for row in found} == {1_772_937_000}


OBJECTS = [dict(zip(HEADER.split(","), (*row[:3], float(row[3]), False), strict=True)) for row in ORDERS]


@pytest.mark.parametrize(
    ("more", "lost", "odd", "spent"),
    [
        ("", 0, 0, 0),
        ('{"user": "0001", "at"', 1, 0, 0),
        ("[1, 2]\n5\nnull\n", 3, 0, 0),
        ('{"user": "0001", "at": "2026-01-03", "id": 7.5, "amount": "12,50", "test": false}', 0, 1, 0),
        ('{"user": "0001", "at": "2026-01-03", "id": "a", "amount": 7, "test": false, "new": {"x": [1]}}', 0, 0, 7),
        (f'{{"user": "0001", "at": "2026-01-03", "id": "a", "amount": {"9" * 400}, "test": false}}', 0, 1, 0),
        ('{"user": "0001", "at": "2026-01-03", "id": "a", "amount": NaN, "test": false}', 0, 1, 0),
        ('{"user": "0001", "User": "0002", "at": "2026-01-03", "id": "a", "amount": 7, "test": false}', 0, 0, 7),
        (f'{{"user": "0001", "x": {"[" * 3000 + "]" * 3000}}}', 0, 0, 0),
        ("\n\n", 0, 0, 0),
    ],
)
def test_lines_of_json_are_counted_too(tmp_path: Path, more: str, lost: int, odd: int, spent: float) -> None:
    found = gathered(tmp_path, "\n".join([*map(json.dumps, OBJECTS), more]), "orders.jsonl")
    assert found.quality.faults.get("a line that is not a row of orders.jsonl", 0) == lost
    assert sum(one.no_number + one.too_large for one in found.quality.values) == odd
    assert total(found) == pytest.approx(SPENT + spent)


def test_a_document_and_packed_files_are_read(tmp_path: Path) -> None:
    assert total(gathered(tmp_path, json.dumps(OBJECTS), "orders.json")) == pytest.approx(SPENT)
    assert total(gathered(tmp_path, gzip.compress(PLAIN.encode()), "orders.csv.gz")) == pytest.approx(SPENT)
    lines = "\n".join(map(json.dumps, OBJECTS)).encode()
    assert total(gathered(tmp_path, gzip.compress(lines), "orders.jsonl.gz")) == pytest.approx(SPENT)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_files_may_have_more_columns_than_earlier_ones(tmp_path: Path, ending: str) -> None:
    """And those of one folder may have other types: an ID became a word, an amount a fraction."""
    for i, columns in enumerate(("1 AS id, 5 AS amount", "'x2' AS id, 2.5 AS amount, 'DE' AS country")):
        sql = f"SELECT '0003' AS user, TIMESTAMP '2026-01-03' AS at, {columns}, false AS test"
        form = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[ending]
        duckdb.sql(f"COPY ({sql}) TO '{tmp_path}/orders{i}.{ending}' ({form})")
    assert total(gathered(tmp_path, "", f"orders*.{ending}")) == 7.5


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "parquet"])
def test_a_buckets_files_are_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """A bucket is a file system of Arrow's, as this folder is by its address."""
    opened, real = list[str](), keeping.download

    def noted(system: Any, address: str, path: Path) -> None:
        opened.append(address.rpartition("day=")[2])
        real(system, address, path)

    monkeypatch.setattr(files, "download", noted)
    bucket = tmp_path / "a bucket"

    def put(day: str, amounts: list[float], name: str = "part") -> None:
        """Orders of a day, one by each of the first units."""
        rows = [
            {"user": f"{i:04d}", "at": f"{day} 10:00:00", "id": f"{day} {i}", "amount": amount, "test": False}
            for i, amount in enumerate(amounts)
        ]
        path = bucket / f"orders/day={day}/{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == "parquet":
            parquet.write_table(
                pa.Table.from_pylist(rows).set_column(1, "at", pa.array([START + DAY] * len(rows))), path
            )
        elif ending == "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        else:
            text = csv([[str(cell) for cell in row.values()] for row in rows]).encode()
            path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)

    put("2025-11-30", [1000.0])
    put("2026-01-02", [1.0, 2.0])
    put("2026-01-03", [4.0])
    (bucket / "orders/_SUCCESS").write_bytes(b"")
    (tmp_path / "exposures.csv").write_text(csv(EXPOSURES, "user,at,arm").replace("-02 ", "-01 "), encoding="utf-8")
    text = FILE.replace("EXPOSURES", "exposures.csv").replace("id: id,", "id: id, day: day,")
    text = text.replace("ORDERS", f"'{bucket.as_uri().replace('%20', ' ')}/orders/**/*.{ending}'")
    if ending == "parquet":
        text = text.replace("time: at, id", "time: at, clock: s, id")
    plan = planned(tmp_path, text)

    def spent(keep: Path | None) -> float:
        opened.clear()
        return total(gather((tmp_path, tmp_path / "none"), plan, plan.end, keep=keep))

    first = [f"2026-01-02/part.{ending}", f"2026-01-03/part.{ending}"]
    assert (spent(None), sorted(opened)) == (7.0, first)
    keep = tmp_path / "kept"
    assert (spent(keep), sorted(opened)) == (7.0, first)
    assert (spent(keep), opened) == (7.0, [])
    put("2026-01-04", [8.0])
    put("2026-01-03", [4.0, 16.0])
    assert (spent(keep), sorted(opened)) == (31.0, [f"2026-01-03/part.{ending}", f"2026-01-04/part.{ending}"])
    (copy, *_) = [path for path in keep.rglob("*.parquet") if "2026-01-02" in str(path)]
    copy.write_bytes(copy.read_bytes()[:-1])
    assert (spent(keep), opened) == (31.0, [f"2026-01-02/part.{ending}"])
    (bucket / f"orders/day=2026-01-04/part.{ending}").unlink()
    assert (spent(keep), opened) == (23.0, [])
    assert len(list(keep.rglob("*.parquet"))) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in keep.iterdir())


@pytest.mark.parametrize("name", ["nothing.csv", "nothing/*.parquet", "file:///nowhere/*.csv", "s4://bucket/*.csv"])
def test_no_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as refused:
        gathered(tmp_path, PLAIN, exposures=name)
    assert str(refused.value).startswith("source shop cannot be read: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.csv", ["a.csv", "[x].csv"]),
        ("**/*.csv", ["a.csv", "[x].csv", "d/a.csv", "d/e/a.csv"]),
        ("d/*.csv", ["d/a.csv"]),
        ("d/?.csv", ["d/a.csv"]),
        ("[[]x].csv", []),
        ("a.csv", ["a.csv"]),
    ],
)
def test_a_pattern_of_a_bucket_is_one_of_duckdb(tmp_path: Path, pattern: str, names: list[str]) -> None:
    for name in ("a.csv", "[x].csv", "a.csv.bak", "d/a.csv", "d/e/a.csv", "d/axcsv"):
        path = tmp_path / "bucket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name\n{name}\n", encoding="utf-8")
    with engine_of(DataSource.model_validate({"records": "r"}), tmp_path, str(tmp_path)) as engine:
        for root in ("bucket/", (tmp_path / "bucket").as_uri() + "/"):
            found = engine.rows(engine.table(root + pattern)) if names else []
            assert sorted(row["name"] for row in found) == sorted(names), root


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_of_parquet_have_any_unit_and_zone(tmp_path: Path, unit: str, zone: str | None) -> None:
    """pandas writes nanoseconds in its own zone."""
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    columns: dict[str, Any] = {name: [row[i] for row in EXPOSURES] for i, name in enumerate(("user", "at", "arm"))}
    columns["at"] = pa.array([(START + DAY) * scale] * len(EXPOSURES), pa.timestamp(unit, zone))
    parquet.write_table(pa.table(columns), tmp_path / "shown.parquet", version="2.6")
    found = gathered(tmp_path, PLAIN, exposures="shown.parquet")
    assert found.units == 200
    assert total(found) == pytest.approx(SPENT)
    assert set(found.quality.days) == {1}


def test_ids_that_became_fractions_are_refused(tmp_path: Path) -> None:
    """As pandas makes them where one is missing; none of them would be found in other tables."""
    columns = {"user": [7.0, None], "at": pa.array([START, START], pa.timestamp("s")), "arm": ["on", "off"]}
    parquet.write_table(pa.table(columns), tmp_path / "shown.parquet")
    with pytest.raises(Refused, match=r"user of exposures has fractions, not IDs: .* user::BIGINT in `sql`"):
        gathered(tmp_path, PLAIN, exposures="shown.parquet")
