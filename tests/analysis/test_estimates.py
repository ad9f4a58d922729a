"""The estimates against tea-tasting and scipy used directly, and the traps that the layer closes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from scipy import stats

from burgee.analysis.stats.estimates import (
    BEFORE,
    PER,
    PER_BEFORE,
    VALUE,
    ArmEstimate,
    Moments,
    Points,
    compare,
    compare_quantiles,
    fieller,
    non_inferiority,
    shares,
    uneven,
)
from support.arrivals import outcomes, proportion
from support.moments import moments


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    generator = np.random.default_rng(7)
    n = 6000
    per = generator.poisson(3, n) + 1.0
    before = generator.gamma(2, 3, n)
    frame = {
        "variant": generator.integers(0, 2, n),
        VALUE: per * generator.gamma(2, 2, n) + before,
        PER: per,
        BEFORE: before,
        PER_BEFORE: generator.poisson(2, n) + 1.0,
    }
    return pd.DataFrame(frame)


@pytest.mark.parametrize("columns", [(), (PER,), (BEFORE,), (PER, BEFORE, PER_BEFORE)], ids=str)
def test_it_agrees_with_tea_tasting_used_directly(data: pd.DataFrame, columns: tuple[str, ...]) -> None:
    names = {"denom": PER, "numer_covariate": BEFORE, "denom_covariate": PER_BEFORE}
    metric = tt.RatioOfMeans(VALUE, **{key: name for key, name in names.items() if name in columns})
    direct = tt.Experiment(m=metric).analyze(data)["m"]
    arms = [data[data["variant"] == arm] for arm in (0, 1)]
    one, other = (moments({name: arm[name].to_numpy(float) for name in (VALUE, *columns)}) for arm in arms)
    found = compare(one, other)
    ours = [found.difference, found.low, found.high, found.p_value, found.relative, found.z]
    theirs = [direct.effect_size, direct.effect_size_ci_lower, direct.effect_size_ci_upper, direct.pvalue]
    theirs += [direct.rel_effect_size, direct.statistic]
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_it_agrees_with_scipys_welch(data: pd.DataFrame) -> None:
    control, treatment = (data[data["variant"] == arm][VALUE].to_numpy(float) for arm in (0, 1))
    direct = stats.ttest_ind(treatment, control, equal_var=False)
    found = compare(moments({VALUE: control}), moments({VALUE: treatment}))
    interval = direct.confidence_interval()
    ours = [found.z, found.degrees, found.p_value, found.low, found.high]
    assert ours == pytest.approx([direct.statistic, direct.df, direct.pvalue, interval.low, interval.high], rel=1e-9)


@pytest.mark.parametrize("columns", [(), (PER,), (BEFORE,), (PER, BEFORE, PER_BEFORE)], ids=str)
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_in_uneven_arms_the_standard_error_is_the_larger_of_tea_tastings_two(
    data: pd.DataFrame, columns: tuple[str, ...], spread: float
) -> None:
    """Welch's and Student's: either is the larger, by which arm varies more."""
    names = {"denom": PER, "numer_covariate": BEFORE, "denom_covariate": PER_BEFORE}
    chosen = {key: name for key, name in names.items() if name in columns}
    uneven_data = data.assign(variant=(np.arange(len(data)) % 10 == 0).astype(int))
    uneven_data[VALUE] *= np.where(uneven_data["variant"] == 1, spread, 1.0)
    both = [
        tt.Experiment(m=tt.RatioOfMeans(VALUE, **chosen, equal_var=equal)).analyze(uneven_data)["m"]
        for equal in (False, True)
    ]
    errors = [one.effect_size / one.statistic for one in both]
    arms = [uneven_data[uneven_data["variant"] == arm] for arm in (0, 1)]
    one, other = (moments({name: arm[name].to_numpy(float) for name in (VALUE, *columns)}) for arm in arms)
    found = compare(one, other)
    assert found.se == pytest.approx(max(errors), rel=1e-9)
    assert abs(errors[0] / errors[1] - 1) > (0.1 if spread != 1 else 0)
    assert found.difference == pytest.approx(both[0].effect_size, rel=1e-9)
    assert found.low == pytest.approx(found.difference - (found.critical or 0.0) * max(errors), rel=1e-9)
    assert (found.p_value or 0.0) >= max(one.pvalue for one in both) * (1 - 1e-9)


@pytest.mark.parametrize("expected", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_rare_conversions_in_a_small_arm_are_not_found_to_differ(share: float, expected: float) -> None:
    """The exact probability. By Welch's standard error alone it is up to 37 %, where 5 % are stated."""
    rate = 0.01
    sizes = round(expected / rate / share * (1 - share)), round(expected / rate)
    quiet = welch = 0.0
    for chance, counts in outcomes(sizes, (rate, rate)):
        found = compare(proportion(counts[0], sizes[0]), proportion(counts[1], sizes[1]))
        quiet += chance * (found.p_value is None or found.p_value >= 0.05)
        own = math.hypot(found.control.se, found.treatment.se)
        welch += chance * (abs(found.difference) > 1.96 * own > 0)
    assert quiet >= 0.95
    assert welch > 0.051


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_the_bounds_of_a_quantile_are_those_of_scipys_exact_test(quantile: float) -> None:
    values = np.sort(np.random.default_rng(3).lognormal(0, 1, 2001))
    found = points(values, quantile)
    exact = stats.quantile_test(values, p=quantile).confidence_interval(0.95)
    assert found.low == pytest.approx(exact.low, rel=0.02)
    assert found.high == pytest.approx(exact.high, rel=0.02)
    assert found.value == pytest.approx(np.quantile(values, quantile, method="hazen"))
    assert found.z == pytest.approx(1.96, abs=0.15)


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator, n: generator.lognormal(0, 1, n),
        lambda generator, n: np.floor(generator.lognormal(5, 0.5, n) / 10) * 10,
        lambda generator, n: generator.poisson(3, n).astype(float),
        lambda generator, n: np.where(generator.random(n) < 0.88, 0.0, generator.lognormal(0, 1, n)),
    ],
    ids=["continuous", "rounded", "counts", "zeros"],
)
def test_equal_arms_seldom_differ_in_a_quantile_even_with_ties(draw: Any) -> None:
    generator, found, runs = np.random.default_rng(5), 0, 500
    for _ in range(runs):
        one, other = (points(np.sort(draw(generator, 1500)), 0.9) for _ in range(2))
        p_value = compare_quantiles(one, other).p_value
        found += p_value is not None and p_value < 0.05
    assert found / runs <= 0.05 + 3.3 * math.sqrt(0.95 * 0.05 / runs)


