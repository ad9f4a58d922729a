from __future__ import annotations

import re
from typing import TYPE_CHECKING

from burgee.access.keys import Scope
from support.keys import caller

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS = {"new_checkout": {"status": True}, "checkout": {"status": False}, "beta": {"status": True}}


def found(client: TestClient, text: str) -> list[str]:
    """The addresses and dialogs that are offered, in order."""
    page = client.post("/fragments/find", json={"q": text}).text
    return re.findall(r'data-(?:href|dialog)="([^"]+)"', page)


def test_words_find_flags_screens_and_actions(store: SqliteStore) -> None:
    client = caller(store, Scope.READ, Scope.WRITE)
    assert found(client, "check") == ["/console/flags/checkout", "/console/flags/new_checkout"]
    assert found(client, "off check")[0] == "/fragments/flags/new_checkout/off", "what is off cannot be switched off"
    assert found(client, "change beta")[0] == "/fragments/flags/beta/change"
    assert "/console/flags" in found(client, "fla")
    assert not found(client, "nothing like it")


def test_the_session_is_ended_and_extended_from_there_too(store: SqliteStore) -> None:
    page = caller(store, Scope.READ).post("/fragments/find", json={"q": "sign"}).text
    assert re.findall(r"data-(?:out|add|switch)=", page) == ["data-out="]
    assert 'data-add=""' in caller(store, Scope.READ).get("/fragments/find").text


def test_a_reader_is_offered_no_action(store: SqliteStore) -> None:
    client = caller(store, Scope.READ)
    assert found(client, "off check") == ["/console/flags/checkout", "/console/flags/new_checkout"]
