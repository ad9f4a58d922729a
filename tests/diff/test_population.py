"""Counting contexts, compared with the engine evaluating them one by one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from burgee.diff.population import Population
from burgee.diff.world import World
from burgee.evaluation.ruleset import Ruleset
from support.effects import NOW, VALUES, generated, snapshot

ODD: list[Any] = [None, True, 1, 1.0, 0, "", "1", ["DE"], {"a": 1}, 10**30]


def contexts(source: random.Random, number: int) -> list[dict[str, Any]]:
    """Attributes of every type, users named and nameless, companies and none."""
    made = []
    for _ in range(number):
        context = {path: source.choice([*values, *ODD]) for path, values in VALUES.items() if source.random() < 0.7}
        if source.random() < 0.9:
            context["targetingKey"] = source.choice(["ada", f"user-{source.randrange(500)}", 7, ""])
        if source.random() < 0.7:
            context["company"] = source.choice([f"c{source.randrange(50)}", *ODD])
        made.append(context)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_the_engine_counts_the_same(seed: int) -> None:
    source = random.Random(seed)
    before, after = generated(source), generated(source)
    for side, variant in ((before, "on"), (after, "off")):
        for flag in side["flags"].values():
            if "variants" not in flag and source.random() < 0.5:
                flag["targets"] = {variant: ["ada", "user-3"]}
            if source.random() < 0.4:
                flag["bucket_by"] = "company"
    people = contexts(source, 600)
    names = list(before["flags"])
    population = Population(before, after, names, NOW, World())
    for start in range(0, len(people), 250):
        population.add_contexts(people[start : start + 250])

    old, new, segment = Ruleset(before), Ruleset(after), Ruleset(probe(after))
    for name in names:
        changed, inside = 0, 0
        for context in people:
            one, other = old.evaluate(name, context, NOW), new.evaluate(name, context, NOW)
            moves = (one.variant, one.value, one.error_code) != (other.variant, other.value, other.error_code)
            changed += moves
            inside += moves and segment.evaluate("probe", context, NOW).value is True
        counts = population.counts(name)
        assert (counts.total, counts.changed) == (len(people), changed)
        assert counts.by_segment["eu"][0] == inside


def probe(side: dict[str, Any]) -> dict[str, Any]:
    """A flag that shows who is in the segment."""
    rules = [{"when": {"segment": "eu"}}]
    return snapshot(
        {"probe": {"status": True, "rules": rules, "default": {"serve": "off"}}}, segments=side["segments"]
    )
