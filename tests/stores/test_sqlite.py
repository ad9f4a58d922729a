"""The embedded store alone: crashes, damage, other people's files."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from burgee.errors import Corrupt, StoreError
from burgee.stores import Change, Origin
from burgee.stores.sqlite import SqliteStore

FUNCTIONS = Path(__file__).parents[2] / "functions"
RELEASING = """
import json, sys
from burgee.stores import AuditEntry, Change, Origin
from burgee.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
while True:
    number = store.pointer().revision + 1
    payload = json.dumps({"number": number, "bulk": "x" * 200_000}).encode()
    release = store.stage(payload, Origin(message=str(number)), flags=number, at="t")
    audit = [AuditEntry(f"{number:09}", "t", "a", "release.activate", "", release=release.version)]
    store.commit(Change(activate=release.version, audit=audit), expected=number - 1)
    print(number, flush=True)
"""


def test_a_process_killed_at_any_point_leaves_a_whole_release_served(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    source = random.Random(20261124)
    told = 0
    for _ in range(12):
        command = [sys.executable, "-c", RELEASING, str(path)]
        environment = {"PYTHONPATH": str(FUNCTIONS)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            told = int(process.stdout.readline())
            time.sleep(source.random() * 0.06)
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split()
        told = int(lines[-1]) if lines else told
        store = SqliteStore(path)
        pointer = store.pointer()
        payload = store.payload(pointer.version)
        assert pointer.revision in {told, told + 1}, "what was answered survives, and at most one commit was not told"
        assert json.loads(payload)["number"] == pointer.revision
        assert sha256(payload).hexdigest() == pointer.digest == store.release(pointer.version).digest
        assert len(store.audit(limit=100_000)) == pointer.revision
        store.close()


def test_memory_is_a_store_too() -> None:
    store = SqliteStore(":memory:")
    store.stage(b"x", Origin(), flags=0, at="t")
    store.commit(Change(activate=1), expected=0)
    assert store.payload(store.pointer().version) == b"x"
    store.close()


@pytest.mark.parametrize("damage", [b"", b"\x00" * 30, None])
def test_a_damaged_release_is_told_and_never_served(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStore(path)
    store.stage(b"payload", Origin(), flags=0, at="t")
    with sqlite3.connect(path) as other:
        if damage is None:
            other.execute("UPDATE release SET digest = 'another'")
        else:
            other.execute("UPDATE release SET payload = ?", (damage,))
    other.close()
    with pytest.raises(Corrupt):
        store.payload(1)
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_text("version: 1\n" * 100, encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be used as a store"):
        SqliteStore(path)
    assert path.read_text(encoding="utf-8").startswith("version: 1")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteStore(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(StoreError, match="newer Burgee"):
        SqliteStore(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used as a store"):
        SqliteStore(tmp_path / "no/such/folder/state.sqlite")
