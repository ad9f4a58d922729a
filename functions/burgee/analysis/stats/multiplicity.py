"""Multiple comparisons, and the test of the arms' sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SRM_ALPHA = 0.001
"""Below this p-value, an experiment's arms differ from the plan."""


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: of those below alpha, on average at most a share of alpha is false."""
    return [float(p) for p in stats.false_discovery_control(p_values, method="bh")] if p_values else []


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> float | None:
    """The p-value of all arms' sizes against their planned shares, in one chi-square test; None without units."""
    total, planned = sum(counts.values()), sum(shares[arm] for arm in counts)
    if total == 0 or len(counts) < 2:
        return None
    expected = [total * shares[arm] / planned for arm in counts]
    return float(stats.chisquare(list(counts.values()), expected).pvalue)