def test_a_difference_of_quantiles_covers_the_truth() -> None:
    generator, hits, runs = np.random.default_rng(5), 0, 400
    truth = math.exp(1.2815515655446004) * 0.1  # the second arm is a tenth larger
    for _ in range(runs):
        arms = [np.sort(generator.lognormal(0, 1, 1500) * factor) for factor in (1.0, 1.1)]
        found = compare_quantiles(points(arms[0], 0.9), points(arms[1], 0.9))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert hits / runs == pytest.approx(0.95, abs=3.3 * math.sqrt(0.95 * 0.05 / runs))


def points(ordered: np.ndarray[tuple[int], np.dtype[np.float64]], quantile: float) -> Points:
    """The mid-distribution function in numpy."""
    values, counts = np.unique(ordered, return_counts=True)
    middles = (np.cumsum(counts) - counts / 2) / ordered.size
    low, high, z = shares(ordered.size, quantile)
    at, lower, upper = (float(np.interp(share, middles, values)) for share in (quantile, low, high))
    near = [i for share in (quantile, low, high) for i in np.flatnonzero(middles <= share)[-1:]]
    beside = {int(i) for one in near for i in (one, min(one + 1, values.size - 1))}
    return Points(ordered.size, at, lower, upper, z, uneven([int(counts[i]) for i in beside], ordered.size, quantile))


