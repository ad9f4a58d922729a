"""Differences between two arms, from aggregates alone: means, proportions, ratios of means, and quantiles.

tea-tasting computes; this layer refuses what makes it silently wrong (missing values), says nothing where nothing
can be said (no variation, a relative difference to a control that is not above zero), and tells the standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import tea_tasting as tt
from scipy import stats
from scipy.special import stdtr, stdtrit
from tea_tasting.aggr import Aggregates

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE, PER, BEFORE, PER_BEFORE = "value", "per", "before", "per_before"
COLUMNS = (VALUE, PER, BEFORE, PER_BEFORE)
"""Columns of a unit: its value, what a ratio divides by, and both from the time before its first exposure."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of an arm: units, means and covariances by column; a column's variance stands under (c, c).

    `third` is the third central moment of the value, where it was asked for.
    """

    n: int
    means: Mapping[str, float]
    covariances: Mapping[tuple[str, str], float]
    third: float | None = None

    def column(self, name: str) -> str | None:
        """The name, where the column is there."""
        return name if name in self.means else None

    def aggregates(self) -> Aggregates:
        """The same for tea-tasting; ValueError where anything is not a finite number."""
        numbers = [*self.means.values(), *self.covariances.values()]
        if not all(math.isfinite(number) for number in numbers):
            message = "an aggregate is missing or not finite: refusing to compute with it"
            raise ValueError(message)
        return Aggregates(
            self.n,
            dict(self.means),
            {one: cov for (one, other), cov in self.covariances.items() if one == other},
            {(one, other): cov for (one, other), cov in self.covariances.items() if one < other},
        )


@dataclass(frozen=True, slots=True)
class Points:
    """What is known of an arm for a quantile: its value, and those whose ranks bound it at `z` standard errors."""

    n: int
    value: float
    low: float
    high: float
    z: float


@dataclass(frozen=True, slots=True)
class Side:
    """One arm's value with its standard error."""

    n: int
    value: float
    se: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A treatment against its control. What cannot be said is None."""

    control: Side
    treatment: Side
    difference: float
    se: float
    degrees: float
    low: float | None
    high: float | None
    p_value: float | None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    adjusted: bool = field(default=False)

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.se if self.se > 0 else 0.0


def compare(control: Moments, treatment: Moments, alpha: float = 0.05) -> Estimate:
    """Welch's test of means; the delta method where there is `per`; CUPED where there is `before`."""
    told = contrast(control, treatment, alpha)
    if told.p_value is None or min(told.control.value, told.treatment.value) <= 0:
        return told
    try:
        found = _metric(control, alpha).analyze_aggregates(control.aggregates(), treatment.aggregates())
    except OverflowError:  # an interval of the ratio that reaches beyond what a number can hold
        return told
    return replace(
        told,
        low=found.effect_size_ci_lower,
        high=found.effect_size_ci_upper,
        p_value=found.pvalue,
        relative=found.rel_effect_size,
        relative_low=found.rel_effect_size_ci_lower,
        relative_high=found.rel_effect_size_ci_upper,
    )


def contrast(control: Moments, treatment: Moments, alpha: float = 0.05) -> Estimate:
    """The same without the relative difference, a hundred times as fast: for curves of many points."""
    arms = [control.aggregates(), treatment.aggregates()]
    if min(control.n, treatment.n) < 2:
        return _silent(control, treatment)
    total = arms[0] + arms[1]
    coefficient = _coefficient(total, control)
    sides = [
        Side(arm.count(), _adjusted(arm, total, control, coefficient), _error(arm, control, coefficient))
        for arm in arms
    ]
    se = math.hypot(sides[0].se, sides[1].se)
    if not se > 0:
        return _silent(control, treatment)
    difference, degrees = sides[1].value - sides[0].value, _welch(sides)
    half = -float(stdtrit(degrees, alpha / 2)) * se
    return Estimate(
        sides[0],
        sides[1],
        difference=difference,
        se=se,
        degrees=degrees,
        low=difference - half,
        high=difference + half,
        p_value=2 * float(stdtr(degrees, -abs(difference) / se)),
        adjusted=coefficient != 0,
    )


def compare_quantiles(control: Points, treatment: Points, alpha: float = 0.05) -> Estimate:
    """A difference of quantiles, each with the standard error that its order statistics tell (Price and Bonett)."""
    sides = [Side(arm.n, arm.value, (arm.high - arm.low) / (2 * arm.z)) for arm in (control, treatment)]
    difference, se = treatment.value - control.value, math.hypot(sides[0].se, sides[1].se)
    if se <= 0:
        return Estimate(sides[0], sides[1], difference, 0.0, math.inf, None, None, None)
    half = float(stats.norm.isf(alpha / 2)) * se
    told = Estimate(
        sides[0],
        sides[1],
        difference=difference,
        se=se,
        degrees=math.inf,
        low=difference - half,
        high=difference + half,
        p_value=float(2 * stats.norm.sf(abs(difference) / se)),
    )
    if min(control.value, treatment.value) <= 0:
        return told
    ratio = treatment.value / control.value
    spread = math.hypot(sides[0].se / control.value, sides[1].se / treatment.value)
    times = math.exp(float(stats.norm.isf(alpha / 2)) * spread)
    return _with_relative(told, ratio, times)


