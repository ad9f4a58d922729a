"""Who will see what change: the exact effect of one snapshot after another, computed and not sampled.

In a region (see `burgee.regions`) a flag's answer depends on hash lines alone: a user's bucket on each is uniform
over 100,000 and independent of the others, because their salts differ. So each line is cut where either side decides
differently, and the shares of the cells are multiplied. Shares of one salt are on one line, and are intersected.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.bucketing import BUCKETS, bucket, holdout_salt, layer_salt, split_bounds, split_salt, threshold
from burgee.engine import BOOLEAN_VARIANTS, bound, ramp
from burgee.regions import Atom, Region, atoms, count, meets, regions
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.model import Definition, Snapshot

MAX_REGIONS = 20_000
MAX_CELLS = 200_000
EXAMPLES_TRIED = 20_000


class Line(NamedTuple):
    """A hash line: the attribute whose value is the unit (None: the user), and the salt."""

    unit: str | None
    salt: str


class Outcome(NamedTuple):
    """What is served: a variant and its value as JSON; no variant where the caller's default is used."""

    variant: str | None
    value: str

    def __str__(self) -> str:
        return "no value" if self.variant is None else self.variant


ABSENT = Outcome("(absent)", "null")
Cell: TypeAlias = "dict[Line, int]"


@dataclass(frozen=True, slots=True)
class Move:
    """A share of a region's users that goes from one outcome to another, and one of them.

    `loses` where they had more than the off variant, and now get no more than that.
    """

    before: Outcome
    after: Outcome
    share: Fraction
    example: str | None
    loses: bool


@dataclass(frozen=True, slots=True)
class RegionEffect:
    """What changes for those whom the named rules match, on either side; `context` has such attributes."""

    when: str
    context: Mapping[str, Any]
    moves: Sequence[Move]


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """What changes in one flag. `users` are named in targets and move by name; `unknown` says what stopped us."""

    flag: str
    regions: Sequence[RegionEffect]
    users: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unknown: str | None = None

    def losing(self) -> list[tuple[RegionEffect, Move]]:
        """The moves that take something away."""
        return [(region, move) for region in self.regions for move in region.moves if move.loses]


def effects(before: Snapshot, after: Snapshot, now: float) -> list[FlagEffect]:
    """The effect on every flag whose answers can change at `now` (epoch seconds), in the order of the files."""
    old, new = _Side(before, now), _Side(after, now)
    names = dict.fromkeys([*before["flags"], *after["flags"]])
    changed = [name for name in names if old.seal(name) != new.seal(name)]
    return [found for name in changed if (found := _effect(name, old, new)) is not None]


