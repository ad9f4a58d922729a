"""A snapshot at one time, whose flags can be evaluated in a partly unknown context.

What is walked is the list of decisions that the engine compiles (`burgee.evaluation.decisions`): `Side.decide` goes
through it as `burgee.evaluation.flag` does, but for a `PartialContext`. That says which conditions hold, which units
are given, and in which stretch of a hash line the others fall. A walk that needs more raises the question: `Needed`
for the truth of a condition, `Straddled` for a narrower stretch of a hash line. The caller answers it case by case
and continues, so that only cases are told apart that some decision tells apart. On each part of a hash line a walk
goes on at the step where it stopped. Stretches are asked for before conditions: whoever is outside a rule's share
need not meet it.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.diff.regions import Needed, Term, Truths, atoms, holds, term
from burgee.diff.satisfiability.atoms import MISSING, Atom, has_unit
from burgee.diff.satisfiability.solver import Solver
from burgee.diff.witnesses import Witnesses
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import TARGETING_KEY, ValueUnit, value_unit
from burgee.evaluation.decisions import Default, Holdout, Requires, Rule, Status, Targets
from burgee.evaluation.definition import state_at, unit_attribute
from burgee.evaluation.hash_strategies import strategy
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from burgee.evaluation.decisions import Allocation, Decision, Decisions, Share
    from burgee.evaluation.flag import Flag
    from burgee.evaluation.hash_strategies import Strategy
    from burgee.model import Definition, Snapshot


class Line(NamedTuple):
    """A hash line: the unit's attribute, the salt, the hash if pinned, and the number of places."""

    unit: str
    salt: str
    hash: str | None = None
    size: int = BUCKETS

    def bucket(self, unit: str) -> int:
        """The place of a unit on it."""
        return strategy(self.hash).place(self.size)(unit, self.salt)

    @property
    def has_unit(self) -> Atom:
        """The atom for whether a context has a unit for it."""
        return has_unit(self.unit, of_value=self.takes_values)

    @property
    def takes_values(self) -> bool:
        """Whether any value is a unit for it."""
        return strategy(self.hash).takes_values

    def share(self, low: int, high: int) -> tuple[int, int]:
        """The share of units in a stretch, as numerator and denominator."""
        return strategy(self.hash).share(low, high, self.size)


def line(unit: str, salt: str, way: Strategy, size: int = BUCKETS) -> Line:
    """The line on which a strategy places units, at its finest resolution."""
    return Line(unit, "" if way.takes_values else salt, way.name, way.resolution(size))


class Outcome(NamedTuple):
    """What is served: a variant and its value as JSON; no variant if the caller's default is used.

    `is_error` marks an error, whatever the flag's variants are called.
    """

    variant: str | None
    value: str
    is_error: bool = False

    def __str__(self) -> str:
        return "no value" if self.variant is None else self.variant


ABSENT = Outcome("(absent)", "null", is_error=True)
BROKEN = Outcome("(error)", "null", is_error=True)
NO_UNIT = Outcome("(no unit)", "null", is_error=True)
OFF = Outcome("(off)", "null", is_error=True)
"""Stands for the off variant within a walk."""
NOTHING = frozenset({ABSENT, BROKEN, NO_UNIT, Outcome(None, "null")})

Stretch: TypeAlias = tuple[int, int]


class Straddled(Exception):  # noqa: N818 - a request, not an error: for a narrower stretch of a line
    """A walk reached a bound inside a stretch; `edges` cut the stretch there."""

    def __init__(self, line: Line, edges: Sequence[int]) -> None:
        super().__init__(line)
        self.line = line
        self.edges = edges


class _NoUnit(Exception):  # noqa: N818 - ends a walk: there is no unit to bucket
    pass


class RuleMatch(NamedTuple):
    """A rule whose condition holds in a walk: the side, the flag, and the rule's index."""

    side: int
    flag: str
    rule: int


