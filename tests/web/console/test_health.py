from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.serving.seen import note
from support.keys import release
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS = {"beta": {"status": True}}


def test_evaluators_that_are_behind_come_first(client: TestClient, store: SqliteStore) -> None:
    assert "No evaluator has reported" in text_of(client.get("/fragments/health").text)
    first = store.pointer().revision
    release(store, {"beta": {"status": False}})
    newest = store.pointer().revision
    note(store, "server", [(newest, 1.0)], "a")
    note(store, "lambda", [(first, 1.0)], "b")
    page = text_of(client.get("/fragments/health").text)
    assert "1 of 2 evaluators has not answered with the newest revision yet" in page
    assert page.index("lambda") < page.index("server 2")
    assert f"{newest - first} behind" in page
    note(store, "lambda", [(newest, 2.0)], "b")
    assert "2 evaluators answered with the newest revision" in text_of(client.get("/fragments/health").text)