@pytest.mark.parametrize("hole", [math.nan, math.inf])
def test_a_missing_aggregate_is_refused(hole: float) -> None:
    """tea-tasting takes a null and answers with a p-value that is wrong."""
    good = moments({VALUE: np.array([1.0, 2.0, 4.0])})
    broken = Moments(3, {VALUE: hole}, {(VALUE, VALUE): 1.0})
    with pytest.raises(ValueError, match="missing or not finite"):
        compare(good, broken)


def test_no_variation_says_nothing() -> None:
    same = moments({VALUE: np.ones(10)})
    found = compare(same, same)
    assert (found.difference, found.low, found.p_value, found.relative) == (0, None, None, None)


def test_nobody_in_an_arm_says_nothing() -> None:
    found = compare(Moments(0, {VALUE: 0.0}, {(VALUE, VALUE): 0.0}), moments({VALUE: np.array([1.0, 2.0, 3.0])}))
    assert (found.control.n, found.treatment.value, found.p_value) == (0, 2, None)


def test_there_is_no_relative_difference_to_what_is_not_above_zero() -> None:
    """tea-tasting's interval is made on a logarithm, which a loss has none of."""
    generator = np.random.default_rng(2)
    loss = moments({VALUE: generator.normal(-1, 1, 500)})
    found = compare(loss, moments({VALUE: generator.normal(1, 1, 500)}))
    assert found.p_value is not None
    assert (found.relative, found.relative_low, found.relative_high) == (None, None, None)


def test_non_inferiority_of_means_is_scipys_shifted_test() -> None:
    generator = np.random.default_rng(4)
    control, treatment = generator.normal(10, 2, 4000), generator.normal(9.9, 2, 4000)
    found = compare(moments({VALUE: control}), moments({VALUE: treatment}))
    p_value = non_inferiority(found, 0.05, increase=True)
    shifted = stats.ttest_ind(treatment, control * 0.95, equal_var=False, alternative="greater").pvalue
    assert p_value == pytest.approx(shifted, rel=0.02)
    assert non_inferiority(found, 0.0, increase=True) > 0.5  # type: ignore[operator]
    assert non_inferiority(found, 0.05, increase=False) < 0.001  # type: ignore[operator]


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_in_uneven_arms_non_inferiority_takes_the_larger_standard_error(spread: float) -> None:
    """By hand: the variance of the gap from each arm's own, and from the one within both."""
    generator = np.random.default_rng(6)
    control, treatment = generator.normal(10, 2, 900), generator.normal(9.7, spread, 100)
    within = (control.var(ddof=1) * 899 + treatment.var(ddof=1) * 99) / 998
    own = treatment.var(ddof=1) / 100 + 0.95**2 * control.var(ddof=1) / 900
    common = within * (1 / 100 + 0.95**2 / 900)
    assert (common > own) == (spread < 2)
    t = (treatment.mean() - 0.95 * control.mean()) / math.sqrt(max(own, common))
    found = compare(moments({VALUE: control}), moments({VALUE: treatment}))
    degrees = stats.ttest_ind(treatment, control, equal_var=False).df
    assert non_inferiority(found, 0.05, increase=True) == pytest.approx(stats.t.sf(t, degrees), rel=1e-9)


@pytest.mark.parametrize("error", [0.3, 1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("critical", [1.2, 1.96, 3.3])
def test_at_the_ends_of_fiellers_interval_the_test_is_at_its_bound(error: float, critical: float) -> None:
    """In exact fractions, also where values are large beside their errors."""
    control, treatment = ArmEstimate(50, 3.7e6, 3.7e6 * error / 2), ArmEstimate(60, 4.1e6, 4.1e6 * error / 3)
    ends = fieller(control, treatment, critical)
    assert ends is not None
    for end in ends:
        value = Fraction(treatment.value) - Fraction(end) * Fraction(control.value)
        variance = Fraction(treatment.se) ** 2 + (Fraction(end) * Fraction(control.se)) ** 2
        # An end is a double: with an error of 1e-12 of the value, one step is 1e-4 of the error.
        assert float(value**2 / variance) == pytest.approx(critical**2, rel=max(1e-9, 1e-15 / error))
