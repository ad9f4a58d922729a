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


def word_of(role: str, *, found: bool, good: bool | None, holds: bool | None, over: bool) -> str:
    """A finding in a few words; before the end one that is open may still come."""
    yet = "" if over else " yet"
    if role == "guardrail":
        return {True: "holds", False: "broken", None: f"not shown to hold{yet}"}[holds]
    if not found:
        return f"no difference found{yet}"
    return "better" if good else "worse"
