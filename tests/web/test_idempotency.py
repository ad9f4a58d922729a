"""`Idempotency-Key`: done once and answered again, also when the process dies at any moment between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from burgee.access.keys import Kind, Scope
from burgee.stores import Shelf
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS
from support.keys import ALL, HOME, admin, bearer, release, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.testclient import TestClient

    from burgee.stores import Store

TESTS = Path(__file__).parents[1]
FLAGS: dict[str, Any] = {"beta": {"status": True, "rollout_percentage": 20}}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return admin(store)


def test_the_same_write_sent_again_is_answered_as_the_first_time(client: TestClient, store: SqliteStore) -> None:
    key = {"Idempotency-Key": "deploy-7"}
    first = client.post("/flags", json={"flag_name": "made"}, headers=key)
    again = client.post("/flags", json={"flag_name": "made"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert [entry.action for entry in store.audit()].count("flag.create") == 1
    other = client.post("/flags", json={"flag_name": "else"}, headers=key)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
    gone = [client.delete("/flags/made", headers=key) for _ in range(2)]
    assert [one.status_code for one in gone] == [204, 204]
    assert client.delete("/flags/made").status_code == 404


def test_an_idempotency_key_is_its_senders_own_and_lasts_a_day(
    client: TestClient, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "1"}
    body = {"status": False}
    assert client.put("/flags/beta", json=body, headers=key).status_code == 200
    other = bearer(token(store, Kind.ADMIN, Scope.WRITE, Scope.READ))
    assert client.put("/flags/beta", json={"status": True}, headers={**key, **other}).status_code == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert client.put("/flags/beta", json={"status": True}, headers=key).status_code == 200


def test_a_request_that_is_being_done_is_not_done_twice(client: TestClient, store: SqliteStore) -> None:
    key = {"Idempotency-Key": "slow"}
    commit, inner = store.commit, list[Any]()

    def slow(*arguments: Any, **options: Any) -> Any:
        if not inner:
            inner.append(None)
            inner[0] = client.put("/flags/beta", json={"status": False}, headers=key)
        return commit(*arguments, **options)

    store.commit = slow  # type: ignore[method-assign]
    assert client.put("/flags/beta", json={"status": False}, headers=key).status_code == 200
    assert (inner[0].status_code, inner[0].headers["retry-after"]) == (409, "1")


def test_no_secret_is_kept_to_be_shown_again(client: TestClient, store: SqliteStore) -> None:
    key, body = {"Idempotency-Key": "k"}, {"kind": "server", "name": "app"}
    made = client.post("/keys", json=body, headers=key)
    again = client.post("/keys", json=body, headers=key)
    assert (made.status_code, again.status_code) == (201, 409)
    assert len(client.get("/keys").json()["keys"]) == 2
    assert made.json()["token"] not in repr(store.shelf(Shelf.REQUESTS))


WRITES = {
    "create": ("POST", "/flags", {"flag_name": "made"}, 201, "flag.create"),
    "update": ("PUT", "/flags/beta", {"rollout_percentage": 30}, 200, "flag.update"),
    "kill": ("POST", "/flags/beta/kill", {}, 200, "flag.kill"),
    "delete": ("DELETE", "/flags/beta", None, 204, "flag.delete"),
    "activate": ("POST", "/releases/1/activate", {}, 200, "release.activate"),
    "settings": ("PUT", "/settings", {"cors_origins": ["https://shop.example"]}, 200, "settings.change"),
    "key": ("POST", "/keys", {"kind": "server", "name": "app"}, 201, "key.create"),
}
KEY = {"Idempotency-Key": "once", "X-Burgee-Reason": "test"}


class DeadError(Exception):
    """Stands for `kill -9`: nothing that writes catches it, and once dead a process writes nothing more."""


class Mortal:
    """Makes a store's process die at one of its calls to write, before or after it."""

    def __init__(self, store: Store, fuse: int) -> None:
        self.fuse = fuse
        for name in ("keep", "commit"):
            setattr(store, name, self._wrapped(getattr(store, name)))

    def _wrapped(self, call: Any) -> Any:
        def called(*arguments: Any, **more: Any) -> Any:
            self._burn()
            result = call(*arguments, **more)
            self._burn()
            return result

        return called

    def _burn(self) -> None:
        if self.fuse == 0:
            raise DeadError
        self.fuse -= 1


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Callable[[], Store]]:
    """Opens stores on one place, as the processes there do one after the other."""
    with mock_aws(), ExitStack() as opened:

        def store() -> Store:
            made: Store = SqliteStore(folder / "db", HOME) if kind == "sqlite" else DynamoDbStore("burgee", HOME)
            opened.callback(made.close)
            return made

        if kind == "dynamodb":
            DynamoDbStore("burgee").create_table()
        yield store


