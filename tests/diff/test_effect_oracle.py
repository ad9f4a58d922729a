"""The computed effect against brute force, for generated pairs of files.

`BURGEE_ORACLE=300x200000 pytest tests/test_effect_oracle.py` tries 300 pairs with 200,000 users in each
of their 2,755 regions: an hour of one core. The small run has the same shape.
"""

from __future__ import annotations

import json
import os
import random
from bisect import bisect_right
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from burgee.diff.effect import effects
from burgee.evaluation.bucketing import BUCKETS, bucket, split_bounds
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.ruleset import Ruleset
from burgee.findings import Code
from burgee.review.change_findings import ReviewedChange, proofs
from support.effects import AB, NOW, ON, changing, snapshot

if TYPE_CHECKING:
    from burgee.diff.flag_effect import FlagEffect
    from burgee.diff.outcomes import Outcome

PAIRS, USERS = map(int, os.environ.get("BURGEE_ORACLE", "12x2000").split("x"))

Answer: TypeAlias = tuple[str | None, Any]


def _answer(outcome: Outcome) -> Answer:
    return outcome.variant, json.loads(outcome.value)


@pytest.mark.parametrize("seed", range(1000, 1000 + PAIRS))
def test_shares_agree_with_counted_users(seed: int) -> None:
    """In every region, within four standard errors; and no move is seen that was not reported."""
    source = random.Random(seed)
    before, after, found = changing(source, seed)
    old, new = Ruleset(before), Ruleset(after)
    users = [f"{source.getrandbits(60):x}" for _ in range(USERS)]
    for name, effect in found.items():
        assert effect.sample is None
        for region in effect.regions:
            assert not region.users
            reported = {(_answer(move.before), _answer(move.after)): move for move in region.moves}
            seen: dict[tuple[Answer, Answer], int] = {}
            context = dict(region.context)
            for user in users:
                context[TARGETING_KEY] = user
                one, other = old.evaluate(name, context, NOW), new.evaluate(name, context, NOW)
                if one.variant != other.variant or one.value != other.value:
                    pair = (one.variant, one.value), (other.variant, other.value)
                    seen[pair] = seen.get(pair, 0) + 1
            assert set(seen) <= set(reported), (name, region.when)
            for pair, move in reported.items():
                share = float(move.share)
                error = sqrt(share * (1 - share) / USERS)
                assert abs(seen.get(pair, 0) / USERS - share) <= 4 * error + 1e-12, (name, region.when, pair)


def one_line(source: random.Random) -> dict[str, Any]:
    """A flag that decides by one hash line: a rollout, or a split, over which rules may be laid."""
    if source.random() < 0.5:
        made: dict[str, Any] = {**ON, "rollout_percentage": source.choice([0, 0.003, 12.5, 40, 77.777, 99.999, 100])}
        if source.random() < 0.3:
            made["default"] = {"serve": "off"}
        if source.random() < 0.3:
            made["rules"] = [{"when": {}, "rollout_percentage": source.choice([5, 30, 60]), "serve": "on"}]
        return made
    arms = source.sample(["a", "b", "c"], source.choice([1, 2, 3]))
    weights = {arm: source.choice([1, 2, 3.5, 10, 33.333]) for arm in arms}
    return {**AB, "variants": {"a": 1, "b": 2, "c": 3}, "default": {"split": weights}}


def served(flag: dict[str, Any], number: int) -> str:
    """What a bucket's users get, straight from the definition: no hash, no engine, no effect."""
    if "variants" in flag:
        split: dict[str, float] = flag["default"]["split"]
        return [*split][bisect_right(split_bounds(split.values()), number)]
    for rule in flag.get("rules", ()):
        if number < rule["rollout_percentage"] * 1000:
            return "on"
    inside = number < round(flag["rollout_percentage"] * 1000)
    return flag.get("default", {}).get("serve", "on") if inside else "off"


@pytest.mark.parametrize("seed", range(PAIRS))
def test_withdrawn_agrees_with_a_search_through_all_buckets(seed: int) -> None:
    source = random.Random(seed)
    before = one_line(source)
    after = one_line(source)
    while ("variants" in after) != ("variants" in before):
        after = one_line(source)
    pairs = [(served(before, number), served(after, number)) for number in range(BUCKETS)]
    off = "a" if "variants" in before else "off"
    had: dict[str, int] = {}
    gets: dict[str, int] = {}
    lost: dict[str, int] = {}
    for one, other in pairs:
        had[one] = had.get(one, 0) + 1
        gets[other] = gets.get(other, 0) + 1
        if one != off and other == off:
            lost[one] = lost.get(one, 0) + 1
    expected = {
        **{(Code.WITHDRAWN, v): lost[v] for v in lost if gets.get(v, 0) >= had[v]},
        **{(Code.LOWERED, v): lost[v] for v in lost if gets.get(v, 0) < had[v]},
    }
    old, new = snapshot({"f": before}), snapshot({"f": after})
    found = effects(old, new, NOW)
    reported = [
        one for one in proofs(ReviewedChange(old, new, found, NOW)) if one.code in {Code.WITHDRAWN, Code.LOWERED}
    ]
    assert {(one.code, variant(one.message)): buckets(found, variant(one.message)) for one in reported} == expected
    for finding in reported:
        assert finding.example is not None
        salt = "f:split" if "variants" in before else "f"
        number = bucket(finding.example[TARGETING_KEY], salt)
        assert pairs[number] == (variant(finding.message), off)


def variant(message: str) -> str:
    return message.partition(" lose ")[2].partition(",")[0]


def buckets(found: list[FlagEffect], variant: str) -> int:
    moved = sum(
        move.share
        for effect in found
        for region in effect.regions
        for move in region.moves
        if move.loses and move.before.variant == variant
    )
    return int(moved * BUCKETS)
