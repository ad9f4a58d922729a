"""Published numbers, to the precision in which they were printed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from burgee.analysis.stats.estimates import BEFORE, VALUE, Moments, compare, shares
from burgee.analysis.stats.multiplicity import benjamini_hochberg, sample_ratio
from burgee.analysis.stats.numeric import rising_root, root
from burgee.analysis.stats.planning import Design, MetricBaseline, power
from burgee.analysis.stats.sequential import (
    crossing,
    sequence_bound,
    sequence_p_value,
    spending_bounds,
)
from burgee.analysis.stats.walk import Walk
from burgee.flagfile.experiments import Spending
from support.moments import moments

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


def of_sums(total: float, squares: float, n: int) -> Moments:
    return Moments(n, {VALUE: total / n}, {(VALUE, VALUE): (squares - total**2 / n) / (n - 1)})


def test_welch_on_sleep_as_r_prints_it() -> None:
    """R: t.test(extra ~ group, data = sleep) prints t = -1.8608, df = 17.776, p-value = 0.07939."""
    one = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    two = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    found = compare(moments({VALUE: two}), moments({VALUE: one}))
    assert round(found.z, 4) == -1.8608
    assert round(found.degrees, 3) == 17.776
    assert round(found.p_value or 0, 5) == 0.07939
    assert (round(found.low or 0, 7), round(found.high or 0, 7)) == (-3.3654832, 0.2054832)


def test_growthbooks_frequentist_engine() -> None:
    """gbstats, its test of the two-sided t-test of an absolute difference: by Welch's error, and ours is larger."""
    found = compare(of_sums(1396.87, 52377.9767, 3407), of_sums(2422.7, 134698.29, 3461))
    control, treatment = found.control, found.treatment
    own = math.hypot(control.se, treatment.se)
    half = stats.t.ppf(0.975, found.degrees) * own
    reported = [found.difference, found.difference - half, found.difference + half]
    reported.append(2 * stats.t.sf(found.difference / own, found.degrees))
    assert [round(float(number), 5) for number in reported] == [0.29, 0.04538, 0.53462, 0.02016]
    spreads = [one.se * math.sqrt(one.n) for one in (treatment, control)]
    student = stats.ttest_ind_from_stats(
        treatment.value, spreads[0], treatment.n, control.value, spreads[1], control.n
    )
    assert student.pvalue > reported[-1], "here the error from both arms' variance is the larger"
    half = stats.t.ppf(0.975, found.degrees) * found.difference / student.statistic
    larger = [found.difference - half, found.difference + half, 2 * stats.t.sf(student.statistic, found.degrees)]
    assert [round(float(number), 5) for number in larger] == [0.04454, 0.53546, 0.02059]
    assert (found.low, found.high, found.p_value) == pytest.approx(larger, rel=1e-9)


def test_growthbooks_sequential_engine() -> None:
    """gbstats, its test of the sequential t-test of a relative difference, tuned to 1000."""
    found = compare(of_sums(1396.87, 52377.9767, 3000), of_sums(2422.7, 134698.29, 3461))
    control, treatment = found.control, found.treatment
    # The standard error of a relative difference, by the delta method, as gbstats computes it.
    error = math.hypot(treatment.se / control.value, control.se * treatment.value / control.value**2)
    half = sequence_bound(6461, 0.05, 1000) * error
    assert found.relative is not None
    reported = [found.relative, found.relative - half, found.relative + half]
    assert [round(number, 5) for number in reported] == [0.50336, -0.55844, 1.56516]


@pytest.mark.parametrize(
    ("counts", "printed"), [((600, 400), "2.54e-10"), ((821_588, 815_482), "1.8e-06")], ids=["600:400", "Kohavi"]
)
def test_sample_ratio_mismatch(counts: tuple[int, int], printed: str) -> None:
    p_value = sample_ratio(dict(zip("ab", counts, strict=True)), {"a": 0.5, "b": 0.5})
    assert f"{p_value:.{len(printed.partition('e')[0]) - 2}e}" == printed


def test_power_t_test_as_r_prints_it() -> None:
    def in_each(n: float) -> float:
        return power(2 * n, MetricBaseline(5, 1), 1, Design())

    assert round(in_each(20), 7) == 0.8689528
    assert round(rising_root(lambda n: in_each(n) - 0.9, 2, 50), 5) == 22.02110


def test_power_prop_test_as_r_prints_it() -> None:
    assert round(power(100, MetricBaseline(0.5), 0.25, Design()), 7) == 0.7401659


