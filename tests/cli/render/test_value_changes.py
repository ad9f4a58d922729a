"""Where two values differ, as a plan and the audit log show it."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.cli.render.value_changes import ABSENT, MAX_SHOWN, MAX_WIDTH, change_lines, value_changes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "x" * 150]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
RULES = [
    {"name": f"a rule of a long name for the staff of shop {number}", "when": {"country": ["DE", "FR", "NL", "BE"]}}
    for number in range(4)
]


def changed(path: list[Any], value: Any) -> list[Any]:
    rules = deepcopy(RULES)
    inner: Any = rules
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return rules


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": 1}, {"a": 2}, ["a: 1 -> 2"]),
        ({"a": 1}, {"b": 1}, ["a: 1 -> absent", "b: absent -> 1"]),
        ({"a": None}, {}, ["a: null -> absent"]),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1, "d": 3}}}, ["a.b.d: 2 -> 3"]),
        ({"a": 1}, {"a": 1.0}, ["a: 1 -> 1.0"]),
        ({"split": {"a": 1, "b": 2}}, {"split": {"b": 2, "a": 1}}, ['split: {"a": 1, "b": 2} -> {"b": 2, "a": 1}']),
        ({"rules": [1, 2, 3]}, {"rules": [1, 3]}, ["rules[2]: 2 -> absent"]),
        ({"rules": [1, 3]}, {"rules": [1, 2, 3]}, ["rules[2]: absent -> 2"]),
        ({"rules": [1, 2]}, {"rules": [2, 1]}, ["rules[1]: 1 -> 2", "rules[2]: 2 -> 1"]),
        (
            {"rules": RULES},
            {"rules": changed([2, "when", "country", 1], "IT")},
            ['rules[a rule of a long name for the staff of shop 2].when.country[2]: "FR" -> "IT"'],
        ),
        ({"rules": RULES}, {"rules": changed([0, "name"], "new")}, [f'rules[1].name: "{RULES[0]["name"]}" -> "new"']),
        ({"a": [1, 2]}, {"a": {"b": 1}}, ['a: [1, 2] -> {"b": 1}']),
        ({}, {}, []),
    ],
)
def test_the_smallest_parts_are_named(old: Any, new: Any, lines: list[str]) -> None:
    assert change_lines(old, new) == lines


@given(JSON, JSON)
def test_no_change_is_shown_as_nothing_or_as_the_same_twice(old: Any, new: Any) -> None:
    lines = change_lines({"key": old}, {"key": new})
    assert (lines == []) is (json.dumps(old) == json.dumps(new))
    for line in lines[:MAX_SHOWN]:
        _, _, change = line.partition(": ")
        before, arrow, after = change.partition(" -> ")
        assert arrow
        assert before != after
        assert max(len(before), len(after)) <= MAX_WIDTH


@given(JSON, JSON)
def test_what_is_shown_makes_one_of_the_other(old: Any, new: Any) -> None:
    """By another way than the code: every reported leaf was in the old value, or is in the new one."""
    reported_old = [one.old for one in value_changes(old, new) if one.old is not ABSENT]
    reported_new = [one.new for one in value_changes(old, new) if one.new is not ABSENT]
    assert all(json.dumps(one) in json.dumps(old) for one in reported_old)
    assert all(json.dumps(one) in json.dumps(new) for one in reported_new)


def test_long_values_are_cut_where_they_differ_and_many_changes_counted() -> None:
    (line,) = change_lines({"text": "x" * 500 + "old" + "y" * 500}, {"text": "x" * 500 + "new" + "y" * 500})
    assert "xxxold" in line
    assert "xxxnew" in line
    assert len(line) < 2 * MAX_WIDTH + 20
    many = change_lines({"a": dict.fromkeys(map(str, range(50)), 1)}, {"a": dict.fromkeys(map(str, range(50)), 2)})
    assert many[-1] == "and 42 more changes"
    assert len(many) == MAX_SHOWN + 1
