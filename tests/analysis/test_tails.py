"""A few units that make most of a metric: how lopsided that makes an interval, and that a report says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from burgee.analysis.health import Light
from burgee.analysis.reports import report
from burgee.analysis.stats.estimates import VALUE, lopsided, moments
from support.experiments import DAY, FILE, START, gather_from, planned, track, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.reports import Report


def test_the_skewness_of_a_difference_is_what_drawing_it_again_and_again_gives() -> None:
    generator = np.random.default_rng(1)
    control, treatment = generator.exponential(1.0, (200_000, 40)), generator.exponential(1.0, (200_000, 10))
    drawn = stats.skew(treatment.mean(axis=1) - control.mean(axis=1))
    known = lopsided(moments({VALUE: control[:20_000].ravel()}), moments({VALUE: treatment[:20_000].ravel()}))
    assert known is not None
    # It falls with the root of the units, of which there are 20,000 times as many.
    assert known * np.sqrt(20_000) == pytest.approx(drawn, rel=0.1)
    equal = lopsided(moments({VALUE: control[:20_000].ravel()}), moments({VALUE: treatment[:80_000].ravel()}))
    assert equal == pytest.approx(0.0, abs=0.003)


def shopping(folder: Path, *, on: float, sigma: float, more: str = "") -> Report:
    """Everybody is exposed once, and buys once, log-normally."""
    generator, records = np.random.default_rng(3), []
    for i in range(4000):
        at, variant = START + i * DAY / 148, "on" if generator.random() < on else "off"
        shown = {"type": "exposure", "event_id": f"x{i}", "unit": f"u{i}", "flag": "button", "variant": variant}
        records.append({**shown, "time": at})
        records.append(track(f"o{i}", f"u{i}", "order", at + 1, amount=float(generator.lognormal(0, sigma))))
        records.append(track(f"v{i}", f"u{i}", "visit", at + 1, ms=100.0 + i))
    text = FILE.replace(", winsorise: 99", more).replace(
        "rollout_percentage: 50", f"rollout_percentage: {on * 100:g}"
    )
    plan = planned(folder, text)
    return report(plan, gather_from(written(folder / "events", records), plan, plan.end))


def test_a_tail_is_reported_with_what_helps_and_withholds_nothing(tmp_path: Path) -> None:
    reported = shopping(tmp_path, on=0.1, sigma=2.0)
    (tail,) = [one for one in reported.checks if one.name == "tail of revenue"]
    assert tail.light is Light.WARN
    assert "give it a `winsorise`, or about " in tail.message
    assert reported.healthy
    assert "tail of basket" in {one.name for one in reported.checks}


def test_winsorising_helps_and_says_whether_enough(tmp_path: Path) -> None:
    reported = shopping(tmp_path, on=0.1, sigma=2.0, more=", winsorise: 99.9")
    (tail,) = [one for one in reported.checks if one.name == "tail of revenue"]
    assert "give it a lower `winsorise`" in tail.message
    reported = shopping(tmp_path, on=0.1, sigma=2.0, more=", winsorise: 80")
    assert "tail of revenue" not in {one.name for one in reported.checks}


def test_without_a_tail_nothing_is_said(tmp_path: Path) -> None:
    reported = shopping(tmp_path, on=0.5, sigma=0.3)
    assert not [one for one in reported.checks if one.name.startswith("tail")]


def test_the_third_moment_is_scipys(tmp_path: Path) -> None:
    reported = shopping(tmp_path, on=0.5, sigma=1.0)
    plan = reported.plan
    evidence = gather_from(tmp_path / "events", plan, plan.end)
    for arm in plan.arms:
        found = evidence.arms[arm].moments["revenue"]
        assert found.third is not None
        assert evidence.arms[arm].moments["bought"].third is None
    generator = np.random.default_rng(3)
    amounts: dict[str, list[float]] = {"on": [], "off": []}
    for _ in range(4000):
        amounts["on" if generator.random() < 0.5 else "off"].append(float(generator.lognormal(0, 1.0)))
    for arm, values in amounts.items():
        found = evidence.arms[arm].moments["revenue"]
        assert found.third == pytest.approx(stats.moment(values, order=3), rel=1e-9)
