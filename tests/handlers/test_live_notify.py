"""The function that notifies connections, with EventBridge's event, and what API Gateway's client raises."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from burgee.handlers import wiring
from burgee.stores import Put, Shelf, Tenant
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS
from support.keys import release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HOME = Tenant("shop", "production")
CONNECTION = "Ic-CgdUXDoECEVQ="
DATA = b'{"type":"refetchEvaluation","etag":"1"}'


def bell(*tenants: Tenant) -> dict[str, Any]:
    """What the stream's function puts on the bus, as EventBridge passes it on."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "changes",
        "source": "burgee.outbox",
        "account": "123456789012",
        "time": "2026-12-01T09:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {"stack": "flags", "tenants": [[one.project, one.environment] for one in tenants]},
    }


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", HOME)
    release(store, {"beta": {"status": True}})
    store.keep([Put(Shelf.SOCKETS, CONNECTION, {"environment": "production", "at": 4e9}, blind=True)])
    yield store
    store.close()


@pytest.fixture
def function(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    given = {
        **CREDENTIALS,
        "BURGEE_LIVE_ENDPOINT": "https://abcdefghij.execute-api.eu-west-1.amazonaws.com/live",
        "BURGEE_EVALUATION_RATE": "2000",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring, "table", lambda: store)
    monkeypatch.setattr(wiring, "TENANT", HOME)
    return importlib.reload(importlib.import_module("burgee.handlers.live_notify"))


def test_a_connection_is_sent_the_message_once(function: ModuleType) -> None:
    assert pytest.approx(2000 / 3) == function.RATE
    with Stubber(function._api) as api:
        api.add_response("post_to_connection", {}, {"ConnectionId": CONNECTION, "Data": DATA})
        assert function.handler(bell(HOME, Tenant("elsewhere", "production")), None) == {"notified": 1}
        assert function.handler(bell(HOME), None) == {"notified": 0}
        api.assert_no_pending_responses()


def test_each_minute_it_looks_for_changes_without_a_notification(function: ModuleType, store: SqliteStore) -> None:
    minute = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    other = store.at(Tenant("shop", "staging"))
    release(other, {"beta": {"status": True}})
    with Stubber(function._api) as api:
        api.add_response("post_to_connection", {}, {"ConnectionId": CONNECTION, "Data": DATA})
        assert [function.handler(minute, None) for _ in range(2)] == [{"notified": 1}, {"notified": 0}]
        store.keep([Put(Shelf.SOCKETS, "staging=", {"environment": "staging", "at": 4e9}, blind=True)])
        api.add_response("post_to_connection", {}, {"ConnectionId": "staging=", "Data": DATA})
        assert function.handler(bell(other.tenant), None) == {"notified": 1}
        release(other, {"beta": {"status": False}})
        api.add_response("post_to_connection", {}, {"ConnectionId": "staging=", "Data": DATA.replace(b"1", b"2")})
        assert function.handler(minute, None) == {"notified": 1}


def test_gone_is_no_failure_and_anything_else_is_tried_again(
    function: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with Stubber(function._api) as api:
        api.add_client_error("post_to_connection", "GoneException", http_status_code=410)
        assert function.handler(bell(HOME), None) == {"notified": 0}
        assert json.loads(capsys.readouterr().out)["notified"] == [{"sent": 0, "gone": 1, "failed": 0}]
        api.add_client_error("post_to_connection", "LimitExceededException", http_status_code=429)
        assert function.post(CONNECTION, DATA) == "failed"
