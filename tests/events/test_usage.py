"""Usage is counted exactly, names no unit, is bounded, and survives forks, failing sinks and clocks that jump."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import SinkUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.events import usage
from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.events.usage import MAX_WAITING, PERIOD, Counted, UsageCounter
from burgee.events.usage_records import MAX_UNKNOWN, Cell, counts_of
from burgee.model import ErrorCode, Evaluation, Override
from burgee.stores import Tenant
from burgee.web.exchange import Caller
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS: dict[str, Any] = {
    "plain": {"status": True},
    "half": {"status": True, "rollout_percentage": 50},
    "arms": {
        "status": True,
        "variants": {"a": 1, "b": 2},
        "rules": [{"name": "germans", "when": {"country": "DE"}, "split": {"a": 1, "b": 1}}],
        "default": {"serve": "a"},
    },
}
RULESET = Ruleset({"flags": FLAGS}, release={"version": 7})
HOME = Tenant("p", "e")
SERVER = Caller(HOME, name="shop", key="k1")
CLIENT = Caller(HOME, name="page", key="k2", client=True)
OPEN = Caller(HOME)
PERSON = Caller(HOME, name="arn:aws:iam::1:user/ada")


class Clock:
    """Seconds that a test moves."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counting(**more: Any) -> tuple[UsageCounter, MemorySink]:
    sink = MemorySink()
    return UsageCounter(sink, RecordScope("p", "e"), threaded=False, **more), sink


def counted_after(counter: UsageCounter, ruleset: Ruleset, flag: str, answer: Evaluation, asker: Caller) -> Counted:
    """What an answer is counted by, kept with its ruleset as routes and providers do."""
    place = "test", flag, id(answer), asker.key
    of, found = ruleset.written.get(place, (None, Counted(answer)))
    if of is not counter:
        found = Counted(answer)
        counter.begin(found, ruleset, flag, asker)
        ruleset.written[place] = counter, found
    made: Counted = found
    return made


def ask(
    counter: UsageCounter, flag: str, user: str, asker: Caller = SERVER, ruleset: Ruleset = RULESET, **more: Any
) -> Evaluation:
    answer = ruleset.evaluate(flag, {"targetingKey": user, **more})
    if answer.error_code is not None:
        counter.error(ruleset, flag, answer.error_code, asker)
    else:
        next(counted_after(counter, ruleset, flag, answer, asker).named)
    return answer


def ask_all(counter: UsageCounter, user: str | None, ruleset: Ruleset = RULESET) -> dict[str, Evaluation]:
    answers = ruleset.evaluate_all({} if user is None else {"targetingKey": user})
    for flag, answer in answers.items():
        next(counted_after(counter, ruleset, flag, answer, SERVER).bulk)
    return answers


def total(sink: MemorySink) -> Counter[Cell]:
    found: Counter[Cell] = Counter()
    for record in sink.records:
        for cell, count in counts_of(record):
            found[cell] += count
    return found


def test_answers_are_counted_by_flag_answer_release_and_key() -> None:
    counter, sink = counting()
    expected: Counter[tuple[str, str | None, str, Any, str, bool]] = Counter()
    for number in range(300):
        for flag in FLAGS:
            asker = (SERVER, CLIENT, OPEN)[number % 3]
            answer = ask(counter, flag, f"u{number}", asker, country=("DE", "FR")[number % 2])
            said = answer.variant, str(answer.reason), answer.metadata.get("rule")
            expected[flag, *said, asker.name or "", False] += 1
        for flag, answer in ask_all(counter, f"u{number}").items():
            said = answer.variant, str(answer.reason), answer.metadata.get("rule")
            expected[flag, *said, "shop", True] += 1
    counter.flush()
    (record,) = sink.records
    found = total(sink)
    assert {cell.release for cell in found} == {7}
    assert Counter({(c.flag, c.variant, c.reason, c.rule, c.key, c.bulk): n for c, n in found.items()}) == expected
    assert (record["project"], record["environment"], record["topic"], record["lost"]) == ("p", "e", "_usage", 0)


def test_a_record_names_no_unit_no_attribute_and_no_person() -> None:
    counter, sink = counting()
    for flag in FLAGS:
        ask(counter, flag, "ada@example.com", PERSON, country="DE", email="ada@example.com")
    counter.flush()
    written = json.dumps(sink.records)
    assert "ada" not in written
    assert "DE" not in written


