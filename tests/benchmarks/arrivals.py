"""How often each method errs, and how often it finds what is there, for units that arrive and spend in several ways.

    nice .venv/bin/python tests/benchmarks/arrivals.py [--runs 2000]

Experiments of numbers go through the decisions of a report (`support.arrivals`), not through files. Shares have exact
95 % intervals. A guardrail is worse by exactly its margin: to show that it holds, or that it is broken, is an error.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from burgee.analysis.decisions import decide, guarded
from burgee.flagfile.experiments import Method
from support.arrivals import Crowd, evidence_of, plan_for

CROWDS = {
    "uniform, window": Crowd(),
    "front-loaded, window": Crowd("front-loaded"),
    "day one, growing": Crowd("day one", growing=True),
    "front-loaded, growing": Crowd("front-loaded", growing=True),
    "uniform, growing": Crowd("uniform", growing=True),
    "uniform, growing, CUPED": Crowd("uniform", growing=True, cuped=True),
    "uniform, growing, ratio": Crowd("uniform", growing=True, kind="ratio"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--effect", type=float, default=0.0, help="relative; 0 is A/A")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for name, crowd in CROWDS.items():
        if options.only in name:
            for method, looks in (
                (Method.FIXED, 5),
                (Method.GROUP_SEQUENTIAL, 5),
                (Method.GROUP_SEQUENTIAL, 20),
                (Method.ALWAYS_VALID, 20),
            ):
                # Twenty bounds take four times as long as five.
                runs = options.runs // 2 if method is Method.GROUP_SEQUENTIAL and looks > 5 else options.runs
                tell(name, replace(crowd, looks=looks, effect=options.effect), method, runs)


def tell(name: str, crowd: Crowd, method: Method, runs: int) -> None:
    generator = np.random.default_rng(20261130)
    plan = plan_for(crowd, method)
    hits = {"primary": 0, "secondary": 0, "holds": 0, "broken": 0}
    for _ in range(runs):
        evidence = evidence_of(crowd, generator)
        found = decide(plan, evidence, over=True)
        rail = guarded(plan, evidence, "guard", "on", over=True)
        hits["primary"] += found["spend", "on"].found
        hits["secondary"] += found["other", "on"].found
        hits["holds"] += rail.holds is True
        hits["broken"] += rail.holds is False
    reported = []
    for what, count in hits.items():
        interval = stats.binomtest(count, runs).proportion_ci(0.95)
        reported.append(f"{what} {count / runs:.1%} ({interval.low:.1%} to {interval.high:.1%})")
    print(f"{name} | {method}, {crowd.looks} looks | {' | '.join(reported)}", flush=True)


if __name__ == "__main__":
    main()
