"""Which changes end a guard that runs: what a review says is what the next release does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from burgee.evaluation.snapshots import definition_digest
from burgee.findings import Code
from burgee.flagfile.flag_grammar import normalise
from burgee.guards.plan import guarded, served
from burgee.guards.transitions import GUARD
from burgee.model import Override
from burgee.releases.plan import OverrideVerdict, plan
from burgee.review.change_findings import ReviewedChange, proofs
from burgee.stores import Pointer, State

AT = "2026-03-01T00:00:00Z"
PLAN = {"steps": [10, 100], "hold": "6h", "alarms": ["errors"]}
ON_FLAG: dict[str, Any] = {"status": True, "rollout_percentage": 1, "guard": PLAN, "description": "New"}
RULE = {"name": "EU", "when": {"country": "DE"}, "rollout_percentage": 1, "serve": "on", "guard": PLAN}
ON_RULE: dict[str, Any] = {"status": True, "rules": [RULE, {"when": {"plan": "pro"}, "serve": "on"}]}
REACHED, FILE = " at the share that it has reached", ", and the file decides the share"
AGAIN, THERE = "; its guard begins again once the file has that share", "; its guard begins again from there"


def without(definition: Any, key: str) -> Any:
    return {name: value for name, value in definition.items() if name != key}


def snapshot(flag: Any, **shared: Any) -> Any:
    flags = {"other": normalise({"status": True})} if flag is None else {"f": normalise(flag)}
    return {"format": 1, "environment": None, "flags": flags, **shared}


def said(before: Any, after: Any) -> list[str]:
    return [one.message for one in proofs(ReviewedChange(before, after, [], 0)) if one.code is Code.GUARD_ENDED]


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        (ON_FLAG, ON_FLAG, None),
        (ON_FLAG, dict(reversed(ON_FLAG.items())), None),
        (ON_FLAG, ON_FLAG | {"description": "Newer"}, REACHED + AGAIN),
        (ON_FLAG, ON_FLAG | {"owner": "web"}, REACHED + AGAIN),
        (ON_FLAG, ON_FLAG | {"status": False}, REACHED + AGAIN),
        (ON_FLAG, ON_FLAG | {"guard": PLAN | {"hold": "7h"}}, REACHED + AGAIN),
        (ON_FLAG, without(ON_FLAG, "guard"), REACHED),
        (ON_FLAG, ON_FLAG | {"rollout_percentage": 2}, FILE + THERE),
        (ON_FLAG, without(ON_FLAG | {"rollout_percentage": 10}, "guard"), FILE),
        (ON_FLAG, without(without(ON_FLAG, "guard"), "rollout_percentage"), FILE),
        (ON_FLAG, None, " with the flag"),
        (ON_RULE, ON_RULE, None),
        (ON_RULE, ON_RULE | {"rules": [RULE]}, REACHED + AGAIN),
        (ON_RULE, ON_RULE | {"rules": [RULE | {"when": {"country": "FR"}}]}, REACHED + AGAIN),
        (ON_RULE, ON_RULE | {"rules": [without(RULE, "guard")]}, REACHED),
        (ON_RULE, ON_RULE | {"rules": [RULE | {"rollout_percentage": 5}]}, FILE + THERE),
        (ON_RULE, ON_RULE | {"rules": ON_RULE["rules"][1:]}, FILE),
        (without(ON_FLAG, "guard"), ON_FLAG, None),
    ],
)
@pytest.mark.parametrize("step", PLAN["steps"])
def test_a_change_that_ends_a_guard_is_named(before: Any, after: Any, how: str | None, step: int) -> None:
    base, wanted = snapshot(before), snapshot(after)
    ends = [] if how is None else [f"if the guard of f runs when this is released, this change ends it{how}"]
    assert said(base, wanted) == ends
    live = base["flags"]["f"]
    if guarded(live) is None:
        return
    override = Override("f", served(live, step), GUARD, "", AT, AT, base_digest=definition_digest(live))
    (standing,) = plan(State(Pointer(version=1), {"f": override}), base, wanted, 0).standings
    ended = {"": OverrideVerdict.KEPT, REACHED: OverrideVerdict.CARRIED}
    assert standing.verdict is ended.get((how or "").partition(";")[0], OverrideVerdict.ABSORBED)


@pytest.mark.parametrize("section", ["segments", "metrics"])
def test_what_is_shared_ends_no_guard(section: str) -> None:
    shared = {section: {"one": {"kind": "proportion", "event": "x"} if section == "metrics" else {"country": "DE"}}}
    assert said(snapshot(ON_FLAG), snapshot(ON_FLAG, **json.loads(json.dumps(shared)))) == []
