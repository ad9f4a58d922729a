"""Files with anything in them: what cannot be read is counted by kind, and never fatal."""

from __future__ import annotations

import json
import math
import statistics
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from burgee.errors import Refused
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, track, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan


@pytest.fixture
def plan(tmp_path: Path) -> ExperimentPlan:
    return planned(tmp_path)


def line(**change: Any) -> str:
    whole = {
        "type": "track",
        "event_id": "e",
        "time": (START + DAY) * 1000,
        "unit": "u1",
        "event": "order",
        "properties": {},
        "topic": "_track",
    }
    return json.dumps({**whole, **change})


def sums(found: Evidence) -> dict[Any, Any]:
    """What was measured, but for the order in which it was added up."""
    return {
        (arm, metric): (moments.n, {name: round(mean, 9) for name, mean in moments.means.items()})
        for arm, one in found.arms.items()
        for metric, moments in one.moments.items()
    }


BROKEN = {
    "garbage": "not JSON",
    '{"type": "track", "ev': "not JSON",
    "\ufffe\x00": "not JSON",
    json.dumps({"unit": "\ud800"}): "not JSON",
    "[]": "no type that is known",
    "5": "no type that is known",
    "{}": "no type that is known",
    line(type="click"): "no type that is known",
    line(unit=""): "no unit",
    line(event_id=None): "no event_id",
    line(time="2026-01-02T00:00:00Z"): "no time in milliseconds",
    line(time=10**400): "no time in milliseconds",
    line(time=-5): "no time in milliseconds",
    line(event=None): "an event without a name",
    line(type="exposure", topic="button"): "an exposure without a variant",
    line(type="identify", topic="_identify"): "an identity without `known`",
    line(properties=[1]): "properties that are not an object",
    line(topic=None): "no topic",
}


