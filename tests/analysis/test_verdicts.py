"""The words of a verdict: what could have been missed, a broken guardrail, and p-values of the right test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from burgee.analysis.reports import report
from burgee.analysis.verdicts import Decision
from support.experiments import FILE, crowd, gather_from, planned, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.reports import Report


def reported(folder: Path, n: int, text: str = FILE, *, slower: float = 1.0) -> Report:
    plan = planned(folder, text)
    return report(plan, gather_from(written(folder / "events", crowd(n, days=20.9, slower=slower)), plan, plan.end))


def missed(found: Report) -> str:
    sentence = re.search(r"A true effect .*", found.verdict.sentence)
    return sentence.group() if sentence else ""


def test_what_is_missed_is_as_planned_only_if_the_sample_is(tmp_path: Path) -> None:
    assert missed(reported(tmp_path, 4000)) == (
        "A true effect of 20 % would be missed with probability 20%, as planned."
    )


@pytest.mark.parametrize("n", [600, 2500])
def test_with_fewer_units_it_is_computed_from_those(tmp_path: Path, n: int) -> None:
    """The power of a test of two proportions, 0.3 and 0.36, by the normal approximation that R uses."""
    found = reported(tmp_path, n)
    assert found.verdict.decision is Decision.NOTHING, "this crowd has no difference"
    one, other = 0.3, 0.36
    null = (2 * ((one + other) / 2) * (1 - (one + other) / 2)) ** 0.5
    alternative = (one * (1 - one) + other * (1 - other)) ** 0.5
    z = (stats.norm.isf(0.025) * null - (other - one) * (n / 2) ** 0.5) / alternative
    probability = 1 - stats.norm.sf(z)
    assert missed(found) == (
        f"A true effect of 20 % would be missed with probability {probability:.0%} with the {n:,} units that count, "
        "where 4,000 were planned."
    )


def test_without_a_baseline_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert missed(reported(tmp_path, 600, FILE.replace("      baseline: {mean: 0.3}\n", ""))) == ""


def test_a_broken_guardrail_is_the_verdict_without_a_win(tmp_path: Path) -> None:
    found = reported(tmp_path, 2000, slower=1.6)
    assert found.verdict.decision is Decision.BROKEN
    assert "Broken: slow in on is worse than the margin allows. No difference was found" in found.verdict.sentence


def test_a_guardrails_p_is_that_of_its_own_one_sided_test(tmp_path: Path) -> None:
    text = FILE.replace("{slow: {margin: 10}}", "{visits: {margin: 10}}")
    found = reported(tmp_path, 1000, text.replace("  slow:", "  visits: {event: visit, kind: mean}\n  slow:"))
    (rail,) = [one for one in found.results if one.role == "guardrail"]
    whole = rail.estimate
    assert whole is not None
    gap = whole.treatment.value - 0.9 * whole.control.value
    se = (whole.treatment.se**2 + (0.9 * whole.control.se) ** 2) ** 0.5
    assert rail.p_value == pytest.approx(stats.norm.sf(gap / se), rel=0.05)
    assert rail.p_value != pytest.approx(whole.p_value or 0.0)
