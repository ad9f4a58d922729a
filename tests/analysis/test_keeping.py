"""Copies of files of records: a report from them is the same, and reads each file once."""

from __future__ import annotations

import json
import os
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


def read(place: Path, keep: Path) -> list[dict[str, Any]]:
    """The usable records of a place, read with copies."""
    connection = ibis.duckdb.connect()
    with keeping.keeper_of(keep, place) as keeper:
        rows: list[dict[str, Any]] = connection.to_pyarrow(records(connection, place, (), keeper).usable).to_pylist()
    return rows


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
        read(folder, keep)
    before = set(keep.rglob("*.parquet"))
    (place / "b.jsonl").unlink()
    lines = (place / "a.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (place / "a.jsonl").write_text("".join(line for line in lines if '"u3"' not in line), encoding="utf-8")
    mine = tmp_path / "kept/report.parquet"
    mine.write_bytes(b"not a copy")
    read(place, keep)
    after = set(keep.rglob("*.parquet"))
    assert len(before) == 3
    assert len(after & before) == 1, "those of another place stay"
    units = {u for path in after - before - {mine} for u in parquet.read_table(path).column("unit").to_pylist()}
    assert "u4" in units
    assert "u3" not in units
    assert mine.exists()


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    """As after a tool that replaces an ID and sets the time back, so that nobody notices."""
    place, keep = written(tmp_path / "events", crowd(20)), tmp_path / "kept"
    read(place, keep)
    path, before = place / "a.jsonl", (place / "a.jsonl").stat()
    path.write_bytes(path.read_bytes().replace(b'"u3"', b'"xx"'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    units = {row["unit"] for row in read(place, keep)}
    assert ("u3" in units, "xx" in units) == (False, True)
    (copy,) = keep.rglob("*.parquet")
    assert "u3" not in parquet.read_table(copy).column("unit").to_pylist()


@pytest.mark.parametrize("inside", ["", "kept", "deep/kept"])
def test_copies_among_the_records_are_refused(tmp_path: Path, inside: str) -> None:
    """They would be read as records of their own."""
    place = written(tmp_path / "events", crowd(2))
    with pytest.raises(Refused, match="would be read as records"):
        read(place, place / inside)
    assert [path.name for path in place.rglob("*")] == ["a.jsonl"]


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    place = written(tmp_path / "events", crowd(2))

    def full(_one: keeping.Original, part: Path) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with keeping.keeper_of(tmp_path / "kept", place) as keeper:
        assert keeper is not None
        with pytest.raises(OSError, match="No space"):
            keeper.copies([keeping.original(place / "a.jsonl")], full, lambda _one, _path: True)
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


def _other(path: Path) -> None:
    parquet.write_table(pa.table({"a": [1]}), path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1" + bytes(400)),
        lambda path: path.unlink(),
        _other,
    ],
    ids=["truncated", "empty", "zeros", "deleted", "of other columns"],
)
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage: Any) -> None:
    place, keep = written(tmp_path / "events", crowd(20)), tmp_path / "kept"
    expected = read(place, keep)
    (copy,) = keep.rglob("*.parquet")
    damage(copy)
    assert read(place, keep) == expected
    assert list(keep.rglob("*.parquet")) == [copy]


@pytest.mark.parametrize("name", ["topic=x/type=y/unit=z", 'it\'s [a]* "b"\n\\ c?', "json=1/day=2026-01-01"])
def test_no_name_of_a_folder_changes_what_is_read(tmp_path: Path, name: str) -> None:
    """A path has keys only where Burgee's stream writes them, and no name is a pattern or SQL."""
    made = crowd(20)
    expected = read(written(tmp_path / "plain", made), tmp_path / "kept")
    place = written(tmp_path / "a" / name, made)
    assert read(place, tmp_path / "b" / name) == expected
    assert len(read(place, tmp_path / "b" / name)) == len(expected) > 20
    connection = ibis.duckdb.connect()
    assert connection.to_pyarrow(records(connection, place).usable).to_pylist() == expected


def test_a_folder_of_parquet_may_have_the_name_of_a_column(tmp_path: Path) -> None:
    place = tmp_path / "type=x/unit=y/event_id=1"
    lines = (written(tmp_path / "lines", crowd(20)) / "a.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["topic"] == "button"]
    for folder in ("topic=button/day=2026-01-20", "."):
        (place / folder).mkdir(parents=True, exist_ok=True)
        kept = [{key: row[key] for key in ("type", "event_id", "unit", "time", "variant", "topic")} for row in rows]
        parquet.write_table(pa.Table.from_pylist(kept), place / folder / "a.parquet")
    connection = ibis.duckdb.connect()
    found = connection.to_pyarrow(records(connection, place, ("button",)).usable).to_pylist()
    assert [row["unit"] for row in found] == 2 * [row["unit"] for row in rows]
    assert {row["topic"] for row in found} == {"button"}


def test_only_the_owner_can_read_copies(tmp_path: Path) -> None:
    read(written(tmp_path / "events", crowd(2)), tmp_path / "kept")
    (folder,) = (path for path in (tmp_path / "kept").iterdir() if path.is_dir())
    assert folder.stat().st_mode & 0o077 == 0


def test_copies_are_deleted_when_no_file_of_lines_is_left(tmp_path: Path) -> None:
    place, keep = written(tmp_path / "events", crowd(20)), tmp_path / "kept"
    read(place, keep)
    (place / "a.jsonl").unlink()
    with pytest.raises(Refused, match=r"no \.jsonl"):
        read(place, keep)
    assert list(keep.rglob("*.parquet")) == []


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    place, keep = written(tmp_path / "events", crowd(2)), tmp_path / "kept"
    read(place, keep)
    (copy,) = keep.rglob("*.parquet")
    left = copy.with_name(f".{copy.name}.1.part")
    left.write_bytes(b"half")
    read(place, keep)
    assert not left.exists()
    assert copy.exists()


def test_copies_that_another_report_reads_stay_until_it_is_done(tmp_path: Path) -> None:
    place, keep = written(tmp_path / "events", crowd(20)), tmp_path / "kept"
    connection = ibis.duckdb.connect()
    with keeping.keeper_of(keep, place) as keeper:
        found = records(connection, place, (), keeper)
        before = len(connection.to_pyarrow(found.usable))
        written(place, crowd(30))
        assert len(read(place, keep)) > before
        assert len(connection.to_pyarrow(found.usable)) == before
        with pytest.raises(Refused, match="a report reads the copies"), keeping.forgetting(place):
            raise AssertionError("nothing is forgotten while copies would stay")
    assert len(list(keep.rglob("*.parquet"))) == 2
    read(place, keep)
    assert len(list(keep.rglob("*.parquet"))) == 1


def test_forgetting_deletes_a_person_from_every_copy(burgee: Burgee) -> None:
    burgee.write(FILE)
    place = written(burgee.folder / ".burgee/events", crowd(20))
    written(place, [row for row in crowd(20) if row["unit"] != "u3"], "b.jsonl")
    (place / MARK).write_bytes(b'not JSON \xff\n["no path"]\n"/nowhere"\n')
    for name in ("kept", "kept", "other"):
        at = ("--at", "2026-02-01T00:00:00Z", "--keep", str(burgee.folder / name))
        assert burgee("experiment", "report", "button", *at).code == 0
    assert len((place / MARK).read_bytes().splitlines()) == 3 + 2
    assert len(list(burgee.folder.rglob("*.parquet"))) == 4
    assert burgee("events", "forget", "u3").code == 0
    copies = list(burgee.folder.rglob("*.parquet"))
    assert len(copies) == 2, "those of the file without this person stay"
    for path in copies:
        assert "u3" not in parquet.read_table(path).column("unit").to_pylist()
