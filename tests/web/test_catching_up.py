"""A service that is behind a client reads its store before it answers: on AWS too, where nothing else notifies it."""

from __future__ import annotations

import asyncio
import time
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.serving.serving import Serving
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web import catching_up
from burgee.web.evaluation_app import evaluation_app
from support.keys import HOME, release
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BULK = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "ada"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, {"beta": {"status": True}})
    yield store
    store.close()


def kill(store: SqliteStore) -> None:
    act = AuditContext("flag.kill", "ada", "why", time.time())
    write(store, lambda state, git: lay(state, git, "beta", {"status": False}, act))


class Client:
    """A client of the evaluation function, which polls once an hour."""

    def __init__(self, store: SqliteStore) -> None:
        self.http = TestClient(evaluation_app(Serving(store, refresh_seconds=3_600), store))
        self.etag = ""

    def bulk(self, query: str = "") -> tuple[int, Any]:
        answer = self.http.post(BULK + query, json=USER, headers={"If-None-Match": self.etag})
        self.etag = answer.headers["etag"]
        return answer.status_code, answer.json()["flags"][0]["value"] if answer.status_code == 200 else None


def test_one_that_was_notified_gets_what_it_was_notified_of(store: SqliteStore) -> None:
    client = Client(store)
    assert client.bulk() == (200, True)
    kill(store)
    assert client.bulk() == (304, None), "it polls in an hour"
    assert client.bulk("?flagConfigEtag=1") == (304, None)
    assert client.bulk("?flagConfigEtag=2") == (200, False)
    assert client.bulk("?flagConfigEtag=2") == (304, None)


def test_a_follower_of_the_ruleset_does_too(store: SqliteStore) -> None:
    client = Client(store)
    assert client.http.get("/ruleset").json()["revision"] == 1
    kill(store)
    assert client.http.get("/ruleset").json()["revision"] == 1
    assert client.http.get("/ruleset?flagConfigEtag=2.1").json()["revision"] == 2


def test_after_a_read_that_found_nothing_it_does_not_read_whatever_clients_say(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "LATE_SECONDS", 1_000.0)
    client = Client(store)
    client.bulk()
    assert client.bulk("?flagConfigEtag=999")[0] == 304
    kill(store)
    for claimed in ("2", "9" * 39, "9" * 5_000, "x", "-1", "%00", "2&flagConfigEtag=3"):
        assert client.bulk(f"?flagConfigEtag={claimed}")[0] == 304
    monkeypatch.setattr(catching_up, "LATE_SECONDS", 0.0)
    assert client.bulk("?flagConfigEtag=2") == (200, False)


class Reads:
    """The reads of a service, each of which ends when it may."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.refresh = serving.refresh
        self.count = 0
        self.may_end = Event()

    def __call__(self) -> None:
        self.count += 1
        self.refresh()
        assert self.may_end.wait(PATIENCE)

    async def asked(self, revision: int) -> int:
        """The revision that one gets who was notified of another."""
        scope = {"type": "http", "query_string": b"flagConfigEtag=%d" % revision}
        exchange: Any = SimpleNamespace(scope=scope, serving=self.serving)
        await catching_up.catch_up(exchange)
        return self.serving.served().revision


@pytest.fixture
def reads(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Reads:
    monkeypatch.setattr(catching_up, "PATIENCE_SECONDS", PATIENCE)
    serving = Serving(store, refresh_seconds=3_600)
    serving.ruleset()
    reads = Reads(serving)
    monkeypatch.setattr(serving, "refresh", reads)
    return reads


def test_all_that_are_notified_at_once_wait_for_the_same_read(store: SqliteStore, reads: Reads) -> None:
    kill(store)

    async def run() -> list[int]:
        asked = [asyncio.ensure_future(reads.asked(2)) for _ in range(20)]
        await asyncio.to_thread(eventually, lambda: reads.count)
        reads.may_end.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(run()) == [2] * 20
    assert reads.count == 1


def test_a_read_that_began_before_a_change_is_followed_by_another(store: SqliteStore, reads: Reads) -> None:
    kill(store)

    async def run() -> list[int]:
        first = asyncio.ensure_future(reads.asked(2))
        await asyncio.to_thread(eventually, lambda: reads.serving.served().revision == 2)
        kill(store)
        second = asyncio.ensure_future(reads.asked(3))
        await asyncio.sleep(0)
        reads.may_end.set()
        return [await first, await second]

    assert asyncio.run(run())[1] == 3
    assert reads.count == 2
