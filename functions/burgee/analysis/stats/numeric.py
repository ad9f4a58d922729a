"""Roots and distributions in plain Python, for planning and reports: to load scipy takes longer than either."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache, lru_cache
from itertools import accumulate
from statistics import NormalDist
from typing import TYPE_CHECKING

from burgee.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NORMAL = NormalDist()

NODES = 160
TAIL = 40.0
"""Weights below exp(-40) are omitted: they are below a double's precision."""
FAR = 8.0
"""A bound that is crossed with probability 1e-15: practically none."""
MOST = 1e15
"""Where a search for enough ends."""


def root(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-11) -> float:
    """The zero between two points with different signs (regula falsi, Illinois variant)."""
    below, above = function(low), function(high)
    if below == 0 or above == 0:
        return low if below == 0 else high
    if below * above > 0:
        message = f"no change of sign between {low} and {high}"
        raise ValueError(message)
    for _ in range(200):
        middle = (low * above - high * below) / (above - below)
        if not min(low, high) < middle < max(low, high):
            middle = (low + high) / 2
        value = function(middle)
        if value == 0:
            return middle
        if value * above < 0:
            low, below = high, above
        else:
            below /= 2
        high, above = middle, value
        if abs(high - low) <= tolerance * max(1.0, abs(high)):
            return high
    return high


def rising_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a rising function, searched in growing steps from `low` up; `low` if it is not below zero there."""
    if function(low) >= 0:
        return low
    while function(high) < 0:
        if high > MOST:
            raise ValueError(f"nothing up to {MOST:g} is enough")
        low, high = high, high * 2
    return root(function, low, high)


def normal_sf(z: float) -> float:
    """The probability that a standard normal exceeds z."""
    return math.erfc(z / math.sqrt(2)) / 2


def normal_isf(chance: float) -> float:
    """The z that a standard normal exceeds with this probability."""
    return -NORMAL.inv_cdf(chance) if chance > 0 else math.inf


def t_sf(t: float, degrees: float, centre: float = 0.0) -> float:
    """The probability that a t, noncentral about `centre`, exceeds t; a normal for infinite degrees.

    A noncentral t is (Z + centre) / s with s² chi-square over its degrees: the mean of a normal tail over s.
    """
    if not math.isfinite(degrees):
        return normal_sf(t - centre)
    if centre:
        return math.fsum(weight * normal_sf(t * s - centre) for s, weight in _scales(degrees))
    return _t_tail(t, degrees) if t >= 0 else 1 - _t_tail(-t, degrees)


def _t_tail(t: float, degrees: float) -> float:
    """The integral of the density from t on, with its relative error even where it is tiny.

    The density beyond t is taken relative to that at t, in units of the distance in which it decays.
    """
    above, power = degrees + t * t, -(degrees + 1) / 2
    unit = 1 / max(-2 * power * t / above, math.sqrt(-2 * power / above))
    beyond = [weight * math.exp(power * math.log1p(unit * x * (2 * t + unit * x) / above)) for x, weight in _nodes()]
    return _t_density(t, degrees) * unit * math.fsum(beyond)


def _t_density(t: float, degrees: float) -> float:
    scale = _gamma_ratio(degrees / 2) / math.sqrt(math.pi * degrees)
    return scale * math.exp(-(degrees + 1) / 2 * math.log1p(t * t / degrees))


def _gamma_ratio(a: float) -> float:
    """The gamma function at a + 1/2 over that at a, for large ones by its expansion (DLMF 5.11.13)."""
    if a < 100:
        return math.gamma(a + 0.5) / math.gamma(a)
    terms = (-1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)
    return math.sqrt(a) * (1 + math.fsum(one / a**i for i, one in enumerate(terms, 1)))


@cache
def _nodes() -> tuple[tuple[float, float], ...]:
    """Points and weights of an integral from 0 to infinity: the double exponential rule (Takahasi and Mori 1974)."""
    found = []
    for i in range(-64, 65):
        at = i / 16
        x = math.exp(math.pi / 2 * math.sinh(at))
        found.append((x, x * math.pi / 2 * math.cosh(at) / 16))
    return tuple(found)


@lru_cache(maxsize=1024)
def t_isf(chance: float, degrees: float) -> float:
    """The t that is exceeded with this probability, which must be below one half; a normal's for infinite degrees."""
    t = normal_isf(chance)
    if not math.isfinite(degrees) or not math.isfinite(t):
        return t
    for _ in range(100):
        # Newton's method on the logarithm of the tail, which is nearly straight; a normal's is always below.
        tail = t_sf(t, degrees)
        step = tail / _t_density(t, degrees) * math.log(tail / chance)
        t += step
        if abs(step) <= 1e-14 * t:
            break
    return t


def chi_square_sf(x: float, degrees: int) -> float:
    """The probability that a chi-square exceeds x: a finite sum for whole degrees (DLMF 8.4.9 to 8.4.12)."""
    half, odd = x / 2, degrees % 2
    if half <= 0:
        return 1.0
    powers = (i + odd / 2 for i in range(degrees // 2))
    terms = [math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers]
    return math.fsum([math.erfc(math.sqrt(half)) if odd else 0.0, *terms])


@dataclass(frozen=True, slots=True)
class Binomial:
    """The successes of a number of trials: `cumulated` are the probabilities of at most `least`, of at most one more,
    and so on, without those that are negligible.
    """

    least: int
    cumulated: Sequence[float]

    def cdf(self, count: int) -> float:
        """The probability of at most so many."""
        if count < self.least:
            return 0.0
        return self.cumulated[min(count - self.least, len(self.cumulated) - 1)]

    def quantile(self, chance: float) -> int:
        """The least count that is not exceeded with at least this probability."""
        return self.least + min(bisect_left(self.cumulated, chance), len(self.cumulated) - 1)


@lru_cache(maxsize=64)
def binomial(n: int, share: float) -> Binomial:
    """The binomial of n trials with a share of successes between 0 and 1.

    Probabilities relative to the most likely count, each from its neighbour: their sum cancels the constant. They are
    some twenty standard deviations, so work grows with the root of n.
    """
    odds, mode = share / (1 - share), math.floor((n + 1) * share)
    above, below = [1.0], list[float]()
    for count in range(mode, n):
        above.append(above[-1] * odds * (n - count) / (count + 1))
        if above[-1] < _NEGLIGIBLE:
            break
    last = 1.0
    for count in range(mode, 0, -1):
        last *= count / (odds * (n - count + 1))
        below.append(last)
        if last < _NEGLIGIBLE:
            break
    terms = [*reversed(below), *above]
    total = math.fsum(terms)
    return Binomial(mode - len(below), [one / total for one in accumulate(terms)])


_NEGLIGIBLE = 1e-30
"""A count's probability, relative to the most likely one's, below which no further count matters."""


@lru_cache(maxsize=64)
def _scales(degrees: float) -> tuple[tuple[float, float], ...]:
    """Values of s with weights that sum to 1: the trapezoidal rule on log(s), where the density is smooth.

    Normalising cancels the constant of the density, which would lose digits for many degrees.
    """
    spread = math.sqrt(TAIL / degrees)
    low, high = -spread - TAIL / degrees, spread
    logs = [low + (high - low) * i / NODES for i in range(NODES + 1)]
    weights = [math.exp(degrees * (u - math.expm1(2 * u) / 2)) for u in logs]
    total = math.fsum(weights)
    return tuple((math.exp(u), weight / total) for u, weight in zip(logs, weights, strict=True))
