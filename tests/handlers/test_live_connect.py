"""The function that begins and ends connections, with the events that API Gateway sends, over a table."""

from __future__ import annotations

import importlib
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.handlers import wiring
from burgee.stores import Shelf
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.dynamodb_http import Wire
from support.dynamodb import CREDENTIALS, table_at, wire_url
from support.keys import HOME, token
from support.lambda_runtime import event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDbStore]:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": wire_url()}.items():
        monkeypatch.setenv(name, value)
    made = table_at(wire_url(), f"live-{os.getpid()}", HOME)
    yield made
    made.close()


@pytest.fixture
def function(store: DynamoDbStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    polled = DynamoDbStore(store.table, HOME, client=Wire(os.environ))
    monkeypatch.setattr(wiring, "polled_table", lambda: polled)
    yield importlib.reload(importlib.import_module("burgee.handlers.live_connect"))
    polled.close()


def begin(key: str) -> Any:
    made = event("websocket-connect")
    fields = made["headers"]
    fields["Sec-WebSocket-Protocol"] = fields["Sec-WebSocket-Protocol"].replace("KEY", key.replace("/", "~"))
    return made


def test_a_connection_is_recorded_until_it_ends(function: ModuleType, store: DynamoDbStore) -> None:
    key = token(store, Kind.CLIENT)
    answer = function.handler(begin(key), None)
    assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "burgee.live"}}
    ((connection, record),) = store.shelf(Shelf.SOCKETS).items()
    assert (connection, record["environment"]) == ("Ic-CgdUXDoECEVQ=", HOME.environment)
    assert function.handler(event("websocket-disconnect"), None) == {"statusCode": 200}
    assert not store.shelf(Shelf.SOCKETS)


def test_without_a_key_there_is_none_and_without_a_table_it_is_over(
    function: ModuleType, store: DynamoDbStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert function.handler(begin("x"), None) == {"statusCode": 401}
    assert not store.shelf(Shelf.SOCKETS)
    key = token(store, Kind.CLIENT)
    with closing(DynamoDbStore("absent", HOME, client=Wire(os.environ))) as absent:
        monkeypatch.setattr(function, "_store", absent)
        assert function.handler(begin(key), None) == {"statusCode": 503}
    said = capsys.readouterr().out
    assert "ResourceNotFoundException" in said
    assert key not in said
