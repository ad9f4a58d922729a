"""Differences between two arms, from aggregates only: means, proportions, ratios of means, and quantiles.

One test gives the verdict and the interval. The relative interval is Fieller's: it excludes no change exactly if the
absolute interval excludes zero, because both test whether `treatment - ratio * control` can be zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from burgee.analysis.stats.numeric import binomial, normal_isf, normal_sf, t_isf, t_sf
from burgee.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VALUE, PER, BEFORE, PER_BEFORE = "value", "per", "before", "per_before"
COLUMNS = (VALUE, PER, BEFORE, PER_BEFORE)
"""Columns of a unit: its value, a ratio's denominator, and both from before its first exposure."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The aggregates of an arm: units, means and covariances by column; a column's variance is under (c, c).

    `third` is the third central moment of the value, if computed.
    """

    n: int
    means: Mapping[str, float]
    covariances: Mapping[tuple[str, str], float]
    third: float | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """An arm's quantile: its value, and those at the shares that bound it at `z` standard errors.

    `uneven` says that many units share one value next to rare values: then no normal interval is valid.
    """

    n: int
    value: float
    low: float
    high: float
    z: float
    uneven: bool = False


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """One arm's value with its standard error, and with `common`, the one from the variance of both arms together."""

    n: int
    value: float
    se: float
    common: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A treatment against its control, with an interval of `critical` standard errors; None for no interval."""

    control: ArmEstimate
    treatment: ArmEstimate
    difference: float
    se: float
    degrees: float
    critical: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    adjusted: bool = False

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.se if self.se > 0 else 0.0

    @property
    def n(self) -> int:
        """Units of both arms."""
        return self.control.n + self.treatment.n


def compare(control: Moments, treatment: Moments, alpha: float = 0.05) -> Estimate:
    """Welch's test of means, with the larger standard error; the delta method for `per`, and CUPED for `before`."""
    return _tested(contrast(control, treatment), alpha)


def contrast(control: Moments, treatment: Moments) -> Estimate:
    """The difference with its standard error, without an interval; ValueError if an aggregate is not finite."""
    for arm in (control, treatment):
        if not all(map(math.isfinite, [*arm.means.values(), *arm.covariances.values()])):
            message = "an aggregate is missing or not finite: refusing to compute with it"
            raise ValueError(message)
    if min(control.n, treatment.n) < 2:
        sides = [ArmEstimate(arm.n, ratio(arm) if arm.n else 0.0, 0.0) for arm in (control, treatment)]
        return Estimate(sides[0], sides[1], sides[1].value - sides[0].value, 0.0, 1.0)
    total = pooled(control, treatment)
    coefficient = theta(total)
    weights = [gradient(arm, coefficient) for arm in (control, treatment)]
    variances = [
        max(quadratic(weight, arm.covariances, weight), 0.0)
        for weight, arm in zip(weights, (control, treatment), strict=True)
    ]
    within = ((control.n - 1) * variances[0] + (treatment.n - 1) * variances[1]) / (total.n - 2)
    sides = []
    for arm, variance in zip((control, treatment), variances, strict=True):
        value = ratio(arm)
        if coefficient:
            value -= coefficient * (ratio(arm, BEFORE, PER_BEFORE) - ratio(total, BEFORE, PER_BEFORE))
        sides.append(ArmEstimate(arm.n, value, math.sqrt(variance / arm.n), math.sqrt(within / arm.n)))
    se = standard_error(sides[0], sides[1])
    difference = sides[1].value - sides[0].value
    degrees = _welch(sides) if se > 0 else 1.0
    return Estimate(sides[0], sides[1], difference, se, degrees, adjusted=coefficient != 0)


def standard_error(control: ArmEstimate, treatment: ArmEstimate, factor: float = 1.0) -> float:
    """The larger of two standard errors of `treatment - factor * control`, as in guards (`guards.margins.Gap`).

    One is from each arm's own variance (Welch), the other from the variance of both arms together (Student). In arms
    of unequal sizes each alone is too small in one direction: a small arm without any of the few units that make up a
    metric has hardly a variance of its own, and one with too many has more than both together. Of a Poisson count
    beside a known rate, each tail beyond z of the larger one is at most exp(-z * z / 2), Chernoff's bound of a
    normal's tail.
    """
    own = math.hypot(treatment.se, factor * control.se)
    return max(own, math.hypot(treatment.common, factor * control.common))


