"""Who may do what: every route of the OpenAPI document by every kind of caller, and two tenants on one store."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope, create
from burgee.access.settings import change
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope as Scope_
from burgee.serving.serving import Serving
from burgee.stores import Shelf
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from support.keys import ALL, FAR, HOME, OTHER, act, bearer, expired, release, revoked, service, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Tenant

FLAGS: dict[str, Any] = {
    "open": {"status": True, "client": True},
    "secret": {"status": True, "description": "Nobody outside may know"},
    "needs": {"status": True, "client": True, "requires": [{"flag": "secret", "variant": "on"}]},
}
# The permission of each operation, stated again by hand: a route that is not here fails the tests.
EVALUATES, RULES, READS, PROPOSES, KILLS = "evaluate", "rules", "read", "propose", "kill"
WRITES, RELEASES, HOOKS, KEEPS, METRICS = "write", "release", "webhooks", "keys", "metrics"
NEEDS = {
    "GET /health": None,
    "GET /users/{user_id}/flags": EVALUATES,
    "GET /users/{user_id}/flags/{flag_name}": EVALUATES,
    "POST /ofrep/v1/evaluate/flags": EVALUATES,
    "POST /ofrep/v1/evaluate/flags/{key}": EVALUATES,
    "GET /ruleset": RULES,
    "GET /openfeature/v0/manifest": EVALUATES,
    "POST /v1/events": EVALUATES,
    "GET /flags": READS,
    "POST /flags": WRITES,
    "GET /flags/{flag_name}": READS,
    "PUT /flags/{flag_name}": WRITES,
    "DELETE /flags/{flag_name}": WRITES,
    "POST /flags/{flag_name}/kill": KILLS,
    "POST /flags/{flag_name}/unkill": WRITES,
    "POST /flags/{flag_name}/guard/{step}": WRITES,
    "GET /proposals": READS,
    "POST /proposals": PROPOSES,
    "GET /proposals/{proposal_id}": READS,
    "GET /proposals/{proposal_id}/effect": READS,
    "DELETE /proposals/{proposal_id}": PROPOSES,
    "GET /overrides": READS,
    "DELETE /overrides/{flag_name}": WRITES,
    "GET /releases": READS,
    "POST /releases/{version}/activate": RELEASES,
    "GET /audit": READS,
    "GET /revisions/{revision}": READS,
    "GET /webhooks": HOOKS,
    "POST /webhooks": HOOKS,
    "GET /webhooks/{webhook_id}": HOOKS,
    "DELETE /webhooks/{webhook_id}": HOOKS,
    "GET /webhooks/{webhook_id}/deliveries": HOOKS,
    "POST /webhooks/{webhook_id}/enable": HOOKS,
    "POST /webhooks/{webhook_id}/replay": HOOKS,
    "POST /webhooks/{webhook_id}/rotate": HOOKS,
    "POST /webhooks/{webhook_id}/test": HOOKS,
    "GET /keys": KEEPS,
    "POST /keys": KEEPS,
    "DELETE /keys/{key_id}": KEEPS,
    "POST /keys/{key_id}/rotate": KEEPS,
    "GET /settings": KEEPS,
    "PUT /settings": KEEPS,
}
BODIES = {
    "POST /flags": {"flag_name": "made"},
    "PUT /flags/{flag_name}": {"status": False},
    "POST /proposals": {"flag_name": "open", "owner": "web"},
    "POST /keys": {"kind": "client", "name": "made"},
    "POST /webhooks": {"url": "https://hooks.example.com/"},
    "POST /webhooks/{webhook_id}/replay": {"dead": True},
    "PUT /settings": {"cors_origins": []},
}
SAMPLES = {
    "version": "1",
    "step": "pause",
    "revision": "1",
    "key_id": "0123456789abcdef",
    "webhook_id": "0123456789abcdef",
    "proposal_id": "1795500000000-01234567",
}


class Who(NamedTuple):
    """A caller and their permissions; None if the service does not know them."""

    name: str
    headers: dict[str, Any]
    may: frozenset[str] | None


def callers(store: SqliteStore) -> list[Who]:
    """Every kind of caller."""
    read, propose, kill, write, activate, hooks, metrics = Scope
    made = create(store, Kind.ADMIN, "whole", act(), ALL)
    guess = made.token[:-64] + "0" * 64
    unknown: dict[str, dict[str, Any]] = {
        "no key": {},
        "an empty key": bearer(""),
        "no token": bearer("letmein"),
        "a password": {"Authorization": "Basic YWRhOmFkYQ=="},
        "a wrong secret": bearer(guess),
        "an unknown key": bearer(made.token.replace(made.key.id, "f" * 16)),
        "another kind's name": bearer(token(store, Kind.CLIENT).replace("_client_", "_admin_")),
        "another tenant's name": bearer(made.token.replace("production", "staging")),
        "an absent project": bearer(made.token.replace("shop", "blog")),
        "a longer key": bearer(made.token + "0"),
        "bytes": {"X-API-Key": b"\xff\x80"},
    }
    for kind in Kind:
        whole: tuple[Scope, ...] = ALL if kind is Kind.ADMIN else ()
        unknown[f"an expired {kind} key"] = bearer(expired(store, kind, *whole))
        unknown[f"a revoked {kind} key"] = bearer(revoked(store, kind, *whole))
    found = [Who(name, headers, None) for name, headers in unknown.items()]
    known: list[tuple[str, str, set[str]]] = [
        ("client", token(store, Kind.CLIENT), {EVALUATES}),
        ("server", token(store, Kind.SERVER), {EVALUATES, RULES}),
        ("admin", token(store, Kind.ADMIN), {READS, EVALUATES, RULES}),
    ]
    allowed = {
        read: {READS, EVALUATES, RULES},
        propose: {PROPOSES},
        kill: {KILLS},
        write: {WRITES, PROPOSES, KILLS},
        activate: {RELEASES},
        hooks: {HOOKS},
        metrics: {METRICS},
    }
    pairs = [(read, propose), (read, write), (read, activate), (write, activate)]
    for scopes in [
        (read,),
        (propose,),
        (kill,),
        (write,),
        (activate,),
        (hooks,),
        (metrics,),
        *pairs,
        (read, propose, activate),
        ALL,
        tuple(Scope),
    ]:
        may = set().union(*(allowed[scope] for scope in scopes)) | (
            {KEEPS, HOOKS, METRICS} if {*ALL} <= {*scopes} else set()
        )
        known.append((f"admin {'+'.join(scopes)}", token(store, Kind.ADMIN, *scopes), may))
    for name, secret, may in known:
        found.append(Who(name, bearer(secret), frozenset(may)))
        found.append(Who(f"{name} by X-API-Key", {"X-API-Key": secret}, frozenset(may)))
    return found


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", HOME)
    release(store, FLAGS)
    yield store
    store.close()


def operations(app: Any) -> list[tuple[str, str, str]]:
    return [
        (f"{method.upper()} {path}", method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    ]


def ask(client: TestClient, operation: str, headers: dict[str, Any], **path: str) -> Any:
    method, _, pattern = operation.partition(" ")
    url = re.sub(r"\{(\w+)\}", lambda part: {**SAMPLES, **path}.get(part[1], "open"), pattern)
    body = BODIES.get(operation, {}) if method in {"POST", "PUT"} else None
    return client.request(method, url, json=body, headers={"X-Burgee-Reason": "test", **headers})


def test_every_route_lets_in_exactly_who_may(store: SqliteStore) -> None:
    client = service(store)
    found = operations(client.app)
    assert {operation for operation, _, _ in found} == set(NEEDS)
    cells = 0
    for who in callers(store):
        for operation, needed in NEEDS.items():
            reported = ask(client, operation, who.headers)
            case = f"{who.name}: {operation}: {reported.status_code} {reported.text}"
            if needed is None:
                assert reported.status_code == 200, case
                assert "release" not in reported.json() or who.may, case
            elif who.may is None:
                assert reported.status_code == 401, case
                assert reported.headers["www-authenticate"].startswith("Bearer"), case
            elif needed in who.may:
                assert reported.status_code not in {401, 403}, case
                assert reported.status_code < 500, case
            else:
                assert reported.status_code == 403, case
            if reported.status_code in {401, 403}:
                assert reported.json().get("detail") or reported.json().get("errorDetails"), case
            cells += 1
    assert cells == len(NEEDS) * 51


def test_nobody_changes_anything_by_being_refused(store: SqliteStore) -> None:
    client = service(store)
    strangers = [who for who in callers(store) if who.may is None]
    before = store.state(), store.audit(limit=1000), store.shelf(Shelf.KEYS)
    for who in strangers:
        for operation in NEEDS:
            ask(client, operation, who.headers)
    assert (store.state(), store.audit(limit=1000), store.shelf(Shelf.KEYS)) == before


@pytest.mark.parametrize(
    "path", ["/nowhere", "/nowhere//flags", "/Flags", "/users/../flags", "/ofrep", "/users", "/keys/x/y"]
)
def test_a_path_that_nobody_thought_of_is_closed(store: SqliteStore, path: str) -> None:
    client = service(store)
    assert client.get(path).status_code == 401
    assert client.post(path, json={}).status_code == 401
    whole = bearer(token(store, Kind.ADMIN, *ALL))
    assert client.get(path, headers=whole).status_code in {200, 404, 405}


def test_the_document_says_what_a_key_must_be(store: SqliteStore) -> None:
    document = service(store).get("/openapi.json").json()
    for operation, needed in NEEDS.items():
        method, _, path = operation.partition(" ")
        reported = document["paths"][path][method.lower()]
        assert reported.get("x-burgee-needs") == needed
        assert ("security" in reported) is (needed is not None)


def test_without_keys_everything_is_open_as_in_the_first_version(store: SqliteStore) -> None:
    client = service(store, ring=None)
    for operation in NEEDS:
        assert ask(client, operation, {}).status_code not in {401, 403}


@pytest.mark.parametrize("whole", [True, False], ids=["service", "function"])
def test_a_client_key_sees_flags_for_clients_alone(store: SqliteStore, *, whole: bool) -> None:
    client = service(store) if whole else function(store)
    browser, server = bearer(token(store, Kind.CLIENT)), bearer(token(store, Kind.SERVER))
    context = {"context": {"targetingKey": "u"}}
    for headers, names in ((browser, {"open", "needs"}), (server, set(FLAGS))):
        flags = client.get("/users/u/flags", headers=headers).json()["flags"]
        assert {flag["flag_name"] for flag in flags} == names
        assert all(flag["enabled"] for flag in flags)
        bulk = client.post("/ofrep/v1/evaluate/flags", json=context, headers=headers)
        assert {flag["key"] for flag in bulk.json()["flags"]} == names
        for name in FLAGS:
            status = 200 if name in names else 404
            url = f"/ofrep/v1/evaluate/flags/{name}?explain=true"
            assert client.get(f"/users/u/flags/{name}", headers=headers).status_code == status
            assert client.post(url, json=context, headers=headers).status_code == status
    absent = client.post("/ofrep/v1/evaluate/flags/nowhere", json=context, headers=browser)
    hidden = client.post("/ofrep/v1/evaluate/flags/secret", json=context, headers=browser)
    assert hidden.text == absent.text.replace("nowhere", "secret")


def function(store: SqliteStore) -> TestClient:
    """What the evaluating Lambda serves."""
    return TestClient(evaluation_app(Serving(store, refresh_seconds=0), store, Setup(ring=KeyRing(store))))


def test_a_service_of_one_project_knows_no_other(store: SqliteStore) -> None:
    release(store.at(FAR), {"theirs": {"status": True}})
    theirs = bearer(token(store.at(FAR), Kind.SERVER))
    assert service(store).get("/users/u/flags", headers=theirs).status_code == 200
    client = service(store, ring=KeyRing(store, project="shop"))
    assert client.get("/users/u/flags", headers=theirs).status_code == 401
    assert client.get("/users/u/flags", headers=bearer(token(store.at(OTHER), Kind.SERVER))).status_code == 200


def everything(store: SqliteStore, tenant: Tenant) -> Any:
    """All that a tenant has."""
    one = store.at(tenant)
    shelves = {shelf: one.shelf(shelf) for shelf in Shelf if shelf is not Shelf.USE}
    return one.state(), one.audit(limit=1000), one.releases(), shelves


@pytest.mark.parametrize("other", [OTHER, FAR], ids=["another environment", "another project"])
def test_two_tenants_see_and_change_nothing_of_each_other(store: SqliteStore, other: Tenant) -> None:
    """Every route with one tenant's admin key, aimed at what the other has: nothing of it is shown or changed."""
    mark = "zebra"
    theirs = store.at(other)
    release(theirs, {f"{mark}-flag": {"status": True, "description": f"{mark} text", "client": True}})
    release(theirs, {f"{mark}-flag": {"status": False, "client": True}, "open": {"status": False}})
    their_key = create(theirs, Kind.ADMIN, f"{mark} key", act(), ALL)
    client = service(store, limits=None)
    reported = client.post(
        f"/flags/{mark}-flag/kill", json={"reason": mark, "expires_in": "1h"}, headers=bearer(their_key.token)
    )
    assert reported.status_code == 200
    before = everything(store, other)
    mine = bearer(token(store, Kind.ADMIN, *ALL))
    aimed = {"flag_name": f"{mark}-flag", "key": f"{mark}-flag", "key_id": their_key.key.id, "version": "2"}
    asked = 0
    for operation in NEEDS:
        for extra in ({}, {"X-Burgee-Project": other.project, "X-Burgee-Environment": other.environment}):
            answered = ask(client, operation, {**mine, **extra}, **aimed)
            asked += 1
            detail = answered.json() if answered.content else {}
            # An answer may repeat the name that was asked for; it must know nothing more.
            for echo in ("key", "detail", "errorDetails"):
                detail.pop(echo, None) if isinstance(detail, dict) else None
            assert mark not in json.dumps(detail), operation
    assert asked == 2 * len(NEEDS)
    body = {"flag_name": "mine", "project": other.project}
    assert client.post("/flags", json=body, headers={**mine, "X-Burgee-Reason": "x"}).status_code == 422
    assert everything(store, other) == before
    assert (
        client.get("/users/u/flags", headers=bearer(their_key.token)).json()["flags"][0]["flag_name"]
        == f"{mark}-flag"
    )


