"""The function that sends webhooks: each minute, and for the tenants that an event names."""

from __future__ import annotations

import importlib
import time
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from burgee.model import Override
from burgee.stores import Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.webhooks.background import Background
from burgee.webhooks.endpoints import Wanted, add, registered
from burgee.webhooks.outbox import Deps
from burgee.webhooks.replaying import health
from burgee.webhooks.sealing import Unsealed
from support.dynamodb import CREDENTIALS, table_at, wire_url
from support.lambda_runtime import FUNCTIONS, emulator, function
from support.stores import committed
from support.webhooks import World, url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


@pytest.mark.sam
@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_under_lambdas_own_client_it_writes_down_what_ended_and_keeps_what_it_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a table, with the real clock and without the key: a message waits, and nothing of it is in the log."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = table_at(wire_url(), f"burgee-{uuid4().hex}", Tenant("shop", "production"))
    past = format_time(1_700_000_000)
    committed(store, lay=[Override("beta", {"status": False}, "ada", "because", past, past, past)])
    act = AuditContext("webhook.add", "ada", "", time.time())
    made = add(store, Unsealed(), Wanted(url("one")), act).endpoint
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": wire_url(),
        "BURGEE_TABLE": store.table,
        "BURGEE_PROJECT": "shop",
        "BURGEE_ENVIRONMENT": "production",
    }
    log = tmp_path / "deliver.log"
    with function("burgee.handlers.deliver.handler", FUNCTIONS, log, environment) as running:
        assert running(MINUTE) == {"settled": True}
        assert running(bell(("shop", "staging"))) == {"settled": True}
    assert store.state().overrides == {}
    assert "override.expire" in [entry.action for entry in store.audit()]
    assert health(store, made.id, time.time()).counts["waiting"] >= 1
    text = log.read_text(encoding="utf-8")
    assert '"error": "StoreUnavailable"' in text
    assert not [word for word in ("ada", "because", "example.com") if word in text]
    store.close()