def compare_quantiles(control: Points, treatment: Points, alpha: float = 0.05) -> Estimate:
    """A difference of quantiles, each with the standard error from its bounds (Price and Bonett 2001).

    Without an interval if an arm is `uneven`.
    """
    sides = [ArmEstimate(arm.n, arm.value, (arm.high - arm.low) / (2 * arm.z)) for arm in (control, treatment)]
    se = math.hypot(sides[0].se, sides[1].se)
    found = Estimate(sides[0], sides[1], treatment.value - control.value, se, math.inf)
    return found if control.uneven or treatment.uneven else _tested(found, alpha)


def with_interval(found: Estimate, critical: float) -> Estimate:
    """The estimate with the interval that excludes zero if |difference| exceeds `critical` standard errors."""
    if not found.se > 0 or not math.isfinite(critical):
        return found
    half = critical * found.se
    result = replace(found, critical=critical, low=found.difference - half, high=found.difference + half)
    bounds = fieller(found.control, found.treatment, critical)
    if bounds is None:
        return result
    ratio = found.treatment.value / found.control.value
    return replace(result, relative=ratio - 1, relative_low=bounds[0] - 1, relative_high=bounds[1] - 1)


def fieller(control: ArmEstimate, treatment: ArmEstimate, critical: float) -> tuple[float, float] | None:
    """The interval of the ratio treatment / control (Fieller 1954): the ratios that the larger standard error allows.

    Those are the ones that either standard error allows; both intervals contain the estimate. None if the control
    does not exceed zero by more than `critical` standard errors: the interval is then unbounded.
    """
    middle, bounds = control.value * treatment.value, list[float]()
    for below, above in ((control.se, treatment.se), (control.common, treatment.common)):
        room = control.value**2 - (critical * below) ** 2
        if control.value <= 0 or room <= 0:
            return None
        # The discriminant multiplied out: its squares would cancel where values are large beside their errors.
        across = math.hypot(control.value * above, treatment.value * below)
        corner = critical * below * above
        spread = critical * math.sqrt(max((across - corner) * (across + corner), 0.0))
        bounds += [(middle - spread) / room, (middle + spread) / room]
    return min(bounds), max(bounds)


def critical_t(found: Estimate, bound: float) -> float:
    """The t with the probability of a normal `bound`: with few units a t varies more than bounds for z allow."""
    if not math.isfinite(found.degrees) or found.degrees > _NORMAL_DEGREES or not math.isfinite(bound):
        return bound
    return t_isf(normal_sf(bound), found.degrees)


def normal_z(found: Estimate) -> float:
    """The normal z with the probability of the estimate's t."""
    if not math.isfinite(found.degrees) or found.degrees > _NORMAL_DEGREES:
        return found.z
    return math.copysign(normal_isf(t_sf(abs(found.z), found.degrees)), found.z)


_NORMAL_DEGREES = 2000


def shares(n: int, quantile: float, alpha: float = 0.05) -> tuple[float, float, float]:
    """The shares of units below the bounds of a quantile, and the z of those bounds.

    Bounds are at whole ranks that leave about alpha/2 of the binomial on each side; `z` corrects for the rounding.
    """
    ranks = binomial(n, quantile)
    low = max(ranks.quantile(alpha / 2), 1)
    high = min(ranks.quantile(1 - alpha / 2) + 1, n)
    outside = 1 - (ranks.cdf(high - 1) - ranks.cdf(low - 1))
    return (low - 0.5) / n, (high - 0.5) / n, normal_isf(min(max(outside, 1e-12), 0.999) / 2)


def uneven(counts: Sequence[int], n: int, quantile: float) -> bool:
    """Whether one of adjacent values is shared by many units and another by few, such as zeros among amounts.

    Many means more than the standard deviation of the quantile's rank.
    """
    most = max(counts)
    return most > math.sqrt(n * quantile * (1 - quantile)) and min(counts) < most / _UNEVEN


_UNEVEN = 20


def margin_factor(control: float, margin: float, *, increase: bool) -> float:
    """The factor that makes the control worse by `margin`, a share of its absolute value."""
    worse = -margin if increase else margin
    return 1 + math.copysign(worse, worse * control) if control else 1 + worse


