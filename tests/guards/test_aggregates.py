from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from burgee.guards.aggregates import PER, VALUE, WINDOW, Moments, pooled, window_of
from support.guards import HOUR, metric, moments, plan

if TYPE_CHECKING:
    from burgee.guards.plan import GuardPlan


@pytest.mark.parametrize("sizes", [(2, 2), (5, 4000), (300, 300)])
def test_two_days_pooled_are_both_days_at_once(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    days = [(generator.lognormal(0, 2, n), 1 + generator.poisson(2, n)) for n in sizes]
    found = pooled(*(moments(*day) for day in days))
    whole = moments(*(np.concatenate(column) for column in zip(*days, strict=True)))
    assert found.n == whole.n
    assert found.means == pytest.approx(whole.means, rel=1e-9)
    assert found.covariances == pytest.approx(whole.covariances, rel=1e-9)


def test_a_day_without_units_changes_nothing() -> None:
    zeros = {(a, b): 0.0 for a in (VALUE, PER) for b in (VALUE, PER)}
    none = Moments(0, {VALUE: 0.0, PER: 0.0}, zeros)
    one = Moments(1, {VALUE: 3.0, PER: 2.0}, zeros)
    assert pooled(none, one) == one == pooled(one, none)
    assert pooled(one, Moments(1, {VALUE: 5.0, PER: 2.0}, zeros)).covariances[VALUE, VALUE] == 2


@pytest.mark.parametrize(
    ("given", "window", "expected"),
    [
        (plan(hold=24 * HOUR), None, WINDOW),
        (plan(hold=HOUR), None, HOUR // 8),
        (plan(hold=HOUR), "30m", HOUR // 2),
        (plan(hold=HOUR), "7d", 7 * 24 * HOUR),
    ],
)
def test_a_metric_without_a_window_gets_one_that_fits_the_step(
    given: GuardPlan, window: str | None, expected: int
) -> None:
    assert window_of(metric("errors", window=window), given) == expected