def test_lines_that_cannot_be_read_are_counted_by_kind(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(200)
    folder = written(tmp_path / "events", records)
    with (folder / "b.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.write("\n".join([*BROKEN, ""]))
    (folder / "c.jsonl").write_bytes(b'\xff\xfe{"type"\n' + line(type="exposure", topic="other").encode())
    found = gather_from(folder, plan, plan.end)
    expected: dict[str, int] = {"not JSON": 1, "an exposure without a variant": 1}
    for kind in BROKEN.values():
        expected[kind] = expected.get(kind, 0) + 1
    assert found.quality.faults == expected
    assert found.quality.read == len(records)
    assert found.units == 200


def test_each_kind_of_fault_alone_leaves_the_rest_as_it_was(tmp_path: Path, plan: ExperimentPlan) -> None:
    expected = gather_from(written(tmp_path / "whole", crowd(200)), plan, plan.end)
    folder = written(tmp_path / "events", crowd(200))
    (folder / "b.jsonl").write_text("\n".join(one for one in BROKEN if one.isascii()), encoding="utf-8")
    found = gather_from(folder, plan, plan.end)
    assert sums(found) == sums(expected)


def parquet(folder: Path, select: str, name: str = "a.parquet") -> None:
    folder.mkdir(exist_ok=True)
    duckdb.sql(f"COPY ({select}) TO '{folder / name}'")


EXPOSURE = (
    f"SELECT 'exposure' AS type, 'x' || i AS event_id, {START * 1000} + i AS time, 'u' || i AS unit, "
    "CASE WHEN i % 2 = 0 THEN 'on' ELSE 'off' END AS variant, 'button' AS flag, 'button' AS topic"
)


def test_parquet_without_some_columns_is_read_as_far_as_it_goes(tmp_path: Path, plan: ExperimentPlan) -> None:
    folder = tmp_path / "events"
    parquet(folder, f"{EXPOSURE} FROM range(100) t(i)")
    parquet(folder, f"SELECT * EXCLUDE (unit) FROM ({EXPOSURE} FROM range(100, 130) t(i))", "b.parquet")
    parquet(folder, f"SELECT * REPLACE ('soon' AS time) FROM ({EXPOSURE} FROM range(200, 220) t(i))", "c.parquet")
    stamped = "to_timestamp(time / 1000)::TIMESTAMP AS time"
    parquet(folder, f"SELECT * REPLACE ({stamped}) FROM ({EXPOSURE} FROM range(300, 310) t(i))", "d.parquet")
    typed = "SELECT *, {'country': 'DE', 'n': 5} AS properties FROM"
    parquet(folder, f"{typed} ({EXPOSURE} FROM range(400, 408) t(i))", "e.parquet")
    (folder / "f.parquet").write_bytes(b"PAR1 and nothing that follows")
    found = gather_from(folder, plan, plan.end)
    assert found.units == 118
    assert found.quality.faults == {"no time in milliseconds": 20, "no unit": 30}
    assert list(found.quality.broken) == ["f.parquet"]
    assert found.segments["country"]["DE"]["on"].n == 4


def test_whatever_a_database_says_of_a_file_is_one_sentence(tmp_path: Path, plan: ExperimentPlan) -> None:
    folder = tmp_path / "events"
    parquet(folder, f"{EXPOSURE} FROM range(20000) t(i)")
    whole = (folder / "a.parquet").read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    (folder / "a.parquet").write_bytes(whole[:4] + b"\xff" * (len(whole) - 4 - footer) + whole[-footer:])
    with pytest.raises(Refused, match="cannot be read: ") as refused:
        gather_from(folder, plan, plan.end)
    assert "\n" not in str(refused.value)


def test_values_that_are_no_numbers_are_left_out_and_counted(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(400)
    folder = written(tmp_path / "events", records)
    strange = ["12,50", "NaN", "inf", "1e100", "9" * 400, "", "12 EUR"]
    shown = [one["unit"] for one in records if one["type"] == "exposure"]
    at = (START + 25 * DAY) * 1000
    lines = [
        line(unit=unit, event_id=f"s{i}", time=at, properties={"amount": value})
        for i, (unit, value) in enumerate(zip(shown, strange, strict=False))
    ]
    (folder / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = gather_from(folder, plan, plan.end)
    (amount,) = [one for one in found.quality.values if one.name == "amount"]
    assert (amount.no_number, amount.too_large) == (3, 4)
    assert amount.example in strange
    clean = gather_from(written(tmp_path / "clean", records), plan, plan.end)
    for arm, one in clean.arms.items():
        assert found.arms[arm].moments["revenue"].means == pytest.approx(one.moments["revenue"].means)


def test_a_replayed_id_moves_nobodys_conversion(tmp_path: Path, plan: ExperimentPlan) -> None:
    """An event is of its unit: one hostile unit that sends everybody's ids takes nothing from them."""
    records = crowd(400)
    expected = gather_from(written(tmp_path / "clean", records), plan, plan.end)
    hostile = [
        {**one, "unit": "u0", "time": START + 1.0}
        for one in records
        if one["type"] == "track" and one["unit"] != "u0"
    ]
    found = gather_from(written(tmp_path / "events", [*records, *hostile]), plan, plan.end)
    assert expected.arms.keys() == {"off", "on"}
    for arm, one in expected.arms.items():
        moments = found.arms[arm].moments["bought"]
        assert moments.n == one.moments["bought"].n
        assert moments.means["value"] == pytest.approx(one.moments["bought"].means["value"], abs=1.01 / moments.n)


def test_the_first_record_of_an_id_counts_whole_and_clashes_are_counted(tmp_path: Path, plan: ExperimentPlan) -> None:
    shown = [one for one in crowd(60) if one["type"] == "exposure"]
    first = track("same", "u0", "order", shown[0]["time"] + 10, amount=5.0)
    later = {**track("same", "u0", "visit", shown[0]["time"] + 1, amount=900.0), "time": shown[0]["time"] + 20}
    events = [first, first, later]
    found = gather_from(written(tmp_path / "events", [*shown, *events]), plan, plan.end)
    assert (found.quality.replays, found.quality.clashes) == (2, 1)
    arm = found.arms[shown[0]["variant"]].moments["basket"]
    assert arm.means["value"] * arm.n == pytest.approx(5.0)
    assert arm.means["per"] == 0


def test_what_arrives_late_does_not_count_in_a_look_that_was_before(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(300, days=10)
    folder = written(tmp_path / "events", records)
    unit = next(one for one in records if one["type"] == "exposure")
    at = int((unit["time"] + 60) * 1000)
    late = line(unit=unit["unit"], event_id="late", time=at, received=int((START + 20 * DAY) * 1000))
    before = gather_from(folder, plan, plan.start + 18 * DAY * 1000)
    (folder / "b.jsonl").write_text(late + "\n", encoding="utf-8")
    then = gather_from(folder, plan, plan.start + 18 * DAY * 1000)
    assert sums(then) == sums(before)
    assert sum(arm.late for arm in then.quality.arrivals["order"].values()) == 1
    now = gather_from(folder, plan, plan.end)
    assert now.quality.arrivals["order"][unit["variant"]].n == before.quality.arrivals["order"][unit["variant"]].n + 1
    for arm, moments in now.series["bought"][17].arms.items():
        assert moments.means == pytest.approx(then.series["bought"][-1].arms[arm].means)


def test_events_of_another_environment_count_for_nobody(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(300)
    folder = written(tmp_path / "events", records)
    expected = gather_from(folder, plan, plan.end)
    staged = [json.loads(one) for one in (folder / "a.jsonl").read_text().splitlines()]
    lines = [json.dumps({**one, "environment": "staging"}) for one in staged if one["type"] == "track"]
    (folder / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = gather_from(folder, plan, plan.end)
    assert sums(found) == sums(expected)
    assert sum(arm.elsewhere for arms in found.quality.arrivals.values() for arm in arms.values()) > 300
    text = FILE.replace("start:", "environment: default\n      start:")
    named = planned(tmp_path, text.replace("version: 1", "version: 1\nenvironments: [default, staging]"))
    assert sums(gather_from(folder, named, plan.end)) == sums(expected)


def test_two_names_of_one_unit_are_one_unit(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(300)
    shown = [one for one in records if one["type"] == "exposure"]
    orders = {one["unit"] for one in records if one.get("event") == "order"}
    quiet = [one for one in shown if one["unit"] not in orders][:20]
    known = [
        {
            "type": "identify",
            "event_id": f"i{i}",
            "unit": one["unit"],
            "known": f"member-{i}",
            "time": one["time"] + 5,
        }
        for i, one in enumerate(quiet)
    ]
    bought = [track(f"m{i}", f"member-{i}", "order", one["time"] + 60) for i, one in enumerate(quiet)]
    other = "off" if quiet[0]["variant"] == "on" else "on"
    again = {**quiet[0], "unit": "member-0", "event_id": "again", "variant": other, "time": quiet[0]["time"] + 9}
    plain = gather_from(written(tmp_path / "plain", records), plan, plan.end)
    found = gather_from(written(tmp_path / "events", [*records, *known, *bought, again]), plan, plan.end)
    assert found.units == 300
    assert (found.quality.identified, found.quality.aliased, found.quality.crossed_aliases) == (20, 1, 1)
    total = sum(arm.moments["bought"].means["value"] * arm.n for arm in found.arms.values())
    assert total == pytest.approx(
        sum(arm.moments["bought"].means["value"] * arm.n for arm in plain.arms.values()) + 19
    )


def test_units_whose_window_is_not_over_are_counted_apart(tmp_path: Path, plan: ExperimentPlan) -> None:
    records = crowd(300, days=20)
    at = START + 10 * DAY
    found = gather_from(written(tmp_path / "events", records), plan, at * 1000)
    inside = [one["time"] for one in records if one["type"] == "exposure" and one["time"] < at]
    assert sum(arm.moments["bought"].n for arm in found.arms.values()) == sum(time <= at - 7 * DAY for time in inside)
    assert found.immature("bought") == sum(time > at - 7 * DAY for time in inside)
    assert sum(arm.moments["basket"].n for arm in found.arms.values()) == len(inside)


def test_units_whose_window_is_not_over_are_not_winsorised_to_the_cap(tmp_path: Path) -> None:
    """In DuckDB and PostgreSQL the least of null and the cap is the cap, which would count as such a unit's value."""
    plan = planned(tmp_path, FILE.replace("winsorise: 99}", "winsorise: 90, window: 7d}"))
    records, at = crowd(300, days=20), START + 12 * DAY
    found = gather_from(written(tmp_path / "events", records), plan, at * 1000)
    shown = {one["unit"]: one for one in records if one["type"] == "exposure" and one["time"] <= at - 7 * DAY}
    spent = dict.fromkeys(shown, 0.0)
    for one in records:
        unit = one["unit"]
        if one.get("event") == "order" and unit in spent and 0 <= one["time"] - shown[unit]["time"] < 7 * DAY:
            spent[unit] += one["properties"]["amount"]
    cap = sorted(spent.values())[math.ceil(len(spent) * 0.9) - 1]
    for arm in plan.arms:
        values = [min(value, cap) for unit, value in spent.items() if shown[unit]["variant"] == arm]
        moments = found.arms[arm].moments["revenue"]
        assert moments.n == len(values)
        assert moments.means["value"] == pytest.approx(statistics.fmean(values))
        assert moments.covariances["value", "value"] == pytest.approx(statistics.variance(values))
