"""The tests of margins, compared with the analysis extra and with scipy, and their errors in a small simulation."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri, stdtr

from burgee.analysis.stats import estimates
from burgee.analysis.stats.sequential import rho, sequence_bound, sequence_p_value
from burgee.guards.aggregates import PER, VALUE, Moments
from burgee.guards.margins import ENOUGH, critical, gap, log_evidence, normal_z
from support.guards import CROWDS, Crowd, Step, bounds, false_rollbacks, harms, moments
from support.moments import moments as moments_of_values

GUARDS = int(os.environ.get("BURGEE_SIMULATIONS", "30"))


def data(
    generator: np.random.Generator, kind: str, n: int
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    if kind == "proportion":
        return {VALUE: (generator.random(n) < 0.3).astype(float)}
    value = generator.normal(-3 if kind == "negative" else 3, 2, n) * 10.0 ** generator.integers(-6, 6)
    return {VALUE: value, PER: 1 + generator.poisson(2, n).astype(float)} if kind == "ratio" else {VALUE: value}


@pytest.mark.parametrize("kind", ["mean", "negative", "proportion", "ratio"])
@pytest.mark.parametrize("increase", [True, False])
def test_a_gap_is_that_of_an_experiments_guardrail(kind: str, increase: bool) -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        sizes = generator.integers(2, 4000, 2)
        arms = [data(generator, kind, int(n)) for n in sizes]
        margin = float(generator.choice([0.0, 0.05, 0.5]))
        sides = [moments(*arm.values()) for arm in arms]
        mine = gap(sides[0], sides[1], margin, increase=increase)
        reached, compared = (moments_of_values(arm) for arm in arms)
        found = estimates.contrast(compared, reached)
        theirs = estimates.margin_gap(found, margin, increase=increase)
        assert mine.difference == pytest.approx(theirs.difference, rel=1e-9, abs=1e-9 * abs(found.control.value))
        assert mine.se == pytest.approx(theirs.se, rel=1e-9)
        assert mine.n == theirs.n
        assert mine.change == pytest.approx(found.difference / abs(found.control.value), rel=1e-9, abs=1e-9)
        if mine.se > 0:
            assert mine.degrees == pytest.approx(theirs.degrees, rel=1e-9)
            if abs(mine.harm) < 8:
                assert mine.harm == pytest.approx(-estimates.normal_z(theirs), rel=1e-9, abs=1e-9)


def test_a_normal_z_is_that_of_scipy() -> None:
    generator = np.random.default_rng(4)
    for degrees in np.exp(generator.uniform(math.log(1.5), math.log(1999), 500)):
        t = float(generator.normal() * 3)
        expected = math.copysign(float(-ndtri(stdtr(degrees, -abs(t)))), t)
        assert normal_z(t, float(degrees)) == pytest.approx(expected, abs=1e-9)
    assert normal_z(3.0, math.inf) == 3.0
    assert normal_z(-1e9, 1000.0) == -37.0


def test_evidence_is_the_one_sided_form_of_an_experiments_sequence() -> None:
    """Half of a two-sided test at twice alpha, less the mixture's part that points the other way."""
    generator = np.random.default_rng(5)
    for _ in range(500):
        n, alpha, tuning = (float(x) for x in np.exp(generator.uniform([3, -9, 4], [14, -2, 10])))
        z = float(generator.normal() * 3 + 2)
        two_sided = sequence_p_value(z, n, 2 * alpha, tuning)
        if two_sided < 1:
            mixed = n * rho(2 * alpha, tuning) ** 2
            part = 2 * float(ndtr(z * math.sqrt(mixed / (mixed + 1))))
            assert log_evidence(z, n, alpha, tuning) == pytest.approx(math.log(part / two_sided), rel=1e-9, abs=1e-9)
        bound = critical(n, alpha, tuning)
        assert log_evidence(bound, n, alpha, tuning) == pytest.approx(-math.log(alpha), rel=1e-9)
        assert bound >= sequence_bound(n, 2 * alpha, tuning) - 1e-12


def test_evidence_against_a_harm_is_none() -> None:
    assert log_evidence(-60.0, 1e6, 0.01, 1000.0) == -math.inf
    assert log_evidence(0.0, 1000.0, 0.01, 1000.0) < 0


