"""The function between the table's stream and EventBridge."""

from __future__ import annotations

import base64
import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.stores import Tenant
from burgee.stores.dynamodb import DynamoDbStore
from support.dynamodb import CREDENTIALS
from support.stores import committed, entry

if TYPE_CHECKING:
    from types import ModuleType


class Bus:
    """What EventBridge received."""

    def __init__(self) -> None:
        self.reported: list[Any] = []
        self.broken = 0

    def put_events(self, Entries: list[Any]) -> dict[str, int]:  # noqa: N803 - AWS's name
        if self.broken:
            self.broken -= 1
            raise RuntimeError("throttled")
        self.reported += Entries
        return {"FailedEntryCount": 0}


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in {**CREDENTIALS, "BURGEE_EVENT_BUS": "changes"}.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("burgee.handlers.audit_stream")
    monkeypatch.setattr(module, "_events", Bus())
    monkeypatch.setattr(module, "BUS", "changes")
    monkeypatch.setattr(module, "CONSUMERS", [module.to_bus])
    return module


def records(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stream records of what a store really writes."""
    written: list[Any] = []
    store = DynamoDbStore("flags", Tenant("shop", "production"))
    monkeypatch.setattr(store.client, "get_item", lambda **_: {})
    monkeypatch.setattr(store.client, "transact_write_items", lambda **asked: written.extend(asked["TransactItems"]))
    monkeypatch.setattr(store.client, "query", lambda **_: {"Items": []})
    committed(store, audit=[entry(1, "beta"), entry(2, "beta", before={"status": True}, after=None)])
    items = [one["Put"]["Item"] for one in written if "Put" in one]
    found = []
    for number, item in enumerate(items):
        image = {
            name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
            for name, value in item.items()
        }
        found.append({"eventName": "INSERT", "dynamodb": {"SequenceNumber": str(number), "NewImage": image}})
    return found


def test_audit_entries_become_events_and_nothing_else_does(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.handler({"Records": records(monkeypatch)}, None) == {"batchItemFailures": []}
    reported = [json.loads(one["Detail"]) for one in stream._events.reported]
    assert [one["reason"] for one in reported] == ["because 1", "because 2"]
    assert {(one["project"], one["environment"], one["flag"]) for one in reported} == {("shop", "production", "beta")}
    assert (reported[1]["before"], reported[1]["after"]) == ({"status": True}, None)
    first = stream._events.reported[0]
    assert (first["Source"], first["DetailType"], first["EventBusName"]) == ("burgee", "override.lay", "changes")


def test_what_fails_comes_again_and_what_went_before_does_not(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [one for one in records(monkeypatch) if one["dynamodb"]["NewImage"]["pk"]["S"].endswith("#AUDIT")]
    stream._events.broken = 1
    failed = stream.handler({"Records": entries}, None)["batchItemFailures"]
    assert failed == [{"itemIdentifier": entries[0]["dynamodb"]["SequenceNumber"]}]
    assert stream.handler({"Records": entries}, None) == {"batchItemFailures": []}
    assert len(stream._events.reported) == 2


def test_an_entry_too_large_for_an_event_comes_without_its_definitions(stream: Any) -> None:
    record = {"action": "flag.update", "before": {"a": "x" * 250_000}, "after": None, "flag": "beta"}
    image = {
        "pk": {"S": "shop#production#AUDIT"},
        "record": {"B": base64.b64encode(json.dumps(record).encode()).decode()},
    }
    stream.handler(
        {"Records": [{"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}]}, None
    )
    (reported,) = stream._events.reported
    assert json.loads(reported["Detail"])["before"] is None


def test_the_bell_rings_once_for_each_batch_and_names_its_tenants(
    stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "OUTBOX", "burgee-production")
    monkeypatch.setattr(stream, "CONSUMERS", [stream.ring, stream.to_bus])
    assert stream.handler({"Records": records(monkeypatch)}, None) == {"batchItemFailures": []}
    bell, *changes = stream._events.reported
    assert (bell["Source"], bell["DetailType"], len(changes)) == ("burgee.outbox", "changes", 2)
    assert "EventBusName" not in bell, "the default bus, where the rule is"
    assert json.loads(bell["Detail"]) == {"stack": "burgee-production", "tenants": [["shop", "production"]]}
    stream._events.reported.clear()
    assert stream.handler({"Records": []}, None) == {"batchItemFailures": []}
    assert stream._events.reported == []


def test_a_bell_that_does_not_ring_holds_up_nothing(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CONSUMERS", [stream.ring, stream.to_bus])
    stream._events.broken = 1
    assert stream.handler({"Records": records(monkeypatch)}, None) == {"batchItemFailures": []}
    assert [one["Source"] for one in stream._events.reported] == ["burgee", "burgee"]


def test_without_consumers_nothing_is_sent(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CONSUMERS", [])
    assert stream.handler({"Records": records(monkeypatch)}, None) == {"batchItemFailures": []}
    assert stream._events.reported == []