@dataclass(slots=True)
class PartialContext:
    """The known parts of a context: truths of atoms and of whole conditions, units by attribute (None where there is
    none), stretches of lines.

    `seen` collects the matching rules of a walk, by side; `hashed` says whether it used a bucket. `reached` keeps, by
    side and flag, its outcome or the step at which a walk stopped: a walk on a part of the cell continues there.
    """

    truths: Mapping[Atom, bool] = field(default_factory=Truths)
    units: Mapping[str, str | None] = field(default_factory=dict)
    cell: Mapping[Line, Stretch] = field(default_factory=dict)
    claims: Mapping[Term, bool] = field(default_factory=dict)
    seen: dict[RuleMatch, None] = field(default_factory=dict)
    hashed: bool = False
    reached: dict[tuple[Side, int, str], Outcome | int] = field(default_factory=dict)

    def after(self, earlier: PartialContext) -> PartialContext:
        """The same, with the notes of an earlier walk that knew less."""
        return replace(self, seen=dict(earlier.seen), hashed=earlier.hashed)

    def within(self, line: Line, stretch: Stretch) -> PartialContext:
        """The same context on a part of a line; it shares `seen` and `hashed`."""
        cell = {**self.cell, line: stretch}
        return PartialContext(self.truths, self.units, cell, self.claims, self.seen, self.hashed, dict(self.reached))

    def meets(self, term: Term) -> bool:
        """Whether a condition holds."""
        found = self.claims.get(term)
        if found is None:
            found = holds(term, self.truths)
        if found is None:
            raise Needed(term)
        return found

    def place(self, line: Line, bounds: Sequence[int]) -> int | None:
        """The number of bounds at or below the unit's place on a line; None without a unit."""
        self.hashed = True
        if line.unit in self.units:
            unit = self.units[line.unit]
            if unit is None or not (line.takes_values or is_unit(unit)):
                return None
            return bisect_right(bounds, line.bucket(unit))
        if not self.truths[line.has_unit]:
            return None
        low, high = self.cell.get(line, (0, line.size))
        first, last = bisect_right(bounds, low), bisect_left(bounds, high)
        if first < last:
            raise Straddled(line, [low, *sorted(set(bounds[first:last])), high])
        return first


_Cut: TypeAlias = "bool | tuple[Line, Sequence[int]]"
"""Whether a share contains every unit or none; else its line, and where the line is cut."""