def test_evidence_grows_on_average_by_nothing_without_a_harm() -> None:
    """Its mean is 1 at every look, as that of a ratio of likelihoods: integrated over the normal distribution."""
    for n in (10.0, 1000.0, 1e5):
        wide = 10 * math.sqrt(1 + n * rho(0.02, 1000.0) ** 2)
        z, step = np.linspace(-wide, wide, 40_001, retstep=True)
        logs = [log_evidence(float(one), n, 0.01, 1000.0) - one * one / 2 for one in z]
        assert float(np.exp(logs).sum() * step) / math.sqrt(2 * math.pi) == pytest.approx(1, rel=1e-9)


def test_the_larger_standard_error_is_tested() -> None:
    few = Moments(100, {VALUE: 0.0}, {(VALUE, VALUE): 0.0})
    many = Moments(5000, {VALUE: 0.05}, {(VALUE, VALUE): 0.0475})
    found = gap(few, many, 0.05, increase=True)
    assert found.sampled < found.null == found.se
    assert found.harm == pytest.approx(normal_z(0.95 * 0.05 / found.null, found.degrees))
    # Five of a hundred are expected: none is not a proof, and by its own variance it would be.
    assert found.harm < 2.5 < 0.95 * 0.05 / found.sampled
    assert gap(many, few, 0.05, increase=False).se == gap(many, few, 0.05, increase=False).null


def test_without_variation_nothing_is_shown() -> None:
    flat = Moments(100, {VALUE: 1.0}, {(VALUE, VALUE): 0.0})
    assert gap(flat, replace(flat, means={VALUE: 5.0}), 0.05, increase=True).harm == 0
    empty = Moments(
        100, {VALUE: 0.0, PER: 0.0}, dict.fromkeys([(a, b) for a in (VALUE, PER) for b in (VALUE, PER)], 0.0)
    )
    assert gap(empty, empty, 0.05, increase=True).harm == 0
    assert gap(empty, empty, 0.05, increase=True).change is None


@pytest.mark.parametrize(
    ("n", "value", "message"), [(1, 0.0, "no variance"), (10, math.nan, "not finite"), (10, math.inf, "not finite")]
)
def test_what_cannot_be_tested_is_refused(n: int, value: float, message: str) -> None:
    good = Moments(10, {VALUE: 1.0}, {(VALUE, VALUE): 1.0})
    with pytest.raises(ValueError, match=message):
        gap(good, Moments(n, {VALUE: value}, {(VALUE, VALUE): 1.0}), 0.05, increase=True)


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda one: one.name)
def test_the_simulation_computes_what_a_guard_does(crowd: Crowd) -> None:
    generator = np.random.default_rng(6)
    reached, compared = (crowd.values(crowd.draw(generator, n), 0.0) for n in (2000, 5000))
    increase, factor = crowd.direction == "increase", 1 + crowd.worse(5)
    found = harms(reached, compared, 40, factor, increase=increase)
    for look in (0, 1, 7, 39):
        n, m = 2000 * (look + 1) // 40, 5000 * (look + 1) // 40
        expected = gap(moments(reached[:n]), moments(compared[:m]), 0.05, increase=increase).harm
        assert found[look] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert bounds((2000, 5000), 40, 0.01, 500)[look] == critical(float(n + m), 0.01, 500 / (2 / 7))
    assert np.isnan(harms(reached[: ENOUGH - 1], compared, 40, factor, increase=increase)).all()


def test_guards_at_their_margins_roll_back_at_most_at_alpha() -> None:
    """docs/statistics.md has 2,000 of them with a look every five minutes for two weeks."""
    fired = false_rollbacks((500, 20_000), GUARDS, 5.0, 1)
    assert fired[-1] <= max(1, 0.05 * GUARDS + 2 * math.sqrt(0.05 * GUARDS))
    alone = false_rollbacks((500, 20_000), GUARDS, 5.0, 1, rule="sampled")
    assert alone[-1] > fired[-1] + GUARDS / 5


def test_larger_harms_are_found_sooner() -> None:
    step = Step(CROWDS[1], 5.0, (8000, 20_000), 400)
    found = step.detections((2, 4), GUARDS, 1)
    middle = {factor: float(np.median(times)) for factor, times in found.items()}
    assert middle[4] < middle[2] / 3 < 1 / 3
    # A test with one look, at the size planned for this harm, is not much sooner, and none if the harm is another.
    assert middle[2] < 2 * step.fixed(2)
    assert middle[4] < 2 * step.fixed(4)
    assert step.fixed(1) == math.inf
