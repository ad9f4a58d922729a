"""All cases of a decision: regions of contexts by their attributes, in each a tree of hash cells, with examples."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.cells import grow
from burgee.diff.hash_lines import require_independent, unit_of
from burgee.diff.partial_context import PartialContext, Straddled
from burgee.diff.regions import Needed, Truths, grouped, open_atoms
from burgee.diff.satisfiability.atoms import HAS_UNIT, MISSING, Possibility
from burgee.diff.witnesses import Witness
from burgee.diff.world import Budget, TooMany
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from burgee.diff.cells import Branch, Cell, Decide, Leaf, Node
    from burgee.diff.hash_lines import Line, Stretch
    from burgee.diff.outcomes import Pair
    from burgee.diff.partial_context import RuleMatch
    from burgee.diff.regions import Term
    from burgee.diff.satisfiability.atoms import Answer, Atom
    from burgee.diff.satisfiability.solver import Solver
    from burgee.diff.witnesses import Witnesses
    from burgee.diff.world import World

MAX_CASES = 20_000
"""Regions and cells of one decision that are computed; beyond, cases are drawn."""
DRAWS = 5_000
TRIES = 100_000
"""Units that are tried for an example, at most; none are where fewer than one in so many is expected to do."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a region says of its contexts.

    `claims` say of whole conditions whether they hold, and `witness` is one way to meet them. Of attributes that are
    bucketed on, single atoms are settled: `truths` are theirs, and `answers` say of each attribute whether some value
    has its truths, and which. `values` are attributes that have one value only (MISSING for none), and `units` what
    those are bucketed as.
    """

    truths: Mapping[Atom, bool] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str | None] = field(default_factory=dict)
    claims: Mapping[Term, bool] = field(default_factory=dict)
    witness: Witness = field(default_factory=Witness)

    @property
    def context(self) -> dict[str, Any]:
        """Attributes that a context of the region can have, where they are known."""
        examples = {path: one.example for path, one in self.answers.items() if one.verdict is Possibility.POSSIBLE}
        found = {path: value for path, value in {**examples, **self.values}.items() if value is not MISSING}
        return {**self.witness.context, **found}

    @property
    def is_certain(self) -> bool:
        """Whether a context is known; if not, there may be none."""
        return self.witness.is_certain and all(one.verdict is Possibility.POSSIBLE for one in self.answers.values())

    @property
    def key(self) -> Hashable:
        """Equal for regions that are the same."""
        return frozenset(self.claims.items()), frozenset(self.truths.items()), frozenset(self.units.items())

    def partial(self, cell: Mapping[Line, Stretch] | None = None) -> PartialContext:
        """What a walk may know of its contexts, on a cell of hash lines."""
        return PartialContext(Truths(self.truths), self.units, cell or {}, self.claims)

    def meets(self, other: Known) -> bool:
        """Whether nothing that they say keeps two regions apart."""
        return (
            _agree(self.claims, other.claims)
            and _agree(self.truths, other.truths)
            and _agree(self.units, other.units)
        )

    def literals(self, path: str) -> dict[Atom, bool]:
        """The truths of one attribute's atoms."""
        return {atom: held for atom, held in self.truths.items() if atom.path == path}

    def lacking(self) -> list[str]:
        """The attributes on which such a context cannot be bucketed."""
        return [atom.path for atom, held in self.truths.items() if atom.operator == HAS_UNIT and not held]


class Case(NamedTuple):
    """A region, the rules that its walks found to match by side, and the tree of its cells."""

    known: Known
    seen: tuple[RuleMatch, ...]
    hashed: bool
    node: Node


class Spot(NamedTuple):
    """One cell of a region: the rules that match there, the cell, and what it gives."""

    known: Known
    seen: tuple[RuleMatch, ...]
    cell: Mapping[Line, Stretch]
    pair: Pair


class Scope(NamedTuple):
    """The contexts that are explored. Users in `named` are looked up one by one, by `fixed`: regions are of others.

    Contexts without a targeting key are not users: a walk that divides by it leaves them out, unless `without_key`.
    """

    named: frozenset[str] = frozenset()
    without_key: bool = False


EVERY_USER = Scope()


