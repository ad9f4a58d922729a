"""The effect of what other engines' files need, against brute force with the engine, for generated pairs of files:
units and hashes of rules, ranges, `requires` of rules, contexts without a unit.

`BURGEE_ORACLE=300x10000 pytest tests/diff/test_effect_grammar.py` tries 300 pairs with 10,000 users in each region.
"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from scipy.stats import binom

from burgee.diff.effect import effects
from burgee.diff.hash_lines import Line
from burgee.diff.population import Population
from burgee.diff.symbolic import Side
from burgee.diff.world import World
from burgee.evaluation.ruleset import Ruleset
from support.effects import NOW, VALUES, changing, grown, snapshot

if TYPE_CHECKING:
    from burgee.diff.flag_effect import RegionEffect
    from burgee.diff.outcomes import Outcome

PAIRS, USERS = map(int, os.environ.get("BURGEE_ORACLE", "12x1000").split("x"))
UNITS = ("targetingKey", "company", "device")
CONTEXTS = 1_500
UNLIKELY = 1e-8
"""The probability below which a count refutes a share: 300 pairs have tens of thousands of moves."""


def contexts(source: random.Random) -> list[dict[str, Any]]:
    """Attributes and units, each of which may be missing."""
    made = []
    for _ in range(CONTEXTS):
        context: dict[str, Any] = {
            path: source.choice(values) for path, values in VALUES.items() if source.random() < 0.8
        }
        for unit in UNITS:
            if source.random() < 0.7:
                context[unit] = source.choice([f"{source.getrandbits(60):x}", source.getrandbits(30), True, ""])
        made.append(context)
    return made


def outcome(answer: Outcome) -> tuple[str | None, str]:
    return answer.variant, answer.value


@pytest.mark.parametrize("seed", range(2000, 2000 + PAIRS))
def test_no_change_is_missed_and_no_share_is_wrong(seed: int) -> None:
    source = random.Random(seed)
    before, after, found = changing(source, seed, grown)
    old, new = Side(before, NOW), Side(after, NOW)
    assert Ruleset(before).check() == Ruleset(after).check() == {}
    reported = {
        name: {(outcome(move.before), outcome(move.after)) for region in effect.regions for move in region.moves}
        for name, effect in found.items()
    }
    assert all(effect.sample is None for effect in found.values())
    for context in contexts(source):
        for name in before["flags"]:
            pair = outcome(old.answer(name, context)), outcome(new.answer(name, context))
            no_user = pair[0] == pair[1] or "(no unit)" in {pair[0][0], pair[1][0]}
            assert no_user or pair in reported.get(name, ()), (name, json.dumps(context), pair)
    for name, effect in found.items():
        for region in effect.regions:
            counted(source, old, new, name, region)


def counted(source: random.Random, old: Side, new: Side, name: str, region: RegionEffect) -> None:
    """In contexts like the example of a region, whose units are drawn again, the moves have their shares."""
    assert not region.users
    example = next((move.example for move in region.moves if move.example is not None), None)
    assert example is not None, region
    moves = {(outcome(move.before), outcome(move.after)): move for move in region.moves}
    seen: dict[Any, int] = {}
    for _ in range(USERS):
        context = {path: f"{source.getrandbits(60):x}" if path in UNITS else value for path, value in example.items()}
        pair = outcome(old.answer(name, context)), outcome(new.answer(name, context))
        if pair[0] != pair[1]:
            seen[pair] = seen.get(pair, 0) + 1
    assert seen.keys() <= moves.keys(), (name, region.when, example)
    for pair, move in moves.items():
        count, drawn = seen.get(pair, 0), binom(USERS, float(move.share))
        assert min(drawn.cdf(count), drawn.sf(count - 1)) > UNLIKELY, (name, region.when, pair, count, move.share)


@pytest.mark.parametrize("seed", range(3000, 3000 + PAIRS // 2))
def test_contexts_are_counted_as_the_engine_answers_them(seed: int) -> None:
    source = random.Random(seed)
    before, after = grown(source), grown(source)
    for flag in before["flags"].values():
        if source.random() < 0.3 and not any("hash" in one for one in (flag, *flag["rules"])):
            flag["rules"].insert(
                0, {"when": {}, "hash": "flagd-cbor-value", "rollout_percentage": 20, **served(flag)}
            )
    people = contexts(source)
    population = Population(before, after, list(before["flags"]), NOW, World())
    population.add_contexts(people[:700])
    population.add_contexts(people[700:])
    old, new = Side(before, NOW), Side(after, NOW)
    for name in before["flags"]:
        changed = sum(old.answer(name, one) != new.answer(name, one) for one in people)
        counts = population.counts(name)
        assert (counts.total, counts.changed) == (len(people), changed)


def served(flag: dict[str, Any]) -> dict[str, Any]:
    return {"serve": next(iter(flag.get("variants", ["on"]))), "bucket_by": "company"}


def test_lines_of_a_list_are_those_of_its_attributes() -> None:
    """So that flags by `[company, targetingKey]` and by `company` agree on every company."""
    flag = {"status": True, "rollout_percentage": 50, "bucket_by": ["company", "targetingKey"], "salt": "s"}
    before = {"format": 1, "flags": {"f": {**flag, "bucket_by": "company"}}}
    after = {"format": 1, "flags": {"f": flag}}
    old, new = Ruleset(before), Ruleset(after)
    for number in range(100):
        context = {"company": f"c{number}", "targetingKey": "ada"}
        one, other = old.evaluate("f", context, NOW), new.evaluate("f", context, NOW)
        assert one.value is other.value is (Line("company", "s").bucket(f"c{number}") < 50_000)
        alone = new.evaluate("f", {"targetingKey": f"u{number}"}, NOW)
        assert alone.value is (Line("targetingKey", "s").bucket(f"u{number}") < 50_000)


HALF = {"status": True, "rollout_percentage": 50}
DEVICE = {**HALF, "bucket_by": ["targetingKey", "device"]}
DIVIDED = {"status": True, "rules": [{"when": {"segment": "half"}, "serve": "off"}], "default": {"serve": "on"}}
TEAMS = {"half": {"$share": {"rollout_percentage": 50, "salt": "s"}}}


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        ({**HALF, "without_unit": "on"}, {**HALF, "without_unit": "off"}, {("on", "off"): 1.0}),
        ({**HALF, "without_unit": "on"}, {**HALF, "without_unit": "next"}, {("on", "off"): 1.0}),
        (HALF, {**HALF, "without_unit": "on"}, {("(no unit)", "on"): 1.0}),
        (DEVICE, {**DEVICE, "rollout_percentage": 75}, {("off", "on"): 0.25}),
        (DIVIDED, {**DIVIDED, "default": {"serve": "off"}}, {("on", "off"): 1.0}),
    ],
)
def test_contexts_without_a_targeting_key_have_rows_where_a_flag_answers_them(
    before: dict[str, Any], after: dict[str, Any], moves: dict[tuple[str, str], float]
) -> None:
    (effect,) = effects(snapshot({"f": before}, segments=TEAMS), snapshot({"f": after}, segments=TEAMS), NOW)
    (region,) = [one for one in effect.regions if one.when.startswith("contexts without `targetingKey`")]
    found = {(str(move.before), str(move.after)): float(move.share) for move in region.moves}
    assert found == moves
    assert all(move.example is not None and "targetingKey" not in move.example for move in region.moves)
