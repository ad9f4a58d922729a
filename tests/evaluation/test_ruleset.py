"""A whole ruleset: isolation, overrides in time, explanations that agree, contexts from hell."""

from __future__ import annotations

import gc
import json
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import burgee
from burgee.errors import Corrupt
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import load_snapshot, payload
from burgee.model import ErrorCode, Override
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EVERYTHING = burgee.load(ROOT / "tests/cases/good/everything.yaml", "production")
EXAMPLE = burgee.load(ROOT / "flags.yaml")
# Half a surrogate pair, which JSON can write as "\ud800", and strings that look like something else.
ODD = st.sampled_from(
    ["\ud800", "a\udfff", "2026-02-30", "9999-12-31T23:59:59-23:59", "1.2.3-01", "::ffff:10.0.0.1%1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
ATTRIBUTES = st.sampled_from(
    ["targetingKey", "email", "country", "age", "plan", "version", "account", "ip", "device.os"]
)


def ruleset(flags: dict[str, Any], *overrides: Override, **more: Any) -> Ruleset:
    return Ruleset(
        {"format": 1, "environment": None, "segments": {}, "holdouts": {}, "flags": flags, **more}, overrides
    )


def override(flag: str, definition: Any, expires_at: str | None = None) -> Override:
    return Override(flag, definition, "ada", "because", "t", "t", expires_at)


def test_the_front_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("version: 1\nflags: {a: {status: on, owner: team}}\n", encoding="utf-8")
    rules = burgee.load(path)
    answer = rules.evaluate("a", {"targetingKey": "u"})
    assert (answer.value, answer.variant, answer.reason, answer.error_code) == (
        True,
        "on",
        burgee.Reason.STATIC,
        None,
    )
    assert answer.metadata["owner"] == "team"
    assert rules.evaluate_all({}) == {"a": answer}
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    assert rules.evaluate("a", {}, moment) == rules.evaluate("a", {}, moment.timestamp())


@pytest.mark.parametrize(
    "broken",
    [
        {"status": True, "rules": [{"when": {"segment": "nope"}}]},
        {"status": True, "rules": [{"when": {"a": {"no_such_operator": 1}}}]},
        {"status": True, "rules": [{}]},
        {"status": True, "holdout": "nope"},
        {"status": True, "rollout_percentage": "many"},
        {"status": True, "variants": {"a": 1}, "default": {"serve": "b"}},
        {"status": True, "requires": [{"flag": "broken", "variant": "on"}]},
        {"status": True, "schedule": [{"at": "soon", "set": {}}]},
        {"status": True, "default": {"split": {"on": 0}}},
    ],
)
def test_one_broken_flag_answers_an_error_and_the_others_serve(broken: dict[str, Any]) -> None:
    rules = ruleset({"good": {"status": True}, "broken": broken, "last": {"status": False}})
    answers = rules.evaluate_all({"targetingKey": "u"}, 0)
    assert (answers["good"].value, answers["last"].value) == (True, False)
    assert answers["broken"].error_code is ErrorCode.PARSE_ERROR
    assert answers["broken"].value is None
    assert "broken" in (answers["broken"].error_message or "")
    assert list(rules.check()) == ["broken"]
    assert rules.explain("broken", {}, 0)["error_code"] == "PARSE_ERROR"


def test_overrides_are_laid_over_the_release() -> None:
    flags = {"a": {"status": True}, "b": {"status": True}}
    rules = ruleset(flags, override("a", {"status": False}), override("b", None), override("new", {"status": True}))
    answers = rules.evaluate_all({}, 0)
    assert {name: answer.value for name, answer in answers.items()} == {"a": False, "new": True}
    assert rules.evaluate("b", {}, 0).error_code is ErrorCode.FLAG_NOT_FOUND
    assert rules.names(0) == ["a", "new"]


def test_an_override_ends_when_it_expires() -> None:
    end = parse_time("2027-01-01T00:00:00Z")
    expiring = [override(name, definition, "2027-01-01T00:00:00Z") for name, definition in
                (("a", {"status": False}), ("b", None), ("new", {"status": True}))]  # fmt: skip
    rules = ruleset({"a": {"status": True}, "b": {"status": True}}, *expiring)
    assert {name: answer.value for name, answer in rules.evaluate_all({}, end - 1).items()} == {
        "a": False,
        "new": True,
    }
    assert {name: answer.value for name, answer in rules.evaluate_all({}, end).items()} == {"a": True, "b": True}


def test_a_kill_works_on_every_kind_of_flag() -> None:
    """A kill uses the evaluator that serves; each kind of rule is killed here."""
    assert len(EVERYTHING.names(0)) > 5
    for name in EVERYTHING.names(0):
        definition = dict(EVERYTHING.definition(name, 0) or {})
        killed = {**definition, "status": False, "schedule": []}
        flags = {other: EVERYTHING.definition(other, 0) for other in EVERYTHING.names(0)}
        rules = ruleset(
            flags,
            override(name, killed),
            segments={"staff": {}, "norwegians": {}},
            holdouts={"q4": {"percentage": 5}},
        )
        answer = rules.evaluate(name, {"targetingKey": "ada", "account": {"id": 1}}, 0)
        assert (answer.variant, answer.reason) == (
            definition.get("off_variant", None if "variants" in definition else "off"),
            "DISABLED",
        )


@settings(max_examples=150)
@example({"targetingKey": "\ud800", "email": "\udfff", "version": "\ud800", "country": ["\ud800"]}, 0)
@example({"targetingKey": float("nan"), "age": float("inf"), "account": {"id": 10**400}}, 0)
@given(st.dictionaries(ATTRIBUTES | st.text(max_size=5), JSON, max_size=8), st.floats(0, 4e9))
def test_no_context_makes_evaluation_fail_and_explanations_agree(context: dict[str, Any], now: float) -> None:
    for rules in (EVERYTHING, EXAMPLE):
        answers = rules.evaluate_all(context, now)
        assert list(answers) == rules.names(now)
        for name, answer in answers.items():
            assert answer == rules.evaluate(name, context, now)
            reported = rules.explain(name, context, now)
            assert (reported["variant"], reported["reason"]) == (answer.variant, answer.reason)
            assert [step["verdict"] for step in reported["steps"]].count("answered") == 1
            json.dumps(reported)


@pytest.mark.parametrize("huge", [10**5000, -(10**5000)], ids=["positive", "negative"])
def test_a_number_too_long_to_write_out_is_no_unit(huge: int) -> None:
    rules = ruleset({"a": {"status": True, "rollout_percentage": 50, "targets": {"on": ["1"]}}})
    assert rules.evaluate("a", {"targetingKey": huge}, 0).error_code is ErrorCode.TARGETING_KEY_MISSING
    assert rules.explain("a", {"targetingKey": huge}, 0)["error_code"] == "TARGETING_KEY_MISSING"


def test_half_a_surrogate_pair_is_a_text_that_no_pattern_matches() -> None:
    when = {"x": {"matches": "."}}
    rules = ruleset({"a": {"status": True, "rules": [{"when": when, "serve": "on"}], "default": {"serve": "off"}}})
    assert rules.evaluate("a", {"x": "\ud800"}, 0).value is False
    assert rules.evaluate("a", {"x": "x"}, 0).value is True
    halved = ruleset({"a": {"status": True, "rollout_percentage": 50}}).evaluate("a", {"targetingKey": "\ud800"}, 0)
    assert halved.reason == "SPLIT"


def test_flags_that_require_each_other_are_reported_and_the_others_serve() -> None:
    flags = {
        "a": {"status": True, "requires": [{"flag": "b", "variant": "on"}]},
        "b": {"status": True, "requires": [{"flag": "c", "variant": "on"}]},
        "c": {"status": True, "requires": [{"flag": "a", "variant": "on"}]},
        "uses_a": {"status": True, "requires": [{"flag": "a", "variant": "on"}]},
        "good": {"status": True},
    }
    for order in (list(flags), list(flags)[::-1]):
        rules = ruleset({name: flags[name] for name in order})
        assert set(rules.check()) == {"a", "b", "c"}
        answers = rules.evaluate_all({}, 0)
        assert answers.pop("good").value is True
        assert {answer.error_code for answer in answers.values()} == {ErrorCode.PARSE_ERROR}


@pytest.mark.parametrize("first", ["a", "b"])
def test_what_an_override_covers_closes_no_circle(first: str) -> None:
    """Git: a requires b. Overrides: a requires nothing, b requires a. Whichever is asked first."""
    free, needs_a = {"status": True}, {"status": True, "requires": [{"flag": "a", "variant": "on"}]}
    git = {"a": {"status": True, "requires": [{"flag": "b", "variant": "on"}]}, "b": free}
    rules = ruleset(git, override("a", free), override("b", needs_a))
    assert rules.evaluate(first, {}, 0).value is True
    assert [rules.evaluate(name, {}, 0).value for name in ("a", "b")] == [True, True]
    assert rules.check() == {}


def test_what_stands_under_an_override_is_checked_too() -> None:
    broken = {"status": True, "holdout": "nope"}
    assert list(ruleset({"a": broken}, override("a", {"status": True})).check()) == ["a"]
    assert list(ruleset({"a": {"status": True}}, override("a", broken)).check()) == ["a"]
    assert list(ruleset({"a": {"status": True}}, override("a", None), override("b", broken)).check()) == ["b"]


def test_an_explanation_shows_the_rule_the_bucket_the_threshold_and_the_release() -> None:
    rules = Ruleset(
        {
            "flags": {
                "f": {
                    "status": True,
                    "rules": [{"name": "germans", "when": {"country": "DE"}, "rollout_percentage": 0.125}],
                    "rollout_percentage": 99.999,
                }
            }
        },
        [override("other", {"status": True})],
        {"version": 3, "commit": "abc"},
    )
    reported = rules.explain("f", {"targetingKey": "ada", "country": "DE"}, 0)
    number = int(sha256(b"ada:f").hexdigest(), 16)
    fallen = number % 100 * 1000 + number // 100 % 1000
    line = {"bucket": fallen, "from": 0, "hashed": "ada:f"}
    assert reported["steps"] == [
        {"step": "germans", "variant": None, "verdict": "passed on", "below": 125, **line},
        {"step": "default", "variant": "on", "verdict": "answered", "below": 99_999, **line},
    ]
    assert (reported["release"], reported["override"]) == ({"version": 3, "commit": "abc"}, None)
    assert rules.explain("other", {}, 0)["override"] == {"author": "ada", "reason": "because"}
    assert rules.explain("unknown", {}, 0)["steps"] == []


def test_evaluation_at_a_given_moment_reads_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    context = {"targetingKey": "ada"}
    before = EVERYTHING.evaluate_all(context, 0)

    def no_clock() -> float:
        raise AssertionError("the clock was read")

    monkeypatch.setattr("time.time", no_clock)
    fresh = burgee.Ruleset(
        {
            "flags": {name: EVERYTHING.definition(name, 0) for name in EVERYTHING.names(0)},
            "segments": {"staff": {"x": 1}, "norwegians": {"x": 1}},
            "holdouts": {"q4": {"percentage": 5}},
        },
        [override("more", {"status": True}, "2027-01-01T00:00:00Z")],
    )
    assert list(fresh.evaluate_all(context, 0)) == [*before, "more"]
    fresh.explain("more", context, 0)


def test_threads_that_compile_the_same_flags_agree() -> None:
    flags = {
        f"f{n}": {"status": True, "requires": [{"flag": f"f{n - 1}", "variant": "on"}] if n else []}
        for n in range(60)
    }
    rules = ruleset(flags)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: rules.evaluate(f"f{n % 60}", {}, 0).value, range(480)))
    assert answers == [True] * 480


