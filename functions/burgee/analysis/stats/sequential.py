"""Valid looks at a running experiment: group-sequential bounds and confidence sequences.

Bounds come from the recursive integration of Armitage, McPherson and Rowe (1969), with the spending functions of
Lan and DeMets (1983). The confidence sequence is the asymptotic Gaussian mixture of Waudby-Smith et al. (2021).
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from burgee.analysis.stats.numeric import root
from burgee.flagfile.experiments import Spending

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 1e-3
"""The share of new information below which two looks are merged: the integration cannot distinguish them."""
FAR = 8.0
"""A bound that is crossed with probability 1e-15: practically none."""


def spent(spending: Spending, fraction: float, alpha: float) -> float:
    """The two-sided alpha spent at an information fraction."""
    if fraction >= 1:
        return alpha
    if spending is Spending.POCOCK:
        return alpha * math.log(1 + (math.e - 1) * fraction)
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(fraction)))


@lru_cache(maxsize=256)
def spending_bounds(
    fractions: tuple[float, ...], alpha: float, spending: Spending, information: tuple[float, ...] | None = None
) -> tuple[float, ...]:
    """Lan and DeMets' two-sided z bounds at each look, for looks at any information fractions.

    `information` is the actual information at each look, in any unit, if fractions were only planned. A look that
    adds almost none is merged with the look before, with more alpha to spend.
    """
    bounds: list[float] = []
    walk, before = Walk(), 0.0
    last: tuple[float, float, float] | None = None
    for fraction, there in zip(fractions, information or fractions, strict=True):
        now = spent(spending, min(fraction, 1.0), alpha)
        if last is not None and there - last[0] > SAME * there:
            walk.step(last[0], last[1])
            before = last[2] if last[1] < FAR else before
            last = None
        at = there if last is None else last[0]
        bound = walk.bound(at, now - before)
        last = (at, bound, now)
        bounds.append(bound)
    return tuple(bounds)


def crossing(bounds: tuple[float, ...], fractions: tuple[float, ...], drift: float = 0.0) -> float:
    """The probability that |z| crosses a bound at some look; `drift` is the expected z at full information."""
    walk, total = Walk(drift), 0.0
    for bound, fraction in zip(bounds, fractions, strict=True):
        total += walk.outside(fraction, bound)
        walk.step(fraction, bound)
    return total


@cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of Gauss and Legendre, from -1 to 1: at import they took a twentieth of a small report."""
    return np.polynomial.legendre.leggauss(240)


class Walk:
    """The density of the score process among the experiments that have not stopped yet."""

    def __init__(self, drift: float = 0.0) -> None:
        self._drift = drift
        self._at = 0.0
        self._points = np.zeros(1)
        self._mass = np.ones(1)

    def outside(self, fraction: float, bound: float) -> float:
        """The probability of continuing until now and crossing the bound at this fraction."""
        edge, centre, deviation = self._next(fraction, bound)
        if deviation == 0:
            return 0.0
        tails = ndtr((centre - edge) / deviation) + ndtr((-edge - centre) / deviation)
        return float(self._mass @ tails)

    def bound(self, fraction: float, chance: float) -> float:
        """The bound that is crossed at this fraction with this probability."""
        if chance <= 1e-14 or fraction <= self._at or self.outside(fraction, FAR) >= chance:
            return FAR
        # Of the logarithm, which is nearly a parabola, a root takes a third of the steps.
        return root(lambda bound: math.log(max(self.outside(fraction, bound), 1e-300) / chance), 0.0, FAR)

    def step(self, fraction: float, bound: float) -> None:
        """Continues to the next look with the probability inside the bound."""
        if fraction <= self._at:
            return
        edge, centre, deviation = self._next(fraction, bound)
        nodes, weights = _quadrature()
        points = nodes * edge
        density = np.exp(-0.5 * ((points[:, None] - centre[None, :]) / deviation) ** 2)
        density /= deviation * math.sqrt(2 * math.pi)
        self._mass = (density @ self._mass) * weights * edge
        self._points, self._at = points, fraction

    def _next(self, fraction: float, bound: float) -> tuple[float, NDArray[np.float64], float]:
        gained = max(fraction - self._at, 0.0)
        return bound * math.sqrt(fraction), self._points + self._drift * gained, math.sqrt(gained)


def rho(alpha: float, tuning: float) -> float:
    """The mixture's scale that makes the sequence approximately tightest at `tuning` units."""
    return math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning)


def sequence_bound(n: float, alpha: float, tuning: float) -> float:
    """The z above which the confidence sequence excludes zero at `n` units."""
    mixed = n * rho(alpha, tuning) ** 2
    return math.sqrt(2 * (mixed + 1) / mixed * math.log(math.sqrt(mixed + 1) / alpha)) if mixed > 0 else math.inf


def sequence_p_value(z: float, n: float, alpha: float, tuning: float) -> float:
    """The always-valid p-value: below alpha exactly if the confidence sequence excludes zero."""
    mixed = n * rho(alpha, tuning) ** 2
    exponent = min(-0.5 * z * z * mixed / (mixed + 1) + 0.5 * math.log(mixed + 1), 0.0)
    return math.exp(exponent)
