"""A snapshot at one moment as decision lists that can be walked with parts of a context still open.

A walk that needs more asks for it: `Needed` for the truth of an attribute's atoms, `Straddled` for a narrower stretch
of a hash line. So only those cases are told apart that some step of the walk tells apart.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.diff.regions import Attribute, Term, Truths, atoms, meets, term
from burgee.diff.satisfiability.atoms import MISSING, Atom
from burgee.evaluation.bucketing import BUCKETS, holdout_salt, layer_salt, threshold
from burgee.evaluation.context import unit_reader
from burgee.evaluation.flag import BOOLEAN_VARIANTS, bound, ramp
from burgee.evaluation.hash_strategies import strategy
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from burgee.model import Definition, Snapshot

USER = "targetingKey"


class Line(NamedTuple):
    """A hash line: the attribute whose value is the unit, the salt, the hash if it is pinned, and its places."""

    unit: str
    salt: str
    hash: str | None = None
    size: int = BUCKETS

    def bucket(self, unit: str) -> int:
        """Where a unit falls on it."""
        return strategy(self.hash).place(self.size)(unit, self.salt)

    def share(self, low: int, high: int) -> tuple[int, int]:
        """The share of units in a stretch, as numerator and denominator."""
        return strategy(self.hash).share(low, high, self.size)


class Outcome(NamedTuple):
    """What is served: a variant and its value as JSON; no variant where the caller's default is used."""

    variant: str | None
    value: str

    def __str__(self) -> str:
        return "no value" if self.variant is None else self.variant


ABSENT = Outcome("(absent)", "null")
BROKEN = Outcome("(error)", "null")
NO_UNIT = Outcome("(no unit)", "null")
NOTHING = frozenset({ABSENT, BROKEN, NO_UNIT, Outcome(None, "null")})

Stretch: TypeAlias = tuple[int, int]


class Straddled(Exception):  # noqa: N818 - a question, not an error: asks for a narrower stretch of a line
    """A walk came to a bound inside a stretch; `edges` cut the stretch there."""

    def __init__(self, line: Line, edges: Sequence[int]) -> None:
        super().__init__(line)
        self.line = line
        self.edges = edges


class _NoUnit(Exception):  # noqa: N818 - ends a walk whose answer is that there is nothing to bucket
    pass


class RuleMatch(NamedTuple):
    """A rule whose condition a walk found to hold: the side, the flag, and the place of the rule in its list."""

    side: int
    flag: str
    rule: int


@dataclass(slots=True)
class Place:
    """What is known of a context: truths, units by attribute (None where there is none), stretches of lines.

    `seen` gathers the rules that a walk found to match, by side; `hashed` whether it looked at a bucket.
    """

    truths: Mapping[Atom, bool] = field(default_factory=Truths)
    units: Mapping[str, str | None] = field(default_factory=dict)
    cell: Mapping[Line, Stretch] = field(default_factory=dict)
    seen: dict[RuleMatch, None] = field(default_factory=dict)
    hashed: bool = False

    def within(self, line: Line, stretch: Stretch) -> Place:
        """The same, on a part of a line; notes go to the same lists."""
        return replace(self, cell={**self.cell, line: stretch})