class _Side:
    """One snapshot at one moment, as a decision list that can be walked."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.flags: Mapping[str, Definition] = snapshot["flags"]
        self.segments: Mapping[str, Any] = snapshot.get("segments", {})
        self.holdouts: Mapping[str, Any] = snapshot.get("holdouts", {})
        self.now = now

    def state(self, name: str) -> Definition | None:
        """A flag with its schedule laid over."""
        definition = self.flags.get(name)
        if definition is None:
            return None
        laid = {key: value for key, value in definition.items() if key != "schedule"}
        for entry in definition.get("schedule", ()):
            if parse_time(entry["at"]) <= self.now:
                laid |= entry["set"]
        return laid

    def family(self, name: str) -> list[str]:
        """A flag and all that it requires."""
        found, waiting = {}, [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = True
                waiting += [entry["flag"] for entry in (self.state(one) or {}).get("requires", ())]
        return list(found)

    def seal(self, name: str) -> str:
        """All that a flag's answers depend on, as text."""
        family = self.family(name)
        states = [(one, self.state(one)) for one in family]
        conditions = [sorted(set(self.atoms_of(one))) for one in family]
        shapes = [[self._opened(rule["when"]) for rule in (state or {}).get("rules", ())] for _, state in states]
        held = [self.holdouts.get((state or {}).get("holdout", ""), None) for _, state in states]
        return json.dumps([states, conditions, shapes, held], sort_keys=False)

    def _opened(self, when: Any) -> Any:
        """A condition with its segments written out."""
        if isinstance(when, list):
            return [self._opened(part) for part in when]
        if not isinstance(when, dict):
            return when
        return {
            key: [self._opened(self.segments[name]) for name in ([value] if isinstance(value, str) else value)]
            if key == "segment"
            else self._opened(value)
            for key, value in when.items()
        }

    def atoms_of(self, name: str) -> Iterator[Atom]:
        for rule in (self.state(name) or {}).get("rules", ()):
            yield from atoms(rule["when"], self.segments)

    def rules(self, name: str, region: Region) -> list[str]:
        """The rules of a flag that a region's users match, by name."""
        listed = (self.state(name) or {}).get("rules", ())
        return [
            rule.get("name", f"rule {index + 1}")
            for index, rule in enumerate(listed)
            if meets(rule["when"], self.segments, region.truths)
        ]

    def off(self, name: str) -> Outcome:
        """What a flag gives to those whom it gives nothing."""
        state = self.state(name)
        return ABSENT if state is None else _Walk(name, state, {}, {}, self.now).off()

    def decide(self, name: str, region: Region, cell: Mapping[Line, int], cuts: dict[Line, set[int]]) -> Outcome:
        """What users of a region get whose buckets are a cell's; notes in `cuts` where lines decide otherwise."""
        state = self.state(name)
        if state is None:
            return ABSENT
        walk = _Walk(name, state, cell, cuts, self.now)
        if not state.get("status", False):
            return walk.off()
        for entry in state.get("requires", ()):
            if self.decide(entry["flag"], region, cell, cuts).variant != entry["variant"]:
                return walk.off()
        if "holdout" in state:
            held = threshold(self.holdouts[state["holdout"]]["percentage"])
            if walk.inside(holdout_salt(state["holdout"]), 0, held):
                return walk.off()
        if "layer" in state:
            low, high = map(threshold, state["layer"]["range"])
            if not walk.inside(layer_salt(state["layer"]["name"]), low, high):
                return walk.off()
        for rule in state.get("rules", ()):
            if meets(rule["when"], self.segments, region.truths) and walk.rolled(rule):
                return walk.outcome(rule)
        return walk.outcome(state.get("default", {})) if walk.rolled(state) else walk.off()


class _Walk(NamedTuple):
    """One walk through one flag."""

    name: str
    state: Definition
    cell: Mapping[Line, int]
    cuts: dict[Line, set[int]]
    now: float

    def at(self, salt: str, bounds: Sequence[int]) -> int:
        line = Line(self.state.get("bucket_by"), salt)
        self.cuts.setdefault(line, set()).update(one for one in bounds if 0 < one < BUCKETS)
        return self.cell.get(line, 0)

    def inside(self, salt: str, low: int, high: int) -> bool:
        if low <= 0 and high >= BUCKETS:
            return True
        return low < high and low <= self.at(salt, (low, high)) < high

    def rolled(self, owner: Mapping[str, Any]) -> bool:
        percentage = owner.get("rollout_percentage")
        if percentage is None:
            return True
        limit = ramp(percentage) if isinstance(percentage, dict) else threshold(percentage)
        return self.inside(self.salt(owner), 0, bound(limit, self.now))

    def salt(self, owner: Mapping[str, Any]) -> str:
        salt: str = owner.get("salt", self.state.get("salt", self.name))
        return salt

    def outcome(self, owner: Mapping[str, Any]) -> Outcome:
        if "split" not in owner:
            return self.serve(owner.get("serve", "on"))
        weights = {arm: weight for arm, weight in owner["split"].items() if weight > 0}
        bounds = split_bounds(weights.values())
        arms = list(weights)
        if len(arms) == 1:
            return self.serve(arms[0])
        return self.serve(arms[bisect_right(bounds, self.at(split_salt(self.salt(owner)), bounds))])

    def off(self) -> Outcome:
        variant = self.state.get("off_variant", None if "variants" in self.state else "off")
        return Outcome(None, "null") if variant is None else self.serve(variant)

    def serve(self, variant: str) -> Outcome:
        variants = self.state.get("variants", BOOLEAN_VARIANTS)
        return Outcome(variant, json.dumps(variants[variant]))


