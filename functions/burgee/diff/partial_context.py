"""A context of which only a part is known, and the questions that a walk asks where it needs more."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.hash_lines import is_unit, line
from burgee.diff.regions import Needed, Term, Truths, has_shares, holds, resolved
from burgee.diff.satisfiability.atoms import has_unit
from burgee.evaluation.bucketing import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.diff.hash_lines import Line, Stretch
    from burgee.diff.outcomes import Outcome
    from burgee.diff.satisfiability.atoms import Atom
    from burgee.evaluation.decisions import Member


class Straddled(Exception):  # noqa: N818 - a request, not an error: for a narrower stretch of a line
    """A walk reached a bound inside a stretch; `edges` cut the stretch there."""

    def __init__(self, line: Line, edges: Sequence[int]) -> None:
        super().__init__(line)
        self.line = line
        self.edges = edges


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
    reached: dict[tuple[object, int, str], Outcome | int] = field(default_factory=dict)

    def after(self, earlier: PartialContext) -> PartialContext:
        """The same, with the notes of an earlier walk that knew less."""
        return replace(self, seen=dict(earlier.seen), hashed=earlier.hashed)

    def within(self, line: Line, stretch: Stretch) -> PartialContext:
        """The same context on a part of a line; it shares `seen` and `hashed`."""
        cell = {**self.cell, line: stretch}
        return PartialContext(self.truths, self.units, cell, self.claims, self.seen, self.hashed, dict(self.reached))

    def meets(self, term: Term) -> bool:
        """Whether a condition holds."""
        if has_shares(term) and holds(term, self.truths) is None:
            term = resolved(term, self._is_inside)
        found = self.claims.get(term)
        if found is None:
            found = holds(term, self.truths)
        if found is None:
            raise Needed(term)
        return found

    def _is_inside(self, member: Member) -> bool:
        if member.high in {0, BUCKETS}:
            return member.high == BUCKETS
        way = member.strategy
        path = self.first_unit(member.units, of_value=way.takes_values)
        return self.place(line(path, member.salt, way), [way.cut(member.high, BUCKETS)]) == 0

    def first_unit(self, paths: Sequence[str], *, of_value: bool) -> str:
        """The first attribute that the contexts can be bucketed by; the last if they have none."""
        *others, last = paths
        return next((path for path in others if self.has_unit(path, of_value=of_value)), last)

    def has_unit(self, path: str, *, of_value: bool) -> bool:
        """Whether an attribute can be bucketed by; `of_value` for a hash of any JSON value."""
        if path not in self.units:
            return self.truths[has_unit(path, of_value=of_value)]
        unit = self.units[path]
        return unit is not None and (of_value or is_unit(unit))

    def place(self, line: Line, bounds: Sequence[int]) -> int | None:
        """The number of bounds at or below the unit's place on a line; None without a unit."""
        self.hashed = True
        if not self.has_unit(line.unit, of_value=line.takes_values):
            return None
        unit = self.units.get(line.unit)
        if unit is not None:
            return bisect_right(bounds, line.bucket(unit))
        low, high = self.cell.get(line, (0, line.size))
        first, last = bisect_right(bounds, low), bisect_left(bounds, high)
        if first < last:
            raise Straddled(line, [low, *sorted(set(bounds[first:last])), high])
        return first
