"""Turns conditions against bounds of one order (times, versions) into the intervals in which all of them hold.

So forty conditions on versions become one or two bounds before any string is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from burgee.diff.satisfiability.machines import Machine, MachineOutcome

Bound = TypeVar("Bound")


@dataclass(frozen=True, slots=True)
class OrderTest(Generic[Bound]):
    """`holds` takes a value's order (-1, 0, 1) against each of the bounds."""

    bounds: tuple[Bound, ...]
    holds: Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Interval(Generic[Bound]):
    """Values between two bounds, None for no bound; `includes_…` says whether a bound is inside."""

    low: Bound | None
    includes_low: bool
    high: Bound | None
    includes_high: bool

    def parts(self, order: Callable[[Bound], Machine]) -> Iterator[tuple[Machine, Callable[[MachineOutcome], bool]]]:
        """Machines for the order against each bound, with the outcomes that are inside."""
        if self.low is not None:
            yield order(self.low), ({0, 1} if self.includes_low else {1}).__contains__
        if self.high is not None:
            yield order(self.high), ({-1, 0} if self.includes_high else {-1}).__contains__


def intervals(literals: Iterable[tuple[OrderTest[Any], bool]]) -> list[Interval[Any]]:
    """The intervals in which each comparison has the wanted result, lowest first; empty if there are none."""
    wanted = list(literals)
    bounds = sorted({bound for comparison, _ in wanted for bound in comparison.bounds})
    index = {bound: 2 * number + 1 for number, bound in enumerate(bounds)}
    conditions = [
        (comparison.holds, [index[bound] for bound in comparison.bounds], want) for comparison, want in wanted
    ]
    # Bounds are at odd positions, the values between and around them at even ones.
    inside = [
        all(holds(*[(place > at) - (place < at) for at in places]) is want for holds, places, want in conditions)
        for place in range(2 * len(bounds) + 1)
    ]
    return [_interval(bounds, first, last) for first, last in _runs(inside)]


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    first: int | None = None
    for place, flag in enumerate([*flags, False]):
        if flag and first is None:
            first = place
        if not flag and first is not None:
            yield first, place - 1
            first = None


def _interval(bounds: Sequence[Any], first: int, last: int) -> Interval[Any]:
    low = bounds[(first - 1) // 2] if first else None
    high = bounds[last // 2] if last < 2 * len(bounds) else None
    return Interval(low, first % 2 == 1, high, last % 2 == 1)
