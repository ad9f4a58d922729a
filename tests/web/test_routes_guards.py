"""What a person does to a guard through the API: each step, its effect first, and what is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Scope
from burgee.releases.guarding import run
from support.keys import caller, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

GUARD = {"steps": [10, 50, 100], "hold": "1h", "alarms": ["checkout-5xx"], "approve": [50]}
FLAGS: dict[str, Any] = {
    "checkout": {"status": True, "rollout_percentage": 0, "guard": GUARD},
    "plain": {"status": True},
}
WHY = {"reason": "INC-311"}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    for made in shop(FLAGS):
        run(made, time.time, lambda _plan, _state: None, {"checkout-5xx": False})
        yield made


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return caller(store, Scope.READ, Scope.WRITE)


def share(client: TestClient) -> float:
    found: float = client.get("/flags/checkout").json()["rollout_percentage"]
    return found


def test_a_person_pauses_resumes_advances_and_stops_a_guard(client: TestClient) -> None:
    def asked(step: str, **more: Any) -> int:
        return client.post(f"/flags/checkout/guard/{step}", json={**WHY, **more}).status_code

    assert share(client) == 10
    assert [asked("pause"), asked("pause"), asked("resume"), asked("resume")] == [204, 409, 204, 409]
    assert [asked("approve"), asked("approve"), share(client)] == [204, 409, 10]
    assert [asked("advance"), share(client)] == [204, 50]
    assert [asked("stop", back=True), share(client), asked("pause")] == [204, 0, 409]
    entries = client.get("/audit?flag=checkout").json()["entries"]
    done = [one["action"] for one in entries if one["action"].startswith("guard.")]
    assert done[:5] == ["guard.stop", "guard.advance", "guard.approve", "guard.resume", "guard.pause"]
    assert "INC-311" in entries[0]["reason"]


def test_the_effect_comes_first_and_changes_nothing(client: TestClient) -> None:
    answer = client.post("/flags/checkout/guard/advance?dry_run=true", json=WHY)
    (flag,) = answer.json()["effect"]["flags"]
    assert flag["name"] == "checkout"
    assert share(client) == 10
    assert client.post("/flags/checkout/guard/pause?dry_run=true", json=WHY).json()["effect"]["flags"] == []


def test_a_step_is_taken_once_by_who_has_seen_what_is_served(client: TestClient) -> None:
    seen = client.get("/flags/checkout").headers["etag"]
    once = {"If-Match": seen, "Idempotency-Key": "one"}
    for _ in range(2):
        assert client.post("/flags/checkout/guard/advance", json=WHY, headers=once).status_code == 204
    assert share(client) == 50, "a request that is sent again takes no second step"
    late = client.post("/flags/checkout/guard/advance", json=WHY, headers={"If-Match": seen})
    assert (late.status_code, share(client)) == (412, 50)


def test_a_flag_without_a_guard_is_not_found(client: TestClient) -> None:
    assert client.post("/flags/plain/guard/pause", json=WHY).status_code == 404
    assert client.post("/flags/none/guard/pause", json=WHY).status_code == 404
    assert client.post("/flags/checkout/guard/jump", json=WHY).status_code == 422
    assert client.post("/flags/checkout/guard/pause", json={}).status_code == 422
