"""The registry of findings, and what some of them compute."""

from __future__ import annotations

import re
from typing import Any

import pytest

from burgee.diff.timeline import timeline
from burgee.findings import RULES, Code, blocking, finding, unknown_codes
from burgee.model import Severity
from burgee.review.file_findings import oversize
from burgee.review.resplit import layout, moved, stretches
from burgee.times import parse_time


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_stable_text_with_a_meaning(code: Code) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]+", code)
    assert RULES[code].about


def test_what_blocks_is_what_was_asked_for() -> None:
    lowered, starved = finding(Code.LOWERED, "f", "less"), finding(Code.STARVED, "f", "never")
    assert blocking([lowered, starved], []) == []
    assert blocking([lowered, starved], ["lowered"]) == [lowered]
    assert lowered.severity is Severity.NOTE
    assert blocking([lowered, starved], ["all"]) == [starved]
    assert unknown_codes(["stale", "all", "stail"]) == ["stail"]


def snapshot(flags: dict[str, Any]) -> dict[str, Any]:
    return {"format": 1, "environment": None, "segments": {}, "holdouts": {}, "flags": flags}


def test_a_release_that_doubles_and_a_flag_too_large_for_an_override_are_told() -> None:
    few = snapshot({"f": {"status": True}})
    many = snapshot({f"flag-{number}": {"status": True, "description": "x" * 100} for number in range(1000)})
    large = snapshot({"f": {"status": True, "targets": {"on": [f"user-{number:06}" for number in range(30_000)]}}})
    assert [one.flag for one in oversize(few, many)] == [None]
    assert list(oversize(many, many)) == []
    assert "f" in [one.flag for one in oversize(few, large)]


def test_the_least_layout_moves_what_it_must_and_no_more() -> None:
    before = stretches({"a": 50, "b": 25, "c": 25})
    after = {"a": 25_000, "b": 25_000, "c": 50_000}
    best = layout(before, after)
    assert moved(before, best) == 25_000
    assert {arm: sum(high - low for one, low, high in best if one == arm) for arm in after} == after
    assert [low for _, low, _ in best] == [0, *(high for _, _, high in best[:-1])]


def test_a_timeline_has_jumps_and_what_ramps_move_between() -> None:
    ramp = {"from": 50, "to": 100, "start": "2027-03-02", "end": "2027-03-03"}
    schedule = [
        {"at": "2027-02-01", "set": {"rollout_percentage": 50}},
        {"at": "2027-03-01", "set": {"rollout_percentage": ramp}},
    ]
    flag = {"status": True, "rollout_percentage": 5, "schedule": schedule}
    assert [str(entry) for entry in timeline(snapshot({"f": flag}), "f", parse_time("2027-01-01"))] == [
        "2027-02-01T00:00:00Z: all users: 45 % off -> on",
        "2027-03-02T00:00:00Z to 2027-03-03T00:00:00Z, little by little: all users: 50 % off -> on",
    ]