def ranks(n: int, quantile: float, alpha: float = 0.05) -> tuple[int, int, int, float]:
    """1-based ranks of a quantile and of its order-statistic bounds, and the z that those bounds truly stand for.

    The bounds leave about alpha/2 on each side of the binomial; `z` undoes their being whole ranks.
    """
    at = min(max(math.ceil(n * quantile), 1), n)
    low = max(int(stats.binom.ppf(alpha / 2, n, quantile)), 1)
    high = min(int(stats.binom.isf(alpha / 2, n, quantile)) + 1, n)
    outside = 1 - float(stats.binom.cdf(high - 1, n, quantile) - stats.binom.cdf(low - 1, n, quantile))
    return at, low, high, float(stats.norm.isf(min(max(outside, 1e-12), 0.999) / 2))


def non_inferiority(estimate: Estimate, margin: float, *, increase: bool) -> float | None:
    """One-sided p that the treatment is worse than the control by more than `margin` (a share of the control)."""
    factor = 1 - margin if increase else 1 + margin
    gap = estimate.treatment.value - factor * estimate.control.value
    se = math.hypot(estimate.treatment.se, factor * estimate.control.se)
    if se <= 0:
        return None
    z = gap / se if increase else -gap / se
    return float(stats.t.sf(z, estimate.degrees)) if math.isfinite(estimate.degrees) else float(stats.norm.sf(z))


def lopsided(control: Moments, treatment: Moments) -> float | None:
    """The skewness of a difference of means, 0 where a normal interval is fair; None where it is not known.

    What two arms have of it cancels where they are equal in size and law.
    """
    if control.third is None or treatment.third is None or min(control.n, treatment.n) < 2:
        return None
    variance = sum(arm.covariances[VALUE, VALUE] / arm.n for arm in (control, treatment))
    if not variance > 0:
        return None
    third: float = treatment.third / treatment.n**2 - control.third / control.n**2
    return third / float(variance**1.5)


def relative_error(estimate: Estimate) -> float | None:
    """The standard error of the relative difference, by the delta method."""
    control, treatment = estimate.control, estimate.treatment
    if control.value <= 0:
        return None
    return math.hypot(treatment.se / control.value, control.se * treatment.value / control.value**2)


def moments(columns: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Moments:
    """The moments of raw values, for those who have them."""
    names = list(columns)
    values = np.array([columns[name] for name in names], dtype=float)
    covariance = np.atleast_2d(np.cov(values, ddof=1))
    return Moments(
        values.shape[1],
        {name: float(values[i].mean()) for i, name in enumerate(names)},
        {(one, other): float(covariance[i, j]) for i, one in enumerate(names) for j, other in enumerate(names)},
        float(((values[names.index(VALUE)] - values[names.index(VALUE)].mean()) ** 3).mean()),
    )


def _metric(arm: Moments, alpha: float) -> tt.RatioOfMeans:
    return tt.RatioOfMeans(
        VALUE,
        arm.column(PER),
        arm.column(BEFORE),
        arm.column(PER_BEFORE),
        confidence_level=1 - alpha,
        alternative="two-sided",
        equal_var=False,
        use_t=True,
    )


def _coefficient(total: Aggregates, arm: Moments) -> float:
    """How much of a unit's past goes into its value: CUPED's theta, over both arms."""
    before, per_before = arm.column(BEFORE), arm.column(PER_BEFORE)
    if before is None:
        return 0.0
    variance = total.with_zero_div().ratio_var(before, per_before)
    if not variance > 0:
        return 0.0
    return float(total.with_zero_div().ratio_cov(VALUE, arm.column(PER), before, per_before) / variance)


def _error(arm: Aggregates, columns: Moments, coefficient: float) -> float:
    per, before, per_before = (columns.column(name) for name in (PER, BEFORE, PER_BEFORE))
    aggregates = arm.with_zero_div()
    variance = float(aggregates.ratio_var(VALUE, per))
    if coefficient:
        variance += coefficient**2 * float(aggregates.ratio_var(before, per_before))
        variance -= 2 * coefficient * float(aggregates.ratio_cov(VALUE, per, before, per_before))
    return math.sqrt(max(variance, 0.0) / arm.count()) if math.isfinite(variance) else 0.0


def _adjusted(arm: Aggregates, total: Aggregates, columns: Moments, coefficient: float) -> float:
    per, before, per_before = (columns.column(name) for name in (PER, BEFORE, PER_BEFORE))
    value = _ratio(arm, VALUE, per)
    if not coefficient:
        return value
    return value - coefficient * (_ratio(arm, before, per_before) - _ratio(total, before, per_before))


def _ratio(aggregates: Aggregates, numerator: str | None, denominator: str | None) -> float:
    below = float(aggregates.mean(denominator))
    return float(aggregates.mean(numerator)) / below if below else 0.0


def _welch(sides: list[Side]) -> float:
    shares = [side.se**2 for side in sides]
    return sum(shares) ** 2 / sum(share**2 / (side.n - 1) for share, side in zip(shares, sides, strict=True))


def _silent(control: Moments, treatment: Moments) -> Estimate:
    """Without variation, or with fewer than two units, values can be told and nothing else."""
    sides = [Side(arm.n, _value(arm), 0.0) for arm in (control, treatment)]
    return Estimate(sides[0], sides[1], sides[1].value - sides[0].value, 0.0, 1.0, None, None, None)


def _value(arm: Moments) -> float:
    if arm.n == 0:
        return 0.0
    per = arm.means.get(PER, 1.0)
    return arm.means[VALUE] / per if per else 0.0


def _with_relative(told: Estimate, ratio: float, times: float) -> Estimate:
    return replace(told, relative=ratio - 1, relative_low=ratio / times - 1, relative_high=ratio * times - 1)