BH_1995 = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
           0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip


def test_benjamini_and_hochberg_1995() -> None:
    """Their example of 15 hypotheses: four rejected, where Bonferroni's bound rejects three."""
    assert sum(p <= 0.05 for p in benjamini_hochberg(BH_1995)) == 4
    assert sum(p * 15 <= 0.05 for p in BH_1995) == 3


@pytest.mark.parametrize(("looks", "printed"), [(2, 0.083), (3, 0.107), (5, 0.142), (10, 0.193)])
def test_peeking_as_armitage_mcpherson_and_rowe_have_it(looks: int, printed: float) -> None:
    fractions = tuple((look + 1) / looks for look in range(looks))
    assert round(crossing((1.959964,) * looks, fractions), 3) == printed


def constant_bounds(looks: int, alpha: float, spending: Spending) -> tuple[float, ...]:
    """The classical designs with equal looks: Pocock's constant z, O'Brien and Fleming's decreasing one."""
    fractions = tuple((look + 1) / looks for look in range(looks))
    shape = [1.0 if spending is Spending.POCOCK else math.sqrt(1 / fraction) for fraction in fractions]

    def excess(level: float) -> float:
        return crossing(tuple(level * part for part in shape), fractions) - alpha

    level = root(excess, 1.0, 6.0)
    return tuple(level * part for part in shape)


def test_pocock_and_obrien_fleming_bounds_of_five_looks() -> None:
    """Jennison and Turnbull 2000, tables 2.1 and 2.3, alpha 0.05."""
    assert {round(z, 3) for z in constant_bounds(5, 0.05, Spending.POCOCK)} == {2.413}
    bounds = constant_bounds(5, 0.05, Spending.OBRIEN_FLEMING)
    assert (round(bounds[0], 3), round(bounds[4], 3)) == (4.562, 2.040)


def test_lan_demets_bounds() -> None:
    """The table of Lan and DeMets' program for O'Brien-Fleming spending, alpha/2 on each side.

    Its second bound is printed as 3.3569; it is 3.35701, as quadrature finds independently below, so that
    one must agree to one unit of the last digit.
    """
    bounds = spending_bounds(FIFTHS, 0.05, Spending.OBRIEN_FLEMING)
    assert [round(z, 4) for z in bounds[:1] + bounds[2:]] == [4.8769, 2.6803, 2.2898, 2.0310]
    assert bounds[1] == pytest.approx(3.3569, abs=0.00015)


def test_rpacts_bounds_of_obrien_fleming_spending() -> None:
    """rpact's own test of `typeOfDesign = "asOF", kMax = 3, alpha = 0.03`, which is one-sided."""
    bounds = spending_bounds((1 / 3, 2 / 3, 1.0), 0.06, Spending.OBRIEN_FLEMING)
    assert bounds == pytest.approx((3.5815302, 2.417863, 1.9175839), abs=2e-6)


@pytest.mark.parametrize(
    ("information", "spent", "printed"),
    [
        ((0.2, 0.4, 1.0), (0.006, 0.012, 0.03), (2.5121443, 2.4228747, 2.0280392)),
        ((0.3, 0.7, 1.0), (0.0021222083, 0.013687904, 0.03), (2.8594012, 2.2435708, 1.9735737)),
    ],
    ids=["Hwang, Shih, DeCani", "Kim, DeMets"],
)
def test_rpacts_bounds_with_unequal_information(
    information: tuple[float, ...], spent: tuple[float, ...], printed: tuple[float, ...]
) -> None:
    """rpact's own tests of other spending functions: what is spent is theirs, the integration is ours."""
    walk, before = Walk(), 0.0
    for there, now, expected in zip(information, spent, printed, strict=True):
        bound = walk.bound(there, 2 * (now - before))
        assert bound == pytest.approx(expected, abs=2e-5)
        walk.step(there, bound)
        before = now


def test_rpacts_inflation_factor() -> None:
    """rpact's own test: information 0.2, 0.4, 1 and power 0.86 take 1.0788327 times a fixed design's 8.7681899.

    Its design is one-sided; ours may cross on the other side too, in 5 of 100,000 experiments at the first look.
    """
    bounds, fractions = (2.5121443, 2.4228747, 2.0280392), (0.2, 0.4, 1.0)
    drift = rising_root(lambda z: crossing(bounds, fractions, z) - 0.86, 0.1, 4.0)
    fixed = (stats.norm.isf(0.03) + stats.norm.isf(0.14)) ** 2
    assert fixed == pytest.approx(8.7681899, abs=1e-6)
    assert drift**2 / fixed == pytest.approx(1.0788327, abs=2e-4)


