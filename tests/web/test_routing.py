"""The table of routes: one declaration serves the front, the documentation and the gateway's template."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute

from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import EVALUATION_ROUTES
from burgee.web.exchange import Need, Route
from burgee.web.replies import Reply
from burgee.web.routes.usage import elsewhere_routes
from burgee.web.routing import Routes
from support.keys import shop
from support.template import template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.web.app import Service


@pytest.fixture
def service() -> Iterator[Service]:
    store: SqliteStore
    for store in shop({}):
        yield create_app(store, Serving(store))


async def nothing(_exchange: Any) -> Reply:
    return Reply(204, b"", [])


def test_a_route_that_does_not_say_what_it_needs_is_for_nobody_but_owners(service: Service) -> None:
    for route in service.front.routes.all:
        assert route.need is not Need.KEYS or route.path.startswith(("/keys", "/settings", "/fragments/keys")), route
    assert service.front.routes.find("GET", "/keys")[2] is Need.KEYS


def test_every_documented_operation_is_a_route_and_every_route_is_documented(service: Service) -> None:
    pages = {"/openapi.json", "/docs", "/redoc"}
    documented = {
        (method.upper(), path, operation.get("x-burgee-needs", "nothing"))
        for path, operations in service.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    routes = {(one.method, one.path, str(one.need)) for one in service.front.routes.all if one.path not in pages}
    # The console's pages are for people, and its fragments only for its pages.
    routes = {one for one in routes if one[1] != "/" and not one[1].startswith(("/console", "/fragments/"))}
    # This service reads no usage: what it says of it is documented by one that does.
    routes -= {(one.method, one.path, str(one.need)) for one in elsewhere_routes()}
    assert documented == routes


def test_a_route_is_made_once_and_not_again_for_each_application(service: Service) -> None:
    """Making them takes 60 ms of processor time, which the first request to a new process would wait for."""
    with closing(SqliteStore(":memory:")) as store:
        other = create_app(store, Serving(store))
    made, again = ([one for one in app.routes if isinstance(one, APIRoute)] for app in (service, other))
    assert len(made) > 50
    assert list(map(id, made)) == list(map(id, again))


def test_a_path_or_method_without_a_route_needs_what_is_beside_it_or_to_read_or_write() -> None:
    routes = Routes(
        [
            Route("GET", "/open", Need.NOTHING, "a", nothing),
            Route("GET", "/keys/{id}", Need.KEYS, "b"),
            Route("GET", "/mixed", Need.READ, "c"),
            Route("POST", "/mixed/{id}/go", Need.RELEASE, "d"),
            Route("POST", "/pages/{id}", Need.EVALUATE, "e", nothing),
            Route("GET", "/pages/stream", Need.NOTHING, "f", nothing),
        ]
    )
    for method, path, need in [
        ("GET", "/open/other", Need.NOTHING),
        ("POST", "/open", Need.NOTHING),
        ("DELETE", "/keys/1/2", Need.KEYS),
        ("GET", "/mixed/1/2", Need.READ),
        ("PUT", "/mixed", Need.WRITE),
        ("POST", "/mixed//go", Need.WRITE),
        ("OPTIONS", "/pages/1", Need.EVALUATE),
        ("GET", "/pages/1/2", Need.EVALUATE),
        ("GET", "/else", Need.READ),
        ("PATCH", "*", Need.WRITE),
    ]:
        assert routes.find(method, path) == (None, (), need), (method, path)
    assert routes.find("POST", "/mixed/7/go")[1] == ("7",)
    assert routes.methods("/open") == ["GET", "HEAD"]  # a route of ours answers HEAD as GET; the server sends no body
    assert routes.methods("/mixed") == ["GET"]
    assert routes.methods("/mixed/1/go") == ["POST"]
    assert routes.methods("/nowhere") == []


def test_the_gateway_has_an_event_for_every_public_evaluation_route() -> None:
    """The one place beside a route's own declaration, because API Gateway lets nothing else through."""
    events = template()["Resources"]["EvaluateFunction"]["Properties"]["Events"].values()
    public = {(event["Properties"]["Method"], event["Properties"]["Path"]) for event in events}
    for route in EVALUATION_ROUTES:
        if route.need is Need.RULES:
            continue  # the rules are for servers inside, never at the public address
        greedy = {(method, f"{prefix}/{{proxy+}}") for method in ("ANY", route.method) for prefix in _prefixes(route)}
        assert public & ({(route.method, route.path)} | greedy), f"template.yaml has no event for {route.path}"


def _prefixes(route: Route) -> list[str]:
    steps = route.path.split("/")
    return ["/".join(steps[:length]) for length in range(1, len(steps))]


def test_a_parameter_may_not_begin_where_paths_are_distinguished() -> None:
    with pytest.raises(ValueError, match="too early"):
        Routes([Route("GET", "/a/{b}", Need.READ, "a")])