class Side:
    """One snapshot at one time (epoch seconds)."""

    def __init__(self, snapshot: Snapshot, now: float, flag: Callable[[str], Flag | None] | None = None) -> None:
        self.snapshot = snapshot
        self.flags: Mapping[str, Definition] = snapshot["flags"]
        self.segments: Mapping[str, Any] = snapshot.get("segments", {})
        self.holdouts: Mapping[str, Any] = snapshot.get("holdouts", {})
        self.now = now
        self._states: dict[str, Definition | None] = {}
        self._decisions: dict[str, Decisions | None] = {}
        self._terms: dict[str, list[Term]] = {}
        self._steps: dict[str, list[tuple[Decision, Term | None, int]]] = {}
        self._shares: dict[tuple[str, Share], _Cut] = {}
        self._outcomes: dict[tuple[int, str | None], Outcome] = {}
        self._flag = flag or cache(partial(Ruleset(snapshot).flag, now=now))

    def at(self, now: float) -> Side:
        """The same snapshot at another time."""
        return Side(self.snapshot, now, self._flag)

    def state(self, name: str) -> Definition | None:
        """A flag with its schedule applied; None if there is none."""
        if name not in self._states:
            definition = self.flags.get(name)
            self._states[name] = None if definition is None else state_at(definition, self.now)
        return self._states[name]

    def decisions(self, name: str) -> Decisions | None:
        """The decisions of a flag; None if it is absent or broken."""
        if name not in self._decisions:
            flag = self._flag(name)
            self._decisions[name] = None if flag is None else flag.decisions(self.now)
        return self._decisions[name]

    def broken(self, name: str) -> bool:
        """Whether a flag exists and cannot be served."""
        return name in self.flags and self.decisions(name) is None

    def rules(self, name: str) -> list[Rule]:
        """The rules of a flag that is on."""
        decided = self.decisions(name)
        return [] if decided is None else [step for step in decided.steps if isinstance(step, Rule)]

    def terms(self, name: str) -> list[Term]:
        """The conditions of those rules."""
        if name not in self._terms:
            self._terms[name] = [term(rule.when, self.segments) for rule in self.rules(name)]
        return self._terms[name]

    def family(self, name: str) -> list[str]:
        """A flag and all flags that it requires, directly or not."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = None
                waiting += [entry["flag"] for entry in (self.state(one) or {}).get("requires", ())]
        return list(found)

    def targets(self, name: str) -> Mapping[str, str]:
        """The units in a flag's targets, and the variant of each; empty while it is off."""
        decided = self.decisions(name)
        steps = () if decided is None else decided.steps
        return next((step.variants for step in steps if isinstance(step, Targets)), {})

    def units(self, name: str) -> set[str]:
        """The attributes by which a flag and its requirements are bucketed."""
        states = [self.state(one) for one in self.family(name)]
        return {unit_attribute(state) for state in states if state is not None}

    def off(self, name: str) -> Outcome:
        """The outcome for users outside a flag."""
        decided = self.decisions(name)
        if decided is None:
            return BROKEN if name in self.flags else ABSENT
        return self._outcome(decided, decided.off)

    def decide(self, name: str, context: PartialContext, side: int = 0) -> Outcome:
        """The outcome for such contexts. `side` is the side of the comparison, for `context.seen`."""
        decided = self.decisions(name)
        if decided is None:
            return BROKEN if name in self.flags else ABSENT
        key = self, side, name
        reached = context.reached.get(key, 0)
        if isinstance(reached, Outcome):
            return reached
        try:
            found = self._walk(name, decided, context, side, reached)
        except _NoUnit:
            found = NO_UNIT
        context.reached[key] = found
        return found

    def _walk(self, name: str, decided: Decisions, context: PartialContext, side: int, start: int) -> Outcome:
        off, steps = self._outcome(decided, decided.off), self._conditions(name, decided)
        for at in range(start, len(steps)):
            step, when, index = steps[at]
            try:
                if (
                    isinstance(step, Rule)
                    and when is not None
                    and not self._reaches(step, decided, when, context, RuleMatch(side, name, index))
                ):
                    continue
                found = self._asked(step, decided, context, side)
            except Straddled:
                context.reached[self, side, name] = at
                raise
            if found is not None:
                return off if found is OFF else found
        return off

    def _conditions(self, name: str, decided: Decisions) -> list[tuple[Decision, Term | None, int]]:
        """A flag's steps; a rule's with its condition and its index among the rules."""
        if name not in self._steps:
            rules = enumerate(self.terms(name))
            self._steps[name] = [
                (step, when, index)
                for step in decided.steps
                for index, when in ([next(rules)] if isinstance(step, Rule) else [(0, None)])
            ]
        return self._steps[name]

    def _reaches(self, rule: Rule, decided: Decisions, when: Term, context: PartialContext, match: RuleMatch) -> bool:
        """Whether contexts meet a rule, and are not all outside its share."""
        is_shut = False
        if rule.share is not None:
            is_shut = self._cut(decided.unit, rule.share) is False
            if (
                not is_shut
                and decided.unit not in context.units
                and self._inside(decided, rule.share, context) is False
            ):
                return False
        if not context.meets(when):
            return False
        context.seen[match] = None
        return not is_shut

    def _asked(self, step: Decision, decided: Decisions, context: PartialContext, side: int) -> Outcome | None:
        """The outcome of one decision, OFF for the off variant; None to continue."""
        if isinstance(step, Requires):
            given = self.decide(step.flag, context, side)
            if given in {BROKEN, NO_UNIT}:
                return given
            return None if given.variant == step.variant and not given.is_error else OFF
        if isinstance(step, Targets):
            named = step.variants.get(context.units.get(TARGETING_KEY) or "")
            return None if named is None else self._outcome(decided, named)
        if isinstance(step, Status):
            return OFF
        is_inside = True if step.share is None else self._inside(decided, step.share, context)
        if is_inside is None:
            raise _NoUnit
        if isinstance(step, (Rule, Default)):
            return self._allocated(decided, step.serve, context) if is_inside else None
        return OFF if is_inside is isinstance(step, Holdout) else None

    def _cut(self, unit: str, share: Share) -> _Cut:
        key = unit, share
        if key not in self._shares:
            low, high = share.at(self.now)
            way = share.strategy
            if low <= 0 and high >= BUCKETS:
                self._shares[key] = True
            elif low >= high:
                self._shares[key] = False
            else:
                bounds = [way.cut(one, BUCKETS) for one in (low, high)]
                self._shares[key] = line(unit, share.salt, way), bounds
        return self._shares[key]

    def _inside(self, decided: Decisions, share: Share, context: PartialContext) -> bool | None:
        """Whether a share contains the unit, None without a unit; 0% and 100% need none."""
        cut = self._cut(decided.unit, share)
        if isinstance(cut, bool):
            return cut
        place = context.place(*cut)
        return None if place is None else place == 1

    def _allocated(self, decided: Decisions, serve: Allocation, context: PartialContext) -> Outcome:
        arms = serve.arms
        if arms is None:
            return self._outcome(decided, serve.variants[0])
        bounds = [arms.strategy.cut(one, arms.size) for one in arms.bounds]
        place = context.place(line(decided.unit, arms.salt, arms.strategy, arms.size), bounds)
        if place is None:
            raise _NoUnit
        return self._outcome(decided, serve.variants[place])

    def _outcome(self, decided: Decisions, variant: str | None) -> Outcome:
        key = id(decided), variant
        if key not in self._outcomes:
            # Keys are sorted, because their order is not part of a mapping's value.
            value = None if variant is None else decided.variants[variant]
            self._outcomes[key] = Outcome(variant, json.dumps(value, sort_keys=True))
        return self._outcomes[key]

    def answer(self, name: str, context: Mapping[str, Any]) -> Outcome:
        """The engine's outcome for a context."""
        flag = self._flag(name)
        if flag is None:
            return BROKEN if name in self.flags else ABSENT
        given = flag.evaluate(context, self.now)
        if given.error_code is not None:
            return NO_UNIT if given.error_code is ErrorCode.TARGETING_KEY_MISSING else BROKEN
        return Outcome(given.variant, json.dumps(given.value, sort_keys=True))

    def served_rule(self, name: str, context: PartialContext) -> int | None:
        """The index of the rule that would serve if the flag's rules were reached; None for the default."""
        decided = self.decisions(name)
        for index, (rule, when) in enumerate(zip(self.rules(name), self.terms(name), strict=True)):
            inside = decided is None or rule.share is None or self._inside(decided, rule.share, context)
            if inside is not False and context.meets(when):
                return None if inside is None else index
        return None


