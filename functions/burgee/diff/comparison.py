"""Compares one flag's answers on two sides: two snapshots, each at a moment.

In a region (see `burgee.diff.cases`) a flag's answer depends only on hash lines: a user's bucket on each is uniform
over 100,000 and independent of the others, because their salts differ. So each line is cut where either side's answer
changes, and the shares of the cells are multiplied. Shares of one salt are on the same line and are intersected.
Named users are evaluated individually. If there are too many cases, some are sampled, and the effect says so.
"""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.cases import DRAWS, MAX_CASES, Explorer, Scope
from burgee.diff.cells import Shares, shares
from burgee.diff.flag_effect import Move, RegionEffect
from burgee.diff.hash_lines import Dependent
from burgee.diff.holdout_notes import Holdouts
from burgee.diff.losses import move_kind
from burgee.diff.region_names import RegionNames
from burgee.diff.world import Budget, TooMany, World
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.diff.cases import Case, Known, Spot
    from burgee.diff.hash_lines import Line, Stretch
    from burgee.diff.outcomes import Pair
    from burgee.diff.partial_context import PartialContext
    from burgee.diff.symbolic import Side

LEAST_DRAWS = 100
MAX_NAMED = 2_000
"""Maximum named users evaluated individually, if their answer depends on their bucket."""


class Compared(NamedTuple):
    """The regions in which two sides differ, and how they were sampled, if so."""

    regions: list[RegionEffect]
    sample: str | None


class Effort(NamedTuple):
    """The maximum number of cases computed, and the number sampled if there are more."""

    cases: int = MAX_CASES
    draws: int = DRAWS


def compare(  # noqa: PLR0913 - two sides, the flag's name on each, and the effort
    name: str, old: Side, new: Side, world: World, other: str | None = None, *, effort: Effort | None = None
) -> Compared:
    """How one flag differs between two sides; `other` is its name on the second."""
    return _Comparison(name, old, new, world, other or name).run(effort or Effort())


