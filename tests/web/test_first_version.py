"""The service that this project began from: its README session, and its formula."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[TestClient]:
    store = SqliteStore(":memory:")
    yield TestClient(create_app(store, Serving(store, refresh_seconds=0)))
    store.close()


def original(user: str, flag: str, percentage: int) -> bool:
    return int(sha256(f"{user}:{flag}".encode()).hexdigest(), 16) % 100 < percentage


FLAGS = [
    {"flag_name": "new_feature", "status": True, "rollout_percentage": 50, "description": "New feature rollout"},
    {"flag_name": "dark_mode", "status": True, "description": "Enable dark mode UI"},
    {"flag_name": "beta_search", "status": True, "rollout_percentage": 25, "description": "New search algorithm"},
    {"flag_name": "experimental_ai", "status": False, "description": "AI features"},
]


def test_its_readme_session(client: TestClient) -> None:
    for flag in FLAGS:
        created = client.post("/flags", json=flag)
        assert created.status_code == 201
        body = created.json()
        assert {key: body[key] for key in flag} == flag
        assert body["rollout_percentage"] == flag.get("rollout_percentage")
        assert isinstance(body["id"], int)
        assert body["created_at"] == body["updated_at"]

    listed = client.get("/flags").json()
    assert {flag["flag_name"] for flag in listed} == {flag["flag_name"] for flag in FLAGS}

    users = [f"user_{n}" for n in range(200)]
    for user in users:
        reported = client.get(f"/users/{user}/flags").json()
        assert reported["user_id"] == user
        assert {flag["flag_name"]: flag["enabled"] for flag in reported["flags"]} == {
            "new_feature": original(user, "new_feature", 50),
            "dark_mode": True,
            "beta_search": original(user, "beta_search", 25),
            "experimental_ai": False,
        }

    raised = client.put("/flags/beta_search", json={"rollout_percentage": 50})
    assert raised.status_code == 200
    assert raised.json()["rollout_percentage"] == 50
    assert raised.json()["description"] == "New search algorithm"
    assert raised.json()["status"] is True
    for user in users:
        reported = client.get(f"/users/{user}/flags/beta_search").json()
        assert reported["enabled"] is original(user, "beta_search", 50)
        assert reported["description"] == "New search algorithm"

    gone = client.delete("/flags/new_feature")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get("/flags/new_feature").status_code == 404
    assert client.get("/users/user_1/flags/new_feature").status_code == 404


def test_a_taken_name_is_400_with_detail(client: TestClient) -> None:
    client.post("/flags", json=FLAGS[1])
    again = client.post("/flags", json=FLAGS[1])
    assert again.status_code == 400
    assert again.json()["detail"] == "Feature flag 'dark_mode' already exists"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_name_is_404_with_detail(client: TestClient, method: str) -> None:
    answered = client.request(method, "/flags/nope", json={"status": True} if method == "PUT" else None)
    assert answered.status_code == 404
    assert answered.json()["detail"] == "Feature flag 'nope' not found"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"flag_name": ""},
        {"flag_name": "x", "rollout_percentage": 101},
        {"flag_name": "x", "rollout_percentage": -1},
        {"flag_name": "x", "status": "perhaps"},
        {"flag_name": "x", "description": "d" * 501},
        {"flag_name": "x", "no_such_key": 1},
        ["x"],
    ],
)
def test_an_invalid_body_is_422_and_changes_nothing(client: TestClient, body: object) -> None:
    answered = client.post("/flags", json=body)
    assert answered.status_code == 422
    assert answered.json()["detail"]
    assert client.get("/flags").json() == []


def test_status_defaults_to_off_and_put_may_take_a_percentage_away(client: TestClient) -> None:
    body = client.post("/flags", json={"flag_name": "plain"}).json()
    assert (body["status"], body["rollout_percentage"], body["description"]) == (False, None, None)
    client.put("/flags/plain", json={"status": True, "rollout_percentage": 10})
    assert client.put("/flags/plain", json={"rollout_percentage": None}).json()["rollout_percentage"] is None
    assert client.get("/users/anyone/flags/plain").json()["enabled"] is True
