"""Valid looks at a running experiment: group-sequential bounds and confidence sequences.

Bounds come from the recursive integration of Armitage, McPherson and Rowe (1969), with the spending functions of
Lan and DeMets (1983). The confidence sequence is the asymptotic Gaussian mixture of Waudby-Smith et al. (2021).
"""

from __future__ import annotations

import math
from functools import lru_cache

from burgee.analysis.stats.numeric import FAR, normal_isf, normal_sf
from burgee.flagfile.experiments import Spending

SAME = 1e-3
"""The share of new information below which two looks are merged: the integration cannot distinguish them."""


def spent(spending: Spending, fraction: float, alpha: float) -> float:
    """The two-sided alpha spent at an information fraction."""
    if not 0 < fraction < 1:
        return alpha if fraction > 0 else 0.0
    if spending is Spending.POCOCK:
        return alpha * math.log(1 + (math.e - 1) * fraction)
    return 4 * normal_sf(normal_isf(alpha / 4) / math.sqrt(fraction))


@lru_cache(maxsize=256)
def spending_bounds(
    fractions: tuple[float, ...], alpha: float, spending: Spending, information: tuple[float, ...] | None = None
) -> tuple[float, ...]:
    """Lan and DeMets' two-sided z bounds at each look, for looks at any information fractions.

    `information` is the actual information at each look, in any unit, if fractions were only planned. A look that
    adds almost none is merged with the look before, with more alpha to spend.
    """
    from burgee.analysis.stats.walk import Walk

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
    from burgee.analysis.stats.walk import Walk

    walk, total = Walk(drift), 0.0
    for bound, fraction in zip(bounds, fractions, strict=True):
        total += walk.outside(fraction, bound)
        walk.step(fraction, bound)
    return total


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
