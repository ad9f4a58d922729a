"""How often the intervals of heavy-tailed revenue hold the truth, and how often nothing is found to be something.

    .venv/bin/python tests/benchmarks/coverage.py [--runs 4000] [--seed 1]

Spending is log-normal with sigma 2, by every unit or by 30 % of them; arms are equal or 90 : 10; A/A, or with a true
difference. The statistics alone, through the functions that a report uses, from moments of drawn values. Winsorised
values are compared with the mean of values that are capped likewise, which is what they estimate.
"""

from __future__ import annotations

import argparse
import sys
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from burgee.analysis.stats.estimates import VALUE, compare
from support.moments import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGMA = 2.0
MEAN = exp(SIGMA**2 / 2)


class Case(NamedTuple):
    """Units in both arms, the control's share, the share of units that spend, and by how much more of them do."""

    units: int
    control: float
    buyers: float
    lift: float
    winsorise: float | None = None


CASES = [
    Case(units, control, buyers, lift)
    for units in (2_000, 20_000, 200_000)
    for control, buyers, lift in (
        (0.5, 1.0, 0.0),
        (0.9, 1.0, 0.0),
        (0.5, 0.3, 0.0),
        (0.9, 0.3, 0.0),
        (0.9, 0.3, 0.2),
        (0.9, 0.3, 1.0),
    )
]
CASES += [
    Case(units, control, 0.3, lift, percent)
    for units in (2_000, 20_000)
    for percent in (99.9, 99.0, 95.0)
    for control, lift in ((0.5, 0.0), (0.9, 0.0), (0.9, 0.2))
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        "| units | arms | who spends | true difference | winsorised | intervals that hold the truth | above | below |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for case in CASES:
        print(row(case, options.runs, options.seed), flush=True)


def row(case: Case, runs: int, seed: int) -> str:
    generator = np.random.default_rng([seed, *(int(part * 1000) for part in case[:4])])
    truth = case.buyers * case.lift * MEAN
    held = above = below = 0
    for _ in range(runs):
        control = draw(generator, round(case.units * case.control), case.buyers)
        treatment = draw(generator, case.units - len(control), case.buyers * (1 + case.lift))
        if case.winsorise is not None:
            # As queries.cap has it: the value of the unit at the percentile, over all arms together.
            both = np.concatenate([control, treatment])
            cap = np.partition(both, rank := int(np.ceil(len(both) * case.winsorise / 100)) - 1)[rank]
            control, treatment = np.minimum(control, cap), np.minimum(treatment, cap)
            truth = case.buyers * case.lift * capped_mean(cap)
        found = compare(moments({VALUE: control}), moments({VALUE: treatment}))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
        above += found.low > truth
        below += found.high < truth
    interval = stats.binomtest(held, runs).proportion_ci(0.95)
    share = f"{held / runs:.1%} ({interval.low:.1%} to {interval.high:.1%})"
    arms = f"{case.control * 100:.0f} : {100 - case.control * 100:.0f}"
    reported = (f"{case.units:,}", arms, f"{case.buyers:.0%}", f"{case.lift:+.0%}" if case.lift else "none")
    capped = f"at {case.winsorise:g} %" if case.winsorise else "no"
    return f"| {' | '.join(reported)} | {capped} | {share} | {above / runs:.1%} | {below / runs:.1%} |"


def draw(generator: np.random.Generator, n: int, buyers: float) -> NDArray[np.float64]:
    spent = generator.lognormal(0.0, SIGMA, n)
    return spent if buyers == 1.0 else spent * (generator.random(n) < buyers)


def capped_mean(cap: float) -> float:
    """The mean of a log-normal value, at most the cap."""
    z = np.log(cap) / SIGMA
    return float(MEAN * stats.norm.cdf(z - SIGMA) + cap * stats.norm.sf(z))


if __name__ == "__main__":
    main()
