"""The same outbox on DynamoDB: its records, conditions and deletions over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from burgee.stores import Shelf, Tenant
from burgee.webhooks import endpoints
from burgee.webhooks.endpoints import MAX_ENDPOINTS, Wanted, add
from burgee.webhooks.replaying import Choice, health, replay
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from support.dynamodb import CREDENTIALS, table_at, wire_url
from support.webhooks import DOWN, OK, World, url

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = table_at(wire_url(), f"burgee-{uuid4().hex}", Tenant("shop", "production"))
    yield World(store)
    store.close()


def test_what_fails_waits_dies_and_is_sent_again(world: World) -> None:
    made, _ = world.receiver("one"), world.receiver("two")
    world.receivers.answers[url("one")] = lambda _asked: DOWN
    said = [world.change("a"), world.change("b"), world.change("a")]
    world.run()
    assert sorted(world.receivers.delivered(url("two"))) == sorted(said)
    assert health(world.store, made.id, world.clock.now).counts == {"waiting": 3, "dead": 0}
    world.pass_time(2 * 86_400, step=14_400)
    assert health(world.store, made.id, world.clock.now).counts == {"waiting": 0, "dead": 3}
    world.receivers.answers.pop(url("one"))
    assert replay(world.store, made.id, Choice(dead=True), world.act("webhook.replay")) == 3
    world.run(world.another())
    assert sorted(world.receivers.delivered(url("one"))) == sorted(said)
    assert world.store.shelf(Shelf.DELIVERIES) == {}


def test_a_message_that_is_named_twice_is_sent_again_once(world: World) -> None:
    made = world.receiver("one")
    said = world.change()
    world.run()
    name = world.store.audit(limit=1)[0].id
    assert replay(world.store, made.id, Choice(messages=[name, name]), world.act("webhook.replay")) == 1
    world.run()
    assert world.receivers.delivered(url("one")) == [said, said]


def test_gone_disables_it(world: World) -> None:
    made = world.receiver("one")
    world.receivers.answers[url("one")] = lambda asked: Outcome(410) if asked.at == world.clock.now else OK
    world.change()
    world.run()
    assert endpoints.find(world.store, made.id).disabled_at is not None
    assert world.store.audit(limit=1)[0].action == "webhook.disable"


def test_every_webhook_that_there_may_be_fits_into_one_transaction(world: World) -> None:
    for number in range(MAX_ENDPOINTS):
        add(world.store, Unsealed(), Wanted(url(f"r{number}"), actions=["override"]), world.act("webhook.add"))
    said = world.change()
    world.run()
    assert all(world.receivers.delivered(url(f"r{number}")) == [said] for number in range(MAX_ENDPOINTS))
    assert endpoints.registered(world.store) == [Tenant("shop", "production")]
