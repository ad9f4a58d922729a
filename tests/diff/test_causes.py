"""What else a flag changes through."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.causes import causes
from support.effects import ON, snapshot

EU: dict[str, Any] = {"eu": {"country": "DE"}, "west": {"segment": "eu"}}
FLAG = {**ON, "rules": [{"when": {"segment": "west"}}]}
NEEDING = {**ON, "requires": [{"flag": "base", "variant": "on"}], "holdout": "q"}


def test_a_segment_of_a_segment_is_the_cause_by_the_name_that_the_flag_uses() -> None:
    before, after = (snapshot({"f": FLAG}, segments=one) for one in (EU, {**EU, "eu": {"country": ["DE", "FR"]}}))
    assert causes(before, after, "f", {"f"}) == ["segment west"]


@pytest.mark.parametrize(
    ("base", "percentage", "changed", "expected"),
    [
        ({**ON, "rollout_percentage": 50}, 5, {"f", "base"}, ["flag base"]),
        (ON, 8, {"f"}, ["holdout q"]),
        ({**ON, "rollout_percentage": 50}, 8, {"f", "base"}, ["flag base", "holdout q"]),
        ({**ON, "description": "new"}, 5, set(), []),
    ],
)
def test_prerequisites_whose_answers_change_and_holdouts_are_causes(
    base: Any, percentage: float, changed: set[str], expected: list[str]
) -> None:
    before = snapshot({"base": ON, "f": NEEDING}, holdouts={"q": {"percentage": 5}})
    after = snapshot({"base": base, "f": NEEDING}, holdouts={"q": {"percentage": percentage}})
    assert causes(before, after, "f", changed) == expected


@pytest.mark.parametrize("after", [{"f": {**FLAG, "status": False}}, {}])
def test_a_flag_that_is_edited_itself_or_goes_needs_no_cause(after: Any) -> None:
    changed = {**EU, "eu": {"country": "FR"}}
    assert causes(snapshot({"f": FLAG}, segments=EU), snapshot(after, segments=changed), "f", {"f"}) == []
