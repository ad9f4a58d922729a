"""The integration behind group-sequential bounds: of a report's statistics it alone needs numpy and scipy."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from burgee.analysis.stats.numeric import FAR, root

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