def test_an_override_its_release_and_the_next_release_are_counted_separately() -> None:
    laid = Override("half", {"status": False}, "ada", "r", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    counter, sink = counting()
    for ruleset in (
        RULESET,
        Ruleset({"flags": FLAGS}, [laid], {"version": 7}),
        Ruleset({"flags": FLAGS}, release={"version": 8}),
    ):
        ask(counter, "half", "ada", ruleset=ruleset)
    counter.flush()
    assert sorted((cell.release, cell.override, cell.reason) for cell in total(sink)) == [
        (7, False, "SPLIT"),
        (7, True, "DISABLED"),
        (8, False, "SPLIT"),
    ]


def test_answers_of_many_short_lived_rulesets_are_never_mixed_up() -> None:
    """An identity that is reused would count an answer as another's."""
    counter, sink = counting()
    for version in range(1, 200):
        flags = {"half": {"status": True, "variants": {f"v{version}": 1}, "default": {"serve": f"v{version}"}}}
        ask(counter, "half", "ada", ruleset=Ruleset({"flags": flags}, release={"version": version}))
    counter.flush()
    assert {(cell.release, cell.variant): n for cell, n in total(sink).items()} == {
        (version, f"v{version}"): 1 for version in range(1, 200)
    }


def test_errors_are_counted_with_their_code() -> None:
    counter, sink = counting()
    counter.error(RULESET, "half", ErrorCode.TARGETING_KEY_MISSING, SERVER)
    ask_all(counter, None)
    counter.flush()
    assert {(c.flag, c.error, c.bulk) for c in total(sink) if c.error} == {
        ("half", "TARGETING_KEY_MISSING", False),
        ("half", "TARGETING_KEY_MISSING", True),
    }


def test_unknown_names_are_counted_if_a_flag_could_have_them_and_no_client_asks() -> None:
    counter, sink = counting()
    for name in ("gone", "gone", "a b", "", "x" * 256, "-a", "a/../b", "\ud800", "ada@example.com", "gone\n"):
        ask(counter, name, "ada")
    ask(counter, "typo", "ada", CLIENT)
    counter.flush()
    assert total(sink) == {Cell("gone", None, "ERROR", None, "FLAG_NOT_FOUND", 0, False, "shop", False): 2}


def test_unknown_names_are_bounded_a_minute_however_often_records_are_written() -> None:
    clock = Clock()
    counter, sink = counting(clock=clock)
    for number in range(10_000):
        ask(counter, f"name-{number}", "ada")
        if number % 1000 == 0:
            counter.flush()
    counter.flush()
    assert len(total(sink)) == MAX_UNKNOWN
    assert sum(record["lost"] for record in sink.records) == 10_000 - MAX_UNKNOWN
    clock.now += PERIOD
    counter.flush()
    ask(counter, "another", "ada")
    counter.flush()
    assert len(total(sink)) == MAX_UNKNOWN + 1


def test_different_answers_are_bounded_and_the_rest_is_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MAX_CELLS", 10)
    flags = {f"f{number}": {"status": True} for number in range(30)}
    ruleset = Ruleset({"flags": flags})
    counter, sink = counting()
    for _ in range(3):
        ask_all(counter, None, ruleset)
        for flag in flags:
            ask(counter, flag, "ada", ruleset=ruleset)
    counter.flush()
    assert sum(total(sink).values()) + sum(record["lost"] for record in sink.records) == 3 * 2 * 30
    assert len({cell.flag for cell in total(sink)}) == 10


def test_other_tenants_of_a_table_have_records_of_their_own() -> None:
    counter, sink = counting()
    ask(counter, "plain", "ada", SERVER)
    ask(counter, "plain", "ada", Caller(Tenant("p", "staging"), name="s", key="k9"))
    counter.flush()
    assert sorted(record["environment"] for record in sink.records) == ["e", "staging"]


def test_nothing_is_lost_between_threads() -> None:
    counter, sink = counting()
    stop = threading.Event()

    def flush() -> None:
        while not stop.is_set():
            counter.flush()

    def count() -> None:
        for number in range(5_000):
            ask(counter, "half", f"u{number}")
            ask_all(counter, "ada")

    flusher = threading.Thread(target=flush)
    flusher.start()
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    flusher.join()
    counter.flush()
    assert sum(total(sink).values()) == 4 * 5_000 * (1 + len(FLAGS))


class Failing(MemorySink):
    """A sink that fails a number of times."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise SinkUnavailable("no")
        super().write(records)


def test_what_a_sink_does_not_take_waits_and_then_is_written_once() -> None:
    sink = Failing(5)
    counter = UsageCounter(sink, threaded=False)
    for _ in range(5):
        ask(counter, "plain", "ada")
        counter.flush()
    assert not sink.records
    counter.flush()
    assert sum(total(sink).values()) == 5
    assert len({record["event_id"] for record in sink.records}) == len(sink.records) == 5


def test_what_waits_is_bounded_and_what_is_dropped_is_said() -> None:
    sink = Failing(MAX_WAITING + 10)
    counter = UsageCounter(sink, threaded=False)
    for _ in range(MAX_WAITING + 10):
        ask(counter, "plain", "ada")
        counter.flush()
    ask(counter, "plain", "ada")
    counter.flush()
    counter.flush()
    assert sum(total(sink).values()) + sum(record["lost"] for record in sink.records) == MAX_WAITING + 11
    assert len(sink.records) <= MAX_WAITING + 2


def test_a_minute_with_very_many_answers_is_written_whole_or_waits_whole() -> None:
    """Ten thousand flags with long names, for two keys, take more records than wait otherwise."""
    flags = {f"{'n' * 245}{number}": {"status": True} for number in range(10_000)}
    ruleset = Ruleset({"flags": flags})
    for failures in (0, 1):
        sink = Failing(failures)
        counter = UsageCounter(sink, threaded=False)
        for flag in flags:
            for asker in (SERVER, CLIENT):
                ask(counter, flag, "ada", asker, ruleset)
        for _ in range(failures + 1):
            counter.flush()
        assert len(sink.records) > MAX_WAITING
        assert sum(total(sink).values()) == 20_000
        assert not any(record["lost"] for record in sink.records)


def test_a_record_is_due_at_once_and_then_once_a_minute_where_no_thread_can_wait() -> None:
    clock = Clock()
    counter, sink = counting(clock=clock)
    counter.flush_if_due()
    assert not sink.records
    for second in range(300):
        clock.now = 1_000_000.0 + second
        ask(counter, "plain", "ada")
        counter.flush_if_due()
    assert [next(counts_of(record))[1] for record in sink.records] == [1, 60, 60, 60, 60]


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 3600.0, 1e9])
def test_a_wall_clock_that_jumps_loses_nothing(jump: float) -> None:
    wall = Clock(1.8e9)
    counter, sink = counting(wall=wall)
    ask(counter, "plain", "ada")
    wall.now += jump
    counter.flush()
    ask(counter, "plain", "ada")
    wall.now -= jump
    counter.flush()
    assert sum(total(sink).values()) == 2
    assert all(0 <= record["since"] <= record["time"] for record in sink.records)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_counts_only_what_it_answers() -> None:
    counter, sink = counting()
    ask(counter, "plain", "ada")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        ask(counter, "plain", "ada")
        ask(counter, "plain", "ada")
        counter.flush()
        os.write(write, str(sum(total(sink).values())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    counter.flush()
    assert os.read(read, 10) == b"2"
    assert sum(total(sink).values()) == 1


class Announced(MemorySink):
    """A sink that says when it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        super().write(records)
        self.written.set()


def test_a_thread_writes_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "PERIOD", 0.01)
    monkeypatch.setattr(usage, "FIRST", 0.01)
    sink = Announced()
    counter = UsageCounter(sink)
    for _ in range(2):
        ask(counter, "plain", "ada")
        assert sink.written.wait(PATIENCE)
        sink.written.clear()
    counter.close()
    assert sum(total(sink).values()) == 2


def test_what_is_left_is_written_when_it_is_closed() -> None:
    sink = MemorySink()
    counter = UsageCounter(sink)
    ask(counter, "plain", "ada")
    counter.close()
    assert sum(total(sink).values()) == 1


def test_what_nobody_can_count_any_more_is_forgotten_after_it_was_read() -> None:
    counter, sink = counting()
    for version in range(50):
        ruleset = Ruleset({"flags": FLAGS}, release={"version": version})
        for number in range(10):
            ask(counter, "plain", "ada", Caller(HOME, name=f"n{number}", key=f"k{number}"), ruleset)
        del ruleset
    gc.collect()
    counter.flush()
    assert sum(total(sink).values()) == 500
    assert not counter._entries
