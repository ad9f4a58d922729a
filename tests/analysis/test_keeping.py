"""Copies of files of records: a report from them is the same, and reads each file once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest
from pyarrow import parquet

from burgee.analysis import keeping, tables
from burgee.analysis.evidence import gather
from burgee.analysis.keeping import MARK
from burgee.analysis.tables import records
from burgee.errors import Refused
from support.experiments import FILE, crowd, planned, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from support.cli import Burgee


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of lines that are parsed."""
    found: list[str] = []
    real = tables._parsed

    def noted(lines: Any) -> tuple[str, str]:
        found.extend(path.name for path in lines)
        return real(lines)

    monkeypatch.setattr(tables, "_parsed", noted)
    return found


def numbers(evidence: Evidence) -> Any:
    quality = evidence.quality
    means = {
        (arm, metric): one.means["value"] for arm, a in evidence.arms.items() for metric, one in a.moments.items()
    }
    rounded = {key: round(value, 9) for key, value in means.items()}
    return rounded, evidence.units, quality.read, quality.faults, quality.refused, quality.exposures, quality.events


def test_the_next_days_report_parses_the_next_days_file(tmp_path: Path, parsed: list[str]) -> None:
    plan, made = planned(tmp_path), crowd(200)
    place, keep = tmp_path / "events", tmp_path / "kept"
    for day in range(3):
        written(place, made[day::4], f"day{day}.jsonl")
    (place / "day0.jsonl").write_bytes((place / "day0.jsonl").read_bytes() + b'{"torn\n{"type": "x"}\n')

    def gathered(keep: Path | None) -> Any:
        parsed.clear()
        return numbers(gather((tmp_path, place), plan, plan.end, keep=keep))

    plain = gathered(None)
    assert plain[3] == {"no type that is known": 1, "not JSON": 1}
    assert gathered(keep) == plain
    assert parsed == ["day0.jsonl", "day1.jsonl", "day2.jsonl"]
    assert gathered(keep) == plain
    assert parsed == []
    written(place, made[3::4], "day3.jsonl")
    assert gathered(keep) == gathered(None) != plain
    written(place, made[2::4][:50], "day2.jsonl")
    found = gathered(keep)
    assert parsed == ["day2.jsonl"]
    assert found == gathered(None)
    assert len(list(keep.rglob("*.parquet"))) == 4


def test_copies_of_files_that_changed_or_are_gone_are_deleted(tmp_path: Path) -> None:
    """So that a person who was removed from the records is in no copy after the next report."""
    place, keep = written(tmp_path / "events", crowd(20)), tmp_path / "kept"
    written(place, crowd(20, seed=2), "b.jsonl")
    other = written(tmp_path / "others", crowd(20))
    for folder in (place, other):
        records(ibis.duckdb.connect(), folder, keep=keep)
    before = set(keep.rglob("*.parquet"))
    (place / "b.jsonl").unlink()
    lines = (place / "a.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (place / "a.jsonl").write_text("".join(line for line in lines if '"u3"' not in line), encoding="utf-8")
    mine = tmp_path / "kept/report.parquet"
    mine.write_bytes(b"not a copy")
    records(ibis.duckdb.connect(), place, keep=keep)
    after = set(keep.rglob("*.parquet"))
    assert len(before) == 3
    assert len(after & before) == 1, "those of another place stay"
    units = {u for path in after - before - {mine} for u in parquet.read_table(path).column("unit").to_pylist()}
    assert "u4" in units
    assert "u3" not in units
    assert mine.exists()


@pytest.mark.parametrize("inside", ["", "kept", "deep/kept"])
def test_copies_among_the_records_are_refused(tmp_path: Path, inside: str) -> None:
    """They would be read as records of their own."""
    place = written(tmp_path / "events", crowd(2))
    with pytest.raises(Refused, match="would be read as records"):
        records(ibis.duckdb.connect(), place, keep=place / inside)
    assert [path.name for path in place.rglob("*")] == ["a.jsonl"]


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    place = written(tmp_path / "events", crowd(2))
    keeper = keeping.Keeper(tmp_path / "kept", place)

    def full(_one: keeping.Original, part: Path) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        keeper.copies([keeping.original(place / "a.jsonl")], full)
    assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == [MARK]


def test_objects_of_a_bucket_are_downloaded_once_and_only_those_of_the_topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket is a file system of Arrow's, as this folder is by its address."""
    root, opened, real = tmp_path / "bucket", list[str](), keeping.download

    def noted(system: Any, address: str, path: Path) -> None:
        opened.append(address.rpartition("/")[2])
        real(system, address, path)

    monkeypatch.setattr(tables, "download", noted)
    plan, made = planned(tmp_path), crowd(100)
    lines = [json.loads(line) for line in (written(tmp_path / "lines", made) / "a.jsonl").read_text().splitlines()]
    kinds = {"int64": pa.int64(), "string": pa.string(), "map<string, string>": pa.map_(pa.string(), pa.string())}
    schema = pa.schema([(name, kinds[str(kind)]) for name, kind in tables.SCHEMA.items() if name != "topic"])

    def put(topic: str, day: str, rows: list[dict[str, Any]]) -> None:
        folder = root / f"topic={topic}/day={day}"
        folder.mkdir(parents=True, exist_ok=True)
        found = [{**row, "properties": list(row["properties"].items())} for row in rows]
        parquet.write_table(pa.Table.from_pylist(found, schema), folder / f"{topic}-{day}.parquet")

    for topic in ("button", "_track"):
        mine = [row for row in lines if row["topic"] == topic]
        put(topic, "2026-01-20", mine[::2])
        put(topic, "2026-01-21", mine[1::2])
    put("other", "2026-01-20", [row for row in lines if row["topic"] == "button"])
    expected = numbers(gather((tmp_path, tmp_path / "lines"), plan, plan.end))
    keep = tmp_path / "kept"
    for downloads in (4, 0):
        opened.clear()
        found = numbers(gather((tmp_path, root.as_uri()), plan, plan.end, keep=keep))
        assert found == expected
        assert len(opened) == downloads
        assert not any("other" in name for name in opened)
    put("button", "2026-01-22", [])
    opened.clear()
    gather((tmp_path, root.as_uri()), plan, plan.end, keep=keep)
    assert opened == ["button-2026-01-22.parquet"]


def test_the_commands_keep_copies(burgee: Burgee) -> None:
    burgee.write(FILE)
    written(burgee.folder / ".burgee/events", crowd(100))
    at = ("--at", "2026-02-01T00:00:00Z", "--keep", str(burgee.folder / "kept"))
    plain = burgee("experiment", "report", "button", *at[:2]).out
    assert burgee("experiment", "report", "button", *at).out == plain
    assert burgee("experiment", "status", *at).code == 0
    assert len(list((burgee.folder / "kept").rglob("*.parquet"))) == 1