def margin_gap(found: Estimate, margin: float, *, increase: bool) -> Estimate:
    """The treatment's gain over the control made worse by `margin`; its z tests non-inferiority."""
    factor = margin_factor(found.control.value, margin, increase=increase)
    gap = found.treatment.value - factor * found.control.value
    se = standard_error(found.control, found.treatment, factor)
    return replace(found, difference=gap if increase else -gap, se=se, low=None, high=None, p_value=None)


def non_inferiority(found: Estimate, margin: float, *, increase: bool) -> float | None:
    """The one-sided p-value that the treatment is worse than the control by more than `margin` of the control."""
    gap = margin_gap(found, margin, increase=increase)
    if not gap.se > 0:
        return None
    return t_sf(gap.z, gap.degrees)


def lopsided(control: Moments, treatment: Moments) -> float | None:
    """The skewness of a difference of means, 0 if a normal interval is accurate; None if unknown.

    The skewness of two arms with equal size and distribution cancels.
    """
    if control.third is None or treatment.third is None or min(control.n, treatment.n) < 2:
        return None
    variance = sum(arm.covariances[VALUE, VALUE] / arm.n for arm in (control, treatment))
    if not variance > 0:
        return None
    third: float = treatment.third / treatment.n**2 - control.third / control.n**2
    return third / float(variance**1.5)


def pooled(one: Moments, other: Moments) -> Moments:
    """The moments of both arms together; those of the other if one has no unit."""
    if not one.n or not other.n:
        return one if one.n else other
    n = one.n + other.n
    means = {name: (one.n * one.means[name] + other.n * other.means[name]) / n for name in one.means}
    apart = {name: other.means[name] - one.means[name] for name in means}
    between = one.n * other.n / n
    covariances = {
        (a, b): (
            (one.n - 1) * one.covariances[a, b]
            + (other.n - 1) * other.covariances[a, b]
            + between * apart[a] * apart[b]
        )
        / (n - 1)
        for a, b in one.covariances
    }
    return Moments(n, means, covariances)


def theta(total: Moments) -> float:
    """CUPED's coefficient over both arms; 0 without earlier events."""
    if BEFORE not in total.means:
        return 0.0
    past = _share(total, BEFORE, PER_BEFORE)
    variance = quadratic(past, total.covariances, past)
    if not variance > 0:
        return 0.0
    return quadratic(_share(total, VALUE, PER), total.covariances, past) / variance


def gradient(arm: Moments, coefficient: float) -> dict[str, float]:
    """The derivative of an arm's value by the mean of each column: the delta method's weights."""
    weights = _share(arm, VALUE, PER)
    if coefficient:
        for name, weight in _share(arm, BEFORE, PER_BEFORE).items():
            weights[name] = -coefficient * weight
    return weights


def quadratic(
    left: Mapping[str, float], covariances: Mapping[tuple[str, str], float], right: Mapping[str, float]
) -> float:
    """The covariance of two weighted sums of columns."""
    return math.fsum(a * covariances[one, other] * b for one, a in left.items() for other, b in right.items())


def _share(arm: Moments, above: str, below: str) -> dict[str, float]:
    if below not in arm.means:
        return {above: 1.0}
    mean = arm.means[below]
    return {above: 1 / mean, below: -arm.means[above] / mean**2} if mean else {above: 0.0}


def ratio(arm: Moments, above: str = VALUE, below: str = PER) -> float:
    """An arm's mean, or ratio of means."""
    if below not in arm.means:
        return arm.means[above]
    return arm.means[above] / arm.means[below] if arm.means[below] else 0.0


def _welch(sides: list[ArmEstimate]) -> float:
    shares = [side.se**2 for side in sides]
    return sum(shares) ** 2 / sum(share**2 / (side.n - 1) for share, side in zip(shares, sides, strict=True))


def _tested(found: Estimate, alpha: float) -> Estimate:
    """Welch's t, or a normal if the degrees of freedom are infinite."""
    if not found.se > 0:
        return found
    tail = t_sf(abs(found.z), found.degrees)
    return with_interval(replace(found, p_value=2 * tail), t_isf(alpha / 2, found.degrees))
