"""The function that sends webhooks: each minute, and for the tenants that an event names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.webhooks.background import Background
from burgee.webhooks.endpoints import registered
from burgee.webhooks.outbox import Deps
from burgee.webhooks.sealing import Unsealed
from support.dynamodb import CREDENTIALS
from support.webhooks import World, url

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


def bell(*tenants: tuple[str, str]) -> dict[str, Any]:
    detail = {"stack": "burgee", "tenants": [list(one) for one in tenants]}
    return {"version": "0", "detail-type": "changes", "source": "burgee.outbox", "detail": detail}


class Context:
    """Lambda's, with plenty of time."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture
def world() -> Iterator[World]:
    store = SqliteStore(":memory:", Tenant("shop", "production"))
    found = World(store)
    yield found
    found.receivers.release()
    store.close()


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, world: World) -> Any:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("burgee.handlers.deliver")
    deps = Deps(world.receivers, Unsealed(), None, world.clock)
    monkeypatch.setattr(module, "_background", Background(world.store, deps))
    return module.handler


def test_each_minute_it_sends_what_waits(handler: Any, world: World) -> None:
    world.receiver("one")
    said = world.change()
    assert handler(MINUTE, Context()) == {"settled": True}
    assert world.receivers.delivered(url("one")) == [said]


def test_the_bell_names_environments_that_are_looked_at_from_then_on(handler: Any, world: World) -> None:
    far = World(world.store.at(Tenant("shop", "staging")))
    far.receiver("far")
    far.receivers = world.receivers
    said = far.change()
    handler(bell(("shop", "staging"), ("shop", "new"), ("blog", "production")), Context())
    assert world.receivers.delivered(url("far")) == [said]
    assert registered(world.store) == [Tenant("shop", "new"), Tenant("shop", "staging")]
    said = far.change()
    world.clock.now += 60
    handler(MINUTE, Context())
    assert world.receivers.delivered(url("far"))[-1] == said


def test_without_time_left_it_says_so_and_the_rest_comes_later(handler: Any, world: World) -> None:
    from threading import Event

    world.receiver("stuck")
    held = world.receivers.hanging[url("stuck")] = Event()
    said = world.change()

    class Late(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 5_000

    assert handler(MINUTE, Late()) == {"settled": False}
    held.set()
    assert handler(MINUTE, Context()) == {"settled": True}
    assert world.receivers.delivered(url("stuck")) == [said]