@pytest.mark.parametrize(
    ("kind", "write"), [*(("sqlite", write) for write in WRITES), ("dynamodb", "activate"), ("dynamodb", "key")]
)
def test_wherever_its_process_dies_a_write_is_done_once_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, write: str
) -> None:
    """The request is sent again, a minute later, to a new process; the oracle is the audit log."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    method, path, body, status, action = WRITES[write]
    survived = []
    for fuse in range(5):
        (tmp_path / str(fuse)).mkdir()
        with place(kind, tmp_path / str(fuse)) as opened, monkeypatch.context() as patch:
            store = opened()
            release(store, FLAGS)
            release(store, {**FLAGS, "other": {"status": True}})
            headers = {**KEY, **bearer(token(store, Kind.ADMIN, *ALL))}
            client = service(store)
            client.get("/flags", headers=headers)  # the key's use is noted now and not in what follows
            before = actions(store)
            mortal = Mortal(store, fuse)
            first = client.request(method, path, json=body, headers=headers)
            survived.append(first.status_code < 300)
            now = time.time()
            patch.setattr(time, "time", lambda: now + 61)  # noqa: B023 - it ends with this turn of the loop
            store = opened()
            reported = service(store).request(method, path, json=body, headers=headers)
            # Done before it died: a key's token is shown once, all else as the first time.
            done = fuse >= 3
            assert reported.status_code == (409 if done and write == "key" else status), reported.text
            assert reported.headers.get("idempotency-replayed") == ("true" if done else None)
            if survived[-1] and write != "key":
                assert reported.content == first.content
            assert actions(store)[: -len(before)] == [action], f"died at {fuse}"
            assert mortal.fuse == 0
    assert survived == [False, False, False, False, True]


def actions(store: Store) -> list[str]:
    return [entry.action for entry in store.audit()]


def test_killed_at_each_statement_a_create_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By SIGKILL, in a process of its own, right before and right after each of SQLite's statements that write."""
    with closing(SqliteStore(tmp_path / "base.db", HOME)) as store:
        release(store, FLAGS)
        secret = token(store, Kind.ADMIN, *ALL)
    code = f"from support import crash; crash.die_in_a_request({str(tmp_path)!r}, {secret!r})"
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "functions")])
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    deaths = [int(line) for line in ran.stdout.split()]
    assert deaths[:-1] == [-signal.SIGKILL] * (len(deaths) - 1)
    assert (deaths[-1], len(deaths) > 20) == (0, True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    answered = set()
    for fuse in range(1, len(deaths) + 1):
        with closing(SqliteStore(tmp_path / f"{fuse}.db", HOME)) as store:
            reported = service(store).post("/flags", json={"flag_name": "made"}, headers={**KEY, **bearer(secret)})
            assert reported.status_code == 201, f"killed at {fuse}: {reported.text}"
            answered.add(reported.headers.get("idempotency-replayed"))
            assert actions(store).count("flag.create") == 1, f"killed at {fuse}"
    assert answered == {None, "true"}
