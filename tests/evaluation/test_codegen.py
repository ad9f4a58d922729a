"""Every way to an answer gives the same: step by step, by rules, fused, and in bulk."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burgee.evaluation.codegen import fuse
from burgee.evaluation.flag import Flag
from burgee.evaluation.ruleset import LONGEST, OFTEN, Ruleset
from support.conditions import CONTEXTS, WHEN
from support.operators import CASES

if TYPE_CHECKING:
    from burgee.model import Evaluation

ARMS = {"a": 1, "b": 2, "c": 3}
PERCENTAGES = st.sampled_from([0, 0.001, 33.333, 50, 99.999, 100])
SPLITS = st.sampled_from([{"a": 1}, {"a": 50, "b": 50}, {"a": 1, "b": 1, "c": 1}, {"a": 33.3, "b": 0.01, "c": 66.69}])
OUTCOMES = st.sampled_from([{"serve": "a"}, {"serve": "b"}]) | SPLITS.map(lambda split: {"split": split})
OUTCOMES |= st.sampled_from([{"ranges": {"a": [0, 30], "b": [40, 99.5]}}, {"ranges": {"c": [50, 100]}}])
HASHING: dict[str, Any] = {
    "bucket_by": st.sampled_from(
        ["plan", "account.plan", ["plan", "targetingKey"], ["targetingKey", "account.plan"]]
    ),
    "without_unit": st.sampled_from(["next", "a", "c"]),
}
RULES = st.builds(
    lambda when, outcome, share: {"when": when, **outcome, **share},
    WHEN,
    OUTCOMES,
    st.fixed_dictionaries(
        {},
        optional={
            "rollout_percentage": PERCENTAGES,
            "requires": st.sampled_from(
                [[{"flag": "base", "variant": "a"}], [{"flag": "base", "not_variant": ["b"]}]]
            ),
            **HASHING,
        },
    ),
)
FLAGS = st.builds(
    lambda rules, outcome, more: {
        "status": True,
        "variants": dict.fromkeys("abc", 1),
        "rules": rules,
        "default": outcome,
        **more,
    },
    st.lists(RULES, max_size=6),
    OUTCOMES,
    st.fixed_dictionaries(
        {},
        optional={
            "rollout_percentage": PERCENTAGES,
            **HASHING,
            "targets": st.just({"a": ["ada"]}),
            "salt": st.just("s\ud800"),
            "off_variant": st.just("c"),
        },
    ),
)


def stepwise(flag: Flag, context: dict[str, Any]) -> Evaluation:
    """What an explanation runs."""
    return next(answer for step in flag.steps(0) if (answer := step.take(context, 0)) is not None)


def often(rules: Ruleset, name: str) -> Ruleset:
    """Asks for a flag until its rules are fused."""
    for _ in range(OFTEN):
        rules.evaluate(name, {}, 0)
    return rules


@settings(max_examples=400)
@given(st.lists(FLAGS, min_size=1, max_size=4), st.lists(CONTEXTS, min_size=1, max_size=8))
def test_every_way_gives_the_same(flags: list[dict[str, Any]], contexts: list[dict[str, Any]]) -> None:
    definitions = {f"flag-{number}": flag for number, flag in enumerate(flags)}
    base = {"status": True, "variants": {"a": 1, "b": 2}, "default": {"split": {"a": 1, "b": 1}}}
    definitions["base"] = {**base, "without_unit": "a"}
    snapshot = {"format": 1, "flags": definitions, "segments": {"pros": {"plan": ["pro", "prof"]}}}
    seldom, asked = Ruleset(snapshot), Ruleset(snapshot)
    for name in definitions:
        often(asked, name)
    for context in contexts:
        bulk = seldom.evaluate_all(context, 0)
        assert list(bulk) == list(definitions)
        for name, definition in definitions.items():
            expected = stepwise(Flag(name, definition, seldom), context)
            assert bulk[name] == expected
            assert asked.evaluate(name, context, 0) == expected
            assert Ruleset(snapshot).evaluate(name, context, 0) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
def test_fused_rules_answer_what_the_cases_of_every_operator_say(case: dict[str, Any]) -> None:
    rules = [{"when": {"x": case["when"]}}, {"when": {"nobody": 1}, "serve": "off"}]
    snapshot = {"format": 1, "flags": {"f": {"status": True, "rules": rules, "default": {"serve": "off"}}}}
    ruleset = often(Ruleset(snapshot), "f")
    for values, met in ((case["yes"], True), (case["no"], False)):
        for value in values:
            assert ruleset.evaluate("f", {"x": value}, 0).value is met, value
    for absent in ({}, {"x": None}, {"y": 1}):
        assert ruleset.evaluate("f", absent, 0).value is (case.get("absent") == "yes")


def test_rules_are_fused_once_a_flag_is_asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    fused: list[int] = []

    def watched(rules: Any, conditions: Any) -> Any:
        fused.append(len(conditions))
        return fuse(rules, conditions)

    monkeypatch.setattr("burgee.evaluation.codegen.fuse", watched)
    rule = {"when": {"plan": "pro"}}
    flags = {f"rules-{number}": {"status": True, "rules": [rule] * number} for number in (0, 1, 2, LONGEST)}
    ruleset = Ruleset({"format": 1, "flags": flags})
    for name in flags:
        often(ruleset, name)
        ruleset.evaluate(name, {}, 0)
        often(ruleset, name)
    assert fused == [1, 2]


@pytest.mark.parametrize(
    "rules", [[], [{"when": {"plan": "free"}, "serve": "off"}]], ids=["a draw alone", "after a rule"]
)
def test_a_user_in_a_percent_that_the_share_divides_gets_by_bulk_what_the_formula_says(rules: list[Any]) -> None:
    flag = {"status": True, "rollout_percentage": 33.333, "rules": rules}
    ruleset = often(Ruleset({"format": 1, "flags": {"f": flag}}), "f")
    inside = 0
    for number in range(20_000):
        user = f"user-{number}"
        hashed = int(sha256(f"{user}:f".encode()).hexdigest(), 16)
        if hashed % 100 == 33:
            expected = hashed // 100 % 1000 < 333
            inside += expected
            context = {"targetingKey": user, "plan": "pro"}
            assert ruleset.evaluate_all(context, 0)["f"].value is expected
            assert ruleset.evaluate("f", context, 0).value is expected
    assert 20 < inside < 180


def test_what_a_file_says_is_not_in_the_source() -> None:
    """Attributes and operands that would end the expression that they stood in."""
    hostile = '"] or print("out") or ["'
    when = [
        {hostile: hostile},
        {hostile: [hostile]},
        {hostile: {"starts_with": "{operand}"}},
        {"{operand}": "{value}"},
    ]
    rules = [{"name": hostile, "when": one, "serve": "on"} for one in when]
    snapshot = {"format": 1, "flags": {hostile: {"status": True, "rules": rules, "default": {"serve": "off"}}}}
    ruleset = often(Ruleset(snapshot), hostile)
    assert ruleset.evaluate(hostile, {hostile: hostile}, 0).value is True
    assert ruleset.evaluate(hostile, {hostile: "{operand} "}, 0).value is True
    assert ruleset.evaluate(hostile, {hostile: "{"}, 0).value is False
