"""A/A and A/B experiments through the whole path, a few of them; docs/statistics.md has thousands."""

from __future__ import annotations

import os

import pytest

from burgee.analysis.simulation import Setting, simulate
from burgee.flagfile.experiments import Method

RUNS = int(os.environ.get("BURGEE_SIMULATIONS", "6"))


@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_methods_find_what_is_there_and_little_else(effect: float) -> None:
    tally = simulate(RUNS, Setting(units=600, effect=effect, looks=20))
    assert tally.runs == RUNS
    assert tally.unhealthy <= 1
    for method in Method:
        low, high = tally.share(tally.found[method])[1:]
        assert high >= 0.6 if effect else low <= 0.05
    assert tally.share(tally.covered["bought"])[2] >= 0.93
