"""All cases of a decision: regions of contexts by their attributes, in each a tree of hash cells, with examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.regions import Needed, Truths
from burgee.diff.satisfiability.atoms import MISSING
from burgee.diff.symbolic import (
    Budget,
    Leaf,
    PartialContext,
    Straddled,
    cells,
    grouped,
    grow,
    require_independent,
    unit_of,
)
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.diff.regions import Term, Vector
    from burgee.diff.satisfiability.atoms import Atom
    from burgee.diff.symbolic import Decide, Line, Node, Pair, RuleMatch, Stretch, World

MAX_CASES = 20_000
"""Regions and cells of one decision that are computed; beyond, cases are drawn."""
DRAWS = 5_000
TRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What a region says of its contexts: truths of atoms, attributes that have them, units that are given."""

    truths: Mapping[Atom, bool] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str | None] = field(default_factory=dict)


class Case(NamedTuple):
    """A region, the rules that its walks found to match by side, and the tree of its cells."""

    known: Known
    seen: tuple[RuleMatch, ...]
    hashed: bool
    node: Node


class Explorer:
    """Walks one decision through all cases. `units` are the attributes that it buckets on."""

    def __init__(
        self,
        decide: Decide,
        terms: Sequence[Term],
        units: set[str],
        world: World,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self.decide = decide
        self.units = units
        self.named = named
        self.asked = grouped(terms)
        self.world = world
        self.complete = True

    def cases(self, budget: Budget, known: Known | None = None) -> Iterator[Case]:
        """Every region; TooMany beyond the budget."""
        here = known or Known()
        partial = PartialContext(Truths(here.truths), here.units)
        try:
            node = grow(self.decide, partial, budget)
        except Needed as need:
            for vector in self._vectors(need.path):
                for narrower in self._narrowed(here, need.path, vector):
                    budget.take()
                    yield from self.cases(budget, narrower)
            return
        yield Case(here, tuple(partial.seen), partial.hashed, node)

    def fixed(self, path: str, value: Any) -> Known:
        """The contexts whose attribute has one value; MISSING for those without it."""
        truths = self.world.attribute(self.asked[path]).at(value) if path in self.asked else {}
        context = {} if value is MISSING else {path: value}
        return Known(truths, context, {path: unit_of(path, value)})

    def draw(self, source: random.Random) -> tuple[Case, Pair]:
        """One case by chance: each attribute's vectors alike, each bucket alike."""
        here, partial = Known(), PartialContext(Truths())
        while True:
            try:
                pair = self.decide(partial)
            except Needed as need:
                vector = source.choice(self._vectors(need.path))
                here = source.choice(list(self._narrowed(here, need.path, vector)) or [here])
                partial = PartialContext(
                    Truths({**here.truths, **vector.truths}), here.units, partial.cell, partial.seen
                )
            except Straddled as cut:
                chosen = source.randrange(cut.edges[0], cut.edges[-1])
                low = max(edge for edge in cut.edges if edge <= chosen)
                partial = partial.within(cut.line, (low, min(edge for edge in cut.edges if edge > chosen)))
            else:
                require_independent(partial.cell)
                return Case(here, tuple(partial.seen), partial.hashed, Leaf(pair)), pair

    def example(self, known: Known, cell: Mapping[Line, Stretch]) -> dict[str, Any] | None:
        """A context of a region whose units fall into a cell; None where none is found soon."""
        context = dict(known.context)
        for path in sorted({TARGETING_KEY, *(line.unit for line in cell)}):
            if path in known.units:
                continue
            lines = [(line, stretch) for line, stretch in cell.items() if line.unit == path]
            unit = self._unit(path, known, lines)
            if unit is None:
                return None
            context[path] = unit
        return dict(sorted(context.items(), key=lambda item: (item[0] != TARGETING_KEY, item[0])))

    def _unit(self, path: str, known: Known, lines: Sequence[tuple[Line, Stretch]]) -> Any:
        make = self._maker(path, known)
        if make is None:
            return None
        share = prod(Fraction(*line.share(low, high)) for line, (low, high) in lines)
        for number in range(min(TRIES, int(20 / share) + 20)):
            value = make(number)
            unit = value if isinstance(value, str) else unit_of(path, value)
            if unit in self.named and path == TARGETING_KEY:
                continue
            if unit and all(low <= line.bucket(unit) < high for line, (low, high) in lines):
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
        if path not in self.asked:
            return forms[0]
        attribute = self.world.attribute(self.asked[path])
        wanted = {atom: held for atom, held in known.truths.items() if atom.path == path}
        if not wanted:
            return forms[0]
        return next((form for form in forms if all(attribute.at(form(n)) == wanted for n in (1, 77_777))), None)

    def _vectors(self, path: str) -> list[Vector]:
        attribute = self.world.attribute(self.asked[path])
        self.complete = self.complete and attribute.complete
        return attribute.vectors

    def _narrowed(self, known: Known, path: str, vector: Vector) -> Iterator[Known]:
        """A region cut by one attribute's truths; one for each value where its unit can only be one of a few."""
        truths = {**known.truths, **vector.truths}
        if path in self.units and vector.only:
            for value in vector.only:
                unit = unit_of(path, value)
                if not (path == TARGETING_KEY and unit in self.named):
                    yield Known(truths, {**known.context, path: value}, {**known.units, path: unit})
            return
        units = {**known.units, path: None} if path in self.units and vector.absent else known.units
        shown = vector.known and vector.value is not MISSING
        yield Known(truths, {**known.context, path: vector.value} if shown else known.context, units)


class Shares(NamedTuple):
    """Shares of a tree's outcomes, and for each the widest cell that has it."""

    by_pair: dict[Pair, Fraction]
    widest: dict[Pair, Mapping[Line, Stretch]]


def shares(node: Node) -> Shares:
    """Exact: a bucket is uniform on each line, and lines are independent of each other; Dependent if they are not."""
    found: dict[Pair, Fraction] = {}
    sizes: dict[Pair, Fraction] = {}
    widest: dict[Pair, Mapping[Line, Stretch]] = {}
    for cell, pair in cells(node):
        require_independent(cell)
        parts = [line.share(low, high) for line, (low, high) in cell.items()]
        share = Fraction(prod(part for part, _ in parts), prod(whole for _, whole in parts))
        found[pair] = found.get(pair, Fraction(0)) + share
        if share > sizes.get(pair, Fraction(0)):
            sizes[pair] = share
            widest[pair] = cell
    return Shares(found, widest)
