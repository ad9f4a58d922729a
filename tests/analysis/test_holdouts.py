"""What everything that a holdout withholds was worth: its users and all others, from answers to a report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from burgee.analysis.plans import plans
from burgee.analysis.reports import report
from burgee.evaluation.ruleset import Ruleset
from burgee.events.recorder import Recorder
from burgee.events.sinks import MemorySink
from burgee.flagfile.compile import compile_file
from burgee.flagfile.source import Source
from support.experiments import gather_from

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

FILE = """\
version: 1
metrics: {spent: {event: order, kind: mean, value: amount}}
holdouts:
  q4:
    percentage: 20
    experiment:
      hypothesis: What shipped in the quarter is worth it
      start: 2025-01-01
      end: 2099-01-01
      primary: spent
      method: always-valid
      segments: [country]
      auto_expose: true
flags:
  search: {status: on, rollout_percentage: 100, holdout: q4}
  checkout: {status: on, rollout_percentage: 100, holdout: q4}
  idle: {status: off, holdout: q4}
  free: {status: on, rollout_percentage: 100}
"""
DAY = 86_400_000


@pytest.fixture
def rules(tmp_path: Path) -> Ruleset:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE, encoding="utf-8")
    return Ruleset(compile_file(path))


def asked(rules: Ruleset, flags: list[str], context: dict[str, Any]) -> list[dict[str, Any]]:
    sink = MemorySink()
    recorder = Recorder(sink)
    for flag in flags:
        recorder.answered(rules, flag, rules.evaluate(flag, context), context, asked=False)
    assert recorder.drain(5)
    return sink.records


def test_a_unit_that_asks_is_exposed_once_a_day_on_the_side_that_its_answers_show(rules: Ruleset) -> None:
    sides = set()
    for i in range(200):
        context = {"targetingKey": f"u{i}", "country": "DE", "email": "ada@example.com"}
        (record,) = asked(rules, ["search", "free", "checkout", "search"], context)
        held = rules.evaluate("checkout", context).variant == "off"
        assert record["variant"] == ("held_out" if held else "released")
        assert (record["flag"], record["topic"], record["unit"]) == ("holdout:q4", "_holdout.q4", f"u{i}")
        assert (record["reason"], record["rule"], record["properties"]) == ("SPLIT", "default", {"country": "DE"})
        sides.add(record["variant"])
    assert sides == {"held_out", "released"}


@pytest.mark.parametrize(("flag", "count"), [("idle", 1), ("free", 0), ("nowhere", 0)])
def test_asking_is_enough_and_flags_outside_do_not_count(rules: Ruleset, flag: str, count: int) -> None:
    """The side depends on the hash alone, so a flag that is off exposes both sides equally."""
    assert len(asked(rules, [flag], {"targetingKey": "ada"})) == count
    assert asked(rules, [flag], {"country": "DE"}) == []


def test_flags_that_are_fetched_together_expose_once(rules: Ruleset) -> None:
    sink = MemorySink()
    recorder = Recorder(sink)
    for _ in range(3):
        recorder.fetched(rules, rules.evaluate_all({"targetingKey": "ada"}), {"targetingKey": "ada"})
    recorder.fetched(rules, ["free"], {"targetingKey": "ben"})
    assert recorder.drain(5)
    assert [record["unit"] for record in sink.records] == ["ada"]


def test_an_exposure_that_is_dropped_is_made_up_for_by_the_next_answer(rules: Ruleset) -> None:
    sink = MemorySink()
    recorder = Recorder(sink, capacity=0)
    context = {"targetingKey": "ada"}
    recorder.fetched(rules, ["search"], context)
    assert recorder.dropped == 1
    recorder._capacity = 10
    recorder.fetched(rules, ["search"], context)
    assert recorder.drain(5)
    assert len(sink.records) == 1


def test_a_holdout_without_a_logged_experiment_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE.replace("auto_expose: true", "auto_expose: false"), encoding="utf-8")
    snapshot = compile_file(path)
    assert "exposed" not in snapshot
    assert Ruleset(snapshot).held == {}


def test_the_report_finds_what_everything_together_was_worth(tmp_path: Path, rules: Ruleset) -> None:
    generator, sink = np.random.default_rng(3), MemorySink()
    recorder = Recorder(sink)
    spent: dict[str, list[float]] = {"held_out": [], "released": []}
    for i in range(1500):
        context = {"targetingKey": f"u{i}", "country": "DE"}
        recorder.fetched(rules, rules.evaluate_all(context), context)
        released = rules.evaluate("search", context).variant == "on"
        amount = float(generator.gamma(4.0, 2.5 if released else 2.0))
        recorder.tracked("order", f"u{i}", 1_800_000_000.0, {"amount": amount})
        spent["released" if released else "held_out"].append(amount)
    assert recorder.drain(30)
    events = tmp_path / "events"
    events.mkdir()
    for record in sink.records:
        # As if all this had been in a past quarter.
        record["time"] = record["received"] = 1_767_225_600_000 + (DAY if record["type"] == "track" else 0)
    (events / "a.jsonl").write_text("\n".join(json.dumps(one) for one in sink.records), encoding="utf-8")
    plan = plans(Source(tmp_path / "flags.yaml").model)["holdout:q4"]
    evidence = gather_from(events, plan, 1_767_225_600_000 + 40 * DAY)
    found = report(plan, evidence)
    assert found.healthy, [one for one in found.checks if one.light == "bad"]
    assert found.units == {arm: len(values) for arm, values in spent.items()}
    (result,) = found.results
    assert result.good is True
    assert result.estimate is not None
    difference = np.mean(spent["released"]) - np.mean(spent["held_out"])
    assert result.estimate.difference == pytest.approx(float(difference))
    assert found.verdict.sentence.startswith("released is better than held_out in spent: +2")


def test_status_and_pages_name_holdouts_too(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("experiment", "status").out == "holdout:q4: wait  [0 units, no records yet]\n"
    assert "there are experiments on holdout:q4" in burgee("experiment", "report", "q4").err


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        (("    percentage: 20", "    percentage: 100"), "5:17", "experiment-arms"),
        (("      auto_expose: true", "      rule: x"), "13:7", "experiment-arms"),
        (("      auto_expose: true", "      control: search"), "13:7", "experiment-arms"),
        ((", holdout: q4}", "}"), "6:5", "experiment-arms"),
        (("checkout: {", "checkout: {bucket_by: company, "), "6:5", "experiment-unit"),
        (("primary: spent", "primary: spend"), "10:16", "unknown-metric"),
        (("      auto_expose: true", "      environment: nowhere"), "13:20", "unknown-environment"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(burgee: Burgee, change: tuple[str, str], place: str, code: str) -> None:
    path = burgee.write(FILE.replace(*change))
    ran = burgee("lint", str(path))
    assert ran.code == 1
    assert f"flags.yaml:{place}: error {code}:" in ran.err


def test_lint_warns_of_a_holdout_that_is_over(burgee: Burgee) -> None:
    path = burgee.write(FILE)
    reported = burgee("lint", str(path), "--at", "2099-02-01T00:00:00Z")
    assert "flags.yaml:9:12: warning experiment-over: the experiment on holdout q4 ended" in reported.err