class Side:
    """One snapshot at one moment (epoch seconds)."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.flags: Mapping[str, Definition] = snapshot["flags"]
        self.segments: Mapping[str, Any] = snapshot.get("segments", {})
        self.holdouts: Mapping[str, Any] = snapshot.get("holdouts", {})
        self.now = now
        self._states: dict[str, Definition | None] = {}
        self._terms: dict[str, list[Term]] = {}
        self._broken: dict[str, bool] = {}
        self._targets: dict[str, dict[str, str]] = {}
        self._ruleset = Ruleset(snapshot)

    def at(self, now: float) -> Side:
        """The same snapshot at another moment."""
        return Side(self.snapshot, now)

    def state(self, name: str) -> Definition | None:
        """A flag with its schedule laid over; None where there is none."""
        if name not in self._states:
            definition = self.flags.get(name)
            laid = None if definition is None else {k: v for k, v in definition.items() if k != "schedule"}
            for entry in (definition or {}).get("schedule", ()):
                if laid is not None and parse_time(entry["at"]) <= self.now:
                    laid |= entry["set"]
            self._states[name] = laid
        return self._states[name]

    def broken(self, name: str) -> bool:
        """Whether a flag cannot be served: it names something that is not there."""
        if name not in self._broken:
            answer = self._ruleset.evaluate(name, {}, self.now)
            self._broken[name] = answer.error_code is ErrorCode.PARSE_ERROR
        return self._broken[name]

    def terms(self, name: str) -> list[Term]:
        """The conditions of a flag's rules."""
        if name not in self._terms:
            state = self.state(name) or {}
            decides = state.get("status", False) and not self.broken(name)
            listed = state.get("rules", ()) if decides else ()
            self._terms[name] = [term(rule["when"], self.segments) for rule in listed]
        return self._terms[name]

    def family(self, name: str) -> list[str]:
        """A flag and all that it requires."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = None
                waiting += [entry["flag"] for entry in (self.state(one) or {}).get("requires", ())]
        return list(found)

    def targets(self, name: str) -> dict[str, str]:
        """Who is named, and the variant that each gets."""
        if name not in self._targets:
            listed = (self.state(name) or {}).get("targets", {})
            self._targets[name] = {str(user): variant for variant, users in listed.items() for user in users}
        return self._targets[name]

    def units(self, name: str) -> set[str]:
        """The attributes on which a flag and what it requires are bucketed."""
        states = [self.state(one) or {} for one in self.family(name)]
        return {state.get("bucket_by", USER) for state in states if state}

    def off(self, name: str) -> Outcome:
        """What a flag gives to those whom it gives nothing."""
        state = self.state(name)
        return ABSENT if state is None else _Walk(self, name, state, Place()).off()

    def decide(self, name: str, place: Place, side: int = 0) -> Outcome:
        """What contexts of a place get."""
        state = self.state(name)
        if state is None:
            return ABSENT
        if self.broken(name):
            return BROKEN
        try:
            return self._decide(name, state, place, side)
        except _NoUnit:
            return NO_UNIT

    def _decide(self, name: str, state: Definition, place: Place, side: int) -> Outcome:
        walk = _Walk(self, name, state, place)
        if not state.get("status", False):
            return walk.off()
        for entry in state.get("requires", ()):
            given = self.decide(entry["flag"], place, side)
            if given in {BROKEN, NO_UNIT}:
                return given
            if given.variant != entry["variant"]:
                return walk.off()
        if "holdout" in state:
            held = threshold(self.holdouts[state["holdout"]]["percentage"])
            if walk.inside(holdout_salt(state["holdout"]), 0, held):
                return walk.off()
        if "layer" in state:
            low, high = map(threshold, state["layer"]["range"])
            if not walk.inside(layer_salt(state["layer"]["name"]), low, high):
                return walk.off()
        user = place.units.get(USER)
        named = self.targets(name).get(user) if user is not None and "targets" in state else None
        return walk.serve(named) if named is not None else self._rules(walk, place, side)

    def served_rule(self, name: str, place: Place) -> int | None:
        """The index of the rule that would serve, whatever keeps people from a flag's rules; None for the default."""
        walk = _Walk(self, name, self.state(name) or {}, place)
        for index, met in enumerate(self.terms(name)):
            try:
                if meets(met, place.truths) and walk.rolled(walk.state["rules"][index]):
                    return index
            except _NoUnit:
                return None
        return None

    def _rules(self, walk: _Walk, place: Place, side: int) -> Outcome:
        for index, met in enumerate(self.terms(walk.name)):
            rule = walk.state["rules"][index]
            if meets(met, place.truths):
                place.seen[RuleMatch(side, walk.name, index)] = None
                if walk.rolled(rule):
                    return walk.outcome(rule)
        return walk.outcome(walk.state.get("default", {})) if walk.rolled(walk.state) else walk.off()


def called(rule: Mapping[str, Any], index: int) -> str:
    """What answers and reports call a rule."""
    name: str = rule.get("name", f"rule {index + 1}")
    return name