class _Comparison:
    def __init__(self, name: str, old: Side, new: Side, world: World, other: str) -> None:
        self.name, self.other, self.world = name, other, world
        self.old, self.new = old, new
        self.none = old.off(name), new.off(other)
        families = [(old, one) for one in old.family(name)] + [(new, one) for one in new.family(other)]
        terms = [term for side, one in families for term in side.terms(one)]
        units = old.units(name) | new.units(other)
        signatures: dict[str, list[tuple[int, str]]] = {}
        for index, (side, one) in enumerate(families):
            for user, variant in side.targets(one).items():
                signatures.setdefault(user, []).append((index, variant))
        self.signatures = signatures
        scope = Scope(frozenset(signatures), old.answers_without_key(name) or new.answers_without_key(other))
        self.explorer = Explorer(self._decide, terms, units, world, scope)
        self.names = RegionNames(old, new, name, other, self.explorer.named)
        self.regions: dict[Any, RegionEffect] = {}
        self.named: dict[str, set[str]] = {}
        self.holdouts = Holdouts((int(side is new), side, one) for side, one in families)
        self.sample: str | None = None

    def _decide(self, context: PartialContext) -> Pair:
        return self.old.decide(self.name, context, 0), self.new.decide(self.other, context, 1)

    def run(self, effort: Effort) -> Compared:
        try:
            return self._computed(effort)
        except Dependent as found:
            return Compared([], str(found))

    def _computed(self, effort: Effort) -> Compared:
        budget = self.world.budget(effort.cases)
        try:
            for case in self.explorer.changing_cases(budget):
                when, given = self._where(case), _given(case)
                self.named.setdefault(when, set()).update(given)
                self._add(case, when, given)
            self._named(budget)
        except TooMany:
            # Regions computed so far are exact, including the users who match no rule.
            drawn = self._drawn(effort)
            exact = [self._finished(region) for region in self.regions.values()]
            known = {(region.when, move.before, move.after) for region in exact for move in region.moves}
            more = [
                replace(region, moves=[m for m in region.moves if (region.when, m.before, m.after) not in known])
                for region in drawn.regions
            ]
            return Compared([*exact, *(region for region in more if region.moves)], drawn.sample)
        found = [self._finished(region) for region in self.regions.values()]
        if len(found) == 1 and found[0].when == "all users" and self.explorer.units <= {TARGETING_KEY}:
            found = [replace(found[0], share=Fraction(1))]
        return Compared(found, self.sample)

    def _finished(self, region: RegionEffect) -> RegionEffect:
        counted = self.named.get(region.when) if region.users else None
        return replace(region, named=len(counted)) if counted else region

    def _where(self, case: Case) -> str:
        lacking = case.known.lacking()
        if lacking:
            return self.names.without(lacking[0], case.seen)
        return self.names.matching(case.seen) if self.explorer.asked else self.names.everyone

    def _add(self, case: Case, when: str, users: tuple[str, ...] = ()) -> None:
        found = shares(case.node)
        moved = [(pair, share) for pair, share in found.by_pair.items() if pair[0] != pair[1]]
        if not moved:
            return
        # Regions that differ only in attributes that neither side reads are equal; one of them is enough.
        key = (when, bool(users), tuple(sorted((str(pair), share) for pair, share in moved)))
        kept = self.regions.get(key)
        if users:
            named = tuple(dict.fromkeys((*kept.users, *users))) if kept else users
            self.regions[key] = replace(kept, users=named) if kept else self._region(case, when, found, named)
        elif kept is None or _knows_more(case.known, kept):
            self.regions[key] = self._region(case, when, found, users)

    def _region(self, case: Case, when: str, found: Shares, users: tuple[str, ...]) -> RegionEffect:
        moved = [(pair, share) for pair, share in found.by_pair.items() if pair[0] != pair[1]]
        moved.sort(key=lambda one: (-one[1], str(one[0])))
        moves = [
            Move(
                *pair,
                share,
                self._example(case.known, found.widest[pair], pair),
                move_kind(*pair, self.none),
                holdout=self.holdouts.note(case.node, pair),
            )
            for pair, share in moved
        ]
        context = {path: value for path, value in case.known.context.items() if path != TARGETING_KEY}
        by_variant = _by_variant(found, 0), _by_variant(found, 1)
        unit = next(
            (path for path, value in case.known.units.items() if value is not None and path != TARGETING_KEY),
            TARGETING_KEY,
        )
        return RegionEffect(
            when, context, moves, None, users, None, unit, *by_variant, is_certain=case.known.is_certain
        )

    def _example(self, known: Known, cell: Mapping[Line, Stretch], pair: Pair) -> dict[str, Any] | None:
        """A context with this move, verified by the engine; None if none was found."""
        example = self.explorer.example(known, cell)
        if example is None:
            return None
        given = self.old.answer(self.name, example), self.new.answer(self.other, example)
        return example if given == pair else None

    def _named(self, budget: Budget) -> None:
        """Users named in targets on either side: grouped if no bucket matters, else individually."""
        groups: dict[tuple[tuple[int, str], ...], list[str]] = {}
        for user, signature in self.signatures.items():
            groups.setdefault(tuple(signature), []).append(user)
        for users in groups.values():
            first = list(self.explorer.cases(budget, self.explorer.fixed(TARGETING_KEY, users[0])))
            if TARGETING_KEY not in self.explorer.asked and not any(case.hashed for case in first):
                for case in first:
                    self._add(case, self.names.targeted(users[0], case.seen, case.known.lacking()), tuple(users))
                continue
            if len(users) > MAX_NAMED:
                self.sample = f"of {len(users):,} users who are named alike, the first {MAX_NAMED:,} were looked up"
            for user in users[:MAX_NAMED]:
                for case in self.explorer.cases(budget, self.explorer.fixed(TARGETING_KEY, user)):
                    self._add(case, self.names.targeted(user, case.seen, case.known.lacking()), (user,))

    def _drawn(self, effort: Effort) -> Compared:
        """The effect from sampled cases, and a note on its accuracy."""
        source = random.Random(self.name)  # noqa: S311 - the same sample every time, so that reports are reproducible
        groups: dict[str, dict[Pair, list[Spot]]] = {}
        total_drawn = 0
        while total_drawn < effort.draws and (total_drawn < LEAST_DRAWS or not self.world.is_over):
            total_drawn += 1
            drawn = self.explorer.draw(source)
            groups.setdefault(self.names.matching(drawn.seen), {}).setdefault(drawn.pair, []).append(drawn)
        regions = []
        for when, pairs in groups.items():
            total = sum(map(len, pairs.values()))
            moves = [
                Move(
                    *pair,
                    share,
                    self._example(cases[0].known, cases[0].cell, pair),
                    move_kind(*pair, self.none),
                    _error(share, total),
                )
                for pair, cases in sorted(pairs.items(), key=lambda item: (-len(item[1]), str(item[0])))
                if pair[0] != pair[1] and (share := Fraction(len(cases), total))
            ]
            if moves:
                regions.append(RegionEffect(when, {}, moves, Fraction(total, total_drawn)))
        why = "the time for comparing was over" if self.world.is_over else f"more than {effort.cases:,} cases"
        by_variant = (
            f"{why}, so {total_drawn:,} were drawn by chance; shares are of the drawn "
            f"cases, and what fewer than {300 / total_drawn:.2f} % of cases see may be missing (95 % confidence)"
        )
        return Compared(regions, by_variant)


def _knows_more(known: Known, kept: RegionEffect) -> bool:
    return (known.is_certain, len(known.context)) > (kept.is_certain, len(kept.context))


def _given(case: Case) -> tuple[str, ...]:
    """The units that a region's conditions name."""
    return tuple(unit for unit in case.known.units.values() if unit is not None)


def _error(share: Fraction, total: int) -> float:
    return sqrt(float(share * (1 - share)) / total)


def _by_variant(found: Shares, index: int) -> dict[str | None, Fraction]:
    by_variant: dict[str | None, Fraction] = {}
    for pair, share in found.by_pair.items():
        variant = pair[index].variant
        by_variant[variant] = by_variant.get(variant, Fraction(0)) + share
    return by_variant
