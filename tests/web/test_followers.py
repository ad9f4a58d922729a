"""Processes that follow the ruleset: they say what they evaluate with, and nobody fills the store by saying so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.serving.seen import seen
from burgee.serving.serving import Serving
from burgee.stores import Shelf
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web import followers
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.keys import HOME, bearer, release, token
from support.keys import OTHER as OTHER_TENANT
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.stores import Tenant

ONE, OTHER = "0123456789abcdef-7", "0123456789abcdef-8"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setattr(followers, "_followers", {})
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, {"beta": {"status": True}})
    yield store
    store.close()


class Follower:
    """A client of `GET /ruleset`, by a key of the store's tenant or another."""

    def __init__(self, store: SqliteStore, evaluator: str = "worker", tenant: Tenant = HOME) -> None:
        serving = Serving(store, refresh_seconds=0.0, evaluator=evaluator)
        app = create_app(store, serving, Setup(ring=KeyRing(store)))
        self.client = TestClient(app)
        self.key = bearer(token(store.at(tenant), Kind.SERVER))
        self.etag = ""

    def ask(self, name: str) -> int:
        headers = {**self.key, "Burgee-Evaluator": name, **({"If-None-Match": self.etag} if self.etag else {})}
        answer = self.client.get("/ruleset", headers=headers)
        self.etag = answer.headers["etag"]
        return answer.status_code


def taken(store: SqliteStore) -> dict[str, list[Any]]:
    found = store.shelf(Shelf.SEEN)
    return {
        name: [revision for revision, _ in one["taken"]] for name, one in found.items() if one["kind"] == "provider"
    }


def test_a_follower_has_taken_what_it_says_that_it_has(store: SqliteStore) -> None:
    one = Follower(store)
    assert one.ask(ONE) == 200
    assert not taken(store), "it was sent the flags, and may never get them"
    assert one.ask(ONE) == 304
    eventually(lambda: taken(store) == {ONE: [1]})
    act = AuditContext("flag.kill", "ada", "why", time.time())
    write(store, lambda state, git: lay(state, git, "beta", {"status": False}, act))
    assert [one.ask(ONE), one.ask(ONE), one.ask(OTHER)] == [200, 304, 304]
    eventually(lambda: taken(store) == {ONE: [1, 2], OTHER: [2]})
    assert seen(store, 2, time.time()).answered >= 2


def test_names_are_names_and_there_are_at_most_so_many(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MAX_FOLLOWERS", 3)
    one = Follower(store)
    one.ask(ONE)
    for name in ("", "x", "../../x", "0" * 16, "0" * 16 + "-" + "1" * 99, f"{ONE}x"):
        assert one.ask(name) == 304
    for number in range(9):
        assert one.ask(f"{number:016x}-1") == 304
    eventually(lambda: len(taken(store)) == 3)
    assert all(name.endswith("-1") for name in taken(store))


def test_one_tenant_keeps_no_followers_of_another_out(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MAX_FOLLOWERS", 4)
    monkeypatch.setattr(followers, "MAX_FOLLOWERS_EACH", 3)
    theirs = store.at(OTHER_TENANT)
    release(theirs, {"beta": {"status": True}})
    loud, quiet = Follower(store), Follower(store, tenant=OTHER_TENANT)
    for number in range(9):
        loud.ask(f"{number:016x}-1")
    assert [quiet.ask(ONE), quiet.ask(ONE)] == [200, 304]
    eventually(lambda: taken(theirs) == {ONE: [1]})
    assert len(taken(store)) == 3


def test_a_service_that_records_nothing_records_no_followers(store: SqliteStore) -> None:
    one = Follower(store, evaluator="")
    assert [one.ask(ONE), one.ask(ONE)] == [200, 304]
    assert not store.shelf(Shelf.SEEN)


def test_the_module_for_browsers_is_served(store: SqliteStore) -> None:
    app = create_app(store, Serving(store), Setup(streams=b"x" * 32, ring=KeyRing(store)))
    answer = TestClient(app).get("/v1/live.js")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "export function live(" in answer.text
    held = {"If-None-Match": answer.headers["etag"]}
    assert TestClient(app).get("/v1/live.js", headers=held).status_code == 304
