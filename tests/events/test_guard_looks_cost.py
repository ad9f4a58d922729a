"""What the looks of a guard read, against the formula in docs/guards.md."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from sqlglot import exp

from burgee.events.guard_looks import DAY, HOUR, STATEMENTS, Closed, Look, looked
from burgee.guards.driver import Ask
from burgee.guards.plan import Group, plan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = (Path(__file__).parents[2] / "docs/guards.md").read_text(encoding="utf-8")
COST = PAGE.partition("### What it costs")[2]
EVENTS, EXPOSURES, IDENTITIES = "events", "exposures", "identities"
TOPICS = {"_track": EVENTS, "_guard.checkout": EXPOSURES, "_identify": IDENTITIES}
START = 1_800_000_000_000 // DAY * DAY + 10 * HOUR
HOLD = 84
STEPS = 4
FIRST = re.compile(r"topic = '([^']+)' AND day >= '([^']+)'")
ROW = {"exposures_read": 1, "exposures_faulty": 0, "events_read": 1, "events_faulty": 0}


def scans(query: exp.Expr, known: dict[str, Counter[str]] | None = None) -> Counter[str]:
    """How often a query reads each topic: Athena runs a named subquery again for each time that it is named."""
    named = query.args.get("with_")
    known = {} if known is None else {**known}
    for one in named.expressions if named else ():
        known[one.alias] = scans(one.this, known)
    found: Counter[str] = Counter()
    for table in query.find_all(exp.Table):
        if named is None or not any(parent is named for parent in _parents(table)):
            found += known.get(table.name, Counter([table.name.removeprefix("asked_")]))
    return found


def _parents(table: exp.Expr) -> list[exp.Expr]:
    found = []
    while table.parent is not None:
        table = table.parent
        found.append(table)
    return found


@cache
def statements() -> dict[str, str]:
    """The queries, by name."""
    parts = STATEMENTS.read_text(encoding="utf-8").split("\n-- ")[1:]
    return {name: sql for name, _line, sql in (part.partition("\n") for part in parts)}


@cache
def of_statement(name: str) -> Counter[str]:
    sql = re.sub(r":\w+", "1", statements()[name])
    return scans(sqlglot.parse_one(sql, read="athena"))


def test_the_page_says_how_often_each_query_reads_each_topic() -> None:
    rows = re.findall(r"^\| (events|exposures|identities)\b.*?\| (\d) times? \| (\d) times? \|", COST, re.MULTILINE)
    assert {name: int(times) for name, times, _ in rows} == of_statement("newest")
    metric = {name: int(times) for name, _, times in rows}
    for name in statements().keys() - {"newest"}:
        assert of_statement(name) == metric, name


def formula(looks: int, metrics: int, days: float, *, capped: bool = False) -> dict[str, float]:
    """The formula of the page for one day: the days of each topic that are read."""
    asked = 2 * metrics if capped else metrics
    return {
        EVENTS: (looks + 1) * (asked + 2) * (days + 1 if capped else 0.8),
        EXPOSURES: (looks + 1) * (days + 1) * (2 * asked + 2),
        IDENTITIES: (looks + 1) * (days + 31) * (3 * asked + 2),
    }


@pytest.mark.parametrize("capped", [False, True])
def test_looks_read_at_most_what_the_formula_says_and_little_less(*, capped: bool) -> None:
    """Two metrics, four steps of three and a half days, a look every three hours."""
    metrics = {name: {"kind": "mean", "event": name} | ({"winsorise": 99} if capped else {}) for name in "ab"}
    found, per_day = read(metrics, every=3), formula(8, 2, HOLD / 48, capped=capped)
    for name, most in per_day.items():
        assert 0.75 * most <= found[name] / 14 <= most, (name, found[name] / 14, most)


def read(metrics: dict[str, Any], every: int) -> dict[str, float]:
    """The days of each topic that looks read in two weeks, where records arrive at any time."""
    total = dict.fromkeys((EVENTS, EXPOSURES, IDENTITIES), 0.0)
    times = {name: of_statement(name) for name in ("newest", "look mean")}

    def answers(now: int, asked: Sequence[str]) -> list[list[dict[str, int]]]:
        return [answer(now, sql) for sql in asked]

    def answer(now: int, sql: str) -> list[dict[str, int]]:
        first = sql.count("exposures_faulty") > 0
        for topic, day in FIRST.findall(sql):
            since = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000
            name = TOPICS[topic]
            begins = max(since, START) if name == EXPOSURES else since  # there are none before the guard
            total[name] += times["newest" if first else "look mean"][name] * (now - begins) / DAY
        return [{**ROW, "exposure": now - 60_000, "event": now - 60_000}] if first else []

    for step in range(STEPS):
        begun = START + step * HOLD * HOUR
        look, closed = asking(metrics, step, begun), list[Closed | None]([None])
        for now in range(begun + every * HOUR, begun + HOLD * HOUR + 1, every * HOUR):
            looked(look, closed[-1], partial(answers, now), closed.append)
    return total


def asking(metrics: dict[str, Any], step: int, begun: int) -> Look:
    guard = {
        "steps": [1, 5, 25, 50, 100],
        "hold": f"{HOLD}h",
        "guardrails": {name: {"margin": 5} for name in metrics},
    }
    flag = {"status": True, "rollout_percentage": 0, "guard": guard}
    shared: dict[str, Any] = {"format": 1, "environment": None, "segments": {}, "holdouts": {}}
    plan = plan_of("checkout", {**shared, "metrics": metrics, "flags": {"checkout": flag}})
    assert plan is not None
    ask = Ask(step, begun + 60_000, Group(0, 1_000), Group(50_000, 100_000), plan.guardrails)
    return Look(plan, ask, "shop", "production")


@pytest.mark.parametrize(("words", "identities"), [("as it is", 20_000), ("identifies nobody", 0)])
def test_the_example_of_the_page_is_computed_by_its_formula(words: str, identities: int) -> None:
    days = formula(24, 3, HOLD / 48)
    sizes = {EVENTS: 1_000_000 * 100, EXPOSURES: 100_000 * 100, IDENTITIES: identities * 200}
    size = 14 * sum(days[name] * sizes[name] for name in days)
    files = 14 * sum(days[name] * 288 * (sizes[name] > 0) for name in days)
    shown = re.search(rf"{words} \| ([\d,]+) GB \| ([\d,]+) \| \*\*([\d.]+)\*\*", COST)
    assert shown is not None
    gigabytes, opened, dollars = (float(one.replace(",", "")) for one in shown.groups())
    assert gigabytes == round(size / 1e9)
    assert opened == round(files, -5)
    assert dollars == pytest.approx(5 * size / 1e12 + 0.4 * files / 1e6, rel=0.02)
