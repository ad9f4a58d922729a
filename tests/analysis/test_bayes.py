"""The Bayesian view against quadrature: chance and expected loss of a normal posterior."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from burgee.analysis.stats.bayes import believe
from burgee.analysis.stats.estimates import VALUE, compare
from support.moments import moments


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("increase", [True, False])
def test_the_posterior_is_that_of_integrating_prior_times_likelihood(seed: int, increase: bool) -> None:
    generator = np.random.default_rng(seed)
    control, treatment = (moments({VALUE: generator.gamma(2, 3 + shift, 60)}) for shift in (0, seed / 3))
    found = compare(control, treatment)
    belief = believe(found, increase=increase)
    assert belief is not None
    assert belief.prior == pytest.approx(0.3 * found.control.value)

    def weight(d: float) -> float:
        return float(stats.norm.pdf(d, 0, belief.prior) * stats.norm.pdf(found.difference, d, found.se))

    def integral(function: Any) -> float:
        return float(quad(function, -60, 60, limit=500, points=[found.difference, 0])[0])

    total = integral(weight)
    better = integral(lambda d: weight(d) * ((d > 0) == increase)) / total
    loss = integral(lambda d: weight(d) * max(-d if increase else d, 0.0)) / total
    assert belief.chance == pytest.approx(better, abs=1e-6)
    assert belief.loss == pytest.approx(loss, abs=1e-6)


def test_without_an_error_or_a_control_there_is_no_belief() -> None:
    found = compare(moments({VALUE: np.array([1.0, 2, 3])}), moments({VALUE: np.array([2.0, 3, 5])}))
    assert believe(replace(found, se=0.0), increase=True) is None
    assert believe(replace(found, control=replace(found.control, value=0.0)), increase=True) is None
