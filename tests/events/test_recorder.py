"""Exposures beside answers: which are noted, and that answers neither wait for the sink nor fail by it."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import SinkUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.events.recorder import Recorder
from burgee.events.sinks import MemorySink
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS = {
    "logged": {"status": True, "rollout_percentage": 50, "bucket_by": "company"},
    "silent": {"status": True, "rollout_percentage": 50},
    "ruled": {
        "status": True,
        "rules": [{"name": "r", "when": {}, "bucket_by": ["team", "company"], "split": {"on": 1}}],
        "default": {"serve": "off"},
    },
    "held": {"status": True, "rollout_percentage": 50, "holdout": "h"},
}
SNAPSHOT = {"flags": FLAGS, "holdouts": {"h": {"percentage": 100}}, "exposed": {"logged": ["country"], "held": []}}
CONTEXT = {"targetingKey": "ada", "company": "c1", "country": "DE", "email": "ada@example.com"}


def noted(flag: str, *, asked: bool, context: dict[str, Any] = CONTEXT) -> list[dict[str, Any]]:
    sink, ruleset = MemorySink(), Ruleset(SNAPSHOT, release={"version": 7})
    recorder = Recorder(sink)
    recorder.answered(ruleset, flag, ruleset.evaluate(flag, context), context, asked=asked)
    assert recorder.drain(5)
    return sink.records


def test_an_experiments_answers_are_noted_with_what_it_needs_and_no_more() -> None:
    (record,) = noted("logged", asked=False)
    assert record["unit"] == "c1"
    assert record["properties"] == {"country": "DE"}
    assert (record["flag"], record["reason"], record["rule"], record["release"]) == (
        "logged",
        "SPLIT",
        "default",
        "7",
    )
    assert "example.com" not in str(record)


@pytest.mark.parametrize(("flag", "asked", "count"), [("silent", False, 0), ("silent", True, 1), ("held", False, 0)])
def test_others_are_noted_only_when_asked(flag: str, asked: bool, count: int) -> None:
    assert len(noted(flag, asked=asked)) == count


def test_without_a_unit_there_is_nothing_to_note() -> None:
    assert noted("logged", asked=True, context={"targetingKey": "ada"}) == []


def test_the_unit_is_that_of_the_rule_that_answered() -> None:
    (record,) = noted("ruled", asked=True)
    assert (record["rule"], record["unit"]) == ("r", "c1")


class Stuck:
    """A sink that hangs until it is released."""

    def __init__(self) -> None:
        self.go = Event()
        self.written = 0

    def write(self, _records: Sequence[Any]) -> None:
        assert self.go.wait(PATIENCE)
        self.written += 1


def test_an_answer_does_not_wait_for_a_sink_that_hangs_and_what_is_too_much_is_dropped() -> None:
    sink = Stuck()
    recorder, ruleset = Recorder(sink, capacity=100), Ruleset(SNAPSHOT)
    answer = ruleset.evaluate("logged", CONTEXT)
    for _ in range(1000):
        recorder.answered(ruleset, "logged", answer, CONTEXT, asked=False)
    assert sink.written == 0
    assert recorder.dropped >= 399  # a batch of up to 500 is under way, and 100 wait
    sink.go.set()
    assert recorder.drain(10)


def test_a_sink_that_fails_costs_records_and_no_answer() -> None:
    class Broken:
        def write(self, _records: Sequence[Any]) -> None:
            raise SinkUnavailable("no")

    recorder, ruleset = Recorder(Broken()), Ruleset(SNAPSHOT)
    recorder.answered(ruleset, "logged", ruleset.evaluate("logged", CONTEXT), CONTEXT, asked=False)
    assert recorder.drain(5)
    assert recorder.dropped == 1


def test_a_sink_that_breaks_in_an_unforeseen_way_is_reported_and_holds_up_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Buggy(MemorySink):
        def write(self, records: Sequence[Any]) -> None:
            if self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            super().write(records)

        failures = 2

    sink = Buggy()
    recorder, ruleset = Recorder(sink), Ruleset(SNAPSHOT)
    answer = ruleset.evaluate("logged", CONTEXT)
    recorder.answered(ruleset, "logged", answer, CONTEXT, asked=False)
    assert recorder.drain(5)
    assert recorder.dropped == 1
    recorder.answered(ruleset, "logged", answer, CONTEXT, asked=False)
    assert recorder.drain(5)
    assert len(sink.records) == 1
    assert "records were lost, 1 so far" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_where_no_thread_can_be_had_the_next_answer_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = MemorySink()
    recorder, ruleset = Recorder(sink), Ruleset(SNAPSHOT)
    answer = ruleset.evaluate("logged", CONTEXT)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", _no_thread)
        recorder.answered(ruleset, "logged", answer, CONTEXT, asked=False)
    assert not recorder.drain(0)
    recorder.answered(ruleset, "logged", answer, CONTEXT, asked=False)
    assert recorder.drain(5)
    assert (len(sink.records), recorder.dropped) == (2, 0)


def _no_thread(_self: Any) -> None:
    raise RuntimeError("can't start new thread")