def test_the_second_bound_by_quadrature() -> None:
    first, second = spending_bounds((0.2, 0.4), 0.05, Spending.OBRIEN_FLEMING)
    half = math.sqrt(0.5)

    def crosses_second(z: float) -> float:
        later = stats.norm.sf((second - half * z) / half) + stats.norm.cdf((-second - half * z) / half)
        return float(stats.norm.pdf(z) * later)

    total = 2 * stats.norm.sf(first) + quad(crosses_second, -first, first, epsabs=1e-15, limit=200)[0]
    assert total == pytest.approx(4 * stats.norm.sf(stats.norm.isf(0.05 / 4) / math.sqrt(0.4)), rel=1e-9)


@pytest.mark.parametrize("spending", list(Spending))
@pytest.mark.parametrize("fractions", [FIFTHS, (0.05, 0.5, 0.55, 0.9), tuple((i + 1) / 100 for i in range(100))])
def test_spending_bounds_spend_alpha_and_no_more(spending: Spending, fractions: tuple[float, ...]) -> None:
    bounds = spending_bounds(fractions, 0.05, spending)
    assert crossing(bounds, fractions) <= 0.05 + 1e-6
    if fractions[-1] == 1:
        assert crossing(bounds, fractions) == pytest.approx(0.05, abs=1e-6)


def test_cuped_takes_one_minus_rho_squared() -> None:
    """Deng et al. 2013: the variance that is left is 1 - rho^2 of the variance there was."""
    generator = np.random.default_rng(1)
    before = generator.normal(10, 2, 200_000)
    values = 5 + 0.6 * before + generator.normal(0, 1.6, before.size)
    rho = np.corrcoef(before, values)[0, 1]
    halves = slice(0, None, 2), slice(1, None, 2)
    one, other = (moments({VALUE: values[half], BEFORE: before[half]}) for half in halves)
    adjusted = compare(one, other)
    bare = [
        Moments(arm.n, {VALUE: arm.means[VALUE]}, {(VALUE, VALUE): arm.covariances[VALUE, VALUE]})
        for arm in (one, other)
    ]
    plain = compare(bare[0], bare[1])
    assert (adjusted.se / plain.se) ** 2 == pytest.approx(1 - rho**2, abs=1e-4)
    assert adjusted.adjusted


@pytest.mark.parametrize("z", [0.0, 1.0, 2.5, 3.1, 4.0])
@pytest.mark.parametrize("n", [10, 1000, 50_000])
def test_the_always_valid_p_value_and_the_sequence_say_the_same(z: float, n: int) -> None:
    p_value = sequence_p_value(z, n, 0.05, 10_000)
    assert 0 < p_value <= 1
    assert (p_value < 0.05) == (z > sequence_bound(n, 0.05, 10_000))
    assert math.isclose(sequence_p_value(sequence_bound(n, 0.05, 10_000), n, 0.05, 10_000), 0.05, rel_tol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_scipy_stats_has_the_same_tests(seed: int) -> None:
    """A report does without that module, which takes as long to import as the rest of what it needs."""
    drawn = np.random.default_rng(seed)
    for _ in range(40):
        p_values = [float(p) for p in drawn.random(drawn.integers(1, 20)) ** 3]
        assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values))
        counts = {str(arm): int(drawn.integers(1, 5000)) for arm in range(drawn.integers(2, 6))}
        planned = {arm: float(drawn.random()) + 0.01 for arm in counts}
        expected = [sum(counts.values()) * share / sum(planned.values()) for share in planned.values()]
        same = stats.chisquare(list(counts.values()), expected).pvalue
        assert sample_ratio(counts, planned) == pytest.approx(same, rel=1e-9, abs=1e-300)
        n, quantile = int(10 ** drawn.uniform(0.5, 6)), float(drawn.random())
        low, high, _ = shares(n, quantile)
        ranks = stats.binom.ppf(0.025, n, quantile), stats.binom.isf(0.025, n, quantile) + 1
        assert (low * n + 0.5, high * n + 0.5) == pytest.approx((max(ranks[0], 1), min(ranks[1], n)))


def test_no_adjusted_p_value_without_any() -> None:
    assert benjamini_hochberg([]) == []
