"""Walks that go on where an earlier one stopped, and drawn cases, decide as a walk from the beginning does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.cases import Explorer, Scope
from burgee.diff.cells import cells
from burgee.diff.symbolic import Side
from burgee.diff.world import Budget, TooMany, World
from support.effects import NOW, ON, generated, snapshot

if TYPE_CHECKING:
    from burgee.diff.outcomes import Pair
    from burgee.diff.partial_context import PartialContext


class Compared:
    """One flag on two sides, and how often it was decided."""

    def __init__(self, before: Any, after: Any, name: str) -> None:
        self.name, self.walks = name, 0
        self.sides = Side(before, NOW), Side(after, NOW)
        families = [(side, one) for side in self.sides for one in side.family(name)]
        terms = [term for side, one in families for term in side.terms(one)]
        units = {unit for side in self.sides for unit in side.units(name)}
        named = frozenset(user for side, one in families for user in side.targets(one))
        self.explorer = Explorer(self.decide, terms, units, World(), Scope(named))

    def decide(self, context: PartialContext) -> Pair:
        self.walks += 1
        old, new = self.sides
        return old.decide(self.name, context, 0), new.decide(self.name, context, 1)


@pytest.mark.parametrize("seed", range(30))
def test_cells_and_draws_are_decided_as_from_the_beginning(seed: int) -> None:
    source = random.Random(seed)
    before, after = generated(source), generated(source)
    for name in {**before["flags"], **after["flags"]}:
        compared = Compared(before, after, name)
        explorer = compared.explorer
        for _ in range(50):
            drawn = explorer.draw(source)
            fresh = drawn.known.partial(drawn.cell)
            assert compared.decide(fresh) == drawn.pair
            assert set(fresh.seen) <= set(drawn.seen)
        try:
            for spot in explorer.spots(Budget(2_000)):
                fresh = spot.known.partial(spot.cell)
                assert compared.decide(fresh) == spot.pair
                assert tuple(fresh.seen) == spot.seen
            for case in explorer.cases(Budget(2_000)):
                seen: set[Any] = set()
                for cell, pair in cells(case.node):
                    fresh = case.known.partial(cell)
                    assert compared.decide(fresh) == pair
                    seen |= set(fresh.seen)
                assert seen <= set(case.seen)
        except TooMany:
            continue


def test_a_draw_decides_once_however_many_rules_there_are() -> None:
    rules = [{"name": f"r{n}", "when": {f"a{n}": 1}, "rollout_percentage": n + 10} for n in range(40)]
    before = {**ON, "rules": rules, "default": {"serve": "off"}}
    compared = Compared(snapshot({"f": before}), snapshot({"f": {**before, "salt": "another"}}), "f")
    source = random.Random(1)
    for _ in range(100):
        compared.explorer.draw(source)
    assert compared.walks == 100
