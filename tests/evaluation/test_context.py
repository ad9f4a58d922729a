"""Attributes, units and typed values of an evaluation context."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.evaluation.context import TARGETING_KEY, Bulk, literal, reader, unit_reader


@pytest.mark.parametrize(
    ("path", "context", "expected"),
    [
        ("a", {"a": 1}, 1),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a.b": 2, "a": {"b": 1}}, 2),
        ("a.b", {"a.b": None, "a": {"b": 1}}, 1),
        ("a.b", {"a": [1]}, None),
        ("a.b", {"a": "b"}, None),
        ("a.b.c", {"a": {"b": {"c": 3}}}, 3),
        ("a", {}, None),
    ],
)
def test_an_attribute_is_read_by_its_path(path: str, context: Any, expected: Any) -> None:
    assert reader(path)(context) == expected


@pytest.mark.parametrize("attribute", [TARGETING_KEY, "account", "account.id"])
@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("ada", "ada"),
        ("", None),
        (7, "7"),
        (7.0, "7"),
        (7.5, None),
        (True, None),
        (None, None),
        (["ada"], None),
        pytest.param(10**5000, None, id="huge"),
    ],
)
def test_a_unit_is_a_string_or_a_whole_number(attribute: str, value: Any, unit: str | None) -> None:
    assert unit_reader(attribute)({attribute: value}) == unit


def test_a_context_without_the_attribute_has_no_unit() -> None:
    assert unit_reader("account.id")({"account": {"id": "a"}}) == "a"
    assert unit_reader("account.id")({"account": {}}) is None
    assert unit_reader(TARGETING_KEY)({}) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("12", 12),
        ("-1.5", -1.5),
        ('"12"', "12"),
        ("012", "012"),
        ("1e5", 100_000.0),
        ("12345678901234567890", 12345678901234567890),
        ("null", "null"),
        ("nan", "nan"),
        ("DE", "DE"),
        ('"a\\n"', '"a\\n"'),
        ("", ""),
    ],
)
def test_typed_text_is_a_value_only_where_it_is_plainly_one(text: str, value: Any) -> None:
    found = literal(text)
    assert found == value
    assert type(found) is type(value)


def test_a_bulk_context_is_the_same_context() -> None:
    context = Bulk({"plan": "pro"})
    assert context == {"plan": "pro"}
    assert context.segments == {}
