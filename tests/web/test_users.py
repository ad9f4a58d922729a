"""`/users/{user_id}/flags`: ids with any character, repeated parameters, entries that are kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from burgee.serving.serving import Serving
from burgee.web.app import create_app
from burgee.web.evaluation_app import EVALUATION_ROUTES, evaluation_app
from burgee.web.exchange import Need
from burgee.web.routing import Routes
from support.asgi import ask
from support.keys import shop

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS: dict[str, Any] = {
    "half": {"status": True, "rollout_percentage": 50},
    "flags": {"status": True},
    "listed": {
        "status": True,
        "rules": [{"when": {"groups": {"contains": "beta"}}, "serve": "on"}],
        "default": {"serve": "off"},
    },
}
IDS = [
    "ada",
    "org/ada",
    "/",
    "a//b",
    "%41",
    "a%2Fb",
    "a/flags",
    "a/flags/half",
    "flags",
    "ü/é",
    "a b",
    "..",
    "?",
    "#",
]


@pytest.fixture(params=["service", "function"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    for store in shop(FLAGS):
        serving = Serving(store)
        yield TestClient(create_app(store, serving) if request.param == "service" else evaluation_app(serving))


@pytest.mark.parametrize("user", IDS)
def test_any_id_gets_what_ofrep_answers_for_it(client: TestClient, user: str) -> None:
    """The bucket is of the whole id, whatever characters it has: OFREP, which has it in a body, is the oracle."""
    context = {"context": {"targetingKey": user}}
    wanted = client.post("/ofrep/v1/evaluate/flags/half", json=context).json()
    one = ask(client.app, f"/users/{quote(user, safe='')}/flags/half")
    assert (one.status, one.json()["value"]) == (200, wanted["value"])
    every = ask(client.app, f"/users/{quote(user, safe='')}/flags").json()
    assert every["user_id"] == user
    assert every["flags"][0] == one.json()


def test_a_slash_that_a_proxy_decoded_is_part_of_the_id() -> None:
    """A path without the form that it was sent in, as behind an HTTP API: the last `/flags` ends the id."""
    routes = Routes(EVALUATION_ROUTES)
    for path, operation, arguments in [
        ("/users/org/ada/flags", "user_flags", ("org/ada",)),
        ("/users/org/ada/flags/half", "user_flag", ("org/ada", "half")),
        ("/users/a/flags/flags", "user_flag", ("a", "flags")),
        ("/users/a/b/flags/flags", "user_flag", ("a/b", "flags")),
        ("/users/flags/flags", "user_flags", ("flags",)),
        ("/users/%41/flags", "user_flags", ("%41",)),
    ]:
        route, found, _ = routes.find("GET", path)
        assert route is not None
        assert (route.operation, found) == (operation, arguments)


@pytest.mark.parametrize("path", ["/users/flags", "/users//flags", "/users/a/flag", "/users/a/flags/b/c", "/users/a"])
def test_a_path_without_a_user_or_flags_has_no_route(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
    assert Routes(EVALUATION_ROUTES).find("GET", path) == (None, (), Need.EVALUATE)


def test_a_parameter_that_is_repeated_is_a_list(client: TestClient) -> None:
    values = {
        "groups=alpha&groups=beta": True,
        "groups=beta&groups=alpha&groups=5": True,
        "groups=alpha&groups=gamma": False,
        "groups=alphabeta": True,
        "groups=true&groups=beta": True,
        "": False,
    }
    for query, value in values.items():
        assert client.get(f"/users/u/flags/listed?{query}").json()["value"] is value, query


def test_an_entry_is_the_same_alone_among_all_kept_and_again(client: TestClient) -> None:
    for _ in range(3):
        every = client.get("/users/u/flags")
        assert [client.get(f"/users/u/flags/{name}").content for name in FLAGS] == [
            json.dumps(entry, separators=(",", ":")).encode() for entry in every.json()["flags"]
        ]
    one = client.get("/users/u/flags/half")
    for held in (one.headers["etag"], f'W/{one.headers["etag"]}, "x"', "*"):
        again = client.get("/users/u/flags/half", headers={"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", one.headers["etag"])
    assert client.get("/users/u/flags/half", headers={"If-None-Match": every.headers["etag"]}).status_code == 200
