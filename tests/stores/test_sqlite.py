"""What is particular to the embedded store: processes that die at the worst moment, and damaged files."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt, StoreError
from burgee.stores import Tenant
from burgee.stores.sqlite import SCHEMA_VERSION, SqliteStore
from support.stores import assert_whole, committed, entry, marked, override, released

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "functions")])}


def command(function: str, path: Path) -> list[str]:
    return [sys.executable, "-c", f"from support import crash; crash.{function}({str(path)!r})"]


def run(function: str, path: Path) -> None:
    ran = subprocess.run(command(function, path), check=False, env=ENVIRONMENT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def whole(path: Path) -> int:
    """The revision that a store is at, which is whole."""
    with closing(SqliteStore(path)) as store:
        return assert_whole(store, acknowledged=1)


def test_killed_before_or_after_any_statement_a_store_serves_the_old_release_or_the_new(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "base.db")) as store:
        marked(store)
    run("die_at_each_statement", tmp_path)
    paths = sorted(tmp_path.glob("[0-9]*.db"), key=lambda path: int(path.stem))
    assert len(paths) > 20
    revisions = [whole(path) for path in paths]
    assert revisions == sorted(revisions)
    assert set(revisions) == {1, 2}


def test_a_full_disk_changes_nothing_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    run("run_out_of_space", tmp_path / "burgee.db")


def test_what_a_shelf_forgets_is_found_by_an_index_and_not_by_reading_it_all(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "burgee.db")
    statement = "EXPLAIN QUERY PLAN DELETE FROM shelf WHERE until < 1"
    steps = [row[3] for row in store._db.execute(statement)]
    store.close()
    assert steps == ["SEARCH shelf USING INDEX shelf_until (until<?)"]


def test_a_store_survives_closing_and_opening(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        committed(store, lay=[override("a")], audit=[entry(1, "a")], retire=["old"])
        before = store.state()
    with closing(SqliteStore(path)) as store:
        assert store.state() == before
        assert store.payload(1) == b"one"
        assert [one.flag for one in store.audit()] == ["a"]


def edit(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        assert raw.execute(statement, values).rowcount != 0


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda blob: blob[:-3], id="cut short"),
        pytest.param(lambda _: b"", id="emptied"),
        pytest.param(lambda blob: blob[:10] + bytes([blob[10] ^ 1]) + blob[11:], id="one bit flipped"),
        pytest.param(lambda _: b"not compressed", id="overwritten"),
    ],
)
def test_a_damaged_release_is_corrupt_and_the_others_can_be_read(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one " * 100)
        released(store, b"two " * 100)
        with closing(sqlite3.connect(path)) as raw:
            (blob,) = raw.execute("SELECT payload FROM release WHERE version = 2").fetchone()
        edit(path, "UPDATE release SET payload = ? WHERE version = 2", damage(blob))
        with pytest.raises(Corrupt, match="release 2"):
            store.payload(2)
        assert store.payload(1) == b"one " * 100


def test_a_release_swapped_for_another_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        released(store, b"two")
        edit(path, "UPDATE release SET payload = (SELECT payload FROM release WHERE version = 1) WHERE version = 2")
        with pytest.raises(Corrupt, match="release 2 does not match its digest"):
            store.payload(2)


@pytest.mark.parametrize("record", ["{", "[]", '{"flag": "a"}', '{"unknown": 1}', "null"])
def test_a_record_that_does_not_parse_is_corrupt(tmp_path: Path, record: str) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store)
        committed(store, lay=[override("a")], audit=[entry(1)])
        edit(path, "UPDATE override SET record = ?", record)
        edit(path, "UPDATE audit SET record = ?", record)
        edit(path, "UPDATE release SET origin = ?", record)
        for read in (store.state, store.audit, lambda: store.release(1)):
            with pytest.raises(Corrupt):
                read()


def test_pages_overwritten_under_the_store_are_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, random.Random(1).randbytes(50_000))
        committed(store, lay=[override("a")])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with closing(SqliteStore(path)) as store, pytest.raises(Corrupt):
        store.state()


def test_a_file_of_a_newer_burgee_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store)
    edit(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer Burgee"):
        SqliteStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"version: 1\nflags: {}\n" * 100, b"\0" * 5000, b"SQLite format 3\0" * 400])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "flags.yaml"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be used as a store"):
        SqliteStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("path", ["", "missing/burgee.db"], ids=["a folder", "in no folder"])
def test_a_path_that_cannot_hold_a_file_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(StoreError, match="cannot be used as a store"):
        SqliteStore(tmp_path / path)


def test_what_memory_holds_is_gone_with_its_store() -> None:
    with closing(SqliteStore(":memory:")) as store:
        released(store)
    with closing(SqliteStore(":memory:")) as store:
        assert store.state().pointer.revision == 0
    with closing(SqliteStore(":memory:", Tenant("a", "b"))) as one, closing(SqliteStore(":memory:")) as other:
        released(one)
        assert other.state().pointer.revision == 0
