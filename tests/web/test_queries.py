"""Values in queries: whatever a query has, a request gets an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from burgee.serving.serving import Serving
from burgee.web.app import create_app
from burgee.web.front import Setup
from burgee.web.queries import MAX_FIELDS, parameters, query_value
from support.keys import shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores.sqlite import SqliteStore

MANY = urlencode([(f"a{number}", "1") for number in range(MAX_FIELDS + 5)])
ODD = [
    MANY,
    "&" * 5_000,
    "=" * 5_000,
    "token=%",
    "token=%ff",
    "flagConfigEtag=%C3%28",
    "since=%00",
    ";" * 99,
    "?" * 99,
]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    yield from shop({"beta": {"status": True, "client": True}})


@pytest.mark.parametrize("query", ODD, ids=range(len(ODD)))
def test_a_query_that_cannot_be_read_says_nothing(store: SqliteStore, query: str) -> None:
    client = TestClient(create_app(store, Serving(store), Setup(streams=b"x" * 32)))
    context: Any = {"context": {"targetingKey": "ada"}}
    assert client.post(f"/ofrep/v1/evaluate/flags?{query}", json=context).status_code == 200
    assert client.post(f"/ofrep/v1/evaluate/flags/beta?{query}", json=context).status_code == 200
    assert client.get(f"/ruleset?{query}").status_code == 200
    assert client.get(f"/event-stream?{query}").status_code == 401
    with client.websocket_connect(f"/v1/live?{query}") as live:
        assert live.receive_json()["type"] == "refetchEvaluation"


def test_a_value_is_the_first_of_its_name() -> None:
    assert query_value({"query_string": b"a=1&a=2&b=%20x"}, "a") == "1"
    assert query_value({"query_string": b"a=1&a=2&b=%20x"}, "b") == " x"
    assert query_value({"query_string": b""}, "a") == ""


@given(st.text("a=&%2c3+;ü\xff \x00") | st.text())
def test_parameters_are_read_as_the_standard_library_reads_them(query: str) -> None:
    assert parameters(query) == parse_qsl(query, keep_blank_values=True)
