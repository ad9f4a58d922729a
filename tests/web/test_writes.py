"""Writes that can be trusted: conditional, repeatable, tried first, reasoned, ended by time; lists; limits."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.evaluation.definition import BOOLEAN_VARIANTS
from burgee.flagfile.flag_grammar import normalise
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from burgee.web.protection.rate_limits import Limits
from burgee.web.protection.token_buckets import Buckets, Rate
from support.keys import ALL, HOME, admin, bearer, release, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS: dict[str, Any] = {
    "beta": {
        "status": True,
        "rollout_percentage": 20,
        "description": "New Search",
        "owner": "search",
        "tags": ["q4"],
    },
    "dark": {"status": False, "owner": "web", "tags": ["q4", "ui"]},
}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return admin(store)


def test_a_write_takes_only_what_its_writer_has_read(client: TestClient) -> None:
    etag = client.get("/flags/beta").headers["etag"]
    wrote = client.put("/flags/beta", json={"rollout_percentage": 30}, headers={"If-Match": etag})
    assert wrote.status_code == 200
    assert wrote.headers["etag"] == client.get("/flags/beta").headers["etag"] != etag
    for held in (etag, f"W/{wrote.headers['etag']}", '"other"'):
        for method, path in (("PUT", "/flags/beta"), ("DELETE", "/flags/beta"), ("DELETE", "/overrides/beta")):
            body = {"status": False} if method == "PUT" else None
            stale = client.request(method, path, json=body, headers={"If-Match": held})
            assert (stale.status_code, stale.json()["type"].rpartition("/")[2]) == (412, "stale")
    kill = client.post("/flags/beta/kill", json={}, headers={"If-Match": f'"x", {wrote.headers["etag"]}'})
    assert kill.status_code == 200
    assert client.put("/flags/beta", json={"status": True}, headers={"If-Match": "*"}).status_code == 200
    assert client.put("/flags/none", json={"status": True}, headers={"If-Match": "*"}).status_code == 412


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_kill_takes_its_reason_from_the_header_or_the_body(
    store: SqliteStore, client: TestClient, where: str
) -> None:
    for what in ("kill", "unkill"):
        path = f"/flags/beta/{what}"
        if where == "header":
            done = client.post(path, headers={"X-Burgee-Reason": f"{what} it"})
        else:
            done = client.post(path, json={"reason": f"{what} it"}, headers={"X-Burgee-Reason": "the body says more"})
        assert done.status_code == 200, done.text
        assert store.audit(limit=1)[0].reason == f"{what} it"


def test_a_body_that_is_missing_is_said_to_be(client: TestClient) -> None:
    refused = client.put("/flags/beta", headers={"X-Burgee-Reason": "x"})
    assert (refused.status_code, refused.json()["detail"]) == (422, "a JSON body is needed")
    body = b'{"status": false}'
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        headers = {"X-Burgee-Reason": "x", "Content-Type": kind}
        refused = client.put("/flags/beta", content=body, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "")
        assert refused.json()["detail"] == "the body is not read without Content-Type: application/json"
    assert client.put("/flags/beta", content=body, headers={**headers, "Content-Type": "application/json"}).is_success


def test_of_sixteen_writers_with_if_match_nobody_loses_an_update(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.sqlite", HOME)
    release(store, {"count": {"status": True, "rollout_percentage": 0}})
    headers = {**bearer(token(store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "count"}
    limits = Limits(manage=Rate("manage", 1e6, 1_000_000))
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store), limits=limits))

    def add(client: TestClient) -> int:
        """Adds one, and returns how often it had to try."""
        for tries in range(1, 400):
            read = client.get("/flags/count", headers=headers)
            body = {"rollout_percentage": read.json()["rollout_percentage"] + 1}
            wrote = client.put("/flags/count", json=body, headers={**headers, "If-Match": read.headers["etag"]})
            if wrote.status_code == 200:
                return tries
            assert wrote.status_code in {409, 412}, wrote.text
        pytest.fail("never got through")

    with TestClient(app) as client, ThreadPoolExecutor(16) as pool:
        tries = list(pool.map(lambda _: add(client), range(64)))
        assert client.get("/flags/count", headers=headers).json()["rollout_percentage"] == 64
    assert sum(tries) > 64  # otherwise nobody was in anybody's way, and nothing was shown
    assert len([entry for entry in store.audit(limit=1000) if entry.action == "flag.update"]) == 64
    store.close()


def test_a_dry_run_shows_the_effect_and_changes_nothing(client: TestClient, store: SqliteStore) -> None:
    before = store.state(), store.audit()
    dry = {"dry_run": "true"}
    reported = client.put("/flags/beta", json={"rollout_percentage": 50}, params=dry).json()
    (flag,) = reported["effect"]["flags"]
    (move,) = flag["regions"][0]["moves"]
    assert (reported["dry_run"], flag["name"]) == (True, "beta")
    assert (move["from"], move["to"], move["percent"], move["loses"]) == ("off", "on", 30.0, False)
    killed = client.post("/flags/beta/kill", json={}, params=dry).json()["effect"]["flags"][0]["regions"][0]["moves"]
    assert [(one["percent"], one["loses"]) for one in killed] == [(20.0, True)]
    assert client.post("/flags", json={"flag_name": "x"}, params=dry).json()["effect"]["flags"][0]["name"] == "x"
    assert client.delete("/flags/beta", params=dry).status_code == 200
    assert client.post("/releases/1/activate", json={}, params=dry).json()["effect"] == {"flags": []}
    assert client.put("/flags/none", json={}, params=dry).status_code == 404
    assert client.put("/flags/beta", json={"holdout": "none"}, params=dry).status_code == 422
    assert client.put("/flags/beta", json={}, params=dry, headers={"If-Match": '"x"'}).status_code == 412
    assert (store.state(), store.audit()) == before


def test_a_reason_is_needed_and_the_key_is_named_whatever_author_is_claimed(
    client: TestClient, store: SqliteStore
) -> None:
    client.headers.pop("X-Burgee-Reason")
    for reason in ({}, {"reason": ""}, {"reason": "  "}):
        reported = client.put("/flags/beta", json={"status": False, **reason})
        assert (reported.status_code, reported.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert client.delete("/flags/beta").status_code == 422
    request_id = {"X-Request-Id": "deploy-7"}
    client.put("/flags/beta", json={"status": False, "reason": "down", "author": "eve"}, headers=request_id)
    entry = store.audit()[0]
    assert (entry.actor, entry.reason, entry.request_id) == ("eve with the admin", "down", "deploy-7")
    assert entry.source == "testclient"
    client.put("/flags/beta", json={"status": True, "reason": "up"})
    assert store.audit()[0].actor == "the admin"


def test_an_override_ends_by_itself(client: TestClient, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = client.put("/flags/beta", json={"status": False, "expires_in": "2h"}).json()
    assert reported["expires_at"] > reported["updated_at"]
    user = bearer(token(store, Kind.SERVER))
    assert client.get("/users/ada/flags/beta", headers=user).json()["reason"] == "DISABLED"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7201)
    assert client.get("/users/ada/flags/beta", headers=user).json()["reason"] == "SPLIT"
    assert client.get("/flags/beta").json()["status"] is True
    for wrong in ("0h", "2 hours", "-1h", "99999999d"):
        assert client.put("/flags/beta", json={"expires_in": wrong}).status_code == 422


def test_a_kill_needs_a_reason_alone_and_is_undone_to_what_was(client: TestClient) -> None:
    assert client.post("/flags/beta/kill", json={"reason": "it burns"}).json()["status"] is False
    reported = client.post("/flags/beta/unkill", json={"reason": "it does not"}).json()
    assert (reported["status"], reported["rollout_percentage"], reported["source"]) == (True, 20, "release")
    client.put("/flags/beta", json={"rollout_percentage": 10})
    client.post("/flags/beta/kill", json={})
    reported = client.post("/flags/beta/unkill", json={}).json()
    assert (reported["status"], reported["rollout_percentage"], reported["source"]) == (True, 10, "override")
    again = client.post("/flags/beta/unkill", json={})
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "not-killed")
    assert client.post("/flags/none/kill", json={}).status_code == 404
    assert client.post("/flags/none/unkill", json={}).status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"schedule": [{"at": "2020-01-01", "set": {"status": True}}]},
        {"schedule": [{"at": "2020-01-01", "set": {"status": True, "rollout_percentage": 100}}]},
        {"targets": {"on": ["ada"]}},
        {"rules": [{"when": {"plan": "pro"}, "serve": "on"}], "default": {"serve": "on"}},
        {"rules": [{"when": {"plan": "pro"}, "split": {"on": 100, "off": 0}}]},
        {"rollout_percentage": {"from": 0, "to": 100, "start": "2020-01-01", "end": "2020-01-02"}},
        {"requires": [{"flag": "always", "variant": "on"}]},
        {"layer": {"name": "checkout", "range": [0, 100]}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_kill_stops_every_way_of_being_on(store: SqliteStore, more: dict[str, Any]) -> None:
    release(store, {**FLAGS, "always": {"status": True}, "flag": normalise({"status": True, **more})})
    client = service(store)
    client.headers.update({**bearer(token(store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "test"})
    before = client.get("/users/ada/flags/flag?plan=pro").json()
    assert before["value"] is True
    assert client.post("/flags/flag/kill", json={}).status_code == 200
    killed = client.get("/users/ada/flags/flag?plan=pro").json()
    assert (killed["value"], killed["reason"]) == (BOOLEAN_VARIANTS["off"], "DISABLED")
    assert client.post("/flags/flag/unkill", json={}).json()["source"] == "release"
    assert client.get("/users/ada/flags/flag?plan=pro").json() == before


def test_a_release_can_be_activated_again(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "beta": {"status": False}})
    assert client.get("/flags/beta").json()["status"] is False
    dry = client.post("/releases/1/activate", json={}, params={"dry_run": "true"}).json()
    assert dry["effect"]["flags"][0]["name"] == "beta"
    assert client.post("/releases/1/activate", json={"reason": "wrong"}).json()["current"] == 1
    assert client.get("/flags/beta").json()["status"] is True
    assert client.post("/releases/9/activate", json={}).status_code == 404
    client.put("/flags/beta", json={"rollout_percentage": 77})
    conflict = client.post("/releases/2/activate", json={})
    assert (conflict.status_code, conflict.json()["type"].rpartition("/")[2]) == (409, "override-conflict")
    assert client.post("/releases/2/activate", json={"overrides": "discard"}).status_code == 200
    assert client.get("/overrides").json() == {"overrides": []}


def test_a_release_is_activated_only_over_what_was_read(client: TestClient, store: SqliteStore) -> None:
    etag = client.get("/releases").headers["etag"]
    release(store, {**FLAGS, "beta": {"status": False}})
    now = client.get("/releases").headers["etag"]
    for held in (etag, f"W/{now}", '"other"'):
        for query in ("", "?dry_run=true"):
            reported = client.post(f"/releases/1/activate{query}", json={}, headers={"If-Match": held})
            assert (reported.status_code, reported.json()["type"].rpartition("/")[2]) == (412, "stale")
    assert client.get("/releases").json()["current"] == 2
    assert client.post("/releases/1/activate?dry_run=true", json={}, headers={"If-Match": now}).status_code == 200
    back = client.post("/releases/1/activate", json={}, headers={"If-Match": f'"x", {now}'})
    assert back.json()["current"] == 1
    assert back.headers["etag"] == client.get("/releases").headers["etag"] not in {etag, now}
    assert client.post("/releases/2/activate", json={}, headers={"If-Match": now}).status_code == 412
    assert client.post("/releases/2/activate", json={}, headers={"If-Match": "*"}).status_code == 200
    assert client.post("/releases/9/activate", json={}, headers={"If-Match": "*"}).status_code == 404


def test_an_activation_that_another_overtakes_changes_nothing(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "beta": {"status": False}})
    etag = client.get("/releases").headers["etag"]
    commit = store.commit

    def overtaken(*arguments: Any, **options: Any) -> Any:
        store.commit = commit  # type: ignore[method-assign]
        release(store, {**FLAGS, "new": {"status": True}})
        return commit(*arguments, **options)

    store.commit = overtaken  # type: ignore[method-assign]
    reported = client.post("/releases/1/activate", json={}, headers={"If-Match": etag})
    assert (reported.status_code, reported.json()["type"].rpartition("/")[2]) == (409, "conflict")
    assert client.get("/releases").json()["current"] == 3
    assert client.post("/releases/1/activate", json={}, headers={"If-Match": etag}).status_code == 412


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["beta", "dark"]),
        ("tag=q4", ["beta", "dark"]),
        ("tag=ui", ["dark"]),
        ("tag=none", []),
        ("owner=search", ["beta"]),
        ("status=on", ["beta"]),
        ("status=false", ["dark"]),
        ("q=SEARCH", ["beta"]),
        ("q=ark", ["dark"]),
        ("tag=q4&status=off&q=d", ["dark"]),
    ],
)
def test_a_list_is_filtered(client: TestClient, query: str, names: list[str]) -> None:
    assert [flag["flag_name"] for flag in client.get(f"/flags?{query}").json()] == names
    paged, url = [], f"/flags?{query}&limit=1"
    while url:
        answered = client.get(url)
        paged += [flag["flag_name"] for flag in answered.json()]
        url = answered.links["next"]["url"].replace("?", "/flags?", 1) if "next" in answered.links else ""
    assert paged == names


def test_a_page_of_a_filtered_log_goes_on_where_it_stopped(client: TestClient) -> None:
    for number in range(9):
        client.post(f"/flags/{'beta' if number % 3 else 'dark'}/kill", json={"reason": str(number)})
        client.put("/flags/beta", json={"status": True, "rollout_percentage": number})
    found, cursor = [], ""
    while True:
        page = client.get(f"/audit?action=flag.kill&flag=beta&limit=2{cursor}").json()
        found += [entry["reason"] for entry in page["entries"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == ["8", "7", "5", "4", "2", "1"]
    assert client.get("/audit?actor=nobody").json() == {"entries": [], "cursor": None}
    assert client.get("/audit?since=yesterday").status_code == 422


def test_a_key_that_asks_too_much_learns_when_to_retry(store: SqliteStore) -> None:
    limits = Limits(Rate("evaluate", 0.5, 3), Rate("manage", 0.5, 2))
    client = service(store, limits=limits)
    first, second = (bearer(token(store, Kind.SERVER)) for _ in range(2))
    reported = [client.get("/users/u/flags", headers=first) for _ in range(4)]
    assert [one.status_code for one in reported] == [200, 200, 200, 429]
    assert reported[0].headers["ratelimit-policy"] == '"evaluate";q=3;w=6'
    assert [one.headers["ratelimit"] for one in reported][:2] == ['"evaluate";r=2;t=2', '"evaluate";r=1;t=4']
    assert reported[3].headers["retry-after"] == "2"
    assert reported[3].json()["type"].endswith("too-many-requests")
    assert client.get("/users/u/flags", headers=second).status_code == 200
    spoken = client.post("/ofrep/v1/evaluate/flags", json={}, headers=first)
    assert (spoken.status_code, set(spoken.json())) == (429, {"errorCode", "errorDetails"})
    admin = bearer(token(store, Kind.ADMIN, *ALL))
    assert [client.get("/flags", headers=admin).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/users/u/flags", headers=admin).status_code == 200
    assert client.get("/health", headers=admin).status_code == 200


def test_a_bucket_fills_again_and_memory_of_buckets_is_bounded() -> None:
    now = 0.0
    buckets = Buckets(Rate("r", 2, 4), lambda: now)
    assert [buckets.take("a")[0] for _ in range(5)] == [True] * 4 + [False]
    now = 1.0
    assert [buckets.take("a")[0] for _ in range(3)] == [True, True, False]
    now = 1000.0
    assert [buckets.take("a")[0] for _ in range(5)] == [True] * 4 + [False]
    for number in range(10_001):
        buckets.take(str(number))
    assert len(buckets._levels) == 10_000


def test_a_kill_is_served_at_once_by_the_process_that_took_it_where_the_poll_is_stale(store: SqliteStore) -> None:
    """As DynamoDB's cheap read may be: the pointer that is polled stays what it was a moment ago."""
    client = admin(store)
    release(store, {"switch": {"status": True}})
    assert client.get("/users/u/flags/switch").json()["value"] is True
    stale = store.pointer()
    store.pointer = lambda: stale  # type: ignore[method-assign]
    for change, value in (("kill", False), ("unkill", True), ("kill", False)):
        assert client.post(f"/flags/switch/{change}", json={}).status_code == 200
        for _ in range(3):
            assert client.get("/users/u/flags/switch").json()["value"] is value


def test_an_override_may_not_serve_what_the_flag_s_schema_refuses(client: TestClient) -> None:
    schema = {"type": "object", "properties": {"cpu": {"type": "integer"}}, "required": ["cpu"]}
    flag = {"schema": schema, "variants": {"small": {"cpu": 1}}, "default": {"serve": "small"}}
    assert client.post("/flags", json={"flag_name": "limits", **flag}).status_code == 201
    refused = client.put("/flags/limits", json={"variants": {"small": {"cpu": "one"}}})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"], error["pointer"]) == ("schema-mismatch", "/variants/small/cpu")