class Explorer:
    """Walks one decision through all cases. `units` are the attributes that it buckets on."""

    def __init__(
        self,
        decide: Decide,
        terms: Sequence[Term],
        units: set[str],
        world: World,
        scope: Scope = EVERY_USER,
    ) -> None:
        self.decide = decide
        self.units = units
        self.named, self.without_key = scope
        self.asked = frozenset(grouped(terms))
        self.solver: Solver = world.solver
        self.witnesses: Witnesses = world.witnesses

    def cases(self, budget: Budget, known: Known | None = None) -> Iterator[Case]:
        """Every region, the ones that match least first; TooMany beyond the budget."""
        start = known or Known()
        return self._cases_within([start], budget, start)

    def changing_cases(self, budget: Budget) -> Iterator[Case]:
        """The regions in which some cell's outcomes differ, and those of single units; one that matches least first.

        On one cell a decision asks for few conditions, because a user who meets a rule there is served: so cells are
        looked at one by one first, and then only what differs on one of them as a whole.
        """
        least = None
        for case in self.cases(budget):
            yield case
            least = case.known.key
            if not case.known.lacking():
                break
        try:
            found = self.spots(budget.half())
            changing = [one.known for one in found if one.pair[0] != one.pair[1] or any(one.known.units.values())]
        except TooMany:
            changing = [Known()]
        unique = list({known.key: known for known in changing}.values())
        yield from (case for case in self._cases_within(unique, budget, Known()) if case.known.key != least)

    def _cases_within(self, regions: Sequence[Known], budget: Budget, start: Known) -> Iterator[Case]:
        """Every region that has something in common with one of these."""
        nothing: dict[Cell, Leaf | Branch] = {}
        waiting = [(start, regions, start.partial(), nothing)]
        while waiting:
            here, common, partial, met = waiting.pop()
            try:
                node = grow(self.decide, partial, budget, met)
            except Needed as need:
                narrower = self._answered(here, need.term, budget)
                waiting += [
                    # A unit that is known now has one place on each line: nothing of before holds for it.
                    (one, inner, one.partial().after(partial), {**met})
                    if one.units == here.units
                    else (one, inner, one.partial(), {})
                    for one, inner in _shared_out(narrower, common)
                    if inner
                ]
            else:
                yield Case(here, tuple(partial.seen), partial.hashed, node)

    def spots(self, budget: Budget) -> Iterator[Spot]:
        """Every cell of every region that is distinguished on it. Raises TooMany beyond the budget."""
        waiting = [(Known(), Known().partial())]
        while waiting:
            here, partial = waiting.pop()
            try:
                pair = self.decide(partial)
            except Needed as need:
                waiting += [(one, one.partial(partial.cell)) for one in self._answered(here, need.term, budget)]
            except Straddled as cut:
                budget.take()
                pieces = [partial.within(cut.line, piece) for piece in pairwise(cut.edges)]
                waiting += [(here, replace(piece, seen=dict(partial.seen))) for piece in pieces]
            else:
                yield Spot(here, tuple(partial.seen), partial.cell, pair)

    def fixed(self, path: str, value: Any) -> Known:
        """The contexts whose attribute has one value; MISSING for those without it."""
        return Known(values={path: value}, units={path: unit_of(value)})

    def draw(self, source: random.Random) -> Spot:
        """One case by chance: each condition true or false alike, each bucket alike."""
        context = _Drawn(source, self._narrowed)
        while True:
            try:
                pair = self.decide(context)
            except _UnitDrawn:
                context.reached.clear()
                continue
            require_independent(context.cell)
            return Spot(context.known, tuple(context.seen), context.cell, pair)

    def example(self, known: Known, cell: Mapping[Line, Stretch]) -> dict[str, Any] | None:
        """A context of a region whose units fall into a cell; None where none is found soon."""
        if not known.is_certain:
            return None
        context = known.context
        for path in sorted({TARGETING_KEY, *(line.unit for line in cell)}):
            lines = [(line, stretch) for line, stretch in cell.items() if line.unit == path]
            if path in known.values or (path in context and not lines) or path in known.lacking():
                continue
            unit = self._unit(path, known, lines)
            if unit is None:
                return None
            context[path] = unit
        return dict(sorted(context.items(), key=lambda item: (item[0] != TARGETING_KEY, item[0])))

    def _unit(self, path: str, known: Known, lines: Sequence[tuple[Line, Stretch]]) -> Any:
        make = self._maker(path, known)
        # The narrowest comes first, so that most units are hashed once.
        lines = sorted(lines, key=lambda one: Fraction(*one[0].share(*one[1])))
        share = prod(Fraction(*line.share(low, high)) for line, (low, high) in lines)
        if make is None or share * TRIES < 1:
            return None
        literals = known.literals(path)
        for number in range(min(TRIES, int(4 / share) + 20)):
            value = make(number)
            unit = value if isinstance(value, str) else unit_of(value)
            if unit in self.named and path == TARGETING_KEY:
                continue
            is_inside = unit and all(low <= line.bucket(unit) < high for line, (low, high) in lines)
            if is_inside and self._has(value, literals):
                return value
        return None

    def _maker(self, path: str, known: Known) -> Callable[[int], Any] | None:
        """Values of a unit's attribute by number, such as user-17, that meet what the region says of it."""
        stem = "user" if path == TARGETING_KEY else path
        forms: list[Callable[[int], Any]] = [lambda number: f"{stem}-{number}"]
        found = known.context.get(path)
        if isinstance(found, str):
            middle = len(found) // 2
            forms += [
                lambda number: f"{found}{number}",
                lambda number: f"{number}{found}",
                *(lambda number, cut=cut: f"{found[:cut]}{number}{found[cut:]}" for cut in range(middle, len(found))),
            ]
        elif isinstance(found, (int, float)) and not isinstance(found, bool):
            forms += [lambda number: int(found) + number, lambda number: int(found) - number]
        literals = known.literals(path)
        return next((form for form in forms if all(self._has(form(n), literals) for n in (1, 77_777))), None)

    def _has(self, value: Any, literals: Mapping[Atom, bool]) -> bool:
        return all(self.solver.holds(atom, value) is held for atom, held in literals.items())

    def _answered(self, known: Known, term: Term, budget: Budget) -> list[Known]:
        narrower = list(self._narrowed(known, term))
        for _ in narrower:
            budget.take()
        return narrower

    def _narrowed(self, known: Known, term: Term) -> Iterator[Known]:
        """A region cut by one condition, where it holds last; first by its atoms that ask about units."""
        own = {*self.units, TARGETING_KEY, *known.values}
        atom = next((atom for atom in open_atoms(term, known.truths) if atom.path in own), None)
        if atom is not None:
            yield from self._settled(known, atom)
            return
        for held in (True, False):
            claims = {**known.claims, term: held}
            witness = self.witnesses.find(claims, known.truths, term, known.witness)
            if witness is not None:
                yield replace(known, claims=claims, witness=witness)

    def _settled(self, known: Known, atom: Atom) -> Iterator[Known]:
        """A region cut by one atom, where it holds last; one for each value where its unit can be one of a few."""
        path = atom.path
        if path in known.values:
            held = self.solver.holds(atom, known.values[path])
            yield replace(known, truths={**known.truths, atom: held})
            return
        literals = known.literals(path)
        answers = self.solver.split(literals, known.answers.get(path) or self.solver.solve(literals), atom)
        if (atom.path, atom.operator) == (TARGETING_KEY, HAS_UNIT) and answers[True] and not self.without_key:
            answers = {True: answers[True]}
        # Contexts with a unit are looked at before those without.
        for held in sorted(answers, reverse=atom.operator != HAS_UNIT):
            if answers[held]:
                yield from self._cut(known, atom, held, answers[held])

    def _cut(self, known: Known, atom: Atom, held: bool, answer: Answer) -> Iterator[Known]:
        path, truths = atom.path, {**known.truths, atom: held}
        constants = self.solver.constants({**known.literals(path), atom: held}) if path in self.units else None
        if constants is None:
            asked = self.solver.constants({**known.literals(path), atom: held}) if path == TARGETING_KEY else None
            # Users who are named are looked up one by one: there is nobody else where a condition names them alone.
            if asked is None or not {unit_of(value) for value in asked} <= self.named:
                yield replace(known, truths=truths, answers={**known.answers, path: answer})
            return
        answers = {other: one for other, one in known.answers.items() if other != path}
        for value in constants:
            unit = unit_of(value)
            if not (path == TARGETING_KEY and unit in self.named):
                values, units = {**known.values, path: value}, {**known.units, path: unit}
                yield replace(known, truths=truths, answers=answers, values=values, units=units)


