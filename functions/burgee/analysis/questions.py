"""A report's queries as readable SQL, in the dialect of the plan's source, without connecting to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ibis

from burgee.analysis import queries
from burgee.analysis.cohorts import Tables, by_entry, since_exposure
from burgee.analysis.columns import counted_by, events_of
from burgee.analysis.dialects import compiled
from burgee.analysis.files import EVERYTHING
from burgee.analysis.sources import read
from burgee.analysis.stats.estimates import COLUMNS, VALUE
from burgee.analysis.tables import SCHEMA
from burgee.flagfile.data_sources import Clock, DataSource, EngineName
from burgee.flagfile.experiments import MetricKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.analysis.files import Wanted
    from burgee.analysis.inputs import Inputs
    from burgee.analysis.plans import ExperimentPlan
    from burgee.flagfile.data_sources import ExposureRows, FactRows

RECORDS = DataSource.model_validate({"engine": EngineName.ATHENA, "records": "burgee_events"})
"""The records of a stack with `Recording=true`."""


def questions_as_sql(plan: ExperimentPlan) -> dict[str, str]:
    """The queries of a report, by result."""
    engine, questions = questions_of(plan)
    return {name: engine.sql(table) for name, table in questions.items()}


def questions_of(plan: ExperimentPlan) -> tuple[Declared, dict[str, Any]]:
    """The same as expressions, with a function that writes them as SQL."""
    engine = Declared(plan.source or RECORDS, plan)
    found = read(engine.source, plan, engine)
    lost = {f"rows of {name} that cannot be used": table for name, table in found.counts.items()}
    return engine, _questions(found.inputs, plan) | lost


def number_of_questions(plan: ExperimentPlan) -> int:
    """The maximum number of statements of a report; those for the columns of tables read nothing."""
    metrics = list(plan.metrics.values())
    capped = sum(one.winsorise is not None for one in metrics)
    facts = 1 + len(events_of(plan))
    cohorts = 1 + len(plan.experiment.primaries)
    return 6 + len(metrics) + capped + len(plan.experiment.segments) + cohorts + facts


def _questions(given: Inputs, plan: ExperimentPlan) -> dict[str, Any]:
    seen = queries.units(given.exposures, plan, plan.end)
    joined = queries.joined(given.events, seen, plan, plan.end)
    tracked = queries.tracked(joined, plan)
    measured = queries.measures(seen, tracked, plan, plan.end)
    asked = {
        "units by day": queries.entries(seen, plan, plan.end),
        "exposures by environment": queries.scopes(given.exposures, plan, plan.end),
        "events by arm": queries.arrivals(joined),
        "aggregates by arm": queries.aggregates(measured, plan, {}),
        "aggregates by day of entry": by_entry(measured, plan, {}),
    }
    for index, (name, metric) in enumerate(plan.metrics.items()):
        if metric.winsorise is not None:
            asked[f"cap of {name}"] = queries.cap(measured, index, float(metric.winsorise))
        if metric.kind is MetricKind.QUANTILE:
            shares = dict.fromkeys(plan.arms, (float(metric.quantile or 0.5),))
            asked[f"quantile of {name}"] = queries.mid_quantiles(measured, plan, name, shares)
    kept = Tables(tracked, measured, {})
    for name in plan.experiment.primaries:
        if plan.metrics[name].kind is not MetricKind.QUANTILE:
            grain = queries.Grain(86_400_000, plan.end, dict.fromkeys([VALUE, *COLUMNS], 0.0))
            asked[f"{name} over time"] = queries.series(seen, tracked, plan, name, grain)
            asked[f"{name} since exposure"] = since_exposure(kept, plan, name, plan.end)
    return asked


@dataclass(slots=True)
class Declared:
    """A stand-in for an engine: tables have the columns that the source names, with the types that it implies."""

    source: DataSource
    plan: ExperimentPlan
    queries: dict[str, str] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> EngineName:
        """The SQL dialect."""
        return self.source.engine

    def table(self, name: str, wanted: Wanted = EVERYTHING) -> Any:
        """A table with all columns that are read."""
        del wanted
        if name == self.source.records:
            return ibis.table({**SCHEMA, "day": "string"}, name=name)
        *path, last = name.split(".")
        columns: dict[str, str] = {}
        for rows, needed in self._rows():
            if rows.table == name:
                columns |= needed
        return ibis.table(columns, name=last, database=".".join(path) or None)

    def query(self, sql: str) -> Any:
        """A reviewed query, as a named subquery of every query."""
        name = f"burgee_query_{len(self.queries)}"
        self.queries[name] = sql
        columns: dict[str, str] = {}
        for rows, needed in self._rows():
            if rows.sql == sql:
                columns |= needed
        return ibis.table(columns, name=name)

    def keep(self, name: str, table: Any) -> Any:
        """Returns it unchanged."""
        del name
        return table

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Queries cannot be run."""
        raise NotImplementedError

    def sql(self, table: Any) -> str:
        """The query in the source's dialect."""
        return compiled(table, self.name, self.queries)

    def _rows(self) -> list[tuple[ExposureRows | FactRows, dict[str, str]]]:
        found: list[tuple[ExposureRows | FactRows, dict[str, str]]] = []
        if self.source.exposures is not None:
            rows = self.source.exposures
            segments = {rows.column(name): "string" for name in self.plan.experiment.segments}
            named = {rows.variant: "string"} | ({rows.flag: "string"} if rows.flag else {})
            found.append((rows, _columns(rows) | segments | named))
        for event, fact in self.source.facts.items():
            needed = _columns(fact) | ({fact.id: "string"} if fact.id else {})
            for metric in self.plan.metrics.values():
                for one in counted_by(metric):
                    if one.event == event:
                        needed |= {fact.column(one.value): "float64"} if one.value else {}
                        needed |= {fact.column(one.distinct): "string"} if one.distinct else {}
                        needed |= {fact.column(name): _kind(wanted) for name, wanted in one.where.items()}
            found.append((fact, needed))
        return found


def _columns(rows: ExposureRows | FactRows) -> dict[str, str]:
    time = "timestamp('UTC')" if rows.clock is Clock.TIMESTAMP else "int64"
    found = {name: _kind(wanted) for name, wanted in rows.where.items()}
    return found | {rows.unit: "string", rows.time: time} | dict.fromkeys(filter(None, [rows.received]), time) | (
        {} if rows.day is None else {rows.day: "string"}
    )  # fmt: skip


def _kind(wanted: Any) -> str:
    """The type of a column compared with these values."""
    first = wanted[0] if isinstance(wanted, list) else wanted
    return "boolean" if isinstance(first, bool) else "string" if isinstance(first, str) else "float64"
