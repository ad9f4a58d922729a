"""Planning from stored events: what past weeks would have shown is what counting by hand gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from burgee.analysis.history import PastWeeks, past_weeks, weeks_for
from burgee.analysis.stats.planning import MetricBaseline, sample_size
from burgee.errors import Refused
from support.experiments import DAY, FILE, START, crowd, planned, track, written

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

NOW = START + 28 * DAY
MEAN = FILE.replace("primary: bought", "primary: revenue").replace("[revenue, basket]", "[basket]")


def enter(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An event of its own at each unit's exposure, and no exposures."""
    shown = [one for one in records if one["type"] == "exposure"]
    rest = [one for one in records if one["type"] != "exposure"]
    return rest + [track(f"s{i}", one["unit"], "started", one["time"]) for i, one in enumerate(shown)]


def by_hand(records: list[dict[str, Any]], weeks: int) -> dict[str, float]:
    """Share of units with an order in the week after they entered, of those whose week is over."""
    start = NOW - weeks * 7 * DAY
    entered: dict[str, float] = {}
    for one in records:
        if one.get("event") == "started" and one["time"] >= start:
            entered[one["unit"]] = min(one["time"], entered.get(one["unit"], NOW))
    values, past = [], []
    for unit, at in entered.items():
        if at <= NOW - 7 * DAY:
            orders = [one["time"] for one in records if one["unit"] == unit and one.get("event") == "order"]
            values.append(any(at <= time < at + 7 * DAY for time in orders))
            past.append(any(at - 14 * DAY <= time < at for time in orders))
    mean = float(np.mean(values))
    gain = float(np.corrcoef(values, past)[0, 1] ** 2) if len(set(past)) > 1 else 0.0
    return {"units": len(values), "mean": mean, "sd": float(np.std(values, ddof=1)), "gain": gain}


def test_what_past_weeks_show_is_what_counting_by_hand_gives(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    records = enter(crowd(300, days=27))
    place = written(tmp_path / "events", records)
    found = past_weeks((tmp_path, place), plan, NOW * 1000, entry="started")
    assert [one.weeks for one in found] == [2, 3], "after one week no unit's window is over; four are not recorded"
    for one in found:
        expected = by_hand(records, one.weeks)
        assert {name: getattr(one, name) for name in expected} == pytest.approx(expected)
        # The normal formula for two equal arms, without the change of variance that an effect brings.
        z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
        assert one.detectable == pytest.approx(100 * z * one.sd * 2 / np.sqrt(one.units) / one.mean, rel=0.15)
        assert one.detectable_cuped < one.detectable * 1.1


def test_an_experiments_own_exposures_are_the_default(tmp_path: Path) -> None:
    records = crowd(300, days=27)
    place = written(tmp_path / "events", records)
    found = past_weeks((tmp_path, place), planned(tmp_path, MEAN), NOW * 1000)
    other = written(tmp_path / "others", enter(records))
    entered = past_weeks((tmp_path, other), planned(tmp_path, MEAN), NOW * 1000, entry="started")
    assert [one.weeks for one in found] == [1, 2, 3]
    for one, two in zip(found, entered, strict=True):
        assert one.units == two.units
        assert (one.mean, one.sd, one.gain) == pytest.approx((two.mean, two.sd, two.gain))


@pytest.mark.parametrize(
    ("entry", "days", "said"),
    [
        (None, 28, "no exposures to button are recorded; name the event with which units come in"),
        ("nothing", 28, "no events 'nothing' are recorded"),
        ("started", 3, "less than a week ago"),
        ("order", 28, "a proportion is between 0 and 1, not 1"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(tmp_path: Path, entry: str | None, days: int, said: str) -> None:
    records = enter(crowd(40, days=2))
    place = written(tmp_path / "events", records)
    with pytest.raises(Refused, match=said):
        past_weeks((tmp_path, place), planned(tmp_path), (START + days * DAY) * 1000, entry=entry)


def test_a_last_week_without_events_leaves_the_other_weeks(tmp_path: Path) -> None:
    records = enter(crowd(300, days=27))
    late = NOW - 14 * DAY
    quiet = [one for one in records if one["type"] == "exposure" or one["event"] == "started" or one["time"] < late]
    place = written(tmp_path / "events", quiet)
    found = past_weeks((tmp_path, place), planned(tmp_path), NOW * 1000, entry="started")
    assert [one.weeks for one in found] == [3]
    weeks = [PastWeeks(w, n, 0.3, 0.4583, 0.36, 0, 0) for w, n in ((1, 100), (4, 1300))]
    needed = sample_size(MetricBaseline(0.3), 0.06, planned(tmp_path).design)
    assert weeks_for(weeks, planned(tmp_path), 20, cuped=False) == 4 + math.ceil((needed - 1300) / 400)


def test_weeks_that_are_not_recorded_come_at_the_last_weeks_rate(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    weeks = [PastWeeks(w, n, 0.3, 0.4583, 0.36, 0, 0) for w, n in ((1, 500), (2, 900), (3, 1300))]
    needed = sample_size(MetricBaseline(0.3), 0.06, plan.design)
    assert 1300 < needed < 2500
    assert weeks_for(weeks, plan, 20, cuped=False) == 3 + math.ceil((needed - 1300) / 400)
    # A metric with 64 % of the variance needs 64 % of the units.
    assert weeks_for(weeks, plan, 20, cuped=True) == 3 + math.ceil((needed * 0.64 - 1300) / 400)
    assert 500 < sample_size(MetricBaseline(0.3), 0.09, plan.design) < 900
    assert weeks_for(weeks, plan, 30, cuped=False) == 2
    stalled = [*weeks, PastWeeks(4, 1300, 0.3, 0.4583, 0.36, 0, 0)]
    assert weeks_for(stalled, plan, 20, cuped=False) is None


def test_the_command_says_how_many_weeks_an_effect_takes(burgee: Burgee) -> None:
    burgee.write(FILE)
    at = ("--at", "2026-01-29T00:00:00Z")
    assert "there are no .jsonl" in burgee("power", "button", "--recorded", *at).err
    written(burgee.folder / ".burgee/events", enter(crowd(300, days=27)))
    ran = burgee("power", "button", "--recorded", "--entry", "started", *at, "--effect", "90")
    lines = ran.out.splitlines()
    assert lines[0].startswith("bought of ")
    assert " in 3 weeks: mean 0." in lines[0]
    assert lines[2].split() == ["weeks", "units", "finds", "with", "CUPED"]
    assert [line.split()[0] for line in lines[3:5]] == ["2", "3"]
    reported = burgee("power", "button", "--recorded", "--entry", "started", *at, "--effect", "90", "--json").json
    assert lines[-1] == f"90 % takes {reported['weeks']} weeks, with CUPED {reported['weeks_cuped']}"
    assert reported["weeks"] in {2, 3}
    assert burgee(
        "power", "button", "--recorded", "--entry", "started", *at, "--effect", "90", "--keep", "kept"
    ).out == (ran.out)
    assert len(list((burgee.folder / "kept").rglob("*.parquet"))) == 1
    refused = burgee("power", "button", "--recorded", "--entry", "started", *at, "--effect", "0").err
    assert "is not an effect to look for" in " ".join(refused.replace("│", " ").split())
    assert burgee("power", "--recorded").code == 2
