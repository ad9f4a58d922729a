"""What the text and the page of a report both say."""

from __future__ import annotations

from burgee.analysis.decisions import ENOUGH


def when_shown(method: str, end: str) -> str:
    """When effects of an experiment are shown that are not shown yet."""
    when = {
        "fixed": f"Effects are shown at the end, on {end[:10]}.",
        "group-sequential": "Effects are shown at the planned looks, a quantile at the end.",
        "always-valid": f"Effects are shown once {ENOUGH} units of each arm count, a quantile at the end.",
    }
    return when[method]
