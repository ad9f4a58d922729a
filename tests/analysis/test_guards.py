"""What a guard's look reads, against counting the same records in plain Python."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import asdict, is_dataclass
from statistics import covariance, fmean, variance
from typing import TYPE_CHECKING, Any

import pytest

from burgee.analysis.guards import aggregates
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.guards.driver import Ask
from burgee.guards.plan import Group, plan_of

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.guards.aggregates import Arm

START = 1_800_000_000_000
HOUR = 3_600_000
METRICS: dict[str, Any] = {
    "errors": {"kind": "proportion", "event": "error", "direction": "decrease", "window": "30m"},
    "spent": {"kind": "mean", "event": "order", "value": "amount", "window": "1h"},
    "per_visit": {"kind": "ratio", "event": "order", "value": "amount", "per": {"event": "visit"}, "window": "1h"},
    "silent": {"kind": "mean", "event": "never"},
}
SNAPSHOT: dict[str, Any] = {
    "format": 1,
    "environment": None,
    "segments": {},
    "holdouts": {},
    "metrics": METRICS,
    "flags": {
        "checkout": {
            "status": True,
            "rollout_percentage": 0,
            "guard": {
                "steps": [10, 30, 100],
                "hold": "6h",
                "guardrails": {name: {"margin": 5} for name in METRICS},
            },
        }
    },
}
PLAN = plan_of("checkout", SNAPSHOT)
assert PLAN is not None
ASK = Ask(1, START, Group(10_000, 30_000), Group(70_000, 100_000), PLAN.guardrails)


def record(kind: str, unit: str, at: int, **more: Any) -> dict[str, Any]:
    shape = {"type": kind, "event_id": f"{unit}{at}{more.get('event')}", "time": at, "received": at, "unit": unit}
    topic = "_guard.checkout" if kind == "exposure" else "_track"
    return {**shape, "project": "default", "environment": "default", "topic": topic, "properties": {}, **more}


def exposed(unit: str, at: int, place: int, **more: Any) -> dict[str, Any]:
    group = REACHED if place < 30_000 else COMPARED
    own = {"flag": "guard:checkout", "variant": group, "reason": "SPLIT", "rule": "default"}
    return record("exposure", unit, at, **own, **{"properties": {"place": str(place), "share": "30"}, **more})


def crowd(seed: int) -> list[dict[str, Any]]:
    """Units in both groups, in earlier steps and from before the step, with their events."""
    rng = random.Random(seed)
    made = []
    for number in range(400):
        unit, place = f"u{number}", rng.randrange(100_000)
        if 30_000 <= place < 70_000:
            continue
        times = [START + rng.randrange(-2 * HOUR, 5 * HOUR) for _ in range(rng.randrange(1, 4))]
        made += [exposed(unit, at, place) for at in times]
        for _ in range(rng.randrange(4)):
            at = max(times[0] + rng.randrange(-HOUR, 2 * HOUR), START - HOUR)
            event = rng.choice(["error", "order", "visit"])
            amount = {"properties": {"amount": str(rng.randrange(1, 500) / 10)}} if event == "order" else {}
            made.append(record("track", unit, at, event=event, **amount))
    made += [exposed("elsewhere", START + 1, 15_000, environment="staging")]
    rng.shuffle(made)
    return made


def written(folder: Path, records: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    text = "".join(json.dumps(one) + "\n" for one in records)
    (folder / "a.jsonl").write_text(text, encoding="utf-8")
    return folder


def counted(records: list[dict[str, Any]]) -> tuple[dict[str, list[dict[str, float | None]]], int]:
    """Each group's units with their columns, None where the window is not over; and the last record's time."""
    here = [one for one in records if one["environment"] == "default"]
    events = [one for one in here if one["type"] == "track"]
    inside = [
        one
        for one in here
        if one["type"] == "exposure"
        and (10_000 <= int(one["properties"]["place"]) < 30_000 or int(one["properties"]["place"]) >= 70_000)
    ]
    until = max(one["received"] for one in [*inside, *events])
    first: dict[str, tuple[int, str]] = {}
    for one in sorted(inside, key=lambda one: one["time"]):
        if one["time"] >= START:
            first.setdefault(one["unit"], (one["time"], one["variant"]))
    groups: dict[str, list[dict[str, float | None]]] = defaultdict(list)
    for unit, (at, group) in first.items():
        found: dict[str, float | None] = {"first": at}
        for name, event, window, weighs in (
            ("errors", "error", HOUR // 2, False),
            ("spent", "order", HOUR, True),
            ("visits", "visit", HOUR, False),
        ):
            mine = [one for one in events if one["unit"] == unit and one["event"] == event]
            kept = [one for one in mine if at <= one["time"] < at + window]
            values = [float(one["properties"]["amount"]) if weighs else 1.0 for one in kept]
            over = at <= until - window
            value = min(sum(values), 1.0) if name == "errors" else sum(values)
            found |= {name: value if over else None, f"{name}_active": float(bool(kept)) if over else None}
        groups[group].append(found)
    return groups, until


@pytest.mark.parametrize("seed", range(4))
def test_both_groups_are_those_of_counting_in_python(tmp_path: Path, seed: int) -> None:
    records = crowd(seed)
    assert PLAN is not None
    found = aggregates(written(tmp_path / "events", records), PLAN, ASK, ("default", "default"))
    assert found is not None
    groups, until = counted(records)
    assert (found.step, found.since, found.until) == (1, START, until)
    for name, arm in ((REACHED, found.reached), (COMPARED, found.compared)):
        units = groups[name]
        assert arm.exposed == len(units)
        assert_moments(arm, "errors", units, "errors")
        assert_moments(arm, "spent", units, "spent")
        per = arm.metrics["per_visit"].moments
        pairs = [(one["spent"], one["visits"]) for one in units if one["spent"] is not None]
        assert per.covariances["value", "per"] == pytest.approx(covariance(*zip(*pairs, strict=True)))
        assert arm.metrics["silent"].active == 0
        values = [one["spent"] or 0.0 for one in units]
        assert arm.metrics["spent"].largest == pytest.approx(max(values) / sum(values))
    everyone = [*groups[REACHED], *groups[COMPARED]]
    assert found.quiet["silent"] == sum(
        one["first"] is not None and one["first"] <= until - 45 * 60_000 for one in everyone
    )
    assert found.faults == ()


def assert_moments(arm: Arm, metric: str, units: list[dict[str, float | None]], column: str) -> None:
    known = [value for one in units if (value := one[column]) is not None]
    moments = arm.metrics[metric].moments
    assert moments.n == len(known)
    assert moments.means["value"] == pytest.approx(fmean(known))
    assert moments.covariances["value", "value"] == pytest.approx(variance(known))
    assert arm.metrics[metric].active == sum(one[f"{column}_active"] or 0 for one in units)


def test_the_units_that_came_after_the_last_event_are_quiet(tmp_path: Path) -> None:
    units = [
        exposed(f"u{number}", START + number * 60_000, 15_000 if number % 2 else 80_000) for number in range(100)
    ]
    errors = [record("track", f"u{number}", START + number * 60_000 + 1, event="error") for number in range(40)]
    assert PLAN is not None
    found = aggregates(written(tmp_path / "events", [*units, *errors]), PLAN, ASK, ("default", "default"))
    assert found is not None
    assert found.quiet["errors"] == 30, "of 59 that came later, those whose window of half an hour is over"


def test_no_record_and_records_that_cannot_be_read(tmp_path: Path) -> None:
    assert PLAN is not None
    others = written(tmp_path / "none", [record("track", "u", START, event="error")])
    assert aggregates(others, PLAN, ASK, ("default", "default")) is None
    folder = written(tmp_path / "torn", [exposed("u", START + 1, 15_000)] * 20)
    with (folder / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"type": "exposure"}\n' * 5)
    found = aggregates(folder, PLAN, ASK, ("default", "default"))
    assert found is not None
    assert found.faults == ("5 of 25 records cannot be read",)


def test_a_place_that_is_none_is_of_no_group_and_hides_no_other_record(tmp_path: Path) -> None:
    assert PLAN is not None
    fine = crowd(5)
    places = ["", "x", "9" * 30, "-1", "NaN", None]
    wrong = [exposed(f"w{n}", START + 1, 15_000, properties={"place": one}) for n, one in enumerate(places)]
    wrong += [exposed("w9", START + 1, 15_000, properties={}), exposed("w8", START + 1, 15_000, properties=None)]
    asked = [
        aggregates(written(tmp_path / name, made), PLAN, ASK, ("default", "default"))
        for name, made in (("fine", fine), ("wrong", [*wrong, *fine]))
    ]
    assert asked[0] is not None
    # DuckDB's threads add in any order, which moves the last digits.
    assert rounded(asked[0]) == rounded(asked[1])


def rounded(one: Any) -> Any:
    """A result as plain values, its floats to ten digits."""
    if isinstance(one, float):
        return float(f"{one:.9e}")
    if isinstance(one, dict):
        return {key: rounded(value) for key, value in one.items()}
    if isinstance(one, (list, tuple)):
        return [rounded(value) for value in one]
    return rounded(asdict(one)) if is_dataclass(one) and not isinstance(one, type) else one