Pair: TypeAlias = tuple[Outcome, Outcome]
Decide: TypeAlias = "Callable[[PartialContext], Pair]"


class Leaf(NamedTuple):
    """The outcome of a walk."""

    pair: Pair


class Branch(NamedTuple):
    """A dependency on a bucket: the children are between the `edges`."""

    line: Line
    edges: Sequence[int]
    children: Sequence[Node]


Node: TypeAlias = "Leaf | Branch"


class Dependent(Exception):  # noqa: N818 - a result: the shares cannot be computed
    """A decision uses lines that depend on each other."""

    def __init__(self) -> None:
        super().__init__("lines of GO Feature Flag's hash depend on each other in a way that is not computed")


def require_independent(lines: Iterable[Line]) -> None:
    """Raises Dependent if shares of these lines must not be multiplied: remainders of one weak hash."""
    if sum(line.hash == "goff" for line in lines) > 1:
        raise Dependent


class TooMany(Exception):  # noqa: N818 - a result: there are more cases than are computed
    """More cases than the budget allows."""


class Budget:
    """The number of further cases allowed, and whether the time is over."""

    def __init__(self, cases: int, is_over: Callable[[], bool] | None = None) -> None:
        self.left = cases
        self.is_over = is_over

    def half(self) -> Budget:
        """Half of what is left."""
        return Budget(self.left // 2, self.is_over)

    def take(self) -> None:
        self.left -= 1
        if self.left < 0 or (self.is_over is not None and self.is_over()):
            raise TooMany


Cell: TypeAlias = "frozenset[tuple[Line, Stretch]]"


def grow(
    decide: Decide,
    context: PartialContext,
    budget: Budget,
    met: dict[Cell, Leaf | Branch] | None = None,
) -> Node:
    """The tree of all cells of a context's hash lines, as coarse as the decisions allow.

    `met` keeps what was found on each cell, which stays true when more is known of the context.
    """
    cell: Cell = frozenset(context.cell.items())
    found = None if met is None else met.get(cell)
    if found is None:
        try:
            found = Leaf(decide(context))
        except Straddled as cut:
            budget.take()
            found = Branch(cut.line, cut.edges, ())
        if met is not None:
            met[cell] = found
    if isinstance(found, Leaf):
        return found
    pieces = pairwise(found.edges)
    children = [grow(decide, context.within(found.line, piece), budget, met) for piece in pieces]
    return Branch(found.line, found.edges, children)


def cells(node: Node, cell: Mapping[Line, Stretch] | None = None) -> Iterator[tuple[Mapping[Line, Stretch], Pair]]:
    """The leaves of a tree, each with its stretch of every line on its path."""
    inner = cell or {}
    if isinstance(node, Leaf):
        yield inner, node.pair
        return
    for piece, child in zip(pairwise(node.edges), node.children, strict=True):
        yield from cells(child, {**inner, node.line: piece})


class World:
    """What comparisons of several flags and sides share: a solver and witnesses, which keep what they found."""

    def __init__(self, is_over: Callable[[], bool] | None = None) -> None:
        """`is_over` says whether the time for comparing is over."""
        self.solver = Solver()
        self.witnesses = Witnesses(self.solver)
        self._is_over = is_over

    @property
    def is_over(self) -> bool:
        """Whether the time for comparing is over."""
        return self._is_over is not None and self._is_over()

    def budget(self, cases: int) -> Budget:
        """For so many cases, as long as there is time."""
        return Budget(cases, self._is_over)

    def truths(self, own: Iterable[Atom], value: Any) -> dict[Atom, bool]:
        """The truths of atoms for a value of their attribute, MISSING for none."""
        return {atom: self.solver.holds(atom, value) for atom in own}


def grouped(terms: Sequence[Term]) -> dict[str, tuple[Atom, ...]]:
    """The atoms of conditions by path, in the order of their first mention."""
    found: dict[str, dict[Atom, None]] = {}
    for one in terms:
        for atom in atoms(one):
            found.setdefault(atom.path, {})[atom] = None
    return {path: tuple(own) for path, own in found.items()}


def unit_of(value: Any) -> str | None:
    """The unit of an attribute's value for a hash of JSON values; None if it cannot be bucketed."""
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, str) else value_unit(value)


def is_unit(unit: str) -> bool:
    """Whether it is a unit for every hash: a non-empty string, or a whole number."""
    return unit.is_whole if isinstance(unit, ValueUnit) else unit != ""