class Slow(dict[str, Any]):
    """A definition during whose compilation another caller comes, once."""

    interrupt: Callable[[], None] | None = None

    def get(self, key: str, default: Any = None) -> Any:
        if self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            interrupt()
        return super().get(key, default)


def test_who_asks_for_a_flag_while_it_is_compiled_gets_its_answer() -> None:
    """Not the error of a flag whose prerequisites lead back to it, which is what half a compilation looks like."""
    slow = Slow(status=True)
    rules = ruleset({"a": slow})
    with ThreadPoolExecutor(1) as pool:
        other: list[Future[Any]] = []

        def come() -> None:
            other.append(pool.submit(rules.evaluate, "a", {}, 0))
            wait(other, timeout=0.2)

        slow.interrupt = come
        assert rules.evaluate("a", {}, 0).value is True
        assert other[0].result().value is True


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_is_left_as_it_was(*, collecting: bool) -> None:
    flags = {"a": {"status": True, "rollout_percentage": 50}, "broken": {"status": True, "rules": 1}}
    data = payload({"format": 1, "flags": flags})
    try:
        (gc.enable if collecting else gc.disable)()
        Ruleset(load_snapshot(data)).evaluate_all({"targetingKey": "u"})
        with pytest.raises(Corrupt):
            load_snapshot(data[:-1])
        assert gc.isenabled() is collecting
    finally:
        gc.enable()


