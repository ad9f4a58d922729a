"""Flags as resources: overrides over a release, who and why, paging, ETags, problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.errors import Conflict, StoreUnavailable
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: dict[str, Any] = {
    "beta": {"status": True, "rollout_percentage": 100, "description": "New search", "owner": "search"},
    "button": {
        "status": True,
        "variants": {"blue": 1, "green": 2},
        "off_variant": "blue",
        "default": {"serve": "green"},
    },
}
SNAPSHOT = {"format": 1, "environment": None, "flags": FLAGS, "segments": {"staff": {"staff": True}}, "holdouts": {}}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    apply(store, SNAPSHOT, Origin(commit="abc"), AuditContext("release.activate", "ci", "", 1_795_000_000.0))
    yield store
    store.close()


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return TestClient(create_app(store, Serving(store, refresh_seconds=0)))


def test_a_write_is_an_override_with_author_and_reason_from_headers(client: TestClient) -> None:
    headers = {"X-Burgee-Author": "ada", "X-Burgee-Reason": "search is down"}
    reported = client.put("/flags/beta", json={"status": False}, headers=headers).json()
    assert (reported["status"], reported["source"], reported["owner"]) == (False, "override", "search")
    (override,) = client.get("/overrides").json()["overrides"]
    assert (override["flag"], override["author"], override["reason"]) == ("beta", "ada", "search is down")
    entry = client.get("/audit").json()["entries"][0]
    assert (entry["actor"], entry["action"], entry["reason"]) == ("ada", "flag.update", "search is down")
    assert (entry["before"]["status"], entry["after"]["status"]) == (True, False)


def test_nobody_writes_under_the_name_of_guarded_rollouts(client: TestClient) -> None:
    """They take an override under that name for one of theirs, and would raise a share over a kill."""
    for headers, body in (({"X-Burgee-Author": "guard"}, {}), ({}, {"author": "guard"})):
        assert client.post("/flags/beta/kill", json=body, headers=headers).status_code == 200
        (override,) = client.get("/overrides").json()["overrides"]
        assert override["author"] == "guard (a person)"
        client.delete("/overrides/beta")


def test_author_and_reason_may_be_in_the_body(client: TestClient) -> None:
    reported = client.put("/flags/beta", json={"status": False, "author": "bob", "reason": "why not"}).json()
    assert "author" not in reported
    (override,) = client.get("/overrides").json()["overrides"]
    assert (override["author"], override["reason"]) == ("bob", "why not")
    assert set(override["definition"]) == set(FLAGS["beta"])


def test_a_write_that_says_what_git_says_takes_the_override_away(client: TestClient) -> None:
    client.put("/flags/beta", json={"status": False})
    assert client.put("/flags/beta", json={"status": True}).json()["source"] == "release"
    assert client.get("/overrides").json() == {"overrides": []}


def test_clearing_an_override_lets_the_release_decide(client: TestClient) -> None:
    client.put("/flags/beta", json={"status": False})
    assert client.delete("/overrides/beta").status_code == 204
    assert client.get("/users/u/flags/beta").json()["enabled"] is True
    assert client.delete("/overrides/beta").status_code == 404


def test_deleting_what_git_defines_serves_it_as_absent(client: TestClient) -> None:
    assert client.delete("/flags/beta").status_code == 204
    assert client.get("/flags/beta").status_code == 404
    assert [flag["flag_name"] for flag in client.get("/flags").json()] == ["button"]
    assert client.post("/flags", json={"flag_name": "beta", "status": True}).status_code == 201


def test_flags_have_the_times_of_their_making(client: TestClient, store: SqliteStore) -> None:
    released = store.release(1).created_at
    assert client.get("/flags/beta").json()["created_at"] == released
    reported = client.put("/flags/beta", json={"status": False}).json()
    assert reported["created_at"] == released
    assert reported["updated_at"] > released
    made = client.post("/flags", json={"flag_name": "new"}).json()
    again = client.put("/flags/new", json={"status": True}).json()
    assert made["created_at"] == made["updated_at"] == again["created_at"] <= again["updated_at"]
    assert made["id"] == again["id"] != reported["id"]


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"rules": [{"when": {"segment": "nobody"}}]}, "nobody"),
        ({"holdout": "none"}, "none"),
        ({"off_variant": "grey"}, "grey"),
        ({"rules": [{"when": {"age": {"gtee": 1}}}]}, "gtee"),
        ({"rollout_percentage": 33.3333}, "three decimals"),
        ({"rollout_percentage": {"from": 5, "to": 1}}, "start"),
    ],
)
def test_a_flag_that_cannot_be_served_is_refused_and_nothing_changes(
    client: TestClient, change: dict[str, Any], reported: str
) -> None:
    before = client.get("/flags").content
    answered = client.put("/flags/beta", json=change)
    assert answered.status_code == 422
    assert answered.headers["content-type"] == "application/problem+json"
    assert reported in answered.json()["detail"]
    assert client.get("/flags").content == before
    assert len(client.get("/audit").json()["entries"]) == 1


def test_a_faulty_body_is_reported_by_json_pointers(client: TestClient) -> None:
    errors = client.post("/flags", json={"flag_name": "x", "rollout_percentage": 101, "colour": 1}).json()["errors"]
    assert {error["pointer"] for error in errors} == {"/rollout_percentage", "/colour"}


@pytest.mark.parametrize(("body", "status"), [(b"", 422), (b"{", 422), (b"nul", 422), (b"\xff", 400)])
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes, status: int) -> None:
    answered = client.post("/flags", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == status
    assert answered.json()["detail"]


def test_lists_come_in_pages(client: TestClient) -> None:
    for number in range(5):
        client.post("/flags", json={"flag_name": f"made{number}"})
    names, url = [], "/flags?limit=3"
    while url:
        answered = client.get(url)
        names += [flag["flag_name"] for flag in answered.json()]
        url = answered.links["next"]["url"].replace("?", "/flags?", 1) if "next" in answered.links else ""
    assert names == sorted(["beta", "button", *(f"made{number}" for number in range(5))])
    first = client.get("/audit?limit=2").json()
    second = client.get(f"/audit?limit=2&cursor={first['cursor']}").json()
    assert [entry["flag"] for entry in first["entries"] + second["entries"]] == ["made4", "made3", "made2", "made1"]


def test_reads_carry_a_strong_etag_and_answer_304(client: TestClient) -> None:
    for path in (
        "/flags",
        "/flags/beta",
        "/overrides",
        "/releases",
        "/audit",
        "/users/u/flags",
        "/users/u/flags/beta",
    ):
        etag = client.get(path).headers["etag"]
        assert etag.startswith('"')
        for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = client.get(path, headers={"If-None-Match": held})
            assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_every_response_names_its_release(client: TestClient) -> None:
    assert client.get("/flags").headers["burgee-release"] == "1"
    assert client.get("/nowhere").headers["burgee-release"] == "1"


def test_a_path_that_has_other_methods_names_them(client: TestClient) -> None:
    answered = client.patch("/flags/beta", json={})
    assert answered.status_code == 405
    assert answered.headers["allow"] == "DELETE, GET, PUT"
    assert answered.json()["detail"]


def test_a_lost_race_is_tried_again_and_reported_in_the_end(
    client: TestClient, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, losses = store.commit, 4

    def lose(*arguments: Any, **options: Any) -> Any:
        nonlocal losses
        losses -= 1
        if losses >= 0:
            raise Conflict("another writer")
        return commit(*arguments, **options)

    monkeypatch.setattr(store, "commit", lose)
    assert client.put("/flags/beta", json={"status": False}).status_code == 200
    losses = 99
    assert client.put("/flags/beta", json={"status": True}).status_code == 409


def test_a_store_that_does_not_answer_is_503_and_evaluation_goes_on(
    client: TestClient, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/users/u/flags/beta").json()["enabled"] is True

    def gone() -> Any:
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(store, "state", gone)
    monkeypatch.setattr(store, "pointer", gone)
    assert client.put("/flags/beta", json={"status": False}).status_code == 503
    assert client.get("/users/u/flags/beta").json()["enabled"] is True
    assert "StoreUnavailable" in client.get("/health").json()["error"]


def test_attributes_come_from_the_query(client: TestClient) -> None:
    rules = [{"when": {"plan": "pro", "age": {"gte": 18}, "beta": True}, "serve": "blue"}]
    client.put("/flags/button", json={"rules": rules})
    assert client.get("/users/u/flags/button?plan=pro&age=18&beta=true").json()["variant"] == "blue"
    assert client.get('/users/u/flags/button?plan=pro&age="18"&beta=true').json()["variant"] == "green"


def test_a_user_may_be_any_text(client: TestClient) -> None:
    assert client.get("/users/a%20b%C3%BC%3A/flags").json()["user_id"] == "a bü:"
