"""Operators on values of every kind, from tests/cases/operators.yaml; the table is the one place that knows them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burgee.evaluation.conditions import compile_condition
from burgee.evaluation.explanations import explain
from burgee.evaluation.operators import IGNORE_CASE, OPERATORS, Inline, OperandError, Operator, check_operand
from burgee.evaluation.ruleset import OFTEN, Ruleset
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.grammar import json_schema
from support.operators import CASES

# Half a surrogate pair, which JSON can write as "\ud800", and strings that look like something else.
ODD = st.sampled_from(
    ["\ud800", "a\udfff", "2026-02-30", "9999-12-31T23:59:59-23:59", "1.2.3-01", "::ffff:10.0.0.1%1"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def matches(when: Any, context: Any) -> bool:
    return compile_condition(when, no_segments)(context)


def no_segments(name: str) -> Any:
    raise KeyError(name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
def test_operators(case: dict[str, Any]) -> None:
    when = {"x": case["when"]}
    for value in case["yes"]:
        assert matches(when, {"x": value}), value
        assert matches({"a.b": case["when"]}, {"a": {"b": value}}), value
    for value in case["no"]:
        assert not matches(when, {"x": value}), value
    for absent in ({}, {"x": None}, {"y": 1}):
        assert matches(when, absent) is (case.get("absent") == "yes")


def test_every_operator_is_tried() -> None:
    tried = {name for case in CASES if isinstance(case["when"], dict) for name in case["when"]}
    assert tried - {IGNORE_CASE} == set(OPERATORS)


SAMPLES: dict[str, list[Any]] = {
    "text": ["", "x", "1", "true", "1.0.0", "2026-01-01", "10.0.0.1"],
    "number": [0, 1, -1, 1.5, 1e300, 10**400, float("nan"), float("inf")],
    "boolean": [True, False],
    "list": [[], [0], [[]], [{}], [None], ["x"]],
    "object": [{}, {"x": 1}, {"eq": "x"}],
}


def kind(value: Any) -> str:
    return {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}[type(value)]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.get("absent") != "yes" and case["when"] != {"exists": True}], ids=str
)
def test_a_value_of_another_kind_never_matches(case: dict[str, Any]) -> None:
    """A case matches strings, numbers, booleans, lists or objects only if one of its `yes` is of that kind."""
    others = SAMPLES.keys() - {kind(value) for value in case["yes"]}
    assert others
    for other in others:
        for value in SAMPLES[other]:
            assert not matches({"x": case["when"]}, {"x": value}), value


@given(JSON)
@example("\ud800")
@example(["\ud800"])
@example(10**5000)
@example(float("nan"))
def test_no_value_makes_an_operator_fail(value: Any) -> None:
    for case in CASES:
        assert matches({"x": case["when"]}, {"x": value}) in {True, False}


def test_an_operator_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grammar, schema, rules tried one by one and generated rules all read the table."""

    def build(operand: Any, _ignore_case: bool) -> Any:
        if not isinstance(operand, int):
            raise OperandError("a whole number")
        return lambda value: isinstance(value, str) and len(value) == operand

    written: list[Any] = []

    def bind(operand: int) -> int:
        written.append(operand)
        return operand

    inline = Inline("isinstance(value, str) and len(value) == {operand}", bind)
    monkeypatch.setitem(
        OPERATORS, "length", Operator(build, "a whole number", "{} of length {}", "{} characters", inline=inline)
    )
    with pytest.raises(OperandError, match="a whole number"):
        check_operand("length", "x")
    rule = {"when": {"plan": {"length": 3}}, "serve": "on"}
    flag = normalise({"status": True, "rules": [rule], "default": {"serve": "off"}})
    ruleset = Ruleset({"format": 1, "flags": {"f": flag}})
    for _ in range(OFTEN + 1):
        assert ruleset.evaluate("f", {"plan": "pro"}).value is True
        assert ruleset.evaluate("f", {"plan": "free"}).value is False
    assert written == [3]
    assert explain({"plan": {"length": 3}}, {"plan": "free"}, {}) == ["plan is free, the rule wants 3 characters"]


def test_the_schema_names_every_operator() -> None:
    (attribute,) = [
        kind
        for kind in json_schema()["$defs"]["Segment"]["properties"]["when"]["additionalProperties"]["anyOf"]
        if kind["type"] == "object"
    ]
    assert set(attribute["properties"]) == {*OPERATORS, IGNORE_CASE}
