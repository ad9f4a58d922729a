"""Gathers an experiment's data by queries: aggregates by arm and by period."""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from burgee.analysis import queries
from burgee.analysis.cohorts import Cohorts, Tables, cohorts
from burgee.analysis.columns import measure, segment
from burgee.analysis.engines import DuckDB, duck, engine_of, refusals
from burgee.analysis.inputs import Inputs, identified, inputs_from
from burgee.analysis.keeping import keeper_of
from burgee.analysis.moments import moments_of, moments_of_sums
from burgee.analysis.quality import Kept, Quality, faults_of, quality_of, total
from burgee.analysis.sources import Read, counted, needs_records, read
from burgee.analysis.stats.estimates import VALUE, Moments, Points, shares, uneven
from burgee.analysis.tables import Records, records
from burgee.flagfile.experiments import Method, MetricKind
from burgee.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from burgee.analysis.engines import Engine
    from burgee.analysis.plans import ExperimentPlan

DAY = 86_400_000
PERIODS = 100
"""Maximum points in a curve over time."""


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm's aggregates: units, and by metric its moments or the points of its quantile.

    `largest` is one unit's largest share of a metric's total.
    """

    n: int
    moments: Mapping[str, Moments]
    points: Mapping[str, Points] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a metric at a time in milliseconds: moments by arm.

    `lagged` has, by arm, the covariance of each column at the previous time with each column now, over the units
    present then; None at the first.
    """

    at: int
    arms: Mapping[str, Moments]
    lagged: Mapping[str, Mapping[tuple[str, str], float]] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All data up to `until`, in milliseconds. `segments` are by attribute, then by value; `cohorts` by metric."""

    until: int
    arms: Mapping[str, Arm]
    series: Mapping[str, Sequence[Moment]]
    segments: Mapping[str, Mapping[str, Mapping[str, Arm]]]
    units: int
    crossed: int
    early: int
    quality: Quality = field(default_factory=Quality)
    cohorts: Mapping[str, Cohorts] = field(default_factory=dict)

    def immature(self, metric: str) -> int:
        """The units whose window of a metric is not over; 0 for a quantile, whose units may have no value."""
        return sum(arm.n - arm.moments[metric].n for arm in self.arms.values() if metric in arm.moments)


class Gatherer:
    """Asks the questions of one table of records, or of what a source has been read into."""

    def __init__(self, engine: Engine, found: Records | Read, *, project: str | None = None) -> None:
        self._engine = engine
        self._found = found
        self._project = project

    def gather(
        self, plan: ExperimentPlan, until: int, *, period: int | None = None, segments: bool = True
    ) -> Evidence:
        """All data for a report, from records that had arrived by `until`."""
        until = min(until, plan.end)
        faults = self.faults()
        given = self.inputs(plan, faults)
        seen = self.keep("burgee_units", queries.units(given.exposures, plan, until))
        found = self.keep("burgee_joined", queries.joined(given.events, seen, plan, until))
        events = self.keep("burgee_tracked", queries.tracked(found, plan))
        measured = self.keep("burgee_measures", queries.measures(seen, events, plan, until))
        capped = self.caps(measured, plan)
        arms = self._arms(measured, plan, capped)
        entries = self.rows(queries.entries(seen, plan, until))
        scopes = self.rows(queries.scopes(given.exposures, plan, until))
        return Evidence(
            until=until,
            arms=arms,
            series={
                metric: self._series((seen, events), plan, metric, one)
                for metric, one in _grains(plan, arms, capped, (period or _period(plan), until)).items()
            },
            segments=self._segments(measured, plan, capped) if segments else {},
            units=total(entries),
            crossed=total(row for row in entries if row["crossed"]),
            early=total(scopes, "early"),
            quality=quality_of(self.rows, Kept(given, found, entries, scopes), plan, until, faults),
            cohorts=cohorts(self.rows, Tables(events, measured, capped), plan, until, entries) if segments else {},
        )

    def faults(self) -> Quality:
        """What could not be used before any question was asked."""
        if isinstance(self._found, Records):
            return faults_of(self.rows, self._found)
        own = Quality() if self._found.own is None else faults_of(self.rows, self._found.own)
        usable, kinds = counted(self._found, self.rows)
        return replace(own, read=(own.read or 0) + usable, faults={**own.faults, **kinds})

    def inputs(self, plan: ExperimentPlan, faults: Quality | None = None) -> Inputs:
        """The input tables; `faults` are those counted before, if they were."""
        if isinstance(self._found, Read):
            return self._found.inputs
        found = inputs_from(self._found.usable, plan, self._project)
        return identified(found) if (faults or self.faults()).identified else found

    def keep(self, name: str, table: Any) -> Any:
        """The result of a query, computed once if the engine can store it."""
        return self._engine.keep(name, table)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """The rows of a query."""
        return self._engine.rows(table)

    def caps(self, measured: Any, plan: ExperimentPlan) -> dict[str, float]:
        """The values at which columns are winsorised."""
        found = {}
        for index, metric in enumerate(plan.metrics.values()):
            rows = metric.winsorise and self.rows(queries.cap(measured, index, float(metric.winsorise)))
            # A cap of zero would make all values zero.
            if rows and rows[0]["value"] > 0:
                found[measure(index, VALUE)] = float(rows[0]["value"])
        return found

    def _arms(self, measured: Any, plan: ExperimentPlan, capped: Mapping[str, float]) -> dict[str, Arm]:
        rows = {row["arm"]: row for row in self.rows(queries.aggregates(measured, plan, capped))}
        points = {
            metric: self._points(measured, plan, metric, rows)
            for metric, one in plan.metrics.items()
            if one.kind is MetricKind.QUANTILE
        }
        return {
            arm: Arm(
                int(rows[arm]["n"]) if arm in rows else 0,
                moments_of(rows.get(arm), plan),
                {metric: found[arm] for metric, found in points.items() if arm in found},
                _largest(rows.get(arm), plan),
            )
            for arm in plan.arms
        }

    def _points(
        self, measured: Any, plan: ExperimentPlan, metric: str, arms: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Points]:
        quantile = plan.metrics[metric].quantile
        assert quantile is not None  # noqa: S101 - the grammar asks for it
        sizes = {arm: int(row[f"m{list(plan.metrics).index(metric)}_n"]) for arm, row in arms.items()}
        wanted = {arm: (quantile, *shares(n, quantile)) for arm, n in sizes.items() if n >= 20}
        if not wanted:
            return {}
        asked = {arm: found[:3] for arm, found in wanted.items()}
        rows: dict[str, list[dict[str, Any]]] = {arm: [] for arm in wanted}
        for row in self.rows(queries.mid_quantiles(measured, plan, metric, asked)):
            rows[row["arm"]].append(row)
        return {arm: _points_of(rows[arm], sizes[arm], found) for arm, found in wanted.items()}

    def _segments(self, measured: Any, plan: ExperimentPlan, capped: Mapping[str, float]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, name in enumerate(plan.experiment.segments):
            column = segment(index)
            known = measured.filter(measured[column].notnull())
            by_value: dict[str, dict[str, Arm]] = {}
            for row in self.rows(queries.aggregates(known, plan, capped, ("arm", column))):
                by_value.setdefault(row[column], {})[row["arm"]] = Arm(int(row["n"]), moments_of(row, plan))
            largest = sorted(by_value, key=lambda value: (-sum(arm.n for arm in by_value[value].values()), value))
            found[name] = {value: by_value[value] for value in largest[:20]}
        return found

    def _series(self, kept: tuple[Any, Any], plan: ExperimentPlan, metric: str, grain: queries.Grain) -> list[Moment]:
        return _running(self.rows(queries.series(*kept, plan, metric, grain)), plan, grain)


def gather(
    where: tuple[Path, Path | str],
    plan: ExperimentPlan,
    until: int,
    *,
    project: str | None = None,
    keep: Path | None = None,
    **more: Any,
) -> Evidence:
    """The evidence in a plan's source, or in Burgee's records if it has none. Raises Refused if it cannot be read.

    `where` is the flag file's folder, and the place of the records; `keep` a folder for copies of their files.
    """
    with gatherer(where, plan, project=project, keep=keep) as asked:
        return asked.gather(plan, until, **more)


@contextmanager
def gatherer(
    where: tuple[Path, Path | str], plan: ExperimentPlan, *, project: str | None = None, keep: Path | None = None
) -> Iterator[Gatherer]:
    """What asks a plan's source, or Burgee's records, as in `gather`."""
    source, (folder, place) = plan.source, where
    if source is None:
        with reader(place, plan, project, keep) as asked:
            yield asked
        return
    named = f"source {plan.experiment.source}"
    with (
        tempfile.TemporaryDirectory(prefix="burgee-") as scratch,
        refusals(named),
        engine_of(source, folder, scratch, keep) as engine,
    ):
        if isinstance(engine, DuckDB) and source.records is None and needs_records(source, plan):
            with keeper_of(keep, place) as keeper:
                own = records(engine.connection, place, (plan.topic,), keeper)
                yield Gatherer(engine, read(source, plan, engine, own, project))
            return
        yield Gatherer(engine, read(source, plan, engine, None, project))


@contextmanager
def reader(place: Path | str, plan: ExperimentPlan, project: str | None, keep: Path | None) -> Iterator[Gatherer]:
    with (
        tempfile.TemporaryDirectory(prefix="burgee-") as scratch,
        refusals(place),
        keeper_of(keep, place) as keeper,
    ):
        connection = duck(scratch)
        try:
            yield Gatherer(DuckDB(connection), records(connection, place, (plan.topic,), keeper), project=project)
        finally:
            connection.disconnect()


def _period(plan: ExperimentPlan) -> int:
    """The time between two points of a curve: planned looks, or days."""
    length = plan.end - plan.start
    if plan.experiment.method is Method.GROUP_SEQUENTIAL:
        return length // plan.experiment.looks
    return max(DAY, -(-length // PERIODS))


def _grains(
    plan: ExperimentPlan, arms: Mapping[str, Arm], capped: Mapping[str, float], times: tuple[int, int]
) -> dict[str, queries.Grain]:
    """The metrics with a curve: the deciding ones, or all if every look counts. `times` are a period and the end."""
    if not any(arm.n for arm in arms.values()):
        return {}
    fixed = plan.experiment.method is Method.FIXED
    return {
        metric: queries.Grain(*times, _centre(arms.values(), metric), capped.get(measure(index, VALUE)))
        for index, (metric, one) in enumerate(plan.metrics.items())
        if one.kind is not MetricKind.QUANTILE and (not fixed or metric in plan.experiment.primaries)
    }


def _largest(row: Mapping[str, Any] | None, plan: ExperimentPlan) -> dict[str, float]:
    found = {}
    for index, name in enumerate(plan.metrics):
        total = (row or {}).get(f"m{index}_{VALUE}_total")
        if total:
            found[name] = float((row or {})[f"m{index}_{VALUE}_largest"]) / float(total)
    return found


def _points_of(rows: Sequence[Mapping[str, Any]], n: int, wanted: tuple[float, float, float, float]) -> Points:
    """The quantile and its bounds on the mid-distribution function (Ma, Genton and Parzen 2011)."""
    quantile, low, high, z = wanted
    counts = [int(count) for row in rows for count in (row["n"], row["n_high"]) if count is not None]
    value, lower, upper = (_at(rows, share) for share in (quantile, low, high))
    return Points(n, value, lower, upper, z, uneven(counts, n, quantile))


def _at(rows: Sequence[Mapping[str, Any]], share: float) -> float:
    row = max((one for one in rows if one["below"] <= share), key=lambda one: float(one["below"]), default=None)
    if row is None:
        return float(min(float(one["low"]) for one in rows))
    if row["above"] is None:
        return float(row["low"])
    part = (share - row["below"]) / (row["above"] - row["below"])
    return float(row["low"] + part * (row["high"] - row["low"]))


def _centre(arms: Iterable[Arm], metric: str) -> dict[str, float]:
    """A value near the mean of each column, so that sums of squares around it lose no digits."""
    known = [arm.moments[metric] for arm in arms if arm.n]
    total = sum(one.n for one in known) or 1
    return {column: sum(one.n * one.means[column] for one in known) / total for column in known[0].means}


def _running(rows: Iterable[Mapping[str, Any]], plan: ExperimentPlan, grain: queries.Grain) -> list[Moment]:
    """Running totals of the additions of each period, as moments at its end."""
    by_bucket: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_bucket.setdefault(int(row["bucket"]), []).append(row)
    sums: dict[str, dict[str, float]] = {arm: {} for arm in plan.arms}
    found: list[Moment] = []
    for bucket in range(max((grain.until - plan.start - 1) // grain.period, -1) + 1):
        added = {row["arm"]: row for row in by_bucket.get(bucket, ())}
        lagged = {arm: _lagged(totals, added.get(arm), grain.centre) for arm, totals in sums.items()}
        for arm, row in added.items():
            totals = sums[arm]
            for name, value in row.items():
                if name == "n" or name.startswith(("sum_", "both_")):
                    totals[name] = totals.get(name, 0.0) + float(value or 0.0)
        at = min(plan.start + (bucket + 1) * grain.period, grain.until)
        moments = {arm: moments_of_sums(totals, grain.centre) for arm, totals in sums.items()}
        found.append(Moment(at, moments, lagged if found else None))
    return found


def _lagged(
    before: Mapping[str, float], added: Mapping[str, Any] | None, centre: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """The covariances of the previous columns with the current ones, over the units present before."""
    n = round(before.get("n", 0.0))
    if n < 2:
        return {(one, other): 0.0 for one in centre for other in centre}
    grown = added or {}
    covariances = {}
    for one in centre:
        for other in centre:
            products = before.get(f"both_{one}_{other}", before.get(f"both_{other}_{one}", math.nan))
            products += float(grown.get(f"cross_{one}_{other}") or 0.0)
            now = before[f"sum_{other}"] + float(grown.get(f"grown_{other}") or 0.0)
            covariances[one, other] = (products - before[f"sum_{one}"] * now / n) / (n - 1)
    return covariances
