"""Comparisons with bounds become the intervals in which they hold: against every place between and at the bounds."""

from __future__ import annotations

import operator
import random
from itertools import pairwise
from typing import TYPE_CHECKING

from burgee.diff.satisfiability.orders import Interval, OrderTest, intervals

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def inside(interval: Interval[int], value: float) -> bool:
    above = interval.low is None or value > interval.low or (interval.includes_low and value == interval.low)
    below = interval.high is None or value < interval.high or (interval.includes_high and value == interval.high)
    return above and below


def _made(low: int, high: int, check: Callable[[int, int], bool], ranged: bool) -> OrderTest[int]:
    if ranged:
        return OrderTest((low, high), lambda first, second: first >= 0 > second)
    return OrderTest((low,), lambda order: check(order, 0))


def _check(comparison: OrderTest[int], want: bool) -> Callable[[float], bool]:
    bounds, holds = comparison.bounds, comparison.holds
    return lambda value: holds(*[(value > bound) - (value < bound) for bound in bounds]) is want


def test_intervals_hold_what_all_comparisons_hold() -> None:
    source = random.Random(1)
    for _ in range(500):
        literals: list[tuple[OrderTest[int], bool]] = []
        checks: list[Callable[[float], bool]] = []
        for _ in range(source.randint(1, 5)):
            want = source.random() < 0.5
            low, high = sorted(source.sample(range(5), 2))
            check = source.choice(CHECKS)
            literals.append((comparison := _made(low, high, check, source.random() < 0.3), want))
            checks.append(_check(comparison, want))
        found = intervals(literals)
        for half in range(-2, 12):
            expected = all(check(half / 2) for check in checks)
            assert sum(inside(interval, half / 2) for interval in found) == expected
        for earlier, later in pairwise(found):
            assert earlier.high is not None
            assert later.low is not None
            assert earlier.high <= later.low


def test_a_contradiction_leaves_no_interval() -> None:
    less, more = OrderTest((1,), lambda order: order < 0), OrderTest((2,), lambda order: order > 0)
    assert intervals([(less, True), (more, True)]) == []
    assert intervals([(less, False), (more, False)]) == [Interval(1, True, 2, True)]
