"""Each step of a guard, against brute force: every place of its hash line, and users of a generated file.

`BURGEE_ORACLE=300x200000 pytest tests/diff/test_guard_stages.py` tries 300 files with 200,000 users in each region.
"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from scipy.stats import binomtest

from burgee.diff.effect import effects
from burgee.evaluation.bucketing import BUCKETS, bucket
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import owners
from burgee.evaluation.ruleset import Ruleset
from burgee.times import format_time
from support.effects import NOW, ON, changed, generated, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.diff.flag_effect import FlagEffect, RegionEffect
    from burgee.diff.outcomes import Outcome

FILES, USERS = map(int, os.environ.get("BURGEE_ORACLE", "16x2000").split("x"))
STEPS = [0.5, 3, 12.5, 40, 77.777, 100]
GUARD = {"steps": STEPS, "hold": "6h", "alarms": ["errors"]}


def raised(flags: dict[str, Any], name: str, rule: int | None, share: float) -> dict[str, Any]:
    """A file with one share written by hand."""
    flag = json.loads(json.dumps(flags["flags"][name]))
    (flag if rule is None else flag["rules"][rule])["rollout_percentage"] = share
    return {**flags, "flags": {**flags["flags"], name: flag}}


def guarded(source: random.Random) -> tuple[dict[str, Any], str, int | None, float]:
    """A generated file with a guard on one of its shares, whose steps are all above it; the flag, rule and share."""
    while True:
        made = generated(source)
        name = source.choice([*made["flags"]])
        flag = made["flags"][name]
        owner = source.choice(list(owners(flag)))
        begins = source.choice([0, 0, 0.2])
        if flag["status"]:
            home = flag if owner.rule is None else flag["rules"][owner.rule]
            home |= {"rollout_percentage": begins, "guard": GUARD}
            return made, name, owner.rule, begins


def answers(regions: Sequence[RegionEffect], old: Ruleset, new: Ruleset, name: str, users: Sequence[str]) -> None:
    """Every reported move is seen in its share, by an exact test, and no other move is."""
    for region in regions:
        reported = {(_answer(move.before), _answer(move.after)): move.share for move in region.moves}
        seen: dict[Any, int] = {}
        for user in users:
            context = {**region.context, TARGETING_KEY: user}
            one, other = (rules.evaluate(name, context, NOW) for rules in (old, new))
            if (one.variant, one.value) != (other.variant, other.value):
                pair = (one.variant, one.value), (other.variant, other.value)
                seen[pair] = seen.get(pair, 0) + 1
        assert set(seen) <= set(reported), (name, region.when)
        for pair, part in reported.items():
            chance = binomtest(seen.get(pair, 0), len(users), float(part)).pvalue
            assert chance > 1e-6, (name, region.when, pair, chance)


def _answer(outcome: Outcome) -> tuple[str | None, Any]:
    return outcome.variant, json.loads(outcome.value)


@pytest.mark.parametrize("seed", range(FILES))
def test_each_step_and_each_way_back_agree_with_counted_users(seed: int) -> None:
    """Of the guarded flag, and of those that require it; regions and flags without a change have none."""
    source = random.Random(seed)
    after, guarded_flag, rule, begins = guarded(source)
    users = [f"{source.getrandbits(60):x}" for _ in range(USERS)]
    found = changed(snapshot({}), after)
    stages = [Ruleset(raised(after, guarded_flag, rule, share)) for share in (begins, *STEPS)]
    contexts = [
        {"country": country, "age": age, "plan": plan, "email": "a@example.com", "version": "2.3.0"}
        for country in ("DE", "IT")
        for age in (5, 40)
        for plan in ("pro", None)
    ]
    for name in after["flags"]:
        effect = found.get(name)
        guards = [] if effect is None else effect.guards
        assert all(guard.plan.flag == guarded_flag and guard.sample is None for guard in guards)
        for index in range(len(STEPS)):
            old, new = stages[index], stages[index + 1]
            for guard in guards:
                assert guard.steps[index].share == STEPS[index]
                answers(guard.steps[index].regions, old, new, name, users)
                answers(guard.steps[index].back, new, stages[0], name, users)
            moved = any(guard.steps[index].regions for guard in guards)
            if not moved:
                for context in contexts:
                    for user in users[:50]:
                        asked = {**context, TARGETING_KEY: user}
                        assert old.evaluate(name, asked, NOW).value == new.evaluate(name, asked, NOW).value


@pytest.mark.parametrize("begins", [0, 0.2])
def test_the_shares_of_one_line_are_counted_place_by_place(begins: float) -> None:
    """All 100,000 places, cut by nothing but the percentages."""
    flag = {**ON, "rollout_percentage": begins, "guard": GUARD}
    (guard,) = changed(snapshot({"f": {**ON, "rollout_percentage": begins}}), snapshot({"f": flag}))["f"].guards
    had = {place for place in range(BUCKETS) if place < begins * 1000}
    before = had
    for step in guard.steps:
        has = {place for place in range(BUCKETS) if place < round(step.share * 1000)}
        (region,) = step.regions
        (move,) = region.moves
        assert (move.before.variant, move.after.variant, move.loses) == ("off", "on", False)
        assert move.share * BUCKETS == len(has - before)
        assert move.example is not None
        assert bucket(move.example[TARGETING_KEY], "f") in has - before
        (back,) = step.back[0].moves
        assert (back.before.variant, back.after.variant, back.loses) == ("on", "off", True)
        assert back.share * BUCKETS == len(has - had)
        before = has


def test_a_guard_that_did_not_change_is_not_shown_again() -> None:
    flag = {**ON, "rollout_percentage": 0, "guard": GUARD}
    assert changed(snapshot({"f": flag}), snapshot({"f": {**flag, "description": "said again"}})) == {}


def test_a_guard_is_shown_again_when_a_segment_changes_its_users() -> None:
    rule = {"when": {"segment": "eu"}, "rollout_percentage": 0, "guard": GUARD}
    flag = {**ON, "rules": [rule], "default": {"serve": "off"}}
    before, after = (snapshot({"f": flag}, segments={"eu": {"country": where}}) for where in ("DE", "FR"))
    (guard,) = changed(before, after)["f"].guards
    assert [region.context for region in guard.steps[0].regions] == [{"country": "FR"}]


def test_steps_of_a_later_start_are_those_of_that_time() -> None:
    """A rule that a required flag's schedule opens in between."""
    start = NOW + 86_400
    opened = {"status": False, "schedule": [{"at": format_time(start - 3600), "set": {"status": True}}]}
    flag = {**ON, "requires": [{"flag": "base", "variant": "on"}], "rollout_percentage": 0}
    flags = {"base": opened, "f": {**flag, "guard": {**GUARD, "start": format_time(start)}}}
    (guard,) = changed(snapshot({"base": opened, "f": flag}), snapshot(flags))["f"].guards
    assert guard.at == format_time(start)
    assert all(step.regions for step in guard.steps)
    at_once = {**flags, "f": {**flag, "guard": GUARD}}
    (guard,) = changed(snapshot({"base": opened, "f": flag}), snapshot(at_once))["f"].guards
    assert not any(step.regions for step in guard.steps)


def test_a_step_that_takes_something_away_is_a_loss() -> None:
    flag = {**ON, "off_variant": "on", "default": {"serve": "off"}, "rollout_percentage": 0}
    effect: FlagEffect = changed(snapshot({"f": flag}), snapshot({"f": {**flag, "guard": GUARD}}))["f"]
    assert len(effect.losing()) == len(STEPS)


def test_steps_that_cannot_be_computed_say_so() -> None:
    """The time is over at once: each step is drawn."""
    rules = [{"when": {f"a{n}": {"gt": n}}, "serve": "on" if n % 2 else "off"} for n in range(12)]
    flag = {**ON, "rules": rules, "default": {"serve": "on"}, "rollout_percentage": 0}
    before, after = snapshot({"f": flag}), snapshot({"f": {**flag, "guard": GUARD}})
    (effect,) = effects(before, after, NOW, is_over=lambda: True)
    assert effect.sample is not None
    assert effect.guards[0].sample is not None
