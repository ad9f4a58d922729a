"""Multiple comparisons, and the test of the arms' sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.analysis.stats.numeric import chi_square_sf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SRM_ALPHA = 0.001
"""Below this p-value, an experiment's arms differ from the plan."""


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: of those below alpha, on average at most a share of alpha is false."""
    adjusted, least = [1.0] * len(p_values), 1.0
    for rank, index in sorted(enumerate(sorted(range(len(p_values)), key=p_values.__getitem__), 1), reverse=True):
        least = min(least, p_values[index] * len(p_values) / rank)
        adjusted[index] = least
    return adjusted


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> float | None:
    """The p-value of all arms' sizes against their planned shares, in one chi-square test; None without units."""
    total, planned = sum(counts.values()), sum(shares[arm] for arm in counts)
    if total == 0 or len(counts) < 2:
        return None
    expected = {arm: total * shares[arm] / planned for arm in counts}
    statistic = sum((counts[arm] - expected[arm]) ** 2 / expected[arm] for arm in counts)
    return chi_square_sf(statistic, len(counts) - 1)
