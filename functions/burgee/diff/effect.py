"""Computes the exact effect of replacing one snapshot with another, without sampling.

In a region (see `burgee.diff.cases`) a flag's answer depends only on hash lines: a user's bucket on each is uniform
over 100,000 and independent of the others, because their salts differ. So each line is cut where either side's answer
changes, and the shares of the cells are multiplied. Shares of one salt are on the same line and are intersected.
Named users are evaluated individually. If there are too many cases, some are sampled, and the effect says so.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.affected import reached
from burgee.diff.cases import DRAWS, MAX_CASES, Explorer, Scope
from burgee.diff.cells import Shares, shares
from burgee.diff.guard_stages import guard_stages
from burgee.diff.hash_lines import Dependent
from burgee.diff.holdout_notes import Holdouts
from burgee.diff.losses import MoveKind, move_kind
from burgee.diff.region_names import RegionNames
from burgee.diff.symbolic import Side
from burgee.diff.transitions import checkpoints
from burgee.diff.world import Budget, TooMany, World
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import fragments
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from burgee.diff.cases import Case, Known, Spot
    from burgee.diff.guard_stages import GuardStages
    from burgee.diff.hash_lines import Line, Stretch
    from burgee.diff.outcomes import Outcome, Pair
    from burgee.diff.partial_context import PartialContext
    from burgee.guards.plan import GuardPlan
    from burgee.model import Snapshot

LEAST_DRAWS = 100
MAX_NAMED = 2_000
"""Maximum named users evaluated individually, if their answer depends on their bucket."""


@dataclass(frozen=True, slots=True)
class Move:
    """A share of a region's users that moves from one outcome to another, with an example context.

    `error` is the standard error of a sampled share, None if it is exact. `holdout` says whether these users are in
    the flag's holdouts.
    """

    before: Outcome
    after: Outcome
    share: Fraction
    example: Mapping[str, Any] | None
    kind: MoveKind
    error: float | None = None
    holdout: str = ""

    @property
    def loses(self) -> bool:
        """Whether it is a loss."""
        return self.kind is MoveKind.LOSS


@dataclass(frozen=True, slots=True)
class RegionEffect:
    """The changes where the rules named in `when` match on either side; `context` has such attributes.

    `share` is the share of all users, if known. `users` are those who move, if targets or a condition name them: then
    `unit` is the attribute that names them, and `named` counts all named ones, including those without a change.
    `before` and `after` give every variant's share, including users without a change. `keys` is `client` or `server`
    if the effect depends on the kind of API key. Without `is_certain`, no context of the region was found, nor proved
    impossible: it may be empty.
    """

    when: str
    context: Mapping[str, Any]
    moves: Sequence[Move]
    share: Fraction | None = None
    users: Sequence[str] = ()
    named: int | None = None
    unit: str = TARGETING_KEY
    before: Mapping[str | None, Fraction] = field(default_factory=dict)
    after: Mapping[str | None, Fraction] = field(default_factory=dict)
    keys: str = ""
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """What the change makes different from a time on (RFC 3339); no regions if nothing differs any more.

    With `until`, the difference during a ramp between the two times; shares are those in the middle.
    """

    at: str
    regions: Sequence[RegionEffect]
    until: str | None = None


@dataclass(frozen=True, slots=True)
class GuardStep:
    """What a guard's step to `share` percent changes, and what rolling back from it to the beginning would."""

    share: float
    regions: Sequence[RegionEffect]
    back: Sequence[RegionEffect]

    @property
    def name(self) -> str:
        """The step in words, where other changes have a time."""
        return f"step {self.share:g} %"


@dataclass(frozen=True, slots=True)
class GuardEffect:
    """What a guard changes step by step, in its flag or in one that requires it.

    Other flags are as at the time (RFC 3339) when it begins. `sample` describes the sampling, if any step could not
    be computed.
    """

    plan: GuardPlan
    at: str
    steps: Sequence[GuardStep]
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """The changes of one flag, now, later and by guards. `sample` describes the sampling, if it was not computed."""

    flag: str
    regions: Sequence[RegionEffect]
    later: Sequence[Later] = ()
    sample: str | None = None
    guards: Sequence[GuardEffect] = ()

    def losing(self) -> list[tuple[RegionEffect, Move]]:
        """The losses, now, later or by a guard's step."""
        regions = [*self.all_regions(), *self.step_regions()]
        return [(region, move) for _, region in regions for move in region.moves if move.loses]

    def step_regions(self) -> list[tuple[str, RegionEffect]]:
        """Every region of a guard's step, with the step in words."""
        return [(step.name, region) for guard in self.guards for step in guard.steps for region in step.regions]

    def all_regions(self) -> list[tuple[str, RegionEffect]]:
        """Every region with the time (RFC 3339) from which it holds; empty for now."""
        later = [(one.at, region) for one in self.later for region in one.regions]
        return [*(("", region) for region in self.regions), *later]