def test_what_is_in_the_metadata() -> None:
    rules = Ruleset(
        {"flags": {"a": {"status": True, "owner": "t", "rules": [{"name": "r", "when": {}}]}}},
        release={"version": 3, "commit": "abc"},
    )
    metadata = rules.evaluate("a", {}, 0).metadata
    assert dict(metadata) == {"version": 3, "commit": "abc", "owner": "t", "rule": "r"}


def test_a_bulk_answer_asks_each_segment_once_and_forgets_it_with_the_context() -> None:
    class Watched(dict[str, Any]):
        asked = 0

        def get(self, name: str, default: Any = None) -> Any:
            self.asked += 1
            return super().get(name, default)

    rule = {"when": {"segment": "staff"}}
    flags = {name: {"status": True, "rules": [rule], "rollout_percentage": 0} for name in "abc"}
    rules = ruleset(flags, segments={"staff": {"user.email": "ada"}})
    watched = Watched(email="ada")
    context: dict[str, Any] = {"user": watched}
    assert {answer.value for answer in rules.evaluate_all(context).values()} == {True}
    assert watched.asked == 1
    context["user"] = {"email": "eve"}
    assert {answer.value for answer in rules.evaluate_all(context).values()} == {False}
    assert rules.evaluate("a", context).value is False
    context["user"]["email"] = "ada"
    assert rules.evaluate("a", context).value is True


def test_a_bulk_answer_follows_every_expiry_forwards_and_backwards_and_keeps_the_order() -> None:
    flags = {"a": {"status": True}, "b": {"status": True, "rollout_percentage": 50}, "c": {"status": False}}
    first, second = "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"
    rules = ruleset(flags, override("b", {"status": True}, first), override("a", None, second))
    early, between, late = parse_time(first) - 1, parse_time(first), parse_time(second)
    context = {"targetingKey": "user-1"}
    for _ in range(2):
        assert list(rules.evaluate_all(context, early)) == ["b", "c"]
        assert rules.evaluate_all(context, early)["b"].reason == "STATIC"
        assert rules.evaluate_all(context, between)["b"].reason == "SPLIT"
        assert list(rules.evaluate_all(context, late)) == ["a", "b", "c"]
    assert rules.evaluate("a", context, early).error_code is ErrorCode.FLAG_NOT_FOUND
    answers = rules.evaluate_all(context, late)
    answers.clear()
    assert list(rules.evaluate_all(context, late)) == ["a", "b", "c"]
