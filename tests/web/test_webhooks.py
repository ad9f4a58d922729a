"""Webhooks over HTTP: which keys may, under which conditions, and what is never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind, Scope
from burgee.stores import Shelf
from burgee.webhooks.delivery import Delivery, dead_letter
from burgee.webhooks.sealing import Unsealed
from support.keys import HOME, OTHER, admin, bearer, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

URL = "https://hooks.example.com/services/very-secret-path"
NEW = {"url": URL, "name": "on-call", "actions": ["flag.kill"], "reason": "kills page us"}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop({"beta": {"status": True}})


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return admin(store, vault=Unsealed())


def made(client: TestClient, **more: Any) -> Any:
    answer = client.post("/webhooks", json={**NEW, **more})
    assert answer.status_code == 201, answer.text
    return answer


def test_a_webhook_is_added_and_its_secret_is_shown_once(client: TestClient, store: SqliteStore) -> None:
    answer = made(client)
    record = answer.json()
    secret = record.pop("secret")
    assert secret.startswith("whsec_")
    assert answer.headers["cache-control"] == "no-store"
    assert record["address"] == "https://hooks.example.com"
    assert (record["name"], record["actions"], record["kind"]) == ("on-call", ["flag.kill"], "standard")
    one = client.get(f"/webhooks/{record['id']}")
    assert (one.json(), one.headers["etag"]) == (record, answer.headers["etag"])
    assert client.get("/webhooks").json() == {"webhooks": [record]}
    entry = store.audit(limit=1)[0]
    assert (entry.action, entry.actor, entry.reason) == ("webhook.add", "the admin", "kills page us")
    shown = client.get("/audit").text + client.get("/webhooks").text + one.text
    for hidden in (secret, "very-secret-path", "sealed"):
        assert hidden not in shown


def test_the_scope_alone_keeps_webhooks_and_does_nothing_else(store: SqliteStore) -> None:
    client = service(store, vault=Unsealed())
    client.headers.update({**bearer(token(store, Kind.ADMIN, Scope.WEBHOOKS)), "X-Burgee-Reason": "test"})
    key = made(client).json()["id"]
    assert client.delete(f"/webhooks/{key}").status_code == 204
    for path in ("/flags", "/audit", "/keys"):
        assert client.get(path).status_code == 403
    assert client.post("/flags/beta/kill", json={}).status_code == 403


def test_a_webhook_belongs_to_its_tenant(client: TestClient, store: SqliteStore) -> None:
    key = made(client).json()["id"]
    far = service(store, vault=Unsealed())
    far.headers.update({**bearer(token(store.at(OTHER), Kind.ADMIN, Scope.WEBHOOKS)), "X-Burgee-Reason": "test"})
    assert far.get("/webhooks").json() == {"webhooks": []}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("POST", "/enable")):
        assert far.request(method, f"/webhooks/{key}{path}").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "http://hooks.example.com/"}, 422),
        ({"url": "https://127.0.0.1/"}, 422),
        ({"url": "https://localhost:8443/"}, 422),
        ({"url": "https://2130706433/"}, 422),
        ({"url": "https://[::ffff:169.254.169.254]/"}, 422),
        ({"url": "https://hooks.example.com:22/"}, 422),
        ({"url": "x" * 5_000}, 422),
        ({"url": None}, 422),
        ({"kind": "teams"}, 422),
        ({"actions": ["flag.*"]}, 422),
        ({"actions": ["flag"] * 21}, 422),
        ({"name": "a\nb"}, 422),
        ({"name": "x" * 101}, 422),
        ({"link": "javascript:alert(1)"}, 422),
        ({"unknown": 1}, 422),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    client: TestClient, store: SqliteStore, change: dict[str, Any], status: int
) -> None:
    before = store.audit(limit=5)
    answer = client.post("/webhooks", json={**NEW, **change})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (store.audit(limit=5), store.shelf(Shelf.WEBHOOKS)) == (before, {})


def test_a_write_may_name_the_state_it_has_seen(client: TestClient) -> None:
    answer = made(client)
    key, etag = answer.json()["id"], answer.headers["etag"]
    rotated = client.post(f"/webhooks/{key}/rotate", json={"overlap": "1h"}, headers={"If-Match": etag})
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != answer.json()["secret"]
    assert [one["ends_at"] is None for one in rotated.json()["secrets"]] == [True, False]
    for method, path in (("POST", "/rotate"), ("POST", "/enable"), ("DELETE", "")):
        stale = client.request(method, f"/webhooks/{key}{path}", headers={"If-Match": etag})
        assert stale.status_code == 412
    assert client.delete(f"/webhooks/{key}", headers={"If-Match": rotated.headers["etag"]}).status_code == 204
    assert client.get(f"/webhooks/{key}").status_code == 404


def test_more_secrets_than_receivers_try_are_refused(client: TestClient) -> None:
    key = made(client).json()["id"]
    statuses = [client.post(f"/webhooks/{key}/rotate").status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 422]


def test_there_are_only_so_many(client: TestClient) -> None:
    statuses = [client.post("/webhooks", json=NEW).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [422]


def test_a_secret_is_not_kept_for_a_repeated_request(client: TestClient, store: SqliteStore) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = (client.post("/webhooks", json=NEW, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 409)
    assert len(client.get("/webhooks").json()["webhooks"]) == 1
    assert first.json()["secret"] not in json.dumps(dict(store.shelf(Shelf.REQUESTS)))


def test_a_test_and_a_replay_are_accepted_and_shown_as_waiting(client: TestClient, store: SqliteStore) -> None:
    key = made(client).json()["id"]
    tested = client.post(f"/webhooks/{key}/test")
    assert tested.status_code == 202
    assert tested.json()["message"] == store.audit(limit=1)[0].id
    dead = Delivery(key, "1800000000000-000000000000", "beta", 1.8e9, 1.8e9, 7, "answered 500")
    store.keep([dead_letter(dead, "answered 500", 4e9)])
    shown = client.get(f"/webhooks/{key}/deliveries").json()
    assert shown["counts"] == {"waiting": 0, "dead": 1}
    assert (shown["dead"][0]["flag"], shown["dead"][0]["why"], shown["dead"][0]["attempts"]) == (
        "beta",
        "answered 500",
        7,
    )
    assert client.post(f"/webhooks/{key}/replay", json={"dead": True}).json() == {"messages": 1}
    assert client.get(f"/webhooks/{key}/deliveries").json()["counts"] == {"waiting": 1, "dead": 0}
    for wrong in ({}, {"dead": True, "since": "2026-01-01"}, {"since": "yesterday"}, {"messages": ["a"] * 101}):
        assert client.post(f"/webhooks/{key}/replay", json=wrong).status_code == 422
    assert client.post(f"/webhooks/{key}/replay", json={"messages": ["unknown"]}).status_code == 404


def test_where_no_key_is_set_none_can_be_added(store: SqliteStore) -> None:
    answer = admin(store).post("/webhooks", json=NEW)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "webhooks-off")
    assert "WebhookKey" in answer.json()["detail"]
    assert store.tenant == HOME


def test_a_dry_run_has_nothing_to_compute(client: TestClient) -> None:
    assert client.post("/webhooks?dry_run=true", json=NEW).status_code == 422
    assert client.get("/webhooks").json() == {"webhooks": []}
