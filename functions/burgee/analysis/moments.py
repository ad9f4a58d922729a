"""Moments from the rows of queries: aggregates by arm, or sums of products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from burgee.analysis.stats.estimates import COLUMNS, VALUE, Moments
from burgee.flagfile.experiments import MetricKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.analysis.plans import ExperimentPlan


ROUNDING = 1e-13
"""The relative error of a sum of doubles below which nothing is known."""


def moments_of(row: Mapping[str, Any] | None, plan: ExperimentPlan) -> dict[str, Moments]:
    """The moments in a row of aggregates; missing ones, with too few units, are zero."""
    found = {}
    for index, (name, metric) in enumerate(plan.metrics.items()):
        if metric.kind is MetricKind.QUANTILE:
            continue
        prefix = f"m{index}"
        columns = [column for column in COLUMNS if row is None or f"{prefix}_{column}_mean" in row]
        values = {column: float((row or {}).get(f"{prefix}_{column}_mean") or 0.0) for column in columns}
        both = {}
        for one in columns:
            for other in columns:
                cell = (row or {}).get(f"{prefix}_{one}_{other}", (row or {}).get(f"{prefix}_{other}_{one}"))
                both[one, other] = float(cell or 0.0)
        n = int(row[f"{prefix}_n"]) if row else 0
        cubed = (row or {}).get(f"{prefix}_{VALUE}_cubed")
        third = None if cubed is None or not n else _third(n, values[VALUE], both[VALUE, VALUE], float(cubed))
        found[name] = Moments(n, values, both, third)
    return found


def moments_of_sums(sums: Mapping[str, float], centre: Mapping[str, float]) -> Moments:
    """The moments of sums of values and products, taken around `centre`; sums have the units as `n`.

    A unit enters at zero, which is `centre` away: moments that are smaller than the rounding errors of that are zero,
    so that they give no interval.
    """
    n = round(sums.get("n", 0.0))
    columns = list(centre)
    if n < 2:
        return Moments(n, dict.fromkeys(columns, 0.0), {(one, other): 0.0 for one in columns for other in columns})
    total = {column: sums[f"sum_{column}"] for column in columns}
    both = {}
    for one in columns:
        for other in columns:
            squares = sums.get(f"both_{one}_{other}", sums.get(f"both_{other}_{one}", math.nan))
            cell = _known((squares - total[one] * total[other] / n) / (n - 1), centre[one] * centre[other])
            both[one, other] = max(cell, 0.0) if one == other else cell
    means = {column: _known(centre[column] + total[column] / n, centre[column]) for column in columns}
    return Moments(n, means, both)


def _known(value: float, scale: float) -> float:
    """A difference of sums of about `scale`; zero if it is no more than their rounding errors."""
    return 0.0 if abs(value) <= ROUNDING * abs(scale) else value


def _third(n: int, mean: float, variance: float, cubed: float) -> float | None:
    """The third central moment, from the mean of cubes; None if its terms cancel to rounding errors."""
    if not variance > 0:
        return 0.0
    squared = variance * (n - 1) / n + mean**2
    found = cubed - 3 * mean * squared + 2 * mean**3
    return found if abs(mean) ** 3 * ROUNDING < variance**1.5 else None