def effects(
    before: Snapshot,
    after: Snapshot,
    now: float,
    is_over: Callable[[], bool] | None = None,
    begin: Callable[[str], None] | None = None,
) -> list[FlagEffect]:
    """The effect on every flag whose answers can change at `now` (epoch seconds) or later, in file order.

    Once `is_over` returns true, the rest is sampled instead of computed. `begin` is called with each flag before it
    is looked at.
    """
    world = World(is_over)
    sides: dict[float, tuple[Side, Side]] = {}

    def at(moment: float) -> tuple[Side, Side]:
        if moment not in sides:
            sides[moment] = Side(before, moment), Side(after, moment)
        return sides[moment]

    found = []
    changed = {*reached(before, after)}
    guards = _by_guards(after, changed, now, world)
    changed |= {*_asked_otherwise(before, after)}
    for name in [name for name in {**before["flags"], **after["flags"]} if name in changed]:
        if begin is not None:
            begin(name)
        effort = Effort()
        compared = [_for_all_keys(name, *at(now), world, effort)]
        later: list[Later] = []
        last = compared[0]
        points = checkpoints(name, at(now), now)
        for point in points:
            if compared[-1].sample:
                # A flag with too many cases now also has too many later; repeating the attempt is useless.
                effort = Effort(max(MAX_CASES // len(points), 500), max(DRAWS // len(points), 200))
            here = _for_all_keys(name, *at(point.at), world, effort)
            compared.append(here)
            if point.since is None or point.until is None:
                if _compared(here.regions) != _compared(last.regions):
                    later.append(Later(format_time(point.at), here.regions))
                last = here
            elif not _moves_of(here.regions) <= _moves_of(last.regions):
                later.append(Later(format_time(point.since), here.regions, format_time(point.until)))
        steps = guards.get(name, [])
        samples = [one.sample for one in compared if one.sample] + [one.sample for one in steps if one.sample]
        if any(one.regions for one in compared) or samples or steps:
            found.append(FlagEffect(name, compared[0].regions, later, samples[0] if samples else None, steps))
    return found


def _by_guards(after: Snapshot, changed: Container[str], now: float, world: World) -> dict[str, list[GuardEffect]]:
    """What the guards of these flags change, by the flag that changes: their own, and those that require it."""
    found: dict[str, list[GuardEffect]] = {}
    for stages in guard_stages(after, changed, now):
        sides = [Side(snapshot, stages.at) for snapshot in stages.snapshots]
        for name in reached(stages.snapshots[0], stages.snapshots[-1]):
            effect = _guard_effect(name, stages, sides, world)
            if name == stages.plan.flag or effect.sample or any(step.regions for step in effect.steps):
                found.setdefault(name, []).append(effect)
    return found


def _guard_effect(name: str, stages: GuardStages, sides: Sequence[Side], world: World) -> GuardEffect:
    effort = Effort()
    steps: list[GuardStep] = []
    samples: list[str] = []
    for share, old, new in zip(stages.plan.steps, sides, sides[1:], strict=False):
        step, back = compare(name, old, new, world, effort=effort), compare(name, new, sides[0], world, effort=effort)
        steps.append(GuardStep(share, step.regions, back.regions))
        samples += [one.sample for one in (step, back) if one.sample]
        if samples:
            # A flag with too many cases at one step has too many at the others; repeating the attempt is useless.
            effort = Effort(max(MAX_CASES // len(sides), 500), max(DRAWS // len(sides), 200))
    return GuardEffect(stages.plan, format_time(stages.at), steps, samples[0] if samples else None)


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


def _asked_otherwise(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """The flags on both sides whose visibility to client keys changes."""
    for name, definition in before["flags"].items():
        other = after["flags"].get(name)
        if other is not None and [s.get("client") for s in fragments(definition)] != [
            s.get("client") for s in fragments(other)
        ]:
            yield name


def _for_all_keys(name: str, old: Side, new: Side, world: World, effort: Effort | None = None) -> Compared:
    """How a flag differs for server keys and, if it is open to client keys on only one side, for those too."""
    compared = _Comparison(name, old, new, world, name).run(effort or Effort())
    was, now = old.state(name), new.state(name)
    if was is None or now is None or (was.get("client") is True) == (now.get("client") is True):
        return compared
    closed = Side({**new.snapshot, "flags": {}}, new.now)
    for_clients = (
        compare(name, old, closed, world) if was.get("client") is True else compare(name, closed, new, world)
    )
    regions = [replace(region, keys="client") for region in for_clients.regions]
    regions += [replace(region, keys="server") for region in compared.regions]
    return Compared(regions, compared.sample or for_clients.sample)


def _compared(regions: Sequence[RegionEffect]) -> list[Any]:
    return [(r.when, r.keys, r.users, [(m.before, m.after, m.share) for m in r.moves]) for r in regions]


def _moves_of(regions: Sequence[RegionEffect]) -> set[Any]:
    return {(r.when, r.keys, tuple(r.users), m.before, m.after) for r in regions for m in r.moves}


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
