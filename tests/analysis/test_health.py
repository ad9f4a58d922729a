"""The data panel: every fault that could spoil a result is a line of it, and the bad ones withhold the verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from burgee.analysis.health import Light, check
from burgee.analysis.quality import Arrival, PropertyValues
from burgee.analysis.reports import report
from burgee.analysis.verdicts import Decision
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, track, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentPlan, Evidence]:
    folder = tmp_path_factory.mktemp("known")
    plan = planned(folder, FILE.replace("segments: [country]", "segments: [country]\n      cuped: 6d"))
    return plan, gather_from(written(folder / "events", crowd(1200, days=27)), plan, plan.end)


def one(plan: ExperimentPlan, evidence: Evidence, name: str) -> Any:
    (found,) = [check for check in check(plan, evidence) if check.name == name]
    return found


def test_a_healthy_experiment_says_what_it_read(known: tuple[ExperimentPlan, Evidence]) -> None:
    checks = check(*known)
    assert {found.light for found in checks if not found.name.startswith(("tail", "largest"))} == {Light.OK}
    records = one(*known, "records").message
    assert "0 refused, 0 unreadable; 1,200 exposures" in records
    assert "environment default (1,200)" in records


ARRIVED = Arrival(n=200, units=150, before=20, late=0, elsewhere=0, last=(START + 27 * DAY) * 1000)
SILENT = replace(ARRIVED, n=0, units=0)
VALUES = PropertyValues("order", "amount", 100, 100, 0, 0, None)
FAULTS: list[tuple[str, dict[str, Any], Light, str]] = [
    ("data of bought", {"arrivals": {"order": {"off": ARRIVED, "on": SILENT}}}, Light.BAD, "does not arrive for on"),
    ("data of bought", {"arrivals": {"order": {"off": ARRIVED}}}, Light.BAD, "does not arrive for on"),
    (
        "data of bought",
        {"arrivals": {"order": {"off": replace(SILENT, last=None, elsewhere=9)}}},
        Light.BAD,
        "9 came from another project or environment",
    ),
    (
        "values of revenue, basket",
        {"values": [replace(VALUES, no_number=100, example="x")]},
        Light.WARN,
        "no 'order'",
    ),
    ("values of revenue, basket", {"values": [replace(VALUES, present=0)]}, Light.WARN, "ever carried a number"),
    ("values of revenue, basket", {"values": [replace(VALUES, no_number=2, example="12,50")]}, Light.WARN, "'12,50'"),
    ("values of revenue, basket", {"values": [replace(VALUES, too_large=1)]}, Light.WARN, "beyond 1e15"),
    ("values of revenue, basket", {"values": [replace(VALUES, present=30)]}, Light.WARN, "70 of 100 have none"),
    ("event ids", {"clashes": 3}, Light.WARN, "3 event ids recurred with other contents"),
    ("event ids", {"clashes": 3000}, Light.BAD, "the first record counts"),
    ("refused records", {"refused": 4, "refused_example": "`unit`"}, Light.WARN, "4 records were rejected"),
    ("unreadable records", {"faults": {"no unit": 5}}, Light.WARN, "5 records cannot be read: no unit (5)"),
    ("unreadable records", {"faults": {"not JSON": 5000}}, Light.BAD, "5,000 records cannot be read"),
    ("unreadable records", {"broken": {"a.parquet": "no footer"}}, Light.BAD, "file a.parquet: no footer"),
    ("late events", {"arrivals": {"order": {"on": replace(ARRIVED, late=7)}}}, Light.WARN, "7 events"),
    (
        "events before exposure",
        {"arrivals": {"order": {"on": replace(ARRIVED, before=190)}}},
        Light.WARN,
        "190 of 200 'order' came before",
    ),
    ("one project", {"projects": {"a": 5, "b": 2}}, Light.BAD, "a (5), b (2); choose one with --project"),
    ("one environment", {"environments": {"a": 5, "b": 2}}, Light.WARN, "write `environment` into the plan"),
    ("one environment each", {"scattered": 2}, Light.WARN, "2 units were exposed in several"),
    ("events from elsewhere", {"arrivals": {"order": {"on": replace(ARRIVED, elsewhere=7)}}}, Light.WARN, "7 events"),
    ("identities", {"identified": 8, "aliased": 3}, Light.OK, "3 units have several IDs"),
    ("sample ratio within", {"days": {4: {"on": 90, "off": 10}}}, Light.WARN, "on day 5"),
]


@pytest.mark.parametrize(("name", "change", "light", "words"), FAULTS, ids=[f"{f[0]}: {f[3]}"[:50] for f in FAULTS])
def test_each_fault_has_its_line(
    known: tuple[ExperimentPlan, Evidence], name: str, change: dict[str, Any], light: Light, words: str
) -> None:
    plan, evidence = known
    found = one(plan, replace(evidence, quality=replace(evidence.quality, **change)), name)
    assert found.light is light
    assert words in found.message


def test_one_of_each_fault_is_in_the_singular(known: tuple[ExperimentPlan, Evidence]) -> None:
    plan, evidence = known
    values = [replace(VALUES, records=101, no_number=1, too_large=1), replace(VALUES, records=101)]
    quality = replace(
        evidence.quality,
        exposures=1,
        events=1,
        refused=1,
        clashes=1,
        scattered=1,
        identified=1,
        aliased=1,
        faults={"no unit": 1},
        elsewhere={("shop", "staging"): 1},
        arrivals={"order": {"on": replace(ARRIVED, late=1, elsewhere=1), "off": ARRIVED}},
        days={0: {"off": 600, "on": 600}},
        values=values,
    )
    found = check(plan, replace(evidence, quality=quality, crossed=1, early=1, segments={}))
    messages = [one.message for one in found]
    assert len([message for message in messages if re.match("1 ", message)]) >= 9
    plural = r"\b1 (\([^)]*\) )?([a-z]+s were|(record|event|unit|exposure|event id|identitie)s|are|have|were)\b"
    assert [message for message in messages if re.search(plural, message)] == []


def test_exposures_of_another_environment_or_project_are_counted_as_such(tmp_path: Path) -> None:
    environments = FILE.replace("version: 1", "version: 1\nenvironments: [default, production]")
    plan = planned(tmp_path, environments.replace("start:", "environment: production\n      start:"))
    folder = written(tmp_path / "events", crowd(300, days=27))
    moved = [json.loads(line) for line in (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    there = [{**record, "unit": f"p-{record['unit']}", "environment": "production"} for record in moved]
    (folder / "b.jsonl").write_text("\n".join(json.dumps(record) for record in there), encoding="utf-8")
    found = gather_from(folder, plan, plan.end)
    assert found.units == 300
    line = one(plan, found, "exposures elsewhere")
    assert (line.light, line.message) == (
        Light.OK,
        "300 exposures of environment default are not counted: the plan says production",
    )
    found = gather_from(folder, plan, plan.end, project="shop")
    message = one(plan, found, "sample ratio").message
    assert "no unit was exposed to off, on; 300 exposures of environment default are not counted" in message
    assert message.endswith("300 exposures of project default are not counted: the report is of another project")
    plain = planned(tmp_path)
    both = gather_from(folder, plain, plain.end)
    assert (both.units, both.quality.elsewhere) == (600, {})


def test_an_arm_whose_conversions_come_under_another_id_withholds_the_verdict(tmp_path: Path) -> None:
    plan, records = planned(tmp_path), crowd(1200, days=27)
    treated = {one["unit"] for one in records if one["type"] == "exposure" and one["variant"] == "on"}
    moved = [
        {**one, "unit": f"session-{one['unit']}"} if one.get("event") == "order" and one["unit"] in treated else one
        for one in records
    ]
    found = report(plan, gather_from(written(tmp_path / "events", moved), plan, plan.end))
    assert found.verdict.decision is Decision.WITHHELD
    assert "'order' does not arrive for on" in found.verdict.sentence


def test_a_property_that_no_event_has_withholds_the_verdict_of_its_metric(tmp_path: Path) -> None:
    text = FILE.replace("value: amount", "value: amuont").replace("primary: bought", "primary: revenue")
    plan = planned(tmp_path, text.replace("[revenue, basket]", "[bought]"))
    found = report(plan, gather_from(written(tmp_path / "events", crowd(400, days=27)), plan, plan.end))
    assert found.verdict.decision is Decision.WITHHELD
    assert "no 'order' ever carried a number under 'amuont'" in found.verdict.sentence


def test_one_unit_that_has_much_of_a_metric_is_pointed_at(tmp_path: Path) -> None:
    plan, records = planned(tmp_path), crowd(600, days=27)
    bot = next(one for one in records if one["type"] == "exposure")
    more = [track(f"bot{i}", bot["unit"], "order", bot["time"] + 60 + i, amount=50.0) for i in range(200)]
    found = gather_from(written(tmp_path / "events", [*records, *more]), plan, plan.end)
    assert "of basket in" in one(plan, found, "largest unit of basket").message


def test_a_ratio_without_a_past_is_not_adjusted_and_says_so(tmp_path: Path) -> None:
    """A new installation has no events from before the exposures."""
    records = crowd(400, days=27)
    shown = {one["unit"]: one["time"] for one in records if one["type"] == "exposure"}
    fresh = [one for one in records if one["type"] == "exposure" or one["time"] >= shown[one["unit"]]]
    for method in ("fixed", "always-valid", "group-sequential"):
        text = FILE.replace("segments:", f"cuped: 14d\n      method: {method}\n      segments:")
        text = text.replace("primary: bought", "primary: [basket, bought]").replace("revenue, basket", "revenue")
        plan = planned(tmp_path, text)
        found = report(plan, gather_from(written(tmp_path / "events", fresh), plan, plan.end))
        assert "no unit has events before its exposure" in next(c.message for c in found.checks if c.name == "cuped")
        assert "nan" not in found.verdict.sentence
        basket = next(one for one in found.results if one.metric == "basket")
        assert basket.estimate is not None
        assert not basket.estimate.adjusted


@pytest.mark.parametrize("method", ["fixed", "always-valid", "group-sequential"])
def test_cuped_waits_for_the_first_windows(tmp_path: Path, method: str) -> None:
    """In the first week no unit counts, so nothing is known of their past."""
    plan = planned(tmp_path, FILE.replace("segments:", f"cuped: 14d\n      method: {method}\n      segments:"))
    place = written(tmp_path / "events", crowd(60, days=10))
    found = report(plan, gather_from(place, plan, (START + 5 * DAY) * 1000))
    assert "bought" not in next((c.message for c in found.checks if c.name == "cuped"), "")
    assert next(c for c in found.checks if c.name == "window of bought").light is Light.OK
