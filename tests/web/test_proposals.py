"""Proposals over HTTP: made with their effect, read, closed; conditional, repeatable, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind, Scope
from burgee.errors import Refused
from burgee.releases.proposals import ProposalState, find, last_run, mark, note_run
from burgee.times import parse_time
from support.keys import admin, bearer, release, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {
    "beta": {"status": True, "rollout_percentage": 20, "owner": "search"},
    "dark": {"status": True, "requires": [{"flag": "beta", "variant": "on"}]},
}
RAISE = {"flag_name": "beta", "rollout_percentage": 50, "reason": "no errors in a week"}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop(FLAGS)


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return admin(store)


def moves(reported: Any) -> dict[str, list[float]]:
    return {
        flag["name"]: [move["percent"] for region in flag["regions"] for move in region["moves"]]
        for flag in reported["effect"]["flags"]
    }


def test_a_proposal_is_answered_with_its_effect_and_changes_nothing(client: TestClient, store: SqliteStore) -> None:
    before = client.get("/flags").json()
    made = client.post("/proposals", json={**RAISE, "owner": None, "title": "Half of them"})
    assert made.status_code == 201, made.text
    reported = made.json()
    expected = {"flag_name": "beta", "set": {"rollout_percentage": 50}, "unset": ["owner"], "state": "waiting"}
    assert reported | expected == reported
    assert (reported["title"], reported["why"], reported["address"], reported["opens_at"]) == (
        "Half of them",
        "no errors in a week",
        None,
        None,
    )
    assert reported["author"] == "the admin"
    assert moves(reported) == {"beta": [30.0], "dark": [30.0]}
    assert client.get("/flags").json() == before
    entry = store.audit(limit=1)[0]
    assert (entry.action, entry.flag, entry.reason) == ("proposal.create", "beta", "no errors in a week")
    one = client.get(made.headers["location"])
    assert (one.json(), one.headers["etag"]) == (
        {key: value for key, value in reported.items() if key != "effect"},
        made.headers["etag"],
    )
    assert moves(client.get(f"{made.headers['location']}/effect").json()) == moves(reported)
    assert client.get("/proposals").json() == {"proposals": [one.json()], "cursor": None}


def test_the_effect_is_that_on_what_is_served(client: TestClient) -> None:
    """An override of the flag ends once Git says the same: its users see no change."""
    client.post("/flags/beta/kill", json={})
    made = client.post("/proposals", json={"flag_name": "beta", "status": False, "reason": "for good"})
    assert moves(made.json()) == {}
    raised = client.post("/proposals", json=RAISE)
    assert moves(raised.json()) == {"beta": [50.0], "dark": [50.0]}


def test_a_dry_run_answers_the_effect_and_makes_nothing(client: TestClient, store: SqliteStore) -> None:
    audit = store.audit()
    reported = client.post("/proposals?dry_run=true", json=RAISE)
    assert (reported.status_code, moves(reported.json())) == (200, {"beta": [30.0], "dark": [30.0]})
    assert client.get("/proposals").json()["proposals"] == []
    made = client.post("/proposals", json=RAISE).json()
    closed = client.delete(f"/proposals/{made['id']}?dry_run=true")
    assert (closed.status_code, closed.json()) == (200, {"dry_run": True, "effect": {"flags": []}})
    assert client.get(f"/proposals/{made['id']}").json()["state"] == "waiting"
    assert len(store.audit()) == len(audit) + 1


def test_a_proposal_is_made_though_its_effect_cannot_be_computed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise Refused("dry-run-too-large", "the effect takes too long")

    monkeypatch.setattr("burgee.web.routes.proposals.effect", busy)
    made = client.post("/proposals", json=RAISE)
    assert (made.status_code, made.json()["effect"]) == (201, {"flags": None, "why": "the effect takes too long"})
    assert client.get(f"/proposals/{made.json()['id']}/effect").status_code == 503


def test_only_what_its_writer_has_read_is_changed(client: TestClient) -> None:
    etag = client.get("/flags/beta").headers["etag"]
    made = client.post("/proposals", json=RAISE, headers={"If-Match": etag})
    assert made.status_code == 201
    client.post("/flags/beta/kill", json={})
    assert client.post("/proposals", json=RAISE, headers={"If-Match": etag}).status_code == 412
    url = made.headers["location"]
    assert client.delete(url, headers={"If-Match": '"other"'}).status_code == 412
    assert client.delete(url, headers={"If-Match": made.headers["etag"]}).status_code == 204
    assert client.delete(url).status_code == 409
    assert client.get(url).json()["state"] == "closed"


def test_the_same_request_again_makes_no_second(client: TestClient) -> None:
    made = [client.post("/proposals", json=RAISE, headers={"Idempotency-Key": "1"}) for _ in range(2)]
    assert made[0].content == made[1].content
    assert len(client.get("/proposals").json()["proposals"]) == 1


def test_one_that_is_open_says_where_and_is_closed_there(client: TestClient, store: SqliteStore) -> None:
    made = client.post("/proposals", json=RAISE).json()
    note_run(store, 4e9, 900.0)
    reported = client.get(f"/proposals/{made['id']}").json()
    run = last_run(store)
    assert run is not None
    assert parse_time(reported["opens_at"]) == run.next() == 4e9 + 900
    mark(store, made["id"], ProposalState.OPENED, 4e9, address="https://example.com/pull/1")
    reported = client.get(f"/proposals/{made['id']}").json()
    assert (reported["state"], reported["address"], reported["opens_at"]) == (
        "opened",
        "https://example.com/pull/1",
        None,
    )
    refused = client.delete(f"/proposals/{made['id']}")
    assert (refused.status_code, "close https://example.com/pull/1" in refused.text) == (409, True)


def test_one_whose_flag_has_changed_since_says_so(client: TestClient, store: SqliteStore) -> None:
    made = client.post("/proposals", json=RAISE).json()
    release(store, {**FLAGS, "beta": {"status": False}})
    assert client.get(f"/proposals/{made['id']}").json()["state"] == "outdated"
    assert client.get("/proposals?state=outdated").json()["proposals"][0]["id"] == made["id"]
    assert client.get("/proposals?state=waiting").json()["proposals"] == []


def test_lists_have_pages(client: TestClient) -> None:
    made = [client.post("/proposals", json={**RAISE, "rollout_percentage": 30 + n}).json()["id"] for n in range(3)]
    first = client.get("/proposals?limit=2").json()
    rest = client.get(f"/proposals?limit=2&cursor={first['cursor']}").json()
    assert [one["id"] for one in [*first["proposals"], *rest["proposals"]]] == sorted(made, reverse=True)
    assert rest["cursor"] is None


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"rollout_percentage": 101}, "invalid-request", "/rollout_percentage"),
        ({"rollout_percentag": 5}, "invalid-request", "/rollout_percentag"),
        ({"holdout": "none"}, "invalid-flag", "/holdout"),
        ({"status": True}, "unchanged", None),
        ({"tags": None}, "invalid-proposal", None),
        ({"absent": True, "status": False}, "invalid-proposal", None),
        ({"absent": True}, "invalid-flag", ""),
        ({"title": "two\nlines", "status": False}, "invalid-proposal", None),
        ({"flag_name": "-x", "status": True}, "invalid-request", "/flag_name"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_place(
    client: TestClient, body: Any, code: str, pointer: str | None
) -> None:
    reported = client.post("/proposals", json={"flag_name": "beta", "reason": "x", **body})
    assert (reported.status_code, reported.json()["type"].rpartition("/")[2]) == (422, code), reported.text
    assert pointer is None or pointer in [error["pointer"] for error in reported.json()["errors"]]
    assert client.get("/proposals").json()["proposals"] == []


def test_who_may_propose_alone_may_change_nothing(store: SqliteStore) -> None:
    client = service(store)
    agent = {**bearer(token(store, Kind.ADMIN, Scope.PROPOSE)), "X-Burgee-Reason": "x"}
    made = client.post("/proposals", json=RAISE, headers=agent)
    assert made.status_code == 201
    assert client.put("/flags/beta", json={"status": False}, headers=agent).status_code == 403
    assert client.post("/flags/beta/kill", json={}, headers=agent).status_code == 403
    assert client.get("/proposals", headers=agent).status_code == 403
    assert client.delete(made.headers["location"], headers=agent).status_code == 204
    assert find(store, made.json()["id"]).author == "the admin"
