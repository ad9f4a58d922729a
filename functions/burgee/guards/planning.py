"""How many units a step needs to show a harm, by the same test that a look makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.guards.aggregates import VALUE, Moments
from burgee.guards.judgement import bounds
from burgee.guards.margins import NORMAL, critical, gap
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from burgee.guards.plan import GuardMetric, GuardPlan

POWER = 0.8
HARM = 2
"""The harm that is looked for, in margins: one margin is allowed, so its double is one margin too many."""
MOST = 10**12


class UnitValue(NamedTuple):
    """A metric's value of a unit today: its mean and its variance; without a variance it is a proportion."""

    mean: float
    variance: float | None = None

    def worse(self, factor: float) -> UnitValue:
        """The value multiplied by a factor."""
        return UnitValue(self.mean * factor, self.variance)

    def moments(self, n: int) -> Moments:
        """Those of so many units that are exactly as expected."""
        spread = self.mean * (1 - self.mean) if self.variance is None else self.variance
        return Moments(n, {VALUE: self.mean}, {(VALUE, VALUE): spread})


def units_needed(plan: GuardPlan, metric: GuardMetric, step: int, today: UnitValue) -> int | None:
    """The units in both groups of a step that show a harm of `HARM` margins with probability `POWER`.

    It is the number for a look at that time; earlier looks can only show it sooner. None if there is no such number:
    without a margin or a mean, for a step that is not compared, or for a proportion that would exceed 1.
    """
    sign = -1 if metric.direction == "increase" else 1
    margin = metric.margin / 100
    harmed = today.worse(1 + sign * HARM * margin * (1 if today.mean > 0 else -1))
    reached, compared = plan.band(step).share, plan.compared.share
    if not (plan.is_compared(step) and margin and today.mean):
        return None
    if today.variance is None and not 0 < harmed.mean < 1:
        return None
    share = reached / (reached + compared)
    role = plan.guardrails if metric in plan.guardrails else plan.signals
    alpha, tuning = bounds(plan, share, len(role))

    def is_enough(n: int) -> bool:
        groups = max(round(n * share), 2), max(round(n * (1 - share)), 2)
        found = gap(harmed.moments(groups[0]), today.moments(groups[1]), margin, increase=sign < 0)
        return found.harm >= critical(float(n), alpha, tuning) + NORMAL.inv_cdf(POWER)

    high = 64
    while not is_enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
