"""Writes `events/guard_looks.sql`: a guard's queries in Athena's SQL, for a function that has no Ibis to write them.

`python -m burgee.analysis.guard_statements` writes it again; a test proves that it is current. What differs between
guards is a parameter, such as `:until`, or a column of the records, such as `amount0`: burgee.events.guard_looks
gives both.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from burgee.analysis import queries
from burgee.analysis.columns import measure
from burgee.analysis.dialects import compiled
from burgee.analysis.guards import first_seen, in_their_groups, look, measures, newest
from burgee.analysis.inputs import Inputs, identified, inputs_from
from burgee.analysis.plans import ExperimentPlan
from burgee.analysis.tables import SCHEMA
from burgee.evaluation.snapshots import GUARD
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.events.guard_looks import AMOUNTS, DISTINCTS, SHAPES, STATEMENTS, WHERES
from burgee.flagfile.data_sources import EngineName
from burgee.flagfile.experiments import Experiment, Metric
from burgee.guards.aggregates import VALUE
from burgee.guards.driver import Ask
from burgee.guards.plan import Group
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.events.guard_looks import Shape

NUMBERS = {
    "until": 9_333_333_333_333,
    "since": 9_111_111_111_000,
    "begins": 9_444_444_444_441,
    "ends": 9_444_444_444_442,
    "known": 9_444_444_444_443,
    "reached_low": 9_555_555_551,
    "reached_high": 9_555_555_552,
    "compared_low": 9_555_555_553,
    "compared_high": 9_555_555_554,
    "cap": 812_500_000_000_000,
    "window": 222_222_000,
    "delay": 111_111_000,
    "share": 98_765_432,
}
"""Stand-ins for numbers that differ between looks: none is one that a query has otherwise."""
DERIVED = {
    NUMBERS["until"] + 1: "until_next",
    NUMBERS["until"] - NUMBERS["window"]: "mature",
}
TEXTS = ("project", "environment", "rule", "flag", "event0", "event1")
"""Stand-ins for strings, by their own names."""
HEADER = "-- Written by `python -m burgee.analysis.guard_statements`: do not edit.\n"


def statements() -> dict[str, str]:
    """All queries, by name, with parameters."""
    found = {"newest": _parametrised(_newest()).replace(":event0, :event1", ":events")}
    for name, shape in SHAPES.items():
        found[f"look {name}"] = _parametrised(_look(shape))
        if shape.per is None:
            found[f"cap {name}"] = _parametrised(_cap(shape))
    return found


def _newest() -> Any:
    asked = _plan(SHAPES["ratio"])
    given = _inputs(asked)
    exposures = in_their_groups(given.exposures, _ask())
    unusable = [
        _records(name).aggregate(**{f"{name}_read": _.count(), f"{name}_faulty": _.fault.count()})
        for name in ("exposures", "events")
    ]
    return newest(exposures, given.events).cross_join(unusable[0]).cross_join(unusable[1])


def _look(shape: Shape) -> Any:
    asked = _plan(shape)
    return look(_measured(asked), asked, {measure(0, VALUE): float(NUMBERS["cap"])}, {0: NUMBERS["known"]})


def _cap(shape: Shape) -> Any:
    return queries.cap(_measured(_plan(shape)), 0, float(NUMBERS["share"]))


def _measured(asked: ExperimentPlan) -> Any:
    until = NUMBERS["until"]
    given = _inputs(asked)
    exposures = in_their_groups(given.exposures, _ask())
    seen = first_seen(exposures, asked, until, (NUMBERS["begins"], NUMBERS["ends"]))
    joined = queries.joined(given.events, seen, asked, until + 1)
    return measures(seen, queries.tracked(joined, asked), asked, until)


def _plan(shape: Shape) -> ExperimentPlan:
    """A step that one metric of a shape watches."""
    per = None if shape.per is None else {"event": "event1", **_counted(1, distinct=shape.per)}
    value = {} if shape.kind == "proportion" else _counted(0, distinct=shape.distinct)
    metric = Metric.model_validate(
        {
            "kind": shape.kind,
            "event": "event0",
            "window": f"{NUMBERS['window'] // 1000}s",
            "delay": f"{NUMBERS['delay'] // 1000}s",
            "where": {WHERES[0]: True},
            **value,
            **({} if per is None else {"per": per}),
        }
    )
    experiment = Experiment.model_validate(
        {
            "hypothesis": "no metric is worse by more than its margin",
            "environment": "environment",
            "start": format_time(NUMBERS["since"] / 1000),
            "end": format_time(NUMBERS["since"] / 1000 + 86_400),
            "rule": "rule",
            "primary": ["metric"],
            "segments": ["place"],
        }
    )
    return ExperimentPlan(f"{GUARD}flag", experiment, {"metric": metric}, {COMPARED: 0.5, REACHED: 0.5})


def _counted(index: int, *, distinct: bool) -> dict[str, Any]:
    """Events are counted as values of 1, so that there is one query for both."""
    key = {"distinct": DISTINCTS[index]} if distinct else {"value": AMOUNTS[index]}
    return {**key, "where": {WHERES[index]: True}} if index else key


def _ask() -> Ask:
    reached, compared = (Group(NUMBERS[f"{name}_low"], NUMBERS[f"{name}_high"]) for name in ("reached", "compared"))
    return Ask(0, NUMBERS["since"], reached, compared, ())


def _inputs(asked: ExperimentPlan) -> Inputs:
    """Exposures, events and identities, each from the partitions of its own topic."""

    def of(name: str) -> Inputs:
        records = _records(name)
        usable = records.filter(records.fault.isnull())
        return inputs_from(usable, asked, "project", _property)

    return identified(Inputs(of("exposures").exposures, of("events").events, of("identities").identities))


def _records(name: str) -> Any:
    columns = dict.fromkeys((*AMOUNTS, *DISTINCTS), "string") | dict.fromkeys(WHERES, "boolean")
    return ibis.table({**SCHEMA, **columns, "fault": "string"}, name=f"asked_{name}")


def _property(records: Any, name: str) -> Any:
    return records[name] if name in {*AMOUNTS, *DISTINCTS, *WHERES} else records.properties[name]


def _parametrised(table: Any) -> str:
    """A query with parameters in place of the stand-ins."""
    sql = " ".join(compiled(table, EngineName.ATHENA).split())
    named = {str(number): name for name, number in NUMBERS.items()}
    named |= {f"{float(NUMBERS[name])}": name for name in ("cap", "share")}
    named |= {str(number): name for number, name in DERIVED.items()}

    def number(found: re.Match[str]) -> str:
        return f":{named[found[0]]}" if found[0] in named else found[0]

    sql = re.sub(r"(?<![\w\"])\d+(\.\d+)?(?![\w\"])", number, sql)
    for name in TEXTS:
        sql = sql.replace(f"'{name}'", f":{name}")
    return sql.replace("'_guard.flag'", ":topic")


def written() -> str:
    """The text of `guard_looks.sql`."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield HEADER
    for name, sql in statements().items():
        lines = textwrap.fill(sql, 116, break_long_words=False, break_on_hyphens=False)
        yield f"-- {name}\n{lines}\n"


if __name__ == "__main__":
    STATEMENTS.write_text(written(), encoding="utf-8")
