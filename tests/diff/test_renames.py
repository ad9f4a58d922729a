"""Flags that go on under another name."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.renames import renames
from burgee.diff.symbolic import Side
from burgee.diff.world import World
from support.effects import NOW, ON, snapshot

HALF = {**ON, "rollout_percentage": 50}


def found(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Old name, new name, and whether anybody moves."""
    sides = Side(snapshot(old), NOW), Side(snapshot(new), NOW)
    return [(one.old, one.new, bool(one.regions)) for one in renames(*sides, World())]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": HALF}, {"b": HALF}, [("a", "b", True)]),
        ({"a": HALF}, {"b": {**HALF, "salt": "a"}}, [("a", "b", False)]),
        ({"a": {**HALF, "salt": "s"}}, {"b": {**HALF, "salt": "s"}}, [("a", "b", False)]),
        ({"a": HALF}, {"b": {**HALF, "description": "new", "owner": "me", "client": True}}, [("a", "b", True)]),
        ({"a": HALF}, {"b": {**HALF, "rollout_percentage": 60}}, []),
        ({"a": HALF}, {"a": HALF, "b": HALF}, []),
        ({"a": HALF, "b": HALF}, {"c": HALF}, [("a", "c", True)]),
        ({"a": HALF, "b": HALF}, {"c": {**HALF, "salt": "b"}, "d": HALF}, [("b", "c", False), ("a", "d", True)]),
    ],
)
def test_a_flag_goes_on_as_one_with_the_same_definition(old: Any, new: Any, expected: Any) -> None:
    assert found(old, new) == expected
