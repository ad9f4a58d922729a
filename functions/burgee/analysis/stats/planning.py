"""Power, sample size and minimum detectable effect, for every metric and method.

Fixed designs need no library, so that lint can use them; sequential ones load numpy and scipy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from burgee.analysis.stats.numeric import MOST, normal_isf, normal_sf, rising_root, t_isf, t_sf
from burgee.flagfile.experiments import Method, Spending, impossible

LOOKS = 100
"""The number of looks assumed when planning an always-valid experiment whose units come day by day."""


@dataclass(frozen=True, slots=True)
class Design:
    """The method of an experiment, its error rates, and the shares of control and treatment among all units.

    `at_once` says that all units come on the first day, so that an always-valid experiment has one look.
    Raises ValueError if an error rate or share is not between 0 and 1.
    """

    alpha: float = 0.05
    power: float = 0.8
    method: Method = Method.FIXED
    looks: int = 5
    spending: Spending = Spending.OBRIEN_FLEMING
    control: float = 0.5
    treatment: float = 0.5
    at_once: bool = False

    def __post_init__(self) -> None:
        for name in ("alpha", "power", "control", "treatment"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"{name} is between 0 and 1, not {value:g}")


@dataclass(frozen=True, slots=True)
class MetricBaseline:
    """A metric's baseline. Without `sd` it is a proportion. Raises ValueError for an impossible metric.

    `sd` is over units; for a ratio or a quantile it is the standard error times the root of the units.
    """

    mean: float
    sd: float | None = None

    def __post_init__(self) -> None:
        if reason := impossible(self.mean, self.sd):
            raise ValueError(reason)

    def effect(self, percent: float) -> float:
        """The absolute effect of a change in percent. Raises ValueError if it is zero or impossible."""
        if reason := impossible(self.mean, self.sd, percent):
            raise ValueError(reason)
        return self.mean * percent / 100


def power(n: float, baseline: MetricBaseline, effect: float, design: Design) -> float:
    """The power to detect an absolute effect with `n` units in all arms."""
    if design.method is not Method.FIXED:
        from burgee.analysis.stats.sequential import crossing

        tested, actual = _spreads(baseline, effect, design)
        bounds, fractions = _plan(design)
        wide = tuple(bound * tested / actual for bound in bounds)
        return crossing(wide, fractions, abs(effect) * math.sqrt(n) / actual)
    if baseline.sd is None:
        return _normal_power(n, abs(effect), *_spreads(baseline, effect, design), design.alpha)
    arms = n * design.control, n * design.treatment
    degrees = max(sum(arms) - 2, 1)
    centre = abs(effect) / (baseline.sd * math.sqrt(1 / arms[0] + 1 / arms[1]))
    return t_sf(t_isf(design.alpha / 2, degrees), degrees, centre)


def sample_size(baseline: MetricBaseline, effect: float, design: Design) -> int:
    """Units in the compared arms. Raises ValueError if no possible number is enough."""
    normal = _normal_size(baseline, effect, design)
    if not normal <= MOST:
        raise ValueError(f"nothing up to {MOST:g} units is enough")
    if design.method is Method.FIXED and baseline.sd is None:
        return math.ceil(normal - 1e-9)
    return math.ceil(_enough(normal, baseline, effect, design))


def detectable(n: float, baseline: MetricBaseline, design: Design) -> float:
    """The smallest absolute effect that `n` units detect with the design's power; infinite if none does."""
    start = (baseline.sd or math.sqrt(baseline.mean * (1 - baseline.mean))) / math.sqrt(n)
    room = 1e6 if baseline.sd is not None else (1 - baseline.mean) * 0.999999 / start

    def gap(times: float) -> float:
        return power(n, baseline, min(times, room) * start, design) - design.power

    return math.inf if gap(room) < 0 else rising_root(gap, 1e-3, 1.0) * start


def inflation(baseline: MetricBaseline, effect: float, design: Design) -> float:
    """The units needed to detect an absolute effect, as a multiple of a fixed design's."""
    if design.method is Method.FIXED:
        return 1.0
    normal = _normal_size(baseline, effect, design)
    return _enough(normal, baseline, effect, design) / normal


def _normal_size(baseline: MetricBaseline, effect: float, design: Design) -> float:
    """Units for one look with a normal test."""
    tested, actual = _spreads(baseline, effect, design)
    root = (_z(design) * tested + normal_isf(1 - design.power) * actual) / effect
    return root * root


def _enough(normal: float, baseline: MetricBaseline, effect: float, design: Design) -> float:
    """Units for a t-test, a few more than for a normal one, or for a sequential design, up to about twice as many."""
    return rising_root(lambda n: power(n, baseline, effect, design) - design.power, 4.0, max(normal, 8.0))


@lru_cache(maxsize=32)
def _plan(design: Design) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The bounds and information fractions at each look."""
    from burgee.analysis.stats.sequential import sequence_bound, spending_bounds

    looks = design.looks
    if design.method is Method.ALWAYS_VALID:
        looks = 1 if design.at_once else LOOKS
    fractions = tuple((look + 1) / looks for look in range(looks))
    if design.method is Method.ALWAYS_VALID:
        return tuple(sequence_bound(fraction, design.alpha, 1.0) for fraction in fractions), fractions
    return spending_bounds(fractions, design.alpha, design.spending), fractions


def _z(design: Design) -> float:
    return normal_isf(design.alpha / 2)


def _spreads(baseline: MetricBaseline, effect: float, design: Design) -> tuple[float, float]:
    """The test's standard error of the difference and the actual one, times the root of all units.

    The test's is the larger of that from both arms together and that from each arm (`estimates.standard_error`).
    """
    control, treatment = design.control, design.treatment
    if baseline.sd is not None:
        spread = baseline.sd * math.sqrt(1 / control + 1 / treatment)
        return spread, spread
    one, other = baseline.mean, baseline.mean + effect
    pooled = (control * one + treatment * other) / (control + treatment)
    common = pooled * (1 - pooled) * (1 / control + 1 / treatment)
    own = one * (1 - one) / control + other * (1 - other) / treatment
    return math.sqrt(max(common, own, 1e-18)), math.sqrt(max(own, 1e-18))


def _normal_power(n: float, effect: float, tested: float, actual: float, alpha: float) -> float:
    return normal_sf((normal_isf(alpha / 2) * tested - effect * math.sqrt(n)) / actual)
