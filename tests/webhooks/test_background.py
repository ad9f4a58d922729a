"""The tasks beside requests: every environment's, and a fault of one stops no other."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import StoreUnavailable
from burgee.model import Override
from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks.background import LOOK_SECONDS, Background
from burgee.webhooks.outbox import Deps
from burgee.webhooks.sealing import Unsealed
from support.stores import committed
from support.waiting import eventually
from support.webhooks import World, url

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    store = SqliteStore(":memory:", Tenant("shop", "production"))
    yield World(store)
    store.close()


@pytest.fixture
def background(world: World) -> Background:
    return Background(world.store, Deps(world.receivers, Unsealed(), None, world.clock, log=world.logged.append))


def run(background: Background) -> None:
    background.step()
    assert background.settle(60)


def elsewhere(world: World) -> World:
    """Another environment of the project, with the same receivers and clock."""
    found = World(world.store.at(Tenant("shop", "staging")))
    found.clock, found.receivers = world.clock, world.receivers
    found.outbox = found.another()
    return found


def test_an_environment_is_noticed_once_it_has_a_webhook(world: World, background: Background) -> None:
    run(background)
    far = elsewhere(world)
    far.receiver("far")
    said = far.change()
    run(background)
    assert world.receivers.delivered(url("far")) == []
    world.clock.now += LOOK_SECONDS
    run(background)
    assert world.receivers.delivered(url("far")) == [said]


def test_an_override_that_expires_is_told(world: World, background: Background) -> None:
    world.receiver("one")
    end = format_time(world.clock.now + 60)
    committed(world.store, lay=[Override("beta", {"status": False}, "ada", "because", end, end, end)])
    run(background)
    world.clock.now += 60
    run(background)
    (told,) = [one.body for one in world.receivers.received[url("one")]]
    assert (told["type"], told["data"]["flag"], told["data"]["author"]) == ("override.expire", "beta", "burgee")


def test_an_environment_whose_store_fails_holds_up_no_other_and_is_logged_once(
    world: World, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = elsewhere(world)
    far.receiver("far")
    world.receiver("here")
    run(background)
    real = SqliteStore.pointer

    def failing(store: SqliteStore) -> Any:
        if store.tenant.environment == "production":
            raise StoreUnavailable("throttled")
        return real(store)

    monkeypatch.setattr(SqliteStore, "pointer", failing)
    said = far.change()
    for _ in range(3):
        run(background)
    assert world.receivers.delivered(url("far")) == [said]
    assert [line for line in world.logged if "StoreUnavailable" in line] == [
        '{"environment": "production", "error": "StoreUnavailable"}'
    ]


def test_a_fault_of_ours_does_not_end_it(
    world: World, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Event()
    turns: list[int] = []

    def broken() -> None:
        turns.append(1)
        if len(turns) == 2:
            stop.set()
        raise KeyError("a fault of ours")

    monkeypatch.setattr(background, "step", broken)
    monkeypatch.setattr("burgee.webhooks.background.STEP_SECONDS", 0.001)
    background.run(stop)
    eventually(lambda: len(turns) == 2)
    assert world.logged == ['{"environment": "production", "error": "KeyError"}']
