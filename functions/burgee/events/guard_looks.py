"""Asks Athena what a look of a guard needs, by the queries of `burgee guard run`, without a library that writes SQL.

A step's units are asked for in two parts: those of closed days, which are asked once and kept by the caller, and
those since. So a look reads the events of the last day alone; of earlier days it reads who was exposed to the guard.
A day ends at 02:00 UTC here: clients' clocks may be an hour ahead, and the stream names a file by its first record.
It is closed when the longest window of a metric and three more hours are over; what arrives later does not count. The
cap of a winsorised metric depends on all units, so such a metric reads all days of its step.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import DEFAULT_RULE
from burgee.evaluation.snapshots import GUARD
from burgee.events.athena import literal
from burgee.events.guard_parts import ARMS, Part, part_of
from burgee.events.records import COLUMNS, FAULTS, IDENTIFIED, TRACKED, texts_of, topic_of
from burgee.guards.aggregates import window_of
from burgee.plurals import counted
from burgee.records import NamedTuple
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.guards.aggregates import Aggregates
    from burgee.guards.driver import Ask
    from burgee.guards.plan import GuardMetric, GuardPlan

    Run = Callable[[Sequence[str]], Sequence[Sequence[Mapping[str, Any]]]]
    """Runs statements and answers the rows of each."""

STATEMENTS = Path(__file__).with_name("guard_looks.sql")
AMOUNTS, DISTINCTS, WHERES = ("amount0", "amount1"), ("distinct0", "distinct1"), ("where0", "where1")
"""Columns of records: what a metric sums, what it counts distinct, and whether `where` holds; and of its `per`."""
HOUR, DAY = 3_600_000, 86_400_000
DAY_ENDS = 2 * HOUR
"""After midnight UTC, in milliseconds; so all that is later is in the partitions of that day and later ones."""
LATE = 3 * HOUR
"""How late records of a day may arrive, in milliseconds, before it is closed."""
EARLIER_IDENTITIES = 30 * DAY
NO_CAP = 1.7976931348623157e308
UNREADABLE = 0.01
"""The share of records that cannot be read above which a guard does not trust the others."""


class Shape(NamedTuple):
    """The form of a metric's query; `per` is None without a denominator, else whether that counts distinct values."""

    kind: str
    distinct: bool = False
    per: bool | None = None


SHAPES = {
    "proportion": Shape("proportion"),
    "mean": Shape("mean"),
    "mean-distinct": Shape("mean", distinct=True),
    "ratio": Shape("ratio", per=False),
    "ratio-distinct": Shape("ratio", distinct=True, per=False),
    "ratio-per-distinct": Shape("ratio", per=True),
    "ratio-distinct-per-distinct": Shape("ratio", distinct=True, per=True),
}


