"""Roots and t distributions in plain Python, for planning without loading scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = 160
TAIL = 40.0
"""Weights below exp(-40) are omitted: they are below a double's precision."""
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


def t_sf(t: float, degrees: float, centre: float = 0.0) -> float:
    """The probability that a t, noncentral about `centre`, exceeds t.

    A t is (Z + centre) / s with s² chi-square over its degrees, so this is the mean of a normal tail over s.
    """
    return math.fsum(weight * normal_sf(t * s - centre) for s, weight in _scales(degrees))


def t_isf(chance: float, degrees: float) -> float:
    """The t that is exceeded with this probability, which must be below one half."""
    high = 2.0
    while t_sf(high, degrees) > chance:
        high *= 2
    return root(lambda t: t_sf(t, degrees) - chance, 0.0, high)


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
