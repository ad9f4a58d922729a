"""The tasks beside requests: every environment's, and a fault of one stops no other."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt, StoreUnavailable
from burgee.model import Override
from burgee.records import replace
from burgee.stores import Put, Shelf, Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks.background import LOOK_SECONDS, Background
from burgee.webhooks.outbox import Deps, Outbox
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


def test_an_override_that_expires_is_sent(world: World, background: Background) -> None:
    world.receiver("one")
    end = format_time(world.clock.now + 60)
    committed(world.store, lay=[Override("beta", {"status": False}, "ada", "because", end, end, end)])
    run(background)
    world.clock.now += 60
    run(background)
    (sent,) = [one.body for one in world.receivers.received[url("one")]]
    assert (sent["type"], sent["data"]["flag"], sent["data"]["author"]) == ("override.expire", "beta", "burgee")


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


def test_a_record_that_does_not_parse_in_one_environment_holds_up_no_other(
    world: World, background: Background
) -> None:
    """Of a later version, for instance; whichever environment comes first."""
    far = elsewhere(world)
    far.receiver("far")
    world.receiver("here")
    for broken, whole, name in ((world, far, "far"), (far, world, "here")):
        odd = Put(Shelf.WEBHOOKS, "0" * 16, {"kind": "later"})
        broken.store.keep([odd])
        said = whole.change()
        for _ in range(2):
            run(background)
        assert world.receivers.delivered(url(name))[-1] == said
        environment = broken.store.tenant.environment
        faults = [line for line in world.logged if "error" in line]
        assert faults == [f'{{"environment": "{environment}", "error": "KeyError"}}'], "once"
        broken.store.keep([replace(odd, value=None, before=odd.value)])
        world.logged.clear()


def test_a_release_that_cannot_be_read_holds_up_no_message(
    world: World, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So its repair is reported, for instance."""
    world.receiver("one")
    run(background)

    def damaged(_store: SqliteStore) -> Any:
        raise Corrupt("the release is damaged")

    monkeypatch.setattr("burgee.releases.expiring.live", damaged)
    said = world.change()
    run(background)
    assert world.receivers.delivered(url("one"))[-1] == said
    assert [line for line in world.logged if "Corrupt" in line]


def test_a_clock_that_is_put_back_hides_no_new_environment(world: World, background: Background) -> None:
    world.clock.now += 365 * 86_400
    run(background)
    world.clock.now -= 365 * 86_400
    far = elsewhere(world)
    far.receiver("far")
    said = far.change()
    run(background)
    assert world.receivers.delivered(url("far")) == [said]


def test_all_environments_together_are_waited_for_no_longer_than_the_time(
    world: World, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function has one time for all of them."""
    far = elsewhere(world)
    far.receiver("far")
    world.receiver("here")
    run(background)
    passed = [0.0]

    def settle(_outbox: Outbox, seconds: float | None = None) -> bool:
        assert seconds is not None
        passed[0] += seconds
        return False

    monkeypatch.setattr(Outbox, "settle", settle)
    monkeypatch.setattr("burgee.webhooks.background.monotonic", lambda: passed[0])
    assert background.settle(20.0) is False
    assert passed == [20.0]


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
