"""Metrics in every combination of their keys, in the middle of an experiment: what brute force gives of each unit."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from support.experiments import DAY, FILE, START, crowd, gather_from, planned, written

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan
    from burgee.flagfile.experiments import Counted, Metric

UNTIL = START + 12 * DAY
PAST = 5 * DAY


def definitions() -> dict[str, dict[str, Any]]:
    """A metric for each combination that the grammar allows."""
    found: dict[str, dict[str, Any]] = {}
    counted: list[dict[str, Any]] = [{}, {"value": "amount"}, {"distinct": "brand"}]
    wheres: list[dict[str, Any]] = [{}, {"where": {"brand": ["b0", "b1"]}}]
    times: list[dict[str, Any]] = [{}, {"window": "4d"}, {"delay": "1d"}, {"delay": "12h", "window": "3d"}]
    for what, where, time, cap in itertools.product(counted, wheres, times, [None, 80]):
        mean = {"event": "order", "kind": "mean", **what, **where, **time}
        found[f"m{len(found)}"] = mean | ({} if cap is None else {"winsorise": cap})
    for where, time in itertools.product(wheres, times):
        found[f"m{len(found)}"] = {"event": "order", "kind": "proportion", **where, **time}
    for what, per, time, cap in itertools.product(counted[1:], counted, times[:2], [None, 80]):
        ratio = {"event": "order", "kind": "ratio", **what, "per": {"event": "visit", **per}, **time}
        found[f"m{len(found)}"] = ratio | ({} if cap is None else {"winsorise": cap})
    return found


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    found = crowd(160, lift=0.3, days=14)
    for i, one in enumerate(found):
        if one["type"] == "track":
            one["properties"] |= {"brand": f"b{i % 4}", "amount": one["properties"].get("amount", 1.0 + i % 7)}
            if i % 11 == 0:
                del one["properties"]["brand" if i % 2 else "amount"]
    # More orders than one a unit, so that counts, sums and distinct values differ.
    again = [
        {**one, "event_id": f"again{i}", "time": one["time"] + 0.6 * DAY, "properties": {**one["properties"], "n": i}}
        for i, one in enumerate(found)
        if one.get("event") == "order" and i % 3 == 0
    ]
    return found + again


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> tuple[ExperimentPlan, Evidence]:
    folder = tmp_path_factory.mktemp("combinations")
    names = definitions()
    body = yaml.safe_load(FILE)
    body["metrics"] = names
    body["flags"]["button"]["status"] = True
    experiment = {"primary": "m0", "secondary": list(names)[1:], "cuped": "5d", "segments": []}
    body["flags"]["button"]["experiment"] |= experiment
    for key in ("guardrails", "baseline", "minimum_detectable_effect", "sample_size"):
        del body["flags"]["button"]["experiment"][key]
    plan = planned(folder, json.dumps(body, default=str))
    return plan, gather_from(written(folder / "events", records), plan, UNTIL * 1000)


def milliseconds(record: dict[str, Any]) -> int:
    return int(record["time"] * 1000)


def of_unit(events: list[dict[str, Any]], counted: Counted, metric: Metric, first: int, *, earlier: bool) -> float:
    """What a unit has of something counted, by looking at each of its events."""
    hours = {None: 0, "1d": 24, "12h": 12, "3d": 72, "4d": 96}
    low, high = first + hours[metric.delay] * 3_600_000, UNTIL * 1000
    if metric.window is not None:
        high = first + hours[metric.window] * 3_600_000
    if earlier:
        low, high = first - PAST * 1000, first
    wheres: dict[str, Any] = dict(counted.where)
    mine = [
        one["properties"]
        for one in events
        if one["event"] == counted.event
        and low <= milliseconds(one) < high
        and milliseconds(one) < UNTIL * 1000
        and all(one["properties"].get(name) in wanted for name, wanted in wheres.items())
    ]
    if counted.distinct:
        return float(len({one[counted.distinct] for one in mine if counted.distinct in one}))
    if counted.value:
        return float(sum(one.get(counted.value, 0.0) for one in mine))
    return float(len(mine))


def columns(
    events: dict[str, list[dict[str, Any]]], first: dict[str, int], metric: Metric
) -> dict[str, dict[str, float]]:
    """Every unit's columns, of those whose window is over."""
    days = 0 if metric.window is None else int(metric.window[:-1])
    counted = {"value": metric} | ({"per": metric.per} if metric.per else {})
    found: dict[str, dict[str, float]] = {}
    for unit, at in first.items():
        if at <= (UNTIL - days * DAY) * 1000:
            mine = events.get(unit, [])
            row = {name: of_unit(mine, one, metric, at, earlier=False) for name, one in counted.items()}
            row |= {
                {"value": "before", "per": "per_before"}[name]: of_unit(mine, one, metric, at, earlier=True)
                for name, one in counted.items()
            }
            found[unit] = row
    if metric.kind == "proportion":
        found = {unit: {name: float(value > 0) for name, value in row.items()} for unit, row in found.items()}
    if metric.winsorise is not None:
        ordered = sorted(row["value"] for row in found.values())
        cap = ordered[math.ceil(len(ordered) * metric.winsorise / 100) - 1]
        if cap > 0:
            found = {unit: row | {"value": min(row["value"], cap)} for unit, row in found.items()}
    return found


@pytest.mark.parametrize("name", definitions())
def test_a_metric_is_what_brute_force_gives(
    known: tuple[ExperimentPlan, Evidence], records: list[dict[str, Any]], name: str
) -> None:
    plan, evidence = known
    shown = {one["unit"]: one for one in records if one["type"] == "exposure" and one["time"] < UNTIL}
    events: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        if one["type"] == "track":
            events.setdefault(one["unit"], []).append(one)
    found = columns(events, {unit: milliseconds(one) for unit, one in shown.items()}, plan.metrics[name])
    for arm in plan.arms:
        rows = [row for unit, row in found.items() if shown[unit]["variant"] == arm]
        moments = evidence.arms[arm].moments[name]
        assert moments.n == len(rows)
        for column, mean in moments.means.items():
            values = [row[column] for row in rows]
            assert mean == pytest.approx(np.mean(values)), column
            for other in moments.means:
                both = np.cov(values, [row[other] for row in rows])[0, 1]
                assert moments.covariances[column, other] == pytest.approx(both, abs=1e-9), (column, other)


@pytest.mark.parametrize("days", [12.0, 12.4, 14.9])
def test_the_last_point_of_a_curve_is_of_the_same_units(
    tmp_path: Path, records: list[dict[str, Any]], days: float
) -> None:
    """In the middle of a day too, when windows end in the rest of it."""
    method = "method: always-valid\n      segments"
    plan = planned(
        tmp_path, FILE.replace("segments", method).replace("winsorise: 99}", "winsorise: 90, window: 36h}")
    )
    until = int((START + days * DAY) * 1000)
    found = gather_from(written(tmp_path / "events", records), plan, until)
    for metric in ("bought", "revenue", "basket"):
        last = found.series[metric][-1]
        assert last.at == until
        for arm in plan.arms:
            whole = found.arms[arm].moments[metric]
            assert last.arms[arm].n == whole.n
            assert last.arms[arm].means == pytest.approx(dict(whole.means))
            assert last.arms[arm].covariances == pytest.approx(dict(whole.covariances))
