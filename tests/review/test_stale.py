"""When a flag has one answer for everyone."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.symbolic import Side
from burgee.review.stale import everyone, settled
from support.effects import AB, NOW, snapshot

SHARE = {"$share": {"rollout_percentage": 50, "salt": "s"}}
TO_ALL = {**AB, "default": {"serve": "b"}}


@pytest.mark.parametrize(
    ("flag", "variant"),
    [
        (TO_ALL, "b"),
        ({**TO_ALL, "rollout_percentage": 100, "without_unit": "a"}, "b"),
        ({**TO_ALL, "rollout_percentage": 50}, None),
        ({**TO_ALL, "rollout_percentage": 50, "without_unit": "b"}, None),
        ({**AB, "default": {"split": {"a": 1, "b": 1}}, "without_unit": "next"}, None),
        ({**AB, "default": {"ranges": {"b": [0, 99]}}}, None),
        ({**AB, "default": {"ranges": {"b": [0, 100]}}}, "b"),
        ({**TO_ALL, "rules": [{"when": {"segment": "half"}, "serve": "a"}]}, None),
        ({**TO_ALL, "rules": [{"when": {}, "requires": [{"flag": "on", "not_variant": "on"}], "serve": "a"}]}, "b"),
        ({**TO_ALL, "rules": [{"when": {}, "requires": [{"flag": "some", "variant": "on"}], "serve": "a"}]}, None),
    ],
)
def test_contexts_without_a_unit_are_not_everyone(flag: dict[str, Any], variant: str | None) -> None:
    flags = {"f": flag, "on": {"status": True}, "some": {"status": True, "rollout_percentage": 1}}
    assert everyone(Side(snapshot(flags, segments={"half": SHARE}), NOW), "f") == variant


def test_a_flag_that_a_guard_raises_is_not_settled_nor_is_one_that_requires_it() -> None:
    """Its share in the file is where the guard begins."""
    guard = {"steps": [1, 100], "hold": "1h", "alarms": ["errors"]}
    flags = {
        "plain": {"status": True, "rollout_percentage": 0},
        "guarded": {"status": True, "rollout_percentage": 0, "guard": guard},
        "needy": {"status": True, "requires": [{"flag": "guarded", "variant": "on"}]},
    }
    side = Side(snapshot(flags), NOW)
    assert [settled(side, name) for name in flags] == ["off", None, None]
