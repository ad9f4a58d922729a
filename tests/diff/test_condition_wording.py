"""Conditions and their changes as a reviewer reads them."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.condition_wording import PHRASES, describe, difference
from burgee.evaluation.operators import OPERATORS


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({}, "everyone"),
        ({"country": "DE"}, "country = DE"),
        ({"country": ["DE"]}, "country = DE"),
        (
            {"country": ["DE", "FR"], "app_version": {"semver_gte": "2.3.0"}},
            "country in DE, FR and app_version >= 2.3.0",
        ),
        ({"age": {"gte": 18, "lt": 65}}, "age >= 18 and age < 65"),
        ({"plan": {"exists": False}}, "plan is not set"),
        ({"email": {"ends_with": "@x.com", "ignore_case": True}}, "email ends with @x.com, in any case"),
        ({"any": [{"a": 1}, {"b": 2, "c": 3}]}, "a = 1 or (b = 2 and c = 3)"),
        ({"x": 1, "any": [{"a": 1}, {"b": 2}]}, "x = 1 and (a = 1 or b = 2)"),
        ({"not": {"segment": ["eu", "staff"]}}, "not (segment eu or staff)"),
        ({"a": "1"}, 'a = "1"'),
        ({"a": ""}, 'a = ""'),
        ({"a": "x, y"}, 'a = "x, y"'),
        ({"a": [1, 2, 3, 4, 5, 6]}, "a in 1, 2, 3, 4 and 2 more"),
    ],
)
def test_a_condition(when: Any, words: str) -> None:
    assert describe(when) == words


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"country": "DE"}, {"country": ["DE", "FR"]}, "new: FR"),
        ({"country": ["DE", "FR"]}, {"country": "FR"}, "gone: DE"),
        (
            {"v": {"semver_gte": "3.0.0"}, "x": 1},
            {"v": {"semver_gte": "2.0.0"}, "x": 1},
            "before: v >= 3.0.0",
        ),
        ({"x": 1}, {"x": 1, "y": 2}, "before without y = 2"),
        ({"x": 1, "y": 2}, {"x": 1}, "before: y = 2"),
    ],
)
def test_a_change_says_what_was_different(old: Any, new: Any, words: str) -> None:
    assert difference(old, new) == words


def test_every_operator_has_a_phrase() -> None:
    assert set(OPERATORS) - set(PHRASES) == {"exists"}
