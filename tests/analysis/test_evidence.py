"""From files to aggregates, against the same computed unit by unit in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from burgee.analysis.engines import DuckDB
from burgee.analysis.questions import questions_as_sql
from burgee.analysis.render.text_report import as_text
from burgee.analysis.reports import report
from burgee.analysis.stats.estimates import VALUE
from burgee.errors import Refused
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, track, written
from support.moments import moments

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

CUPED = FILE.replace("primary: bought", "primary: [bought, revenue, basket]\n      cuped: 6d").replace(
    "      secondary: [revenue, basket]\n", ""
)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return crowd(1500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def plan(folder: Path) -> ExperimentPlan:
    return planned(folder, CUPED)


@pytest.fixture(scope="module")
def evidence(folder: Path, plan: ExperimentPlan, records: list[dict[str, Any]]) -> Evidence:
    return gather_from(written(folder / "events", records), plan, plan.end)


def by_hand(
    records: list[dict[str, Any]], plan: ExperimentPlan
) -> dict[str, dict[str, dict[str, np.ndarray[Any, Any]]]]:
    """Arm, metric, column: the values of the units."""
    shown = {one["unit"]: one for one in records if one["type"] == "exposure"}
    values: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in records:
        first = int(shown[one["unit"]]["time"] * 1000)
        at = int(one["time"] * 1000)
        when = "before" if first - 6 * DAY * 1000 <= at < first else "after" if first <= at < plan.end else ""
        if one["type"] == "track" and when and at >= plan.start - 6 * DAY * 1000:
            unit = values[one["unit"]]
            unit[f"{one['event']} {when}"] += 1
            unit[f"amount {when}"] += one["properties"].get("amount", 0.0)
    found: dict[str, Any] = {}
    every = {unit: values[unit]["amount after"] for unit in shown}
    cap = sorted(every.values())[math.ceil(len(every) * 0.99) - 1]
    for arm in plan.arms:
        units = [unit for unit, one in shown.items() if one["variant"] == arm]

        def column(name: str, chosen: list[str] = units) -> np.ndarray[Any, Any]:
            return np.array([values[unit][name] for unit in chosen])

        found[arm] = {
            "bought": {VALUE: column("order after") > 0, "before": column("order before") > 0},
            "revenue": {VALUE: np.minimum(column("amount after"), cap), "before": column("amount before")},
            "basket": {
                VALUE: column("amount after"),
                "per": column("visit after"),
                "before": column("amount before"),
                "per_before": column("visit before"),
            },
        }
    return found


def test_the_aggregates_are_those_of_plain_python(
    evidence: Evidence, plan: ExperimentPlan, records: list[dict[str, Any]]
) -> None:
    counted = by_hand(records, plan)
    assert {arm: len(metrics) for arm, metrics in counted.items()} == {"off": 3, "on": 3}
    for arm, metrics in counted.items():
        for metric, columns in metrics.items():
            expected = moments({name: values.astype(float) for name, values in columns.items()})
            found = evidence.arms[arm].moments[metric]
            assert found.n == expected.n
            assert found.means == pytest.approx(expected.means, rel=1e-9), metric
            assert dict(found.covariances) == pytest.approx(dict(expected.covariances), rel=1e-6, abs=1e-9), metric


def test_the_curve_ends_where_the_aggregates_are(evidence: Evidence, plan: ExperimentPlan) -> None:
    """Two queries that share little: running totals of what each day added, and one sum over units."""
    assert plan.experiment.primaries
    for metric in plan.experiment.primaries:
        curve = evidence.series[metric]
        assert len(curve) == 28
        for arm in plan.arms:
            last, whole = curve[-1].arms[arm], evidence.arms[arm].moments[metric]
            assert last.n == whole.n
            assert last.means == pytest.approx(whole.means, rel=1e-9)
            assert dict(last.covariances) == pytest.approx(dict(whole.covariances), rel=1e-6, abs=1e-9)


def test_a_point_of_the_curve_is_what_was_known_then(folder: Path, evidence: Evidence, plan: ExperimentPlan) -> None:
    then = gather_from(folder / "events", plan, plan.start + 10 * DAY * 1000)
    for metric in ("bought", "basket"):
        for arm in plan.arms:
            assert evidence.series[metric][9].arms[arm].means == pytest.approx(then.arms[arm].moments[metric].means)


def test_a_quantile_is_that_of_plain_python(evidence: Evidence, records: list[dict[str, Any]]) -> None:
    shown = {one["unit"]: one for one in records if one["type"] == "exposure"}
    times: dict[str, list[float]] = defaultdict(list)
    for one in records:
        if one.get("event") == "visit" and one["time"] >= shown[one["unit"]]["time"]:
            times[one["unit"]].append(one["properties"]["ms"])
    for arm in ("off", "on"):
        means = [float(np.mean(ms)) for unit, ms in times.items() if shown[unit]["variant"] == arm]
        found = evidence.arms[arm].points["slow"]
        assert found.n == len(means)
        assert found.value == pytest.approx(np.quantile(means, 0.9, method="hazen"))


def test_records_that_come_twice_count_once_and_torn_lines_are_passed_over(
    tmp_path: Path, evidence: Evidence, plan: ExperimentPlan, records: list[dict[str, Any]]
) -> None:
    written(tmp_path, records)
    written(tmp_path, records[:800], "again.jsonl")
    with (tmp_path / "again.jsonl").open("a") as file:
        file.write('{"type":"track","event_id":"torn","un')
    found = gather_from(tmp_path, plan, plan.end)
    for arm in plan.arms:
        assert found.arms[arm].moments["basket"].means == pytest.approx(evidence.arms[arm].moments["basket"].means)
    assert found.units == evidence.units == 1500


def test_parquet_files_say_the_same(tmp_path: Path, folder: Path, evidence: Evidence, plan: ExperimentPlan) -> None:
    duckdb.sql(
        f"COPY (SELECT * FROM read_json('{folder}/events/*.jsonl', columns={{"
        "type:'VARCHAR', event_id:'VARCHAR', time:'BIGINT', project:'VARCHAR', environment:'VARCHAR', flag:'VARCHAR',"
        "variant:'VARCHAR', reason:'VARCHAR', rule:'VARCHAR', release:'VARCHAR', unit:'VARCHAR', event:'VARCHAR',"
        f"properties:'MAP(VARCHAR, VARCHAR)', topic:'VARCHAR'}})) TO '{tmp_path}/day.parquet'"
    )
    found = gather_from(tmp_path, plan, plan.end)
    assert evidence.arms.keys() == {"off", "on"}
    for arm, reported in evidence.arms.items():
        assert found.arms[arm].points["slow"].value == pytest.approx(reported.points["slow"].value)
        for metric, expected in reported.moments.items():
            assert found.arms[arm].moments[metric].means == pytest.approx(expected.means)


def test_units_in_two_arms_are_left_out_and_counted(
    tmp_path: Path, plan: ExperimentPlan, records: list[dict[str, Any]]
) -> None:
    twice = [
        {
            **one,
            "event_id": f"again{i}",
            "variant": "off" if one["variant"] == "on" else "on",
            "time": one["time"] + 60,
        }
        for i, one in enumerate(records)
        if one["type"] == "exposure" and i % 7 == 0
    ]
    found = gather_from(written(tmp_path, records + twice), plan, plan.end)
    assert found.crossed == len(twice)
    assert sum(arm.n for arm in found.arms.values()) == 1500 - len(twice)


def test_only_the_splits_answers_count(tmp_path: Path, plan: ExperimentPlan, records: list[dict[str, Any]]) -> None:
    other = {"type": "exposure", "flag": "button", "variant": "off", "time": START + 5}
    more = [
        {**other, "event_id": "t", "unit": "targeted", "reason": "TARGETING_MATCH"},
        {**other, "event_id": "h", "unit": "held out", "reason": "SPLIT"},
        {**other, "event_id": "r", "unit": "ruled", "reason": "SPLIT", "rule": "other"},
        {**other, "event_id": "e", "unit": "early", "reason": "SPLIT", "rule": "default", "time": START - 5},
        {**other, "event_id": "c", "unit": "client", "time": START + 5},
        track("nobody", "never exposed", "order", START + 9, amount=1e9),
    ]
    found = gather_from(written(tmp_path, records + more), plan, plan.end)
    assert found.units == 1501
    assert found.early == 1


def test_a_report_is_the_same_in_whatever_order_an_engine_returns_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path)
    place = written(tmp_path / "events", crowd(200))
    rows, found = DuckDB.rows, []
    for column in ("arm", "event"):
        for turned in (False, True):

            def ordered(self: DuckDB, table: Any, by: str = column, turned: bool = turned) -> list[dict[str, Any]]:
                return sorted(rows(self, table), key=lambda row: str(row.get(by)), reverse=turned)

            monkeypatch.setattr(DuckDB, "rows", ordered)
            found.append(as_text(report(plan, gather_from(place, plan, plan.end))))
    assert "came before their unit's exposure" in found[0]
    assert set(found) == {found[0]}


def test_segments_add_up(evidence: Evidence) -> None:
    countries = evidence.segments["country"]
    assert set(countries) == {"DE", "FR", "NL"}
    assert sum(arms["on"].n for arms in countries.values()) == evidence.arms["on"].n


def test_no_records_are_reported(tmp_path: Path, plan: ExperimentPlan) -> None:
    with pytest.raises(Refused, match=r"no \.jsonl or .parquet"):
        gather_from(tmp_path, plan, plan.end)


def test_the_same_questions_compile_for_athena(plan: ExperimentPlan) -> None:
    asked = questions_as_sql(plan)
    assert {"aggregates by arm", "bought over time", "quantile of slow", "cap of revenue"} <= set(asked)
    for sql in asked.values():
        assert '"burgee_events"' in sql
        assert "\"topic\" = 'button'" in sql  # what the projected partitions need
    assert '"t0"."unit"' not in asked["aggregates by arm"].partition("FROM")[0]
