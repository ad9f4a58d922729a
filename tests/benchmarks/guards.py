"""How often a guard rolls back without a harm beyond its margins, and how soon it does with one.

    nice .venv/bin/python tests/benchmarks/guards.py [--guards 2000] [--only false|alone|time]

Units are simulated one by one, and every look is taken: every five minutes for two weeks. The figures are those of
docs/statistics.md. Shares have exact 95 % intervals.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.guards import CROWDS, LOOKS_A_DAY, Crowd, Step, false_rollbacks

DAYS = 14
LOOKS = DAYS * LOOKS_A_DAY
LINE = 100_000
"""Units of the whole hash line in two weeks."""
STEPS = ("1 %", "5 %", "25 %", "50 %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guards", type=int, default=2000)
    parser.add_argument("--only", choices=["false", "alone", "time"])
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.only in {None, "false"}:
        print(f"| rolled back by the end of | {' | '.join(STEPS)} |")
        cases = [
            ("no change", 0.0, LINE),
            ("worse by half the margin", 2.5, LINE),
            ("worse by exactly the margin", 5.0, LINE),
            ("the same, a tenth of the units", 5.0, LINE // 10),
        ]
        for name, percent, line in cases:
            fired = false_rollbacks((LOOKS, line), chosen.guards, percent, chosen.seed)
            print(f"| {name} | {' | '.join(_share(n, chosen.guards) for n in fired)} |", flush=True)
    if chosen.only in {None, "alone"}:
        print("\n| standard error, worse by exactly the margin | " + " | ".join(STEPS) + " |")
        for rule in ("sampled", "null"):
            fired = false_rollbacks((LOOKS, LINE), chosen.guards, 5.0, chosen.seed, rule=rule)
            print(f"| {rule} alone | {' | '.join(_share(n, chosen.guards) for n in fired)} |", flush=True)
    if chosen.only in {None, "time"}:
        _times(chosen.guards, chosen.seed)


def _times(guards: int, seed: int) -> None:
    """Detection at the step of 5 %: 2,000 units a day reached, 25,000 compared."""
    units = 2_000 * DAYS, 25_000 * DAYS
    print(
        "\n| metric, harm in margins | rolled back in two weeks | half after | 80 % after | fixed test, 80 % after |"
    )
    for crowd, margin in ((CROWDS[1], 5.0), (Crowd("errors", 0.05, 0.0), 20.0)):
        step = Step(crowd, margin, units, LOOKS)
        for factor, times in step.detections((1, 2, 4), guards, seed).items():
            caught = int(np.isfinite(times).sum())
            middle, most = (float(np.quantile(times, share, method="inverted_cdf")) for share in (0.5, 0.8))
            cells = [_share(caught, guards), *(_time(one) for one in (middle, most, step.fixed(factor)))]
            print(f"| {crowd.name} (margin {margin:g} %), {factor:g} | {' | '.join(cells)} |", flush=True)


def _time(share: float) -> str:
    """A share of two weeks in words."""
    if not np.isfinite(share):
        return "never"
    hours = share * DAYS * 24
    return f"{hours:.1f} hours" if hours < 72 else f"{hours / 24:.1f} days"


def _share(hits: int, runs: int) -> str:
    interval = stats.binomtest(hits, runs).proportion_ci(0.95)
    return f"{hits / runs:.2%} ({interval.low:.2%} to {interval.high:.2%})"


if __name__ == "__main__":
    main()
