"""What the scheduled function asks Athena, against what `burgee guard run` reads of the same records."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from burgee.analysis.guard_statements import written
from burgee.analysis.guards import aggregates
from burgee.errors import Refused
from burgee.events.athena import Athena
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.events.guard_looks import DAY, HOUR, STATEMENTS, Closed, Look, looked
from burgee.guards.driver import Ask
from burgee.guards.plan import Group, plan_of
from support.athena import FakeAthena, lake

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.guards.aggregates import Aggregates, Measured

START = 1_800_000_000_000 // DAY * DAY + 10 * HOUR
METRICS: dict[str, Any] = {
    "errors": {"kind": "proportion", "event": "error", "direction": "decrease", "window": "30m"},
    "visits": {"kind": "mean", "event": "visit", "window": "2h", "delay": "5m"},
    "spent": {"kind": "mean", "event": "order", "value": "amount", "where": {"plan": ["it's", "b"], "paid": True}},
    "brands": {"kind": "mean", "event": "visit", "distinct": "brand"},
    "basket": {"kind": "ratio", "event": "order", "value": "amount", "per": {"event": "visit"}},
    "share": {
        "kind": "ratio",
        "event": "order",
        "distinct": "brand",
        "per": {"event": "order", "distinct": "plan", "where": {"rank": [1, 2.5]}},
    },
    "each": {"kind": "ratio", "event": "visit", "value": "amount", "per": {"event": "order", "distinct": "brand"}},
    "kinds": {"kind": "ratio", "event": "visit", "distinct": "plan", "per": {"event": "visit"}},
    "never": {"kind": "mean", "event": "nothing"},
}
CAPPED: dict[str, Any] = {
    "capped": {"kind": "mean", "event": "order", "value": "amount", "winsorise": 80},
    "ratio": {**METRICS["basket"], "winsorise": 90},
    "few": {**METRICS["brands"], "winsorise": 95},
}


def guard(metrics: dict[str, Any]) -> Look:
    flag = {
        "status": True,
        "rollout_percentage": 0,
        "guard": {"steps": [10, 30, 100], "hold": "1d", "guardrails": {name: {"margin": 5} for name in metrics}},
    }
    shared: dict[str, Any] = {"format": 1, "environment": None, "segments": {}, "holdouts": {}}
    plan = plan_of("checkout", {**shared, "metrics": metrics, "flags": {"checkout": flag}})
    assert plan is not None
    ask = Ask(1, START, Group(10_000, 30_000), Group(70_000, 100_000), plan.guardrails)
    return Look(plan, ask, "shop", "production")


def record(kind: str, unit: str, at: int, came: int, **more: Any) -> dict[str, Any]:
    shape = {"type": kind, "event_id": f"{unit} {at} {more.get('event')}", "time": at, "received": came, "unit": unit}
    topic = {"exposure": "_guard.checkout", "track": "_track", "identify": "_identify"}[kind]
    return {**shape, "project": "shop", "environment": "production", "topic": topic, "properties": {}, **more}


def crowd(seed: int, days: int) -> list[dict[str, Any]]:
    """Units of both groups, other steps, other environments, with events, repetitions, and clocks that are ahead."""
    rng = random.Random(seed)
    made: list[dict[str, Any]] = []
    for number in range(300 * days):
        unit, place = f"u{number}", rng.randrange(100_000)
        times = [START + rng.randrange(-3 * HOUR, days * DAY - 12 * HOUR) for _ in range(rng.randrange(1, 4))]
        own = {"variant": REACHED if place < 30_000 else COMPARED, "reason": "SPLIT", "rule": "default"}
        elsewhere = {"environment": "staging"} if rng.random() < 0.02 else {}
        properties = {"place": str(place), "share": "30"}
        for at in times:
            more = {**own, **elsewhere, "flag": "guard:checkout", "properties": properties}
            made.append(record("exposure", unit, at, at + rng.randrange(60_000), **more))
        for _ in range(rng.randrange(6)):
            at = rng.choice(times) + rng.randrange(-HOUR, 3 * HOUR)
            event = rng.choice(["error", "order", "visit", "visit", "other"])
            held: dict[str, str] = {"brand": f"b{rng.randrange(4)}", "plan": rng.choice(["it's", "b", "c"])}
            held |= {"paid": rng.choice(["true", "true", "false"]), "rank": rng.choice(["1", "2", "2.5"])}
            held |= {"amount": rng.choice([repr(rng.expovariate(0.1)), "7", "much"])} if event != "error" else {}
            came = at + rng.randrange(-HOUR, 2 * HOUR)
            made.append(record("track", unit, at, came, event=event, properties=held))
            if rng.random() < 0.1:
                made.append({**made[-1], "received": came + 60_000})
    return sorted(made, key=lambda one: str(one["received"]))


def asked(look: Look, closed: Closed | None, client: FakeAthena) -> tuple[Aggregates | None, Closed | None]:
    """What a look finds, and the closed days that the next one is given."""
    service = Athena(client, "guards", "lake", sleep=lambda _seconds: None)
    kept = [closed]
    found = looked(look, closed, lambda sql: [one.mappings() for one in service.ask_all(sql)], kept.append)
    return found, kept[-1]


def locally(folder: Path, records: list[dict[str, Any]], look: Look) -> Aggregates | None:
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return aggregates(folder, look.plan, look.ask, (look.project, look.environment))


def assert_same(found: Aggregates | None, expected: Aggregates | None) -> None:
    """Counts exactly; means and covariances as far as sums in another order allow."""
    assert found is not None
    assert expected is not None
    assert found.reached.exposed > 10 < found.compared.exposed
    for name in ("step", "since", "until", "quiet", "faults"):
        assert getattr(found, name) == getattr(expected, name), name
    for mine, theirs in ((found.reached, expected.reached), (found.compared, expected.compared)):
        assert mine.exposed == theirs.exposed
        assert mine.metrics.keys() == theirs.metrics.keys()
        for name, one in mine.metrics.items():
            assert_metric(one, theirs.metrics[name], name)


def assert_metric(one: Measured, other: Measured, name: str) -> None:
    assert (one.moments.n, one.active) == (other.moments.n, other.active), name
    assert one.largest == pytest.approx(other.largest, rel=1e-12), name
    assert one.moments.means == pytest.approx(other.moments.means, rel=1e-12), name
    assert one.moments.covariances == pytest.approx(other.moments.covariances, rel=1e-11, abs=1e-15), name


def test_one_look_reads_what_the_command_reads(tmp_path: Path) -> None:
    """Metrics of each form, over all days of the step at once."""
    look, records = guard({**METRICS, **CAPPED}), crowd(1, 1)
    found, _closed = asked(look, None, FakeAthena(lake(records)))
    assert_same(found, locally(tmp_path / "events", records, look))


def test_names_of_events_and_properties_are_no_sql_and_no_parameters(tmp_path: Path) -> None:
    """Those of a file may be any string."""
    names = ("checkout:failed", "x:since", ":rule", "it's :events", "';--", 'a"b', "ü:ends", "\\:1 %s {0} ?")
    metrics: dict[str, Any] = {f"m{index}": {"kind": "proportion", "event": name} for index, name in enumerate(names)}
    metrics["r"] = {
        "kind": "ratio",
        "event": names[0],
        "value": names[1],
        "where": {names[3]: names[4]},
        "per": {"event": names[2]},
    }
    look, records = guard(metrics), [one for one in crowd(8, 1) if one["type"] == "exposure"]
    rng = random.Random(8)
    for one in list(records):
        at, properties = one["time"] + 1, {names[1]: "2", names[3]: rng.choice([names[4], "other"])}
        own = {"unit": one["unit"], "at": at, "came": at, "properties": properties}
        records.extend(record("track", event=event, **own) for event in rng.sample(names, 2))
    found, _closed = asked(look, None, FakeAthena(lake(records)))
    assert found is not None
    assert all(one.active for one in found.reached.metrics.values())
    assert_same(found, locally(tmp_path / "events", records, look))


def test_a_closed_day_is_kept_though_what_follows_it_fails() -> None:
    """So that the next look, with the same time, has less to ask."""
    look, records = guard({"errors": METRICS["errors"]}), crowd(9, 2)
    client, kept = FakeAthena(lake(records)), list[Closed]()
    service = Athena(client, "guards", "lake", sleep=lambda _seconds: None)

    def run(statements: Any) -> Any:
        if kept:
            raise Refused("look-timeout", "no time is left")
        return [one.mappings() for one in service.ask_all(statements)]

    with pytest.raises(Refused):
        looked(look, None, run, kept.append)
    assert kept[0].upto > START
    asked_before = len(client.asked)
    found, _closed = asked(look, kept[0], client)
    assert len(client.asked) - asked_before == 2, "what is newest, and the rest"
    assert_same(found, asked(look, None, FakeAthena(lake(records)))[0])


def test_days_that_another_version_has_kept_are_asked_again() -> None:
    for record in ({}, {"step": "s", "upto": 1}, {"step": "s", "upto": 1, "part": {"units": {}, "sums": {"m": 3}}}):
        assert Closed.of_record(record) is None


def test_closed_days_are_asked_once_and_a_look_reads_the_events_of_its_day(tmp_path: Path) -> None:
    """Looks while days go by, each with the records that had arrived, and what the look before it has kept."""
    metrics = {name: METRICS[name] for name in ("errors", "visits", "spent", "basket", "never")}
    look, records = guard(metrics), crowd(2, 4)
    closed: Closed | None = None
    closings = 0
    for at in (5 * HOUR, 20 * HOUR, 23 * HOUR, 40 * HOUR, 46 * HOUR, 72 * HOUR):
        arrived = [one for one in records if one["received"] <= START + at]
        client = FakeAthena(lake(arrived))
        before = closed
        found, closed = asked(look, before, client)
        assert_same(found, locally(tmp_path / str(at), arrived, look))
        moved = closed != before
        closings += moved
        assert len(client.asked) <= 1 + len(metrics) * (1 + moved)
        if closed is not None:
            closed = Closed.of_record(json.loads(json.dumps(closed.as_record())))
            assert closed is not None
        if not moved and closed is not None:
            assert client.first_days("_track") == {day_of(closed.upto)}
            assert client.first_days("_guard.checkout") == {day_of(START)}
    assert closings == 3


def day_of(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


def test_metrics_with_a_cap_read_all_days_of_the_step_and_the_others_their_last(tmp_path: Path) -> None:
    metrics = {"errors": METRICS["errors"], "capped": CAPPED["capped"]}
    look, records = guard(metrics), crowd(3, 3)
    closed = None
    for at in (30 * HOUR, 40 * HOUR):
        arrived = [one for one in records if one["received"] <= START + at]
        client = FakeAthena(lake(arrived))
        found, closed = asked(look, closed, client)
        assert_same(found, locally(tmp_path / str(at), arrived, look))
    assert client.first_days("_track") == {day_of(START), day_of(START + DAY)}


def test_units_that_are_identified_are_one(tmp_path: Path) -> None:
    look, records = guard({"errors": METRICS["errors"]}), crowd(4, 1)
    exposures = [one for one in records if one["type"] == "exposure"]
    named = [
        record("identify", one["unit"], START, START, known=exposures[index + 1]["unit"])
        for index, one in enumerate(exposures[:200:4])
    ]
    found, _closed = asked(look, None, FakeAthena(lake([*records, *named])))
    assert_same(found, locally(tmp_path / "events", [*records, *named], look))


def test_another_question_uses_no_closed_days() -> None:
    """The next step, a step at another time, another definition of a metric."""
    look, records = guard({"errors": METRICS["errors"]}), crowd(5, 2)
    _found, closed = asked(look, None, FakeAthena(lake(records)))
    assert closed is not None
    assert closed.upto > START
    changed = guard({"errors": {**METRICS["errors"], "window": "31m"}})
    for other in (
        look._replace(ask=look.ask._replace(step=2)),
        look._replace(ask=look.ask._replace(since=START + HOUR)),
        look._replace(ask=look.ask._replace(reached=Group(10_000, 29_000))),
        changed,
    ):
        found, again = asked(other, closed, FakeAthena(lake(records)))
        assert again is not None
        assert again.step != closed.step
        alone, _closed = asked(other, None, FakeAthena(lake(records)))
        assert found == alone


def test_no_exposure_is_no_answer_and_records_that_cannot_be_read_are_counted() -> None:
    look, records = guard({"errors": METRICS["errors"]}), crowd(6, 1)
    events = [one for one in records if one["type"] == "track"]
    assert asked(look, None, FakeAthena(lake(events)))[0] is None
    broken = [{**one, "event_id": ""} for one in events[:30]]
    found, _closed = asked(look, None, FakeAthena(lake([*records, *broken])))
    assert found is not None
    assert found.faults == (f"30 of {len(records) + 30:,} records cannot be read",)


def test_the_statements_are_those_that_the_analysis_writes() -> None:
    assert STATEMENTS.read_text(encoding="utf-8") == written(), "run python -m burgee.analysis.guard_statements"


def test_no_query_has_a_stand_in_that_was_not_replaced() -> None:
    client = FakeAthena(lake(crowd(7, 1)))
    asked(guard({**METRICS, **CAPPED}), None, client)
    for sql in client.asked:
        assert not re.search(r"[^:]:[a-z]", sql)
        assert not re.search(r"\b9[1-5]\d{8,}|222222000|111111000|98765432|8125000", sql)