def test_a_revoked_key_stops_at_once_here_and_within_a_minute_elsewhere(store: SqliteStore) -> None:
    clock = [0.0]
    near = service(store, ring=KeyRing(store, clock=lambda: clock[0]))
    made = create(store, Kind.SERVER, "app", act())
    assert near.get("/users/u/flags", headers=bearer(made.token)).status_code == 200
    admin = bearer(token(store, Kind.ADMIN, *ALL))
    revoking = near.delete(f"/keys/{made.key.id}", headers={**admin, "X-Burgee-Reason": "leaked"})
    assert revoking.status_code == 204
    clock[0] = 60.0
    assert near.get("/users/u/flags", headers=bearer(made.token)).status_code == 401


def test_a_rotated_key_overlaps_with_its_successor(store: SqliteStore) -> None:
    client = service(store)
    admin = {**bearer(token(store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "yearly"}
    old = client.post("/keys", json={"kind": "server", "name": "app"}, headers=admin).json()
    new = client.post(f"/keys/{old['id']}/rotate", json={"overlap": "1h"}, headers=admin).json()
    assert new["replaces"] == old["id"]
    for one in (old, new):
        assert client.get("/users/u/flags", headers=bearer(one["token"])).status_code == 200
    listed = {key["id"]: key for key in client.get("/keys", headers=admin).json()["keys"]}
    assert listed[old["id"]]["expires_at"]
    assert listed[new["id"]]["expires_at"] is None
    assert "token" not in listed[new["id"]]
    assert "digest" not in json.dumps(list(listed.values()))


def test_a_page_may_ask_from_an_origin_of_the_key_it_shows(store: SqliteStore) -> None:
    client = service(store)
    admin = {**bearer(token(store, Kind.ADMIN, *ALL)), "X-Burgee-Reason": "the shop"}
    page = {**bearer(token(store, Kind.CLIENT)), "Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in client.get("/users/u/flags", headers=page).headers
    assert client.put("/settings", json={"cors_origins": ["shop"]}, headers=admin).status_code == 422
    reported = client.put("/settings", json={"cors_origins": ["https://shop.example"]}, headers=admin)
    assert reported.json() == {"cors_origins": ["https://shop.example"]}
    assert client.get("/users/u/flags", headers=page).headers["access-control-allow-origin"] == "https://shop.example"
    evil = {**page, "Origin": "https://evil.example"}
    assert "access-control-allow-origin" not in client.get("/users/u/flags", headers=evil).headers
    managing = {**admin, "Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in client.get("/flags", headers=managing).headers
    theirs = {**page, **bearer(token(store.at(OTHER), Kind.CLIENT))}
    assert "access-control-allow-origin" not in client.get("/users/u/flags", headers=theirs).headers


def test_a_page_of_another_tenant_than_the_home_one_may_ask_with_its_key(store: SqliteStore) -> None:
    """A preflight names no tenant; whose key comes with the request decides who reads the answer."""
    client = service(store)
    change(store.at(OTHER), ["https://staging.example"], act("settings.change"))
    asked = {"Origin": "https://staging.example", "Access-Control-Request-Method": "GET"}
    preflight = client.options("/users/u/flags", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, asked["Origin"])
    assert "access-control-allow-credentials" not in preflight.headers
    origin = {"Origin": asked["Origin"]}
    theirs = client.get("/users/u/flags", headers={**origin, **bearer(token(store.at(OTHER), Kind.CLIENT))})
    assert theirs.headers["access-control-allow-origin"] == asked["Origin"]
    for headers in (origin, {**origin, **bearer(token(store, Kind.CLIENT))}):
        assert "access-control-allow-origin" not in client.get("/users/u/flags", headers=headers).headers
    managing = client.options("/flags", headers=asked)
    assert "access-control-allow-origin" not in managing.headers


def test_no_answer_reveals_why_a_key_is_not_known(store: SqliteStore) -> None:
    client = service(store)
    made = create(store, Kind.ADMIN, "whole", act(), ALL)
    wrong = [
        made.token[:-1] + ("0" if made.token[-1] != "0" else "1"),
        made.token.replace(made.key.id, "0" * 16),
        "x",
    ]
    reported = {client.get("/flags", headers=bearer(one)).text for one in wrong}
    assert len(reported) == 1


def test_the_openapi_app_is_the_one_that_is_served(store: SqliteStore) -> None:
    assert {op for op, _, _ in operations(create_app(store, Serving(store)))} == set(NEEDS)


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def write(self, records: Any) -> None:
        self.records += records

    def close(self) -> None:
        """Nothing to close."""


class NoReports:
    """Experiments that say so."""

    project, environment = HOME.project, HOME.environment

    def every(self) -> list[dict[str, Any]]:
        return [{"flag": "open"}]

    def one(self, flag: str) -> dict[str, Any] | None:
        return {"flag": flag}

    def evidence(self, _report: object) -> str:
        return ""


def test_records_are_taken_from_keys_that_evaluate_and_of_their_own_tenant_alone(store: SqliteStore) -> None:
    sink = Kept()
    recorder = Recorder(sink, Scope_(HOME.project, HOME.environment))
    setup = Setup(ring=KeyRing(store), recorder=recorder)
    client = TestClient(create_app(store, Serving(store, refresh_seconds=0), setup, NoReports()))
    body = {"events": [{"type": "event", "name": "bought", "unit": "u", "event_id": "e1"}]}
    for who in callers(store):
        reported = client.post("/v1/events", json=body, headers=who.headers).status_code
        allowed = who.may is not None and EVALUATES in who.may
        assert reported == (200 if allowed else 401 if who.may is None else 403), who.name
        reported = client.get("/experiments", headers=who.headers).status_code
        assert reported == (401 if who.may is None else 200 if READS in who.may else 403), who.name
    release(store.at(OTHER), FLAGS)
    server = bearer(token(store.at(OTHER), Kind.SERVER))
    admin = bearer(token(store.at(OTHER), Kind.ADMIN))
    before = len(sink.records)
    assert client.post("/v1/events", json=body, headers=server).status_code == 404
    assert client.get("/users/u/flags/open?expose=true", headers=server).status_code == 200
    assert client.get("/experiments", headers=admin).json() == {"experiments": []}
    assert client.get("/experiments/open", headers=admin).status_code == 404
    recorder.drain(1)
    assert len(sink.records) == before
