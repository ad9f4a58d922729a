"""How often each method errs, and how often it finds what is there, for units that arrive and spend in several ways.

    nice .venv/bin/python tests/benchmarks/arrivals.py [--runs 2000] [--planned] [--only CROWD] [--welch]

Experiments of numbers go through the decisions of a report (`support.arrivals`), not through files. Shares have exact
95 % intervals. A guardrail is worse by exactly its margin: to show that it holds, or that it is broken, is an error.
With `--planned` the effect is the one that `burgee power` says is found in 80 %.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from burgee.analysis.decisions import decide, guarded
from burgee.analysis.evidence import _points_of
from burgee.analysis.stats import estimates
from burgee.analysis.stats.estimates import Points, compare_quantiles, shares
from burgee.analysis.stats.planning import Design, MetricBaseline, detectable, sample_size
from burgee.flagfile.experiments import Method
from support.arrivals import Crowd, evidence_of, plan_for

if TYPE_CHECKING:
    from collections.abc import Callable

CROWDS = {
    "uniform, window": Crowd(),
    "uniform, window, CUPED": Crowd(cuped=True),
    "uniform, window, ratio": Crowd(kind="ratio"),
    "day one, window": Crowd("day one"),
    "front-loaded, window": Crowd("front-loaded"),
    "day one, growing": Crowd("day one", growing=True),
    "front-loaded, growing": Crowd("front-loaded", growing=True),
    "uniform, growing": Crowd("uniform", growing=True),
    "uniform, growing, CUPED": Crowd("uniform", growing=True, cuped=True),
    "uniform, growing, ratio": Crowd("uniform", growing=True, kind="ratio"),
}
OTHERS = {
    "uneven, 90 : 10": Crowd(treated=0.1),
    "uneven, growing, 90 : 10": Crowd(growing=True, treated=0.1),
} | {
    f"proportion, {rate:.1%} of {units:,}, {100 - treated} : {treated}": Crowd(
        kind="proportion", rate=rate, units=units, treated=treated / 100
    )
    for rate, units, treated in (
        (0.02, 10_000, 50),
        (0.02, 10_000, 10),
        (0.02, 10_000, 2),
        (0.02, 100_000, 2),
        (0.005, 10_000, 10),
        (0.005, 100_000, 10),
    )
}


TIES = {
    "amounts, no two alike": lambda generator, n: generator.lognormal(5, 0.5, n),
    "rounded to tens": lambda generator, n: np.round(generator.lognormal(5, 0.5, n), -1),
    "counts": lambda generator, n: generator.poisson(3.0, n).astype(float),
    "zeros among amounts": lambda generator, n: generator.lognormal(5, 0.5, n) * (generator.random(n) < 0.1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--effect", type=float, default=0.0, help="relative; 0 is A/A")
    parser.add_argument("--planned", action="store_true", help="the effect that is planned to be found in 80 %%")
    parser.add_argument("--only", default="", help="crowds with this in their name, instead of those with equal arms")
    parser.add_argument("--method", default="", help="methods with this in their name and looks, such as ial, 5")
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--welch", action="store_true", help="test with Welch's standard error alone")
    options = parser.parse_args()
    if options.welch:
        estimates.standard_error = lambda control, treatment, factor=1.0: math.hypot(
            treatment.se, factor * control.se
        )
    crowds = PLANNED if options.planned else CROWDS | OTHERS if options.only else CROWDS
    for name, crowd in crowds.items():
        if options.only not in name:
            continue
        for method, looks in (
            (Method.FIXED, 5),
            (Method.GROUP_SEQUENTIAL, 5),
            (Method.GROUP_SEQUENTIAL, 20),
            (Method.ALWAYS_VALID, 20),
        ):
            if options.method not in f"{method}, {looks}":
                continue
            whole = replace(crowd, looks=looks)
            whole = planned(whole, method) if options.planned else replace(whole, effect=options.effect)
            tell(name, whole, method, options.runs, options.seed)
    if not options.effect and not options.planned and options.only in "ties" and not options.method:
        for name, draw in TIES.items():
            ties(name, draw, options.runs, options.seed)


PLANNED = (
    {name: CROWDS[name] for name in ("uniform, window", "front-loaded, window", "day one, window")}
    | {
        f"mean {way}, {100 - treated} : {treated}": Crowd(treated=treated / 100, units=units, shift=shift)
        for treated, units in ((20, 5000), (10, 5000), (2, 10_000))
        for way, shift in (("up", 1.0), ("down", -1.0))
    }
    | {
        f"proportion of 2 % {effect:+.0%}, {100 - treated} : {treated}": Crowd(
            kind="proportion", rate=0.02, treated=treated / 100, effect=effect
        )
        for treated in (20, 10, 2)
        for effect in (0.5, -0.5)
    }
)
"""Crowds of which the plan gives the shift, in the direction of theirs, or the units, if they have an effect."""
SPENT = MetricBaseline(math.exp(0.245), math.sqrt(2 * math.exp(0.98) - math.exp(0.49)))
"""What a unit spends once: log-normal rates with sigma 0.7, each times a standard exponential."""


def planned(crowd: Crowd, method: Method) -> Crowd:
    """The crowd with the units, or the shift, with which a difference is planned to be found in 80 %."""
    at_once = crowd.arrival == "day one"
    design = Design(
        method=method, looks=crowd.looks, control=1 - crowd.treated, treatment=crowd.treated, at_once=at_once
    )
    if crowd.effect:
        units = sample_size(MetricBaseline(crowd.rate), crowd.rate * crowd.effect, design)
        return replace(crowd, units=units)
    return replace(crowd, shift=math.copysign(detectable(crowd.units, SPENT, design), crowd.shift))


def ties(name: str, draw: Callable[[np.random.Generator, int], Any], runs: int, seed: int) -> None:
    """Quantiles of two arms of 500 values each without a difference, from the ranks that the queries give."""
    generator = np.random.default_rng(seed)
    for quantile in (0.5, 0.9):
        found = withheld = 0
        for _ in range(runs):
            arms = [points(draw(generator, 500), quantile) for _arm in range(2)]
            p_value = compare_quantiles(arms[0], arms[1]).p_value
            withheld += p_value is None
            found += p_value is not None and p_value < 0.05
        given = runs - withheld
        interval = stats.binomtest(found, given).proportion_ci(0.95) if given else None
        share = f"{found / given:.1%} ({interval.low:.1%} to {interval.high:.1%})" if interval else "none given"
        print(f"ties: {name} | quantile {quantile} | found {share} | withheld {withheld / runs:.1%}", flush=True)


def points(values: Any, quantile: float) -> Points:
    """Every step of the mid-distribution function, as `queries.mid_quantiles` has those that are asked for."""
    n = len(values)
    low, counts = np.unique(values, return_counts=True)
    below = (np.cumsum(counts) - counts / 2) / n
    steps = [
        {"low": low[i], "below": below[i], "n": int(counts[i]), "high": None, "above": None, "n_high": None}
        for i in range(len(low))
    ]
    for one, after in itertools.pairwise(steps):
        one |= {"high": after["low"], "above": after["below"], "n_high": after["n"]}
    wanted = (quantile, *shares(n, quantile))
    near = [
        one
        for i, one in enumerate(steps)
        if any(
            (one["below"] <= share or i == 0) and (one["above"] is None or one["above"] > share)
            for share in wanted[:3]
        )
    ]
    return _points_of(near, n, wanted)


def tell(name: str, crowd: Crowd, method: Method, runs: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
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