class _Walk(NamedTuple):
    """One walk through one flag."""

    side: Side
    name: str
    state: Definition
    place: Place

    def at(self, salt: str, bounds: Sequence[int], size: int = BUCKETS, pinned: str | None = None) -> int:
        """How many of the bounds, among `size` places of a line, are not above where the place falls."""
        way = strategy(pinned)
        line = Line(self.state.get("bucket_by", USER), salt, pinned, way.resolution(size))
        bounds = [way.cut(one, size) for one in bounds]
        self.place.hashed = True
        if line.unit in self.place.units:
            unit = self.place.units[line.unit]
            if unit is None:
                raise _NoUnit
            return bisect_right(bounds, line.bucket(unit))
        low, high = self.place.cell.get(line, (0, line.size))
        inner = sorted({one for one in bounds if low < one < high})
        if inner:
            raise Straddled(line, [low, *inner, high])
        return bisect_right(bounds, low)

    def inside(self, salt: str, low: int, high: int, pinned: str | None = None) -> bool:
        if low <= 0 and high >= BUCKETS:
            return True
        return low < high and self.at(salt, (low, high), pinned=pinned) == 1

    def rolled(self, owner: Mapping[str, Any]) -> bool:
        percentage = owner.get("rollout_percentage")
        if percentage is None:
            return True
        limit = ramp(percentage) if isinstance(percentage, dict) else threshold(percentage)
        return self.inside(self.salt(owner), 0, bound(limit, self.side.now), self.state.get("hash"))

    def salt(self, owner: Mapping[str, Any]) -> str:
        salt: str = owner.get("salt", self.state.get("salt", self.name))
        return salt

    def outcome(self, owner: Mapping[str, Any]) -> Outcome:
        if "split" not in owner:
            return self.serve(owner.get("serve", "on"))
        weights = {arm: weight for arm, weight in owner["split"].items() if weight > 0}
        names = list(weights)
        if len(names) == 1:
            return self.serve(names[0])
        pinned = self.state.get("hash")
        arms = strategy(pinned).arms(self.salt(owner), weights.values())
        return self.serve(names[self.at(arms.salt, arms.bounds, arms.size, pinned)])

    def off(self) -> Outcome:
        variant = self.state.get("off_variant", None if "variants" in self.state else "off")
        return Outcome(None, "null") if variant is None else self.serve(variant)

    def serve(self, variant: str) -> Outcome:
        variants = self.state.get("variants", BOOLEAN_VARIANTS)
        # Keys are sorted, because the order of a mapping's keys is not part of its value.
        return Outcome(variant, json.dumps(variants[variant], sort_keys=True))


Pair: TypeAlias = tuple[Outcome, Outcome]
Decide: TypeAlias = "Callable[[Place], Pair]"


class Leaf(NamedTuple):
    """Where a walk ends."""

    pair: Pair


class Branch(NamedTuple):
    """Where it depends on a bucket: between `edges` go the children."""

    line: Line
    edges: Sequence[int]
    children: Sequence[Node]


Node: TypeAlias = "Leaf | Branch"


class Dependent(Exception):  # noqa: N818 - an answer: the shares cannot be computed
    """A decision looks at lines that depend on each other."""

    def __init__(self) -> None:
        super().__init__("lines of GO Feature Flag's hash depend on each other in a way that is not computed")


def require_independent(lines: Iterable[Line]) -> None:
    """Dependent where shares of these lines must not be multiplied: remainders of one weak hash."""
    if sum(line.hash == "goff" for line in lines) > 1:
        raise Dependent


class TooMany(Exception):  # noqa: N818 - an answer: the cases are more than are computed
    """More cases than the budget allows."""


class Budget:
    """How many more cases may be told apart."""

    def __init__(self, cases: int) -> None:
        self.left = cases

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooMany


def grow(decide: Decide, place: Place, budget: Budget) -> Node:
    """The tree of all cells of a place's hash lines, as coarse as the decisions allow."""
    try:
        return Leaf(decide(place))
    except Straddled as cut:
        budget.take()
        children = [grow(decide, place.within(cut.line, piece), budget) for piece in pairwise(cut.edges)]
        return Branch(cut.line, cut.edges, children)


def cells(node: Node, cell: Mapping[Line, Stretch] | None = None) -> Iterator[tuple[Mapping[Line, Stretch], Pair]]:
    """The leaves of a tree, each with its stretch of every line on the way."""
    inner = cell or {}
    if isinstance(node, Leaf):
        yield inner, node.pair
        return
    for piece, child in zip(pairwise(node.edges), node.children, strict=True):
        yield from cells(child, {**inner, node.line: piece})


class World:
    """The attributes that conditions of several flags and sides ask of contexts, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Atom, ...], Attribute] = {}

    def attribute(self, own: tuple[Atom, ...]) -> Attribute:
        """The attribute that these atoms are about."""
        if own not in self._known:
            self._known[own] = Attribute(own[0].path, own)
        return self._known[own]


def grouped(terms: Sequence[Term]) -> dict[str, tuple[Atom, ...]]:
    """The atoms of conditions by path, in the order of their first mention."""
    found: dict[str, dict[Atom, None]] = {}
    for one in terms:
        for atom in atoms(one):
            found.setdefault(atom.path, {})[atom] = None
    return {path: tuple(own) for path, own in found.items()}


def unit_of(path: str, value: Any) -> str | None:
    """What a value of an attribute is bucketed as; None where it cannot be."""
    return None if value is MISSING else unit_reader(path)({path: value})
