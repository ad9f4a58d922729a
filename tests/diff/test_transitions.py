"""Differences in time: none is missed at any moment, whatever ramps and schedules do, against the engine itself."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.effect import effects
from burgee.diff.losses import MoveKind, move_kind
from burgee.diff.symbolic import Side
from burgee.diff.transitions import checkpoints
from burgee.times import format_time, parse_time
from support.effects import NOW, ON, changed, snapshot

if TYPE_CHECKING:
    from burgee.diff.flag_effect import FlagEffect

PAIRS = int(os.environ.get("BURGEE_EXAMPLES", "1")) * 25
USERS, TIMES = 60, 40
DAY = 86_400
JANUARY = {"from": 0, "to": 100, "start": "2027-01-02", "end": "2027-01-31"}


def days(number: float) -> str:
    return format_time(NOW + number * DAY)


def ramp(source: random.Random) -> Any:
    start = source.choice([-5, 1, 3, 10])
    ends = source.sample([0, 10, 30, 50, 100], 2)
    return {"from": ends[0], "to": ends[1], "start": days(start), "end": days(start + source.choice([2, 9, 30]))}


def share(source: random.Random) -> Any:
    return ramp(source) if source.random() < 0.6 else source.choice([0, 10, 50, 100])


def flag(source: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"status": source.random() < 0.9}
    if source.random() < 0.7:
        made["rollout_percentage"] = share(source)
    if source.random() < 0.3:
        made["salt"] = source.choice(["s", "t"])
    if source.random() < 0.3:
        made["rules"] = [{"when": {"plan": "pro"}, "rollout_percentage": share(source)}]
    if source.random() < 0.3:
        window = {"start": days(source.choice([-2, 1, 3.5])), "end": days(source.choice([4, 6, 25]))}
        keys = source.choice([["start"], ["end"], ["start", "end"]])
        served = {"serve": source.choice(["on", "off"]), **{key: window[key] for key in keys}}
        made.setdefault("rules", []).insert(0, {"when": source.choice([{}, {"plan": "pro"}]), **served})
    if source.random() < 0.5:
        sets = source.choice([{"status": False}, {"status": True}, {"rollout_percentage": share(source)}])
        made["schedule"] = [{"at": days(source.choice([2, 5, 20])), "set": sets}]
    return made


def file(source: random.Random) -> Any:
    flags = {"f0": flag(source), "f1": flag(source)}
    if source.random() < 0.4:
        flags["f1"]["requires"] = [{"flag": "f0", "variant": "on"}]
    return snapshot(flags)


def edited(source: random.Random, before: Any) -> Any:
    """One or two keys of a flag changed, or the flag new altogether."""
    other, name = file(source), source.choice(["f0", "f1"])
    keys = source.sample(sorted(other["flags"][name]), 1)
    flag = {**before["flags"][name], **{key: other["flags"][name][key] for key in keys}}
    return snapshot({**before["flags"], name: flag if source.random() < 0.7 else other["flags"][name]})


@pytest.mark.parametrize("seed", range(PAIRS))
def test_what_anybody_loses_at_any_time_is_a_loss(seed: int) -> None:
    source = random.Random(seed)
    found: dict[str, FlagEffect] = {}
    while not found:
        before = file(source)
        after = edited(source, before)
        found = {effect.flag: effect for effect in effects(before, after, NOW)}
    users = [{"targetingKey": f"u{n}", **({"plan": "pro"} if n % 2 else {})} for n in range(USERS)]
    for _ in range(TIMES):
        now = NOW + source.choice([0, source.random() * 3, source.random() * 45]) * DAY
        old, new = Side(before, now), Side(after, now)
        for name in before["flags"]:
            for context in users:
                pair = old.answer(name, context), new.answer(name, context)
                if pair[0] == pair[1]:
                    continue
                assert name in found, f"{name} differs at {format_time(now)} and is not reported"
                if move_kind(*pair, (old.off(name), new.off(name))) is MoveKind.LOSS:
                    assert found[name].losing(), f"{name} is lost at {format_time(now)}"


def test_a_ramp_replaced_by_a_jump_at_its_end_is_a_loss_in_between() -> None:
    jump = {**ON, "rollout_percentage": 0, "schedule": [{"at": JANUARY["end"], "set": {"rollout_percentage": 100}}]}
    effect = changed(snapshot({"f": {**ON, "rollout_percentage": JANUARY}}), snapshot({"f": jump}))["f"]
    (later,) = [one for one in effect.later if one.regions]
    assert (later.at, later.until) == ("2027-01-02T00:00:00Z", "2027-01-31T00:00:00Z")
    assert effect.losing()


def test_a_ramp_under_another_salt_is_a_loss_while_it_moves() -> None:
    """At both ends nobody and everybody has it on both sides."""
    before = {**ON, "rollout_percentage": JANUARY}
    effect = changed(snapshot({"f": before}), snapshot({"f": {**before, "salt": "other"}}))["f"]
    (region,) = [region for one in effect.later for region in one.regions]
    shares = {f"{move.before} -> {move.after}": float(move.share) for move in region.moves}
    assert shares == {"on -> off": 0.25, "off -> on": 0.25}


def test_a_ramp_is_reported_from_its_beginning() -> None:
    effect = changed(
        snapshot({"f": {**ON, "rollout_percentage": 0}}), snapshot({"f": {**ON, "rollout_percentage": JANUARY}})
    )
    first, last = effect["f"].later
    assert (first.at, first.until) == ("2027-01-02T00:00:00Z", "2027-01-31T00:00:00Z")
    assert (last.at, last.until) == ("2027-01-31T00:00:00Z", None)
    assert effect["f"].losing() == []


def test_an_interval_is_cut_where_limits_of_one_line_cross() -> None:
    side = Side(snapshot({"f": {**ON, "rollout_percentage": JANUARY}}), NOW)
    other = Side(snapshot({"f": {**ON, "rollout_percentage": 50}}), NOW)
    cuts = [point.until for point in checkpoints("f", (side, other), NOW) if point.until is not None]
    begin, end = parse_time(str(JANUARY["start"])), parse_time(str(JANUARY["end"]))
    assert cuts == [(begin + end) / 2, end]


def test_a_prerequisite_that_arrives_by_a_schedule_has_moments_too() -> None:
    """From February the flag needs another, which goes off in March, or else in April."""
    needing = {**ON, "schedule": [{"at": "2027-02-01", "set": {"requires": [{"flag": "b", "variant": "on"}]}}]}

    def file(end: str) -> Any:
        return snapshot({"a": needing, "b": {**ON, "schedule": [{"at": end, "set": {"status": False}}]}})

    effect = changed(file("2027-04-01"), file("2027-03-01"))["a"]
    assert [(one.at, bool(one.regions)) for one in effect.later] == [
        ("2027-03-01T00:00:00Z", True),
        ("2027-04-01T00:00:00Z", False),
    ]
    assert effect.losing()
