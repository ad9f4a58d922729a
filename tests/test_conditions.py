"""Operators on values of every kind, from tests/cases/operators.yaml, and how conditions combine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.conditions import OPERATORS, compile_condition, reader
from burgee.yamlevents import Document

PATH = Path(__file__).parent / "cases/operators.yaml"
CASES = Document(str(PATH), PATH.read_bytes()).value
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def matches(when: Any, context: Any, segments: Any = None) -> bool:
    named = {name: compile_condition(condition, lambda _: no) for name, condition in (segments or {}).items()}
    return compile_condition(when, named.__getitem__)(context)


def no(_context: Any) -> bool:
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
def test_operators(case: dict[str, Any]) -> None:
    when = {"x": case["when"]}
    for value in case["yes"]:
        assert matches(when, {"x": value}), value
        assert matches({"a.b": case["when"]}, {"a": {"b": value}}), value
    for value in case["no"]:
        assert not matches(when, {"x": value}), value
    for absent in ({}, {"x": None}, {"y": 1}):
        assert matches(when, absent) is (case.get("absent") == "yes")


def test_every_operator_is_tried() -> None:
    tried = {name for case in CASES if isinstance(case["when"], dict) for name in case["when"]}
    assert tried - {"ignore_case"} == set(OPERATORS)


@given(JSON)
def test_no_value_makes_an_operator_fail(value: Any) -> None:
    for case in CASES:
        assert matches({"x": case["when"]}, {"x": value}) in {True, False}


@pytest.mark.parametrize(
    ("when", "context", "expected"),
    [
        ({}, {}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"any": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
        ({"any": [{"a": 1}, {"b": 2}]}, {}, False),
        ({"all": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}, True),
        ({"all": [{"a": 1}, {"b": 2}]}, {"a": 1}, False),
        ({"not": {"a": 1}}, {}, True),
        ({"not": {"a": 1, "b": 2}}, {"a": 1}, True),
        ({"not": {"a": 1}}, {"a": 1}, False),
        ({"a": 1, "any": [{"b": 1}, {"not": {"c": 1}}]}, {"a": 1, "c": 1}, False),
        ({"any": [{"all": [{"a": 1}, {"not": {"b": 1}}]}, {"c": 1}]}, {"a": 1}, True),
        ({"segment": "s"}, {"z": 1}, True),
        ({"segment": "s"}, {}, False),
        ({"segment": ["t", "s"]}, {"z": 1}, True),
        ({"segment": ["t", "s"], "a": 1}, {"z": 1}, False),
    ],
)
def test_conditions_combine(when: Any, context: Any, expected: bool) -> None:
    assert matches(when, context, {"s": {"z": 1}, "t": {"y": 1}}) is expected


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
def test_paths(path: str, context: Any, expected: Any) -> None:
    assert reader(path)(context) == expected
