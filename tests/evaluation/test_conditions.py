"""Operators on values of every kind, from tests/cases/operators.yaml, and how conditions combine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burgee.evaluation.conditions import OPERATORS, compile_condition, reader
from support.operators import CASES

# Half a surrogate pair, which JSON can write as "\ud800", and texts that look like something.
ODD = st.sampled_from(
    ["\ud800", "a\udfff", "2026-02-30", "9999-12-31T23:59:59-23:59", "1.2.3-01", "::ffff:10.0.0.1%1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ODD,
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


SAMPLES: dict[str, list[Any]] = {
    "text": ["", "x", "1", "true", "1.0.0", "2026-01-01", "10.0.0.1"],
    "number": [0, 1, -1, 1.5, 1e300, 10**400, float("nan"), float("inf")],
    "boolean": [True, False],
    "list": [[], [0], [[]], [{}], [None], ["x"]],
    "object": [{}, {"x": 1}, {"eq": "x"}],
}


def kinds_taken(name: str, operand: Any) -> set[str]:
    """The kinds of value that an operator may match, by the kind of its operand where it compares."""
    kinds = {str: "text", bool: "boolean", int: "number", float: "number"}
    if name in {"eq", "ne", "in", "not_in"}:
        return {kinds[type(item)] for item in (operand if isinstance(operand, list) else [operand])}
    if name in {"contains", "not_contains"}:
        return {"text", "list"}
    return {"number"} if name in {"gt", "gte", "lt", "lte"} else {"text"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
def test_a_value_of_another_kind_never_matches(case: dict[str, Any]) -> None:
    """For every operator: text, numbers, booleans, lists and objects where it takes no such thing."""
    if not isinstance(case["when"], dict) or "exists" in case["when"]:
        return
    for name, operand in case["when"].items():
        if name == "ignore_case":
            continue
        for kind in SAMPLES.keys() - kinds_taken(name, operand):
            for value in SAMPLES[kind]:
                assert not matches({"x": case["when"]}, {"x": value}), value


@given(JSON)
@example("\ud800")
@example(["\ud800"])
@example(10**5000)
@example(float("nan"))
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
