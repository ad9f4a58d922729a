"""State that the former version wrote is read and gone on with by this one, and the other way round.

`tests/cases/stores/former.*` was written by commit cdb5c86: three overrides, one lifted, two releases of which the
second is a canary, a retired name, settings. The readers here are that version's, reduced to what they demand.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from burgee.evaluation.snapshots import load_snapshot
from burgee.model import Override
from burgee.releases.deploy import Consent, apply, live, write
from burgee.releases.overrides import killed, lay
from burgee.stores import Canary, Origin, Shelf
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store

FORMER = Path(__file__).parents[1] / "cases" / "stores"
NOW = 1_795_500_100.0
MANY = [f"user-{n:06}" for n in range(10_000)]


@pytest.fixture(params=["sqlite", "dynamodb"])
def former(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """What the former version wrote, opened by this one."""
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db:
            db.executescript((FORMER / "former.sql").read_text(encoding="utf-8"))
        with closing(SqliteStore(tmp_path / "state.sqlite")) as store:
            yield store
        return
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws(), closing(DynamoDbStore("flags")) as table:
        table.create_table()
        for item in json.loads((FORMER / "former.json").read_text(encoding="utf-8")):
            binary = {key: {"B": b64decode(value["B"])} if "B" in value else value for key, value in item.items()}
            table.client.put_item(TableName="flags", Item=binary)
        yield table


def act(seconds: float, action: str = "override.set") -> AuditContext:
    return AuditContext(action, "bob", "later", NOW + seconds)


def continued(store: Store) -> None:
    """Goes on with what the former version wrote, with all that has changed in how it is written."""
    write(store, lambda state, current: lay(state, current, "c", {"status": True}, act(0)))
    large = {"status": True, "targets": {"on": MANY}}
    write(store, lambda state, current: lay(state, current, "large", large, act(1)))
    write(store, lambda state, current: lay(state, current, "large", killed(large), act(2)))
    current = live(store)[1]
    flags = {**current["flags"], "added": {"status": True}}
    apply(store, {**current, "flags": flags}, Origin("012"), act(3, "release.activate"), Consent("keep"))


def test_what_the_former_version_wrote_is_read(former: Store) -> None:
    state = former.state()
    assert (state.pointer.version, state.pointer.revision) == (2, 7)
    assert state.pointer.canary == Canary(1, 12.5, "2026-11-24T06:00:30Z", "2026-11-24T06:15:30Z")
    assert {name: one.definition for name, one in state.overrides.items()} == {
        "a": {"status": False},
        "api": {"status": True, "description": "Grüße"},
        "b": None,
    }
    assert (state.retired, state.settled) == ({"gone": "2026-11-24T06:00:30Z"}, {})
    assert [release.origin.commit for release in former.releases()] == ["def", "abc"]
    assert set(load_snapshot(former.payload(1))["flags"]) == {"a", "b", "gone"}
    assert former.find(Shelf.SETTINGS, "service") == {"cors_origins": ["https://a.example"]}
    actions = ["settings.change", "release.activate", "override.clear", *["override.set"] * 4, "release.activate"]
    assert [entry.action for entry in former.audit()] == actions


def test_what_the_former_version_wrote_is_gone_on_with(former: Store) -> None:
    before = former.audit()
    continued(former)
    state = former.state()
    assert set(state.overrides) == {"api", "b", "c", "large"}, "Git has caught up with a"
    assert (state.overrides["large"].definition or {})["targets"] == {"on": MANY}
    assert (state.pointer.version, state.pointer.revision) == (3, 11)
    audit = former.audit()
    assert audit[5:] == before
    assert [entry.action for entry in audit[:5]] == ["release.activate", "override.absorb", *["override.set"] * 3]
    assert [entry.id for entry in audit] == sorted((entry.id for entry in audit), reverse=True)
    assert list(former.audit(before=audit[5].id, limit=3)) == audit[6:9]
    apply(former, {**live(former)[1]}, Origin("345"), act(9), Consent("keep"))
    assert former.collect(keep=1) == 2


def read_sqlite(path: Path) -> tuple[Any, dict[str, Override], dict[str, str], list[str]]:
    """Pointer, overrides, retired names and the actions of the log as the former version reads them."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] <= 2
        pointer = db.execute(
            "SELECT version, digest, revision, record FROM pointer LEFT JOIN bake USING (tenant)"
        ).fetchone()
        laid = [Override(**json.loads(record)) for (record,) in db.execute("SELECT record FROM override")]
        retired = dict(db.execute("SELECT flag, at FROM retired"))
        entries = [json.loads(record) for (record,) in db.execute("SELECT record FROM audit ORDER BY id DESC")]
        # And it goes on: each of its statements names as many columns as there were.
        db.execute("REPLACE INTO pointer VALUES (?, ?, ?, ?)", ('["default", "default"]', *pointer[:2], 12))
        db.execute("REPLACE INTO override VALUES (?, ?, ?)", ('["default", "default"]', "a", "{}"))
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", ('["default", "default"]', "1795500200000-ab", "a", "{}"))
        db.execute("REPLACE INTO shelf VALUES (?, ?, ?, ?, ?)", ('["default", "default"]', "use", "k", "{}", None))
        db.execute("INSERT INTO bake VALUES (?, ?, ?)", ('["x"]', 1, "{}"))
        db.execute("INSERT INTO release VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ("t", 9, "d", "{}", "at", 1, 1, b""))
    return pointer, {one.flag: one for one in laid}, retired, [entry["action"] for entry in entries]


def read_dynamodb(store: DynamoDbStore) -> tuple[Any, dict[str, Override], dict[str, str], list[str]]:
    """The same of a table."""
    found = store.client.scan(TableName="flags")["Items"]
    items = {item["sk"]["S"]: item for item in found if item["pk"]["S"].endswith("#STATE")}
    pointer, commit = items["POINTER"], items["COMMIT"]
    revision = int(pointer["revision"]["N"])
    assert all(int(item["revision"]["N"]) <= revision for item in items.values())
    assert int(commit["revision"]["N"]) == revision
    touched = json.loads(commit["touched"]["B"])
    written = [items[f"OVERRIDE#{flag}"] for flag in touched["laid"]]
    assert all(int(item["revision"]["N"]) == revision for item in written)
    laid = [item for key, item in items.items() if key.startswith("OVERRIDE#") and "gone" not in item]
    overrides = {one.flag: one for one in (Override(**json.loads(item["record"]["B"])) for item in laid)}
    audit = sorted((item for item in found if item["pk"]["S"].endswith("#AUDIT")), key=lambda item: item["sk"]["S"])
    actions = [json.loads(item["record"]["B"])["action"] for item in reversed(audit)]
    version = int(pointer["version"]["N"]), pointer["digest"]["S"], revision
    return (*version, None), overrides, json.loads(items["RETIRED"]["record"]["B"]), actions


def test_the_former_version_reads_what_this_one_writes(former: Store, tmp_path: Path) -> None:
    continued(former)
    read = read_dynamodb(former) if isinstance(former, DynamoDbStore) else read_sqlite(tmp_path / "state.sqlite")
    pointer, overrides, retired, actions = read
    state = former.state()
    assert pointer == (3, state.pointer.digest, 11, None)
    assert retired == state.retired
    assert actions == [entry.action for entry in former.audit()]
    large = overrides.pop("large").definition or {}
    assert overrides == {name: one for name, one in state.overrides.items() if name != "large"}
    # Of a kill that is kept apart it finds what answers for a flag that is off.
    assert large["status"] is False
    assert set(large) <= set(state.overrides["large"].definition or {})
