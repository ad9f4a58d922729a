"""A few units that make most of a metric: how lopsided that makes an interval, and that a report says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from burgee.analysis.health import Light, check, rarity
from burgee.analysis.reports import report
from burgee.analysis.stats.estimates import VALUE, Moments, compare, lopsided
from burgee.flagfile.experiments import Method
from support.arrivals import Crowd, evidence_of, outcomes, plan_for, proportion
from support.experiments import DAY, FILE, START, gather_from, planned, track, written
from support.moments import moments

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


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.9])
def test_an_interval_without_a_warning_misses_the_truth_in_6_percent_at_most(share: float, times: float) -> None:
    """The exact probability, at a rate of 1 % and a multiple of it, with just as many units as give no warning."""
    rates = 0.01, 0.01 * times
    total = next(int(n) for n in np.geomspace(500, 1e6, 500) if rarity(*_expected(int(n), share, rates)) <= 1)
    sizes = round(total * (1 - share)), round(total * share)
    held = 0.0
    for chance, counts in outcomes(sizes, rates):
        found = compare(proportion(counts[0], sizes[0]), proportion(counts[1], sizes[1]))
        if found.low is not None and found.high is not None:
            held += chance * (found.low <= rates[1] - rates[0] <= found.high)
    assert held >= 0.94 - 0.001
    few = rarity(*_expected(total // 4, share, rates))
    assert few == pytest.approx(4, rel=0.02)


def _expected(n: int, share: float, rates: tuple[float, float]) -> tuple[Moments, Moments]:
    control, treatment = (
        Moments(round(n * part), {VALUE: rate}, {(VALUE, VALUE): rate * (1 - rate)})
        for part, rate in zip((1 - share, share), rates, strict=True)
    )
    return control, treatment


def test_few_conversions_are_reported_with_how_many_units_are_enough() -> None:
    crowd = Crowd(kind="proportion", rate=0.02, units=10_000, treated=0.02)
    plan, evidence = plan_for(crowd, Method.FIXED), evidence_of(crowd, np.random.default_rng(1))
    found = {one.name: one for one in check(plan, evidence)}
    warned = found["few of spend"]
    assert warned.light is Light.WARN
    assert warned.message.startswith("so few units have spend (")
    counts = {
        arm: f"{arm} {one.moments['spend'].means[VALUE] * one.n:,.0f} of {one.n:,}"
        for arm, one in evidence.arms.items()
    }
    assert f"({counts['off']}, {counts['on']})" in warned.message
    assert "about 4.4 times as many units are enough" in warned.message


@pytest.mark.parametrize(("rate", "treated"), [(0.02, 0.5), (0.2, 0.1), (0.5, 0.02)])
def test_enough_conversions_are_not_reported(rate: float, treated: float) -> None:
    crowd = Crowd(kind="proportion", rate=rate, units=10_000, treated=treated)
    plan, evidence = plan_for(crowd, Method.FIXED), evidence_of(crowd, np.random.default_rng(1))
    assert not [one for one in check(plan, evidence) if one.name.startswith("few")]


def test_a_proportion_of_all_or_none_has_nothing_to_warn_of() -> None:
    assert rarity(proportion(0, 100), proportion(0, 10)) == rarity(proportion(100, 100), proportion(10, 10)) == 0
    assert rarity(proportion(3, 100), proportion(0, 0)) == 0
    assert rarity(proportion(97, 100), proportion(10, 10)) == pytest.approx(
        rarity(proportion(3, 100), proportion(0, 10))
    )
