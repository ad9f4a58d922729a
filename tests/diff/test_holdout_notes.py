"""On which side of a holdout the users of a move are, against the buckets of the users themselves."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.evaluation.bucketing import bucket, holdout_salt, threshold
from burgee.evaluation.context import TARGETING_KEY
from support.effects import ON, changed, snapshot

HALF = {**ON, "rollout_percentage": 50}


def notes(before: Any, after: Any) -> dict[str, set[tuple[str, str]]]:
    """The moves by their notes; the users of each example are where its note says."""
    ends = [threshold(one["holdouts"].get("q", {"percentage": 0})["percentage"]) for one in (before, after)]
    found: dict[str, set[tuple[str, str]]] = {}
    for region in changed(before, after)["f"].regions:
        for move in region.moves:
            assert move.example is not None
            at = bucket(move.example[TARGETING_KEY], holdout_salt("q"))
            sides = at < ends[0], at < ends[1]
            assert move.holdout in {NOTES[sides], ""}
            found.setdefault(move.holdout, set()).add((str(move.before), str(move.after)))
    return found


NOTES = {
    (True, True): "in holdout q",
    (False, True): "newly in holdout q",
    (True, False): "no longer in holdout q",
    (False, False): "outside holdout q",
}
HELD = {**HALF, "holdout": "q"}
FIVE, EIGHT = {"q": {"percentage": 5}}, {"q": {"percentage": 8}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            snapshot({"f": HELD}, holdouts=FIVE),
            snapshot({"f": {**HELD, "rollout_percentage": 60}}, holdouts=FIVE),
            {"outside holdout q": {("off", "on")}},
        ),
        (
            snapshot({"f": HELD}, holdouts=FIVE),
            snapshot({"f": HELD}, holdouts=EIGHT),
            {"newly in holdout q": {("on", "off")}},
        ),
        (
            snapshot({"f": HELD}, holdouts=EIGHT),
            snapshot({"f": HELD}, holdouts=FIVE),
            {"no longer in holdout q": {("off", "on")}},
        ),
        (snapshot({"f": HALF}), snapshot({"f": {**HALF, "rollout_percentage": 60}}), {"": {("off", "on")}}),
    ],
)
def test_moves_say_who_is_held_out(before: Any, after: Any, expected: Any) -> None:
    assert notes(before, after) == expected


def test_a_move_of_both_sides_says_nothing() -> None:
    before = snapshot(
        {"f": {**HELD, "variants": {"a": 1, "b": 2}, "off_variant": "a", "default": {"serve": "b"}}}, holdouts=FIVE
    )
    flag = before["flags"]["f"]
    after = snapshot({"f": {**flag, "variants": {"a": 0, "b": 2}}}, holdouts=FIVE)
    assert notes(before, after) == {"": {("a", "a")}}
