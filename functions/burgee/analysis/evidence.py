"""What the records say of an experiment, gathered by queries: aggregates by arm and period, and the health counts."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ibis

from burgee.analysis import queries
from burgee.analysis.stats.estimates import COLUMNS, VALUE, Moments, Points, ranks
from burgee.flagfile.experiments import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from burgee.analysis.plans import Plan

DAY = 86_400_000
MEMORY = "2GB"
"""What does not fit goes to the disk, as far as a report from files allows."""
PERIODS = 100
"""At most so many points in a curve over time."""


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm's aggregates: units, and by metric its moments, or the points of its quantile."""

    n: int
    moments: Mapping[str, Moments]
    points: Mapping[str, Points] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a metric at a time in milliseconds: moments by arm."""

    at: int
    arms: Mapping[str, Moments]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known at `until`, in milliseconds. `segments` are by attribute, then by its value."""

    until: int
    arms: Mapping[str, Arm]
    series: Mapping[str, Sequence[Moment]]
    segments: Mapping[str, Mapping[str, Mapping[str, Arm]]]
    units: int
    crossed: int
    early: int
    last_exposure: int | None
    last_events: Mapping[str, int]


class Gatherer:
    """Asks the questions of one table; `keep` puts a table where the next questions find it quickly."""

    def __init__(self, connection: Any, events: Any) -> None:
        self._connection = connection
        self._events = events

    def gather(self, plan: Plan, until: int, *, period: int | None = None, segments: bool = True) -> Evidence:
        """Everything that a report needs, of what came before `until`."""
        until = min(until, plan.end)
        seen = self._keep("burgee_units", queries.units(self._events, plan, until))
        events = self._keep("burgee_tracked", queries.tracked(self._events, seen, plan, until))
        measured = self._keep("burgee_measures", queries.measures(seen, events, plan))
        capped = self._caps(measured, plan)
        arms = self._arms(measured, plan, capped)
        told = self._one(queries.crossed(seen))
        stopped = self._rows(queries.stopped(events))
        return Evidence(
            until=until,
            arms=arms,
            series={
                metric: self._series((seen, events), plan, metric, grain, until)
                for metric, grain in _grains(plan, arms, capped, period).items()
            },
            segments=self._segments(measured, plan, capped) if segments else {},
            units=int(told["units"]),
            crossed=int(told["crossed"] or 0),
            early=int(self._one(queries.early(self._events, plan))["exposures"]),
            last_exposure=None if told["last"] is None else int(told["last"]),
            last_events={row["event"]: int(row["last"]) for row in stopped},
        )

    def _keep(self, name: str, table: Any) -> Any:
        sql = ibis.to_sql(table, dialect="duckdb")
        self._connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        return self._connection.table(name)

    def _rows(self, table: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._connection.to_pyarrow(table).to_pylist()
        return rows

    def _one(self, table: Any) -> dict[str, Any]:
        return self._rows(table)[0]

    def _caps(self, measured: Any, plan: Plan) -> dict[str, float]:
        found = {}
        for index, metric in enumerate(plan.metrics.values()):
            rows = metric.winsorise and self._rows(queries.cap(measured, index, float(metric.winsorise)))
            # A cap of nothing would make everybody nothing.
            if rows and rows[0]["value"] > 0:
                found[f"m{index}_{VALUE}"] = float(rows[0]["value"])
        return found

    def _arms(self, measured: Any, plan: Plan, capped: Mapping[str, float]) -> dict[str, Arm]:
        rows = {row["arm"]: row for row in self._rows(queries.aggregates(measured, plan, capped))}
        points = {
            metric: self._points(measured, plan, metric)
            for metric, one in plan.metrics.items()
            if one.kind is Kind.QUANTILE
        }
        return {
            arm: Arm(
                int(rows[arm]["n"]) if arm in rows else 0,
                _moments_of(rows.get(arm), plan),
                {metric: found[arm] for metric, found in points.items() if arm in found},
            )
            for arm in plan.arms
        }

    def _points(self, measured: Any, plan: Plan, metric: str) -> dict[str, Points]:
        quantile = plan.metrics[metric].quantile
        assert quantile is not None  # noqa: S101 - the grammar asks for it
        sizes = {row["arm"]: int(row["n"]) for row in self._rows(queries.counted(measured, plan, metric))}
        wanted = {arm: ranks(n, quantile) for arm, n in sizes.items() if n >= 20}
        if not wanted:
            return {}
        asked = {arm: ranked[:3] for arm, ranked in wanted.items()}
        rows = self._rows(queries.ranked(measured, plan, metric, asked))
        values = {(row["arm"], int(row["rank"])): float(row["value"]) for row in rows}
        return {
            arm: Points(sizes[arm], values[arm, at], values[arm, low], values[arm, high], z)
            for arm, (at, low, high, z) in wanted.items()
        }

    def _segments(self, measured: Any, plan: Plan, capped: Mapping[str, float]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, name in enumerate(plan.experiment.segments):
            column = f"segment{index}"
            known = measured.filter(measured[column].notnull())
            by_value: dict[str, dict[str, Arm]] = {}
            for row in self._rows(queries.aggregates(known, plan, capped, ("arm", column))):
                by_value.setdefault(row[column], {})[row["arm"]] = Arm(int(row["n"]), _moments_of(row, plan))
            largest = sorted(by_value, key=lambda value: -sum(arm.n for arm in by_value[value].values()))
            found[name] = {value: by_value[value] for value in largest[:20]}
        return found

    def _series(
        self, kept: tuple[Any, Any], plan: Plan, metric: str, grain: queries.Grain, until: int
    ) -> list[Moment]:
        rows = self._rows(queries.series(*kept, plan, metric, grain))
        return _running(rows, plan, grain, until)


def _grains(
    plan: Plan, arms: Mapping[str, Arm], capped: Mapping[str, float], period: int | None
) -> dict[str, queries.Grain]:
    """The metrics that have a curve, and how it is cut."""
    length = period or max(DAY, -(-(plan.end - plan.start) // PERIODS))
    if not any(arm.n for arm in arms.values()):
        return {}
    return {
        metric: queries.Grain(
            length, _centre(arms.values(), metric), capped.get(f"m{list(plan.metrics).index(metric)}_{VALUE}")
        )
        for metric in plan.experiment.primaries
        if plan.metrics[metric].kind is not Kind.QUANTILE
    }


def gather_from(place: Path | str, plan: Plan, until: int, **more: Any) -> Evidence:
    """The evidence in a folder of files, or in a bucket."""
    from burgee.analysis.tables import records

    connection = ibis.duckdb.connect()
    try:
        with tempfile.TemporaryDirectory(prefix="burgee-") as aside:
            for name, value in (
                ("temp_directory", aside),
                ("memory_limit", MEMORY),
                ("preserve_insertion_order", "false"),
            ):
                connection.raw_sql(f"SET {name} = '{value}'")
            return Gatherer(connection, records(connection, place)).gather(plan, until, **more)
    finally:
        connection.disconnect()


def _moments_of(row: Mapping[str, Any] | None, plan: Plan) -> dict[str, Moments]:
    """The moments in a row of aggregates; none is a zero where there are too few units for it."""
    told = {}
    for index, (name, metric) in enumerate(plan.metrics.items()):
        if metric.kind is Kind.QUANTILE:
            continue
        prefix = f"m{index}"
        columns = [column for column in COLUMNS if row is None or f"{prefix}_{column}_mean" in row]
        values = {column: float((row or {}).get(f"{prefix}_{column}_mean") or 0.0) for column in columns}
        both = {}
        for one in columns:
            for other in columns:
                cell = (row or {}).get(f"{prefix}_{one}_{other}", (row or {}).get(f"{prefix}_{other}_{one}"))
                both[one, other] = float(cell or 0.0)
        n = int(row["n"]) if row else 0
        cubed = (row or {}).get(f"{prefix}_{VALUE}_cubed")
        third = None if cubed is None else _third(n, values[VALUE], both[VALUE, VALUE], float(cubed))
        told[name] = Moments(n, values, both, third)
    return told


def _third(n: int, mean: float, variance: float, cubed: float) -> float:
    """The third central moment, from the mean of cubes."""
    squared = variance * (n - 1) / n + mean**2
    return cubed - 3 * mean * squared + 2 * mean**3


def _centre(arms: Iterable[Arm], metric: str) -> dict[str, float]:
    """A value near the mean of each column: sums of squares lose nothing around it."""
    known = [arm.moments[metric] for arm in arms if arm.n]
    total = sum(one.n for one in known)
    return {column: sum(one.n * one.means[column] for one in known) / total for column in known[0].means}


def _running(rows: Iterable[Mapping[str, Any]], plan: Plan, grain: queries.Grain, until: int) -> list[Moment]:
    """Running totals of what each period added, as moments at its end."""
    by_bucket: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_bucket.setdefault(int(row["bucket"]), []).append(row)
    sums: dict[str, dict[str, float]] = {arm: {} for arm in plan.arms}
    told = []
    for bucket in range(max((until - plan.start - 1) // grain.period, -1) + 1):
        for row in by_bucket.get(bucket, ()):
            totals = sums[row["arm"]]
            for name, value in row.items():
                if name not in {"arm", "bucket"}:
                    totals[name] = totals.get(name, 0.0) + float(value or 0.0)
        at = min(plan.start + (bucket + 1) * grain.period, until)
        told.append(Moment(at, {arm: _of_sums(totals, grain.centre) for arm, totals in sums.items()}))
    return told


def _of_sums(sums: Mapping[str, float], centre: Mapping[str, float]) -> Moments:
    n = round(sums.get("n", 0.0))
    columns = list(centre)
    if n < 2:
        return Moments(n, dict.fromkeys(columns, 0.0), {(one, other): 0.0 for one in columns for other in columns})
    total = {column: sums[f"sum_{column}"] for column in columns}
    both = {}
    for one in columns:
        for other in columns:
            squares = sums.get(f"both_{one}_{other}", sums.get(f"both_{other}_{one}", math.nan))
            cell = (squares - total[one] * total[other] / n) / (n - 1)
            both[one, other] = max(cell, 0.0) if one == other else cell
    return Moments(n, {column: centre[column] + total[column] / n for column in columns}, both)
