"""A person is forgotten under every name, nobody else is, and no file is changed while it is written to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from burgee.errors import Refused
from burgee.events.forgetting import Forgotten, forget
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.records import RecordScope, accept

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

NOW = 1_800_000_000.0


def record(event_id: str, unit: str, **more: Any) -> dict[str, Any]:
    return accept({"type": "track", "event_id": event_id, "unit": unit, "event": "order", **more}, RecordScope(), NOW)


def identity(event_id: str, unit: str, known: str) -> dict[str, Any]:
    raw = {"type": "identify", "event_id": event_id, "unit": unit, "known": known}
    return accept(raw, RecordScope(), NOW)


RECORDS = [
    record("1", "phone"),
    record("2", "laptop"),
    record("3", "ada"),
    record("4", "bob", properties={"note": "ada"}),
    identity("5", "phone", "ada"),
    identity("6", "laptop", "ada"),
    identity("7", "tablet", "bob"),
]


def written(folder: Path) -> Path:
    sink = JsonlSink(folder)
    sink.write(RECORDS)
    sink.close()
    return folder


def left(folder: Path) -> list[str]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line)["event_id"] for line in lines]


@pytest.mark.parametrize("name", ["ada", "phone", "laptop"])
def test_all_names_of_a_person_go_and_nobody_elses(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "events")
    with next(folder.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"type": "track", "unit": "ada", "pro')
    assert forget(folder, name) == Forgotten(records=6, files=1, names=3)
    assert left(folder) == ["4", "7"]
    assert forget(folder, name) == Forgotten(records=0, files=0, names=1)


def test_parquet_files_forget_too(tmp_path: Path) -> None:
    folder = written(tmp_path / "events")
    kept = folder / "topic=_track" / "a.parquet"
    kept.parent.mkdir()
    values = "('ada', NULL, 1), ('eve', NULL, 2), ('old', 'ada', 3)"
    rows = f"SELECT * FROM (VALUES {values}) t(unit, known, event_id)"
    duckdb.sql(f"COPY ({rows}) TO '{kept}'")
    assert forget(folder, "ada") == Forgotten(records=7, files=2, names=4)
    assert duckdb.execute(f"SELECT unit, event_id FROM '{kept}'").fetchall() == [("eve", 2)]


def test_a_file_that_cannot_be_read_is_named_and_nothing_changes(tmp_path: Path) -> None:
    folder = written(tmp_path / "events")
    (folder / "z.parquet").write_bytes(b"junk")
    with pytest.raises(Refused, match=r"z\.parquet cannot be read, so it may have records of anyone"):
        forget(folder, "ada")
    assert len(left(folder)) == 7


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_changed_file_is_as_private_as_before(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "events")
    path = folder / name
    if path.suffix == ".parquet":
        duckdb.sql(f"COPY (SELECT 'ada' AS unit, NULL AS known) TO '{path}'")
    else:
        path.write_text('{"unit": "ada"}\n', encoding="utf-8")
    path.chmod(0o640)
    forget(folder, "ada")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path)
    sink.write(RECORDS)
    with pytest.raises(Refused, match="a process is writing to"):
        forget(tmp_path, "ada")
    sink.close()
    assert len(left(tmp_path)) == 7


def test_the_command_says_what_it_removed_and_what_to_run_for_a_bucket(burgee: Burgee) -> None:
    written(burgee.folder / ".burgee/events")
    assert burgee("events", "forget", "ada").out == "5 records under 3 names removed from 1 file\n"
    said = burgee("events", "forget", "it's", "--events", "s3://bucket/events/").out
    assert "aws s3 sync s3://bucket/events forget && burgee events forget 'it'\"'\"'s' --events forget" in said