def _effect(name: str, old: _Side, new: _Side) -> FlagEffect | None:
    users = _named(old.state(name) or {}, new.state(name) or {})
    every = [atom for side in (old, new) for one in side.family(name) for atom in side.atoms_of(one)]
    number = count(every)
    if number > MAX_REGIONS:
        told = f"its conditions make {number:,} regions, more than the {MAX_REGIONS:,} that are computed"
        return FlagEffect(name, [], users, told)
    grouped: dict[str, RegionEffect] = {}
    for region in regions(every):
        when = _when(old.rules(name, region), new.rules(name, region))
        try:
            moves = _moves(name, old, new, region)
        except OverflowError as error:
            return FlagEffect(name, [], users, str(error))
        # Regions that differ only in what neither side looks at say the same; one of them is enough.
        key = json.dumps([when, [[str(m.before), str(m.after), str(m.share)] for m in moves]])
        if moves and (key not in grouped or len(region.example) > len(grouped[key].context)):
            grouped[key] = RegionEffect(when, region.example, moves)
    if not grouped and not users:
        return None
    return FlagEffect(name, list(grouped.values()), users)


def _when(old: Sequence[str], new: Sequence[str]) -> str:
    """Whom a region holds, by the rules that match them on either side."""
    told = [f'matching "{name}"' for name in new if name in old]
    told += [f'newly matching "{name}"' for name in new if name not in old]
    told += [f'no longer matching "{name}"' for name in old if name not in new]
    return f"users {', '.join(told)}" if told else "users whom no rule matches"


def _moves(name: str, old: _Side, new: _Side, region: Region) -> list[Move]:
    """Shares of a region's users by where they go, largest first; those who stay are left out."""
    cuts: dict[Line, set[int]] = {}
    while True:
        cells = prod(len(points) + 1 for points in cuts.values())
        if cells > MAX_CELLS:
            raise OverflowError(f"its hash lines make {cells:,} cells, more than the {MAX_CELLS:,} that are computed")
        known = {line: frozenset(points) for line, points in cuts.items()}
        shares: dict[tuple[Outcome, Outcome], Fraction] = {}
        where: dict[tuple[Outcome, Outcome], tuple[Cell, Cell]] = {}
        for cell, ends in _cells(known):
            pair = old.decide(name, region, cell, cuts), new.decide(name, region, cell, cuts)
            share = prod((Fraction(ends[line] - cell[line], BUCKETS) for line in cell), start=Fraction(1))
            shares[pair] = shares.get(pair, Fraction(0)) + share
            where.setdefault(pair, (cell, ends))
        if {line: frozenset(points) for line, points in cuts.items()} == known:
            break  # every line and every cut that any cell meets is in: the cells are exact
    moved = [(pair, share) for pair, share in shares.items() if pair[0] != pair[1]]
    moved.sort(key=lambda one: (-one[1], str(one[0])))
    none = old.off(name), new.off(name)
    return [
        Move(*pair, share, _example(*where[pair]), loses=pair[1] == none[1] and pair[0] != none[0])
        for pair, share in moved
    ]


def _cells(cuts: Mapping[Line, frozenset[int]]) -> Iterator[tuple[Cell, Cell]]:
    """Every cell of the lines' partition: where it begins on each, and where it ends."""
    pieces = []
    for line, points in cuts.items():
        edges = [0, *sorted(points), BUCKETS]
        pieces.append([(line, low, high) for low, high in pairwise(edges)])
    for choice in product(*pieces):
        yield {line: low for line, low, _ in choice}, {line: high for line, _, high in choice}


def _example(cell: Cell, ends: Cell) -> str | None:
    """A user in a cell, where the user is the unit of all of its lines; None if none is found soon."""
    if any(line.unit is not None for line in cell):
        return None
    for number in range(EXAMPLES_TRIED):
        user = f"user-{number}"
        if all(low <= bucket(user, line.salt) < ends[line] for line, low in cell.items()):
            return user
    return None


def _named(old: Definition, new: Definition) -> dict[str, tuple[str, str]]:
    """Users whom targets name on either side and treat differently."""
    before, after = (_targets(side) for side in (old, new))
    names = dict.fromkeys([*before, *after])
    pairs = {user: (before.get(user, "by the rules"), after.get(user, "by the rules")) for user in names}
    return {user: pair for user, pair in pairs.items() if pair[0] != pair[1]}


def _targets(definition: Definition) -> dict[str, str]:
    return {user: variant for variant, users in definition.get("targets", {}).items() for user in users}