class Closed(NamedTuple):
    """The closed days of a step: the part of units first exposed before `upto`, in epoch milliseconds.

    `step` is a digest of what was asked; `closed` for another step is not used.
    """

    step: str
    upto: int
    part: Part

    def as_record(self) -> dict[str, Any]:
        """The days as JSON values."""
        return {"step": self.step, "upto": self.upto, "part": self.part.as_record()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Closed | None:
        """Reads a record; None, so that its days are asked again, if another version has written it."""
        try:
            return cls(record["step"], record["upto"], Part.of_record(record["part"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class Look(NamedTuple):
    """What to ask: a guard's plan and step, in a project and environment, of a table of records."""

    plan: GuardPlan
    ask: Ask
    project: str
    environment: str
    table: str = "burgee_events"


def looked(look: Look, closed: Closed | None, run: Run, keep: Callable[[Closed], None]) -> Aggregates | None:
    """What a guard asks; None if no exposure has arrived. `closed` are the days that an earlier look gave to `keep`.

    They are kept before the rest is asked, so that a day is read once though later queries may fail. Raises what
    `run` raises.
    """
    ask, step = look.ask, _digest(look)
    capped = tuple(one for one in ask.metrics if one.definition.get("winsorise") is not None)
    plain = tuple(one for one in ask.metrics if one not in capped)
    if closed is None or closed.step != step or not plain:
        closed = Closed(step, ask.since, Part())
    ((newest,),) = run([_statement(look, "newest", None, ask.since if capped else closed.upto)])
    if newest["exposure"] is None:
        return None
    until = max(int(newest["exposure"]), int(newest["event"] or 0))
    boundary = _boundary(look, plain, until)
    if plain and boundary > closed.upto:
        day = _part(look, plain, run, _Between(until, closed.upto, boundary, closed.part))
        closed = Closed(step, boundary, closed.part.joined(day))
        keep(closed)
    parts = []
    if plain:
        rest = _part(look, plain, run, _Between(until, closed.upto, until + 1, closed.part))
        parts.append(closed.part.joined(rest))
    if capped:
        parts.append(_part(look, capped, run, _Between(until, ask.since, until + 1, Part())))
    units = {arm: max(part.units[arm] for part in parts) for arm in ARMS}
    sums = {name: arms for part in parts for name, arms in part.sums.items()}
    last = {name: at for part in parts for name, at in part.last.items()}
    return Part(units, sums, last).aggregates(ask, until, _faults(newest))


class _Between(NamedTuple):
    """Units first exposed at or after `begins` and before `ends`; `earlier` are those before them."""

    until: int
    begins: int
    ends: int
    earlier: Part


def _part(look: Look, metrics: Sequence[GuardMetric], run: Run, between: _Between) -> Part:
    caps = [NO_CAP] * len(metrics)
    asked = [index for index, one in enumerate(metrics) if one.definition.get("winsorise") is not None]
    if asked:
        statements = [_of_metric(look, "cap", metrics[index], between, NO_CAP) for index in asked]
        for index, rows in zip(asked, run(statements), strict=True):
            # A cap of zero would make all values zero.
            if rows and float(rows[0]["value"]) > 0:
                caps[index] = float(rows[0]["value"])
    statements = [_of_metric(look, "look", one, between, cap) for one, cap in zip(metrics, caps, strict=True)]
    found = [part_of(rows, [one]) for one, rows in zip(metrics, run(statements), strict=True)]
    sums = {name: arms for part in found for name, arms in part.sums.items()}
    return Part(found[0].units, sums, {name: at for part in found for name, at in part.last.items()})


def _boundary(look: Look, plain: Sequence[GuardMetric], until: int) -> int:
    """The end of the last day that is closed."""
    longest = max((window_of(one, look.plan) for one in plain), default=0)
    over = until - longest - LATE - DAY_ENDS
    return over // DAY * DAY + DAY_ENDS


def _of_metric(look: Look, name: str, metric: GuardMetric, between: _Between, cap: float) -> str:
    definition = metric.definition
    per = definition.get("per")
    shape = Shape(definition["kind"], _is_distinct(definition), None if per is None else _is_distinct(per))
    if name == "cap":
        shape = Shape("mean", shape.distinct)  # the value alone is capped
    form = next(known for known, one in SHAPES.items() if one == shape)
    window = _window(metric, look.plan)
    numbers = {
        "begins": between.begins,
        "ends": between.ends,
        "known": between.earlier.last.get(metric.name, 0),
        "until": between.until,
        "until_next": between.until + 1,
        "mature": between.until - window,
        "window": window,
        "delay": 0 if definition.get("delay") is None else round(parse_duration(definition["delay"]) * 1000),
        "cap": _number(cap),
        "share": _number(float(definition.get("winsorise") or 100)),
    }
    return _statement(look, f"{name} {form}", metric, between.begins, numbers)


def _window(metric: GuardMetric, plan: GuardPlan) -> int:
    """Whole seconds, in milliseconds."""
    return max(window_of(metric, plan) // 1000, 1) * 1000


def _number(value: float) -> str:
    """A double in SQL; without an exponent it would be a decimal."""
    text = repr(value)
    return text.replace("e+", "e") if "e" in text else f"{text}e0"


def _statement(
    look: Look, name: str, metric: GuardMetric | None, since: int, numbers: Mapping[str, Any] | None = None
) -> str:
    """A query over the records, with the events of the days since a time."""
    ask = look.ask
    metrics = ask.metrics if metric is None else (metric,)
    events = list(dict.fromkeys(one["event"] for metric in metrics for one in _counted(metric)))
    texts = {
        "project": look.project,
        "environment": look.environment,
        "rule": look.plan.rule or DEFAULT_RULE,
        "topic": _topic(look),
        "event0": events[0],
        "event1": events[-1],
    }
    if metric is not None:
        both = list(_counted(metric))
        texts |= {"event0": both[0]["event"], "event1": both[-1]["event"]}
    given: dict[str, Any] = {
        "since": ask.since,
        "reached_low": ask.reached.low,
        "reached_high": ask.reached.high,
        "compared_low": ask.compared.low,
        "compared_high": ask.compared.high,
        **{key: literal(value) for key, value in texts.items()},
        "events": ", ".join(map(literal, events)),
        **(numbers or {}),
    }
    # All at once: a name of an event may look like a parameter.
    query = re.sub(r":(\w+)", lambda found: str(given[found[1]]), _statements()[name])
    tables = ",\n".join(_records(look, table, metric, since) for table in ("exposures", "events", "identities"))
    return f"WITH {tables},\n{query[5:]}" if query.startswith("WITH ") else f"WITH {tables}\n{query}"


def _records(look: Look, name: str, metric: GuardMetric | None, since: int) -> str:
    """The records of one topic, as a named subquery that reads its partitions alone."""
    topic, first = {
        "exposures": (_topic(look), look.ask.since - DAY_ENDS),
        "events": (TRACKED, since - DAY_ENDS),
        "identities": (IDENTIFIED, look.ask.since - EARLIER_IDENTITIES),
    }[name]
    columns = [f'"{column}"' for column in COLUMNS]
    columns += [f"{sql} AS {column}" for column, sql in _read(metric).items()]
    columns.append(f"CASE {FAULTS} END AS fault")
    where = f"topic = {literal(topic)} AND day >= '{datetime.fromtimestamp(first / 1000, UTC):%Y-%m-%d}'"
    return f"asked_{name} AS (\nSELECT {', '.join(columns)}\nFROM {look.table} WHERE {where}\n)"


def _read(metric: GuardMetric | None) -> dict[str, str]:
    """What a metric reads of its events' properties, by column."""
    found = dict.fromkeys((*AMOUNTS, *DISTINCTS), "CAST(NULL AS VARCHAR)") | dict.fromkeys(WHERES, "TRUE")
    for index, one in enumerate([] if metric is None else _counted(metric)):
        if _is_distinct(one):
            found[DISTINCTS[index]] = _property(one["distinct"])
        else:
            found[AMOUNTS[index]] = _property(one["value"]) if one.get("value") is not None else "'1'"
        conditions = []
        for name, wanted in (one.get("where") or {}).items():
            values = [
                text for value in (wanted if isinstance(wanted, list) else [wanted]) for text in texts_of(value)
            ]
            conditions.append(f"{_property(name)} IN ({', '.join(map(literal, dict.fromkeys(values)))})")
        found[WHERES[index]] = " AND ".join(conditions) or "TRUE"
    return found


def _property(name: str) -> str:
    return f"element_at(properties, {literal(name)})"


def _is_distinct(one: Mapping[str, Any]) -> bool:
    return one.get("distinct") is not None


def _counted(metric: GuardMetric) -> Iterator[Mapping[str, Any]]:
    """What a metric counts, and what it divides by."""
    yield metric.definition
    if metric.definition.get("per") is not None:
        yield metric.definition["per"]


def _topic(look: Look) -> str:
    return topic_of(f"{GUARD}{look.plan.flag}")


def _faults(newest: Mapping[str, Any]) -> Iterator[str]:
    read, bad = (
        sum(int(newest[f"{name}_{what}"] or 0) for name in ("exposures", "events")) for what in ("read", "faulty")
    )
    if bad > UNREADABLE * read:
        yield f"{bad:,} of {counted(read, 'record')} cannot be read"


def _digest(look: Look) -> str:
    """What makes another step or question; other queries, of another version, may answer another one."""
    ask, plan = look.ask, look.plan
    metrics = [[one.name, window_of(one, plan), dict(one.definition)] for one in ask.metrics]
    asked = [plan.flag, plan.rule, ask.step, ask.since, [*ask.reached], [*ask.compared], metrics]
    return hashlib.sha256(json.dumps([*asked, _statements()], sort_keys=True).encode()).hexdigest()


def _statements() -> dict[str, str]:
    """The queries, by name."""
    parts = STATEMENTS.read_text(encoding="utf-8").split("\n-- ")[1:]
    return {name: sql.strip() for name, _line, sql in (part.partition("\n") for part in parts)}
