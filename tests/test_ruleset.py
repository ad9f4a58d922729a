"""A whole ruleset: isolation, overrides in time, explanations that agree, contexts from hell."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import burgee
from burgee.model import ErrorCode, Override
from burgee.ruleset import Ruleset
from burgee.times import parse_time

ROOT = Path(__file__).parents[1]
EVERYTHING = burgee.load(ROOT / "tests/cases/good/everything.yaml", "production")
EXAMPLE = burgee.load(ROOT / "flags.yaml")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
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
    assert list(rules.check()) in (["broken"], [])
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
@given(st.dictionaries(ATTRIBUTES | st.text(max_size=5), JSON, max_size=8), st.floats(0, 4e9))
def test_no_context_makes_evaluation_fail_and_explanations_agree(context: dict[str, Any], now: float) -> None:
    for rules in (EVERYTHING, EXAMPLE):
        answers = rules.evaluate_all(context, now)
        assert list(answers) == rules.names(now)
        for name, answer in answers.items():
            assert answer == rules.evaluate(name, context, now)
            told = rules.explain(name, context, now)
            assert (told["variant"], told["reason"]) == (answer.variant, answer.reason)
            assert [step["verdict"] for step in told["steps"]].count("answered") == 1
            json.dumps(told)


def test_threads_that_compile_the_same_flags_agree() -> None:
    flags = {
        f"f{n}": {"status": True, "requires": [{"flag": f"f{n - 1}", "variant": "on"}] if n else []}
        for n in range(60)
    }
    rules = ruleset(flags)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: rules.evaluate(f"f{n % 60}", {}, 0).value, range(480)))
    assert answers == [True] * 480


def test_what_is_in_the_metadata() -> None:
    rules = Ruleset(
        {"flags": {"a": {"status": True, "owner": "t", "rules": [{"name": "r", "when": {}}]}}},
        release={"version": 3, "commit": "abc"},
    )
    metadata = rules.evaluate("a", {}, 0).metadata
    assert dict(metadata) == {"version": 3, "commit": "abc", "owner": "t", "rule": "r"}
