"""What is particular to the embedded store: processes that die at the worst moment, and damaged files."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt, StoreError, StoreUnavailable
from burgee.stores import Put, Shelf, Tenant
from burgee.stores.sqlite import _FORGET, SCHEMA_VERSION, SqliteStore
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


def test_what_a_shelf_forgets_is_found_by_an_index_and_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        for start in range(0, 1000, 250):
            store.keep([Put(Shelf.REQUESTS, str(n), {}, until=10.0**10) for n in range(start, start + 250)])
        edit(path, "UPDATE shelf SET until = 1")
        for left in range(900, -1, -100):
            store.keep([Put(Shelf.SETTINGS, "a", {}, blind=True)])
            assert len(store.shelf(Shelf.REQUESTS)) == left
    with closing(sqlite3.connect(path)) as raw:
        steps = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {_FORGET}", (1, 2))]
    assert any("INDEX shelf_until (until<?)" in step for step in steps)
    assert not any(step.startswith("SCAN shelf") for step in steps)


def test_reading_waits_for_no_writer(tmp_path: Path) -> None:
    """Another process holds the lock to write, and a writer here waits for it."""
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        released(store, b"one")
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(2) as pool:
            writing = pool.submit(committed, store, lay=[override("a")])
            for _ in range(50):
                assert store.state().pointer.revision == 1
                assert store.pointer().version == 1
                assert store.payload(1) == b"one"
            assert not writing.done()
            other.execute("ROLLBACK")
            assert writing.result(20).revision == 2
        assert set(store.state().overrides) == {"a"}


def beside(path: Path) -> list[Path]:
    return [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]


def test_a_deleted_file_takes_no_change_and_is_not_begun_again(tmp_path: Path) -> None:
    """Or a kill would be acknowledged, and gone after a restart."""
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        for one in beside(path):
            one.rename(one.with_suffix(f"{one.suffix}.gone"))
        for act in (lambda: committed(store, lay=[override("a")]), store.pointer, store.state):
            with pytest.raises(StoreUnavailable, match="is missing"):
                act()
        assert not path.exists()
        for one in beside(path):
            one.with_suffix(f"{one.suffix}.gone").rename(one)
        assert committed(store, lay=[override("a")]).revision == 2


def test_a_file_that_is_emptied_takes_no_change(tmp_path: Path) -> None:
    """By a shell's redirection, say: the log would be of a database that is no more."""
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        whole = path.read_bytes()
        path.write_bytes(b"")
        for act in (lambda: committed(store, lay=[override("a")]), store.pointer, store.state):
            with pytest.raises(StoreUnavailable, match="is missing"):
                act()
        path.write_bytes(whole)
        assert committed(store, lay=[override("a")]).revision == 2
    with closing(SqliteStore(path)) as store:
        assert set(store.state().overrides) == {"a"}


@pytest.mark.parametrize("tidy", [True, False], ids=["its log too", "its log left beside"])
def test_a_replaced_file_is_the_one_that_counts(tmp_path: Path, tidy: bool) -> None:
    path, backup = tmp_path / "burgee.db", tmp_path / "backup.db"
    with closing(SqliteStore(backup)) as other:
        released(other, b"restored")
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        released(store, b"two")
        if tidy:
            for one in beside(path)[1:]:
                one.unlink()
        backup.replace(path)
        assert store.pointer().version == 1
        assert store.payload(1) == b"restored"
        assert committed(store, lay=[override("a")]).revision == 2
    with closing(SqliteStore(path)) as store:
        assert (store.pointer().revision, set(store.state().overrides)) == (2, {"a"})


def test_a_file_deleted_while_it_is_written_acknowledges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store)
        writing = store._file.writing()
        writing.__enter__().execute("DELETE FROM override")
        for one in beside(path):
            one.unlink()
        with pytest.raises(StoreUnavailable, match="deleted or replaced"):
            writing.__exit__(None, None, None)


def test_a_log_deleted_beside_the_file_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "burgee.db"
    with closing(SqliteStore(path)) as store:
        released(store, b"one")
        beside(path)[1].unlink()
        assert committed(store, lay=[override("a")]).revision == 2
    with closing(SqliteStore(path)) as store:
        assert (store.payload(1), set(store.state().overrides)) == (b"one", {"a"})


@pytest.mark.parametrize("function", ["read_on_a_full_disk", "read_what_is_read_only"])
@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
def test_a_store_that_cannot_be_written_starts_and_is_read(tmp_path: Path, function: str, killed: bool) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "folder" / "burgee.db"
    path.parent.mkdir(mode=0o777)
    store = SqliteStore(path)
    released(store, b"one")
    committed(store, lay=[override("a")])
    if killed:
        for one in beside(path):
            shutil.copy(one, tmp_path / one.name)
    store.close()
    if killed:
        for one in beside(path):
            shutil.copy(tmp_path / one.name, one)
    run(function, path)
    with closing(SqliteStore(path)) as store:
        assert committed(store, lay=[override("b")]).revision >= 3


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
