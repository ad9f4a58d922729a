"""How conditions combine, and how attributes are read."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.evaluation.conditions import compile_condition


def no(_context: Any) -> bool:
    return False


def matches(when: Any, context: Any, segments: Any) -> bool:
    named = {name: compile_condition(condition, lambda _: no) for name, condition in segments.items()}
    return compile_condition(when, named.__getitem__)(context)


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
