"""One-sided tests, valid at every look, that a metric is worse than the comparison group's by more than its margin.

The test is the one-sided form of the sequences that experiments use (`burgee.analysis.stats.sequential`): a mixture
sequential probability ratio test of the z of a gap, with a half-normal mixture (Robbins 1970; Howard, Ramdas,
McAuliffe and Sekhon 2021, section 3.1), valid for averages of many units (Waudby-Smith, Arbour, Sinha, Kennedy and
Ramdas 2021). The probability that it ever crosses, at whatever number of looks, is at most alpha if the metric is
worse by no more than the margin. Plain Python: a guard runs where numpy and scipy are not installed.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from burgee.guards.aggregates import PER, VALUE
from burgee.records import dataclass

if TYPE_CHECKING:
    from burgee.guards.aggregates import Moments

NORMAL = NormalDist()
ENOUGH = 30
"""Units in each group from which averages are tested, as in experiments."""
NORMAL_DEGREES = 2000
"""Degrees of freedom from which a t is a normal z, as in experiments."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How much better the reached group's value is than the compared group's made worse by the margin.

    `sampled` is the standard error from each group's own variance (Welch), `null` from the variance of both groups
    together. In groups of unequal sizes each is too small in one direction: a small group without any of the few
    units that make up a metric has hardly a variance of its own, and one with too many has more than both together.
    `se` is the larger.
    """

    reached: float
    compared: float
    difference: float
    sampled: float
    null: float
    degrees: float
    n: int

    @property
    def se(self) -> float:
        """The standard error that is tested with."""
        return max(self.sampled, self.null)

    @property
    def harm(self) -> float:
        """The z of the harm beyond the margin, positive if the metric is worse by more; 0 without variation."""
        return normal_z(-self.difference / self.se, self.degrees) if self.se > 0 else 0.0

    @property
    def change(self) -> float | None:
        """The relative difference of the two values; None if the compared one is zero."""
        return (self.reached - self.compared) / abs(self.compared) if self.compared else None


def gap(reached: Moments, compared: Moments, margin: float, *, increase: bool) -> Gap:
    """The gap to a margin, a share of the compared value; `increase` says that more is better.

    Raises ValueError for fewer than two units in a group, or an aggregate that is not finite.
    """
    for arm in (reached, compared):
        if arm.n < 2:
            raise ValueError(f"a group of {arm.n} units has no variance")
        if not all(map(math.isfinite, [*arm.means.values(), *arm.covariances.values()])):
            raise ValueError("an aggregate is not finite")
    (value, spread), (base, spread_base) = _value(reached), _value(compared)
    factor = _factor(base, margin, increase=increase)
    difference = value - factor * base
    parts = spread / reached.n, spread_base / compared.n
    within = ((reached.n - 1) * spread + (compared.n - 1) * spread_base) / (reached.n + compared.n - 2)
    total = sum(parts)
    squares = parts[0] ** 2 / (reached.n - 1) + parts[1] ** 2 / (compared.n - 1)
    return Gap(
        reached=value,
        compared=base,
        difference=difference if increase else -difference,
        sampled=math.sqrt(parts[0] + factor**2 * parts[1]),
        null=math.sqrt(within * (1 / reached.n + factor**2 / compared.n)),
        degrees=total**2 / squares if squares > 0 else 1.0,
        n=reached.n + compared.n,
    )


def _value(arm: Moments) -> tuple[float, float]:
    """A mean or ratio of means, and a unit's variance about it by the delta method."""
    mean, variance = arm.means[VALUE], arm.covariances[VALUE, VALUE]
    if PER not in arm.means:
        return mean, max(variance, 0.0)
    per = arm.means[PER]
    if not per:
        return 0.0, 0.0
    ratio = mean / per
    products = (variance, -2 * ratio * arm.covariances[VALUE, PER], ratio**2 * arm.covariances[PER, PER])
    return ratio, max(math.fsum(products), 0.0) / per**2


def _factor(base: float, margin: float, *, increase: bool) -> float:
    """The factor that makes a value worse by a share of its size, whatever its sign."""
    worse = -margin if increase else margin
    return 1 + math.copysign(worse, worse * base) if base else 1 + worse


def log_evidence(harm: float, n: float, alpha: float, tuning: float) -> float:
    """The logarithm of the evidence that the metric is worse: a ratio of likelihoods that exceeds 1 / alpha with
    probability alpha, at any look, if it is not. `tuning` is the number of units at which the test is sharpest.
    """
    mixed = n * _scale(alpha, tuning)
    shrunk = mixed / (mixed + 1)
    half = math.erfc(-harm * math.sqrt(shrunk / 2))
    if half <= 0:
        return -math.inf
    return 0.5 * (harm * harm * shrunk - math.log(mixed + 1)) + math.log(half)


@lru_cache(maxsize=4096)
def critical(n: float, alpha: float, tuning: float) -> float:
    """The z of a harm above which the metric is shown to be worse, at `n` units."""
    mixed = n * _scale(alpha, tuning)
    shrunk = mixed / (mixed + 1)
    needed, half, z = -math.log(alpha) + 0.5 * math.log(mixed + 1), 2.0, 0.0
    for _ in range(100):
        # The half-normal's part is nearly 2 wherever evidence is strong, so few rounds find it.
        before, z = z, math.sqrt(2 / shrunk * max(needed - math.log(half), 0.0))
        if abs(z - before) <= 1e-14 * z:
            break
        half = math.erfc(-z * math.sqrt(shrunk / 2))
    return z


def _scale(alpha: float, tuning: float) -> float:
    """The mixture's scale that makes the test approximately sharpest at `tuning` units."""
    log = -2 * math.log(2 * alpha)
    return (log + math.log(log + 1)) / tuning


def normal_z(t: float, degrees: float) -> float:
    """The normal z with the probability of a t."""
    if degrees > NORMAL_DEGREES or t == 0:
        return t
    tail = 0.5 * _incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5)
    # A tail that a double cannot hold belongs to a z beyond 37.
    return math.copysign(-NORMAL.inv_cdf(tail) if tail > 1e-300 else 37.0, t)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's method; DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    result = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            result *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * result / a
