"""A Bayesian view of a difference: the probability that a treatment is better, and the expected loss of choosing it.

The prior of the difference is normal about zero; with a normal estimate the posterior is normal too (Gelman et al.
2013, section 2.5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from burgee.analysis.stats.numeric import normal_sf
from burgee.records import dataclass

if TYPE_CHECKING:
    from burgee.analysis.stats.estimates import Estimate

PRIOR = 0.3
"""The prior's standard deviation, as a share of the control's value: two of three effects are within 30 %."""


@dataclass(frozen=True, slots=True)
class Belief:
    """`chance` that the treatment is better, and the expected `loss` of choosing it, in the metric's unit.

    `prior` is the standard deviation of the prior, in the metric's unit; `mean` and `sd` are the posterior's.
    """

    chance: float
    loss: float
    prior: float
    mean: float
    sd: float


def believe(found: Estimate, *, increase: bool) -> Belief | None:
    """The posterior after an estimate; None without a standard error, or without a prior as the control is zero."""
    prior = PRIOR * abs(found.control.value)
    if not found.se > 0 or not prior > 0:
        return None
    precision = 1 / found.se**2 + 1 / prior**2
    mean, sd = found.difference / found.se**2 / precision, math.sqrt(1 / precision)
    better = mean if increase else -mean
    z = better / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    # The mean of max(-d, 0) for a normal d.
    loss = sd * density - better * normal_sf(z)
    return Belief(normal_sf(-z), max(loss, 0.0), prior, mean, sd)
