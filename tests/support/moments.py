"""The moments of raw values, by numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from burgee.analysis.stats.estimates import VALUE, Moments

if TYPE_CHECKING:
    from collections.abc import Mapping


def moments(columns: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Moments:
    """The moments of an arm's units, by column."""
    names = list(columns)
    values = np.array([columns[name] for name in names], dtype=float)
    covariance = np.atleast_2d(np.cov(values, ddof=1))
    return Moments(
        values.shape[1],
        {name: float(values[i].mean()) for i, name in enumerate(names)},
        {(one, other): float(covariance[i, j]) for i, one in enumerate(names) for j, other in enumerate(names)},
        float(((values[names.index(VALUE)] - values[names.index(VALUE)].mean()) ** 3).mean()),
    )
