"""Whether an effect lasts: each day's numbers are those of counting by hand, and one of novelty is seen to shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from burgee.analysis.cohorts import days_of
from burgee.analysis.render.html_page import as_html
from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.text_report import as_text
from burgee.analysis.reports import report
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, track, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

MIXED = FILE.replace("primary: bought", "primary: [bought, visits, basket]").replace(
    "secondary: [revenue, basket]", "secondary: [revenue]"
)
MIXED = MIXED.replace("  slow:", "  visits: {event: visit, kind: mean}\n  slow:").replace(
    "  basket: {event: order, kind: ratio, value: amount, per: {event: visit}}",
    "  basket: {event: order, kind: ratio, value: amount, per: {event: visit}, window: 3d}",
)
UNTIL = START + 25 * DAY


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return crowd(300, lift=0.3, days=20)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> tuple[ExperimentPlan, Evidence]:
    folder = tmp_path_factory.mktemp("cohorts")
    plan = planned(folder, MIXED)
    return plan, gather_from(written(folder / "events", records), plan, UNTIL * 1000)


def day_by_hand(records: list[dict[str, Any]], event: str, day: int, arm: str, value: str | None) -> list[float]:
    """What each unit did on its day, of those that have completed it."""
    shown = {one["unit"]: one for one in records if one["type"] == "exposure" and one["variant"] == arm}
    values = dict.fromkeys((u for u, one in shown.items() if one["time"] + (day + 1) * DAY <= UNTIL), 0.0)
    for one in records:
        if one.get("event") == event and one["unit"] in values:
            since = one["time"] - shown[one["unit"]]["time"]
            if day * DAY <= since < (day + 1) * DAY:
                values[one["unit"]] += one["properties"][value] if value else 1.0
    return list(values.values())


@pytest.mark.parametrize("day", [0, 2, 5, 10])
@pytest.mark.parametrize("arm", ["off", "on"])
def test_a_day_since_exposure_is_what_counting_by_hand_gives(
    known: tuple[ExperimentPlan, Evidence], records: list[dict[str, Any]], day: int, arm: str
) -> None:
    found = known[1].cohorts
    visits = found["visits"].since[day].arms[arm]
    expected = day_by_hand(records, "visit", day, arm, None)
    assert visits.n == len(expected)
    assert visits.means["value"] == pytest.approx(float(np.mean(expected)))
    assert visits.covariances["value", "value"] == pytest.approx(np.var(expected, ddof=1))
    if day < 7:
        bought = found["bought"].since[day].arms[arm]
        orders = np.array(day_by_hand(records, "order", day, arm, None)) > 0
        assert bought.n == len(orders)
        assert bought.means["value"] == pytest.approx(float(np.mean(orders)))
        assert bought.covariances["value", "value"] == pytest.approx(np.var(orders, ddof=1))
    if day < 3:
        basket = found["basket"].since[day].arms[arm]
        amounts = day_by_hand(records, "order", day, arm, "amount")
        both = np.cov(amounts, expected)
        assert basket.covariances["value", "per"] == pytest.approx(both[0, 1])


def test_days_end_with_the_window_and_with_the_oldest_unit(known: tuple[ExperimentPlan, Evidence]) -> None:
    found = known[1].cohorts
    assert {name: len(one.since) for name, one in found.items()} == {"bought": 7, "visits": 24, "basket": 3}


def test_units_that_came_in_on_a_day_add_up(known: tuple[ExperimentPlan, Evidence]) -> None:
    plan, evidence = known
    assert days_of(plan) == 1
    entered = evidence.cohorts["bought"].entered
    for arm in plan.arms:
        moments = evidence.arms[arm].moments["bought"]
        assert sum(one.arms[arm].n for one in entered if arm in one.arms) == moments.n
        total = sum(one.arms[arm].n * one.arms[arm].means["value"] for one in entered if arm in one.arms)
        assert total == pytest.approx(moments.n * moments.means["value"])
    assert evidence.cohorts["visits"].entered == [], "without a window the days are not comparable"


def test_an_effect_of_novelty_is_seen_to_shrink_and_only_when_effects_are(tmp_path: Path) -> None:
    plan = planned(tmp_path, MIXED)
    records = crowd(600, days=15)
    shown = {one["unit"]: one["time"] for one in records if one.get("variant") == "on"}
    more = [track(f"n{i}", unit, "visit", at + 3600, ms=50.0) for i, (unit, at) in enumerate(shown.items())]
    place = written(tmp_path / "events", records + more)
    early = report(plan, gather_from(place, plan, plan.end - DAY * 1000))
    assert early.cohorts == ()
    done = report(plan, gather_from(place, plan, plan.end))
    visits = [one for one in done.cohorts if one.metric == "visits" and not one.entered]
    first, later = visits[0].estimate, visits[3].estimate
    assert first.low is not None
    assert later.high is not None
    assert (first.low > 0.7, later.high < 0.3) == (True, True)
    page = as_html(done)
    assert "Does it last?" in page
    assert "visits, on: by day since a user" in page
    assert "day 1  visits, on: +" in as_text(done)
    assert as_json(done)["cohorts"][0]["by"] == "days since exposure"
