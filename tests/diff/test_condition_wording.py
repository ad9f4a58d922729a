"""Changes of conditions as a reviewer reads them."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.condition_wording import difference


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