class _UnitDrawn(Exception):  # noqa: N818 - a request: to walk again
    """A unit is known from here on: the walk would have taken another way."""


class _Drawn(PartialContext):
    """A context whose open questions are answered by chance where a walk asks them, so that one walk decides it."""

    __slots__ = ("known", "narrowed", "source", "stretches")

    def __init__(self, source: random.Random, narrowed: Callable[[Known, Term], Iterator[Known]]) -> None:
        self.stretches: dict[Line, Stretch] = {}
        super().__init__(Truths(), cell=self.stretches)
        self.known = Known()
        self.source = source
        self.narrowed = narrowed

    def meets(self, term: Term) -> bool:
        while True:
            try:
                return super().meets(term)
            except Needed as need:
                self._answer(need.term)

    def place(self, line: Line, bounds: Sequence[int]) -> int | None:
        while True:
            try:
                return super().place(line, bounds)
            except Needed as need:
                self._answer(need.term)
            except Straddled as cut:
                chosen = self.source.randrange(cut.edges[0], cut.edges[-1])
                after = bisect_right(cut.edges, chosen)
                self.stretches[cut.line] = cut.edges[after - 1], cut.edges[after]

    def _answer(self, term: Term) -> None:
        before = self.known
        self.known = chosen = self.source.choice(list(self.narrowed(before, term)))
        self.truths, self.units, self.claims = Truths(chosen.truths), chosen.units, chosen.claims
        if chosen.units != before.units:
            raise _UnitDrawn


def _shared_out(narrower: Sequence[Known], regions: Sequence[Known]) -> Iterator[tuple[Known, Sequence[Known]]]:
    """For each region those that it has something in common with; units that a condition names are looked up."""
    first, *others = narrower or [Known()]
    differing = (path for path, unit in first.units.items() if others and others[0].units.get(path) != unit)
    path = next(differing, None)
    by_unit: dict[str | None, list[Known]] = {}
    elsewhere = []
    for region in regions:
        if path is None or path not in region.units:
            elsewhere.append(region)
        else:
            by_unit.setdefault(region.units[path], []).append(region)
    for one in narrower:
        near = by_unit.get(one.units[path], []) if path is not None and path in one.units else []
        yield one, [region for region in (*near, *elsewhere) if one.meets(region)]


def _agree(mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> bool:
    return all(mine.get(key, value) == value for key, value in theirs.items())
