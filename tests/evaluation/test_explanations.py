"""Conditions in words, and why a context does not meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from burgee.evaluation.conditions import compile_condition
from burgee.evaluation.explanations import describe, explain
from burgee.evaluation.operators import OPERATORS
from burgee.evaluation.ruleset import Ruleset
from support.conditions import CONTEXTS, WHEN
from support.operators import CASES

if TYPE_CHECKING:
    from support.cli import Burgee


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({}, "everyone"),
        ({"country": "DE"}, "country = DE"),
        ({"country": ["DE"]}, "country = DE"),
        (
            {"country": ["DE", "FR"], "app_version": {"semver_gte": "2.3.0"}},
            "country in DE, FR and app_version >= 2.3.0",
        ),
        ({"age": {"gte": 18, "lt": 65}}, "age >= 18 and age < 65"),
        ({"plan": {"exists": False}}, "plan is not set"),
        ({"email": {"ends_with": "@x.com", "ignore_case": True}}, "email ends with @x.com, in any case"),
        ({"any": [{"a": 1}, {"b": 2, "c": 3}]}, "a = 1 or (b = 2 and c = 3)"),
        ({"x": 1, "any": [{"a": 1}, {"b": 2}]}, "x = 1 and (a = 1 or b = 2)"),
        ({"not": {"segment": ["eu", "staff"]}}, "not (segment eu or staff)"),
        ({"a": "1"}, 'a = "1"'),
        ({"a": ""}, 'a = ""'),
        ({"a": "x, y"}, 'a = "x, y"'),
        ({"a": [1, 2, 3, 4, 5, 6]}, "a in 1, 2, 3, 4 and 2 more"),
    ],
)
def test_a_condition(when: Any, words: str) -> None:
    assert describe(when) == words


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
def test_there_is_a_reason_exactly_where_a_condition_is_false(case: dict[str, Any]) -> None:
    for path, wrap in (("x", lambda value: {"x": value}), ("a.b", lambda value: {"a": {"b": value}})):
        when = {path: case["when"]}
        for value in case["yes"]:
            assert explain(when, wrap(value), {}) == []
        for value in case["no"]:
            reasons = explain(when, wrap(value), {})
            assert reasons
            assert all(reason.startswith(f"{path} is ") and ", the rule wants " in reason for reason in reasons)
    absent = explain({"x": case["when"]}, {}, {})
    assert absent == [] if case.get("absent") else all(reason.startswith("x is missing, ") for reason in absent)


@pytest.mark.parametrize(
    ("when", "context", "reasons"),
    [
        ({"country": "DE"}, {"country": "FR"}, ["country is FR, the rule wants DE"]),
        ({"country": ["DE"]}, {"country": "FR"}, ["country is FR, the rule wants DE"]),
        ({"country": ["DE", "NL"]}, {}, ["country is missing, the rule wants one of DE, NL"]),
        ({"id": 1}, {"id": "1"}, ['id is "1" (a string), the rule wants 1']),
        ({"age": {"gte": 18, "lt": 65}}, {"age": 70}, ["age is 70, the rule wants less than 65"]),
        (
            {"v": {"semver_gte": "2.4.0"}},
            {"v": "v2.3"},
            ["v is v2.3 (read as 2.3.0), the rule wants version 2.4.0 or above"],
        ),
        (
            {"v": {"semver_gte": "2.4.0"}},
            {"v": 2.3},
            ["v is 2.3 (no version: only a string is one), the rule wants version 2.4.0 or above"],
        ),
        ({"plan": {"exists": True}}, {"plan": None}, ["plan is missing, the rule wants any value"]),
        ({"plan": {"exists": False}}, {"plan": "pro"}, ["plan is pro, the rule wants none"]),
        ({"not": {"plan": "pro"}}, {"plan": "pro"}, ["plan = pro holds, the rule wants that it does not"]),
        (
            {"any": [{"a": 1, "b": 1}, {"c": 1}]},
            {"c": 2},
            ["a is missing, the rule wants 1 and b is missing, the rule wants 1; nor: c is 2, the rule wants 1"],
        ),
        ({"any": [{"a": 1}, {"c": 1}]}, {"c": 1}, []),
        (
            {"all": [{"a": 1}, {"c": 1}], "d": 1},
            {"c": 2, "d": 1},
            ["a is missing, the rule wants 1", "c is 2, the rule wants 1"],
        ),
        ({"segment": "eu"}, {"country": "US"}, ["country is US, segment eu wants one of DE, FR"]),
        ({"segment": ["eu", "staff"]}, {"country": "DE"}, []),
        ({"not": {"segment": "eu"}}, {"country": "DE"}, ["segment eu holds, the rule wants that it does not"]),
        ({"x": 1}, {"x": 10**5000}, ["x is a value of type int, the rule wants 1"]),
        ({"x": 1}, {"x": object}, ["x is a value of type type (no string, number or boolean), the rule wants 1"]),
    ],
)
def test_a_reason_names_the_value_and_what_is_wanted(when: Any, context: Any, reasons: list[str]) -> None:
    assert explain(when, context, {"eu": {"country": ["DE", "FR"]}, "staff": {"email": "x"}}) == reasons


def not_asked(_context: Any) -> bool:
    raise AssertionError


@given(CONTEXTS, WHEN)
def test_every_condition_is_explained_as_it_is_evaluated(context: dict[str, Any], when: dict[str, Any]) -> None:
    segments = {"pros": {"plan": ["pro", "prof"]}}
    matches = compile_condition(when, lambda name: compile_condition(segments[name], lambda _: not_asked))
    assert (explain(when, context, segments) == []) is matches(context)


def test_an_explanation_says_which_condition_of_which_rule_was_false(burgee: Burgee) -> None:
    burgee.write(
        """\
version: 1
segments: {eu: {when: {country: [DE, FR]}}}
flags:
  checkout:
    status: on
    bucket_by: company
    rules:
      - {name: Germans, when: {country: DE}, serve: on}
      - {name: new, when: {segment: eu, app_version: {semver_gte: "2.4.0"}}, rollout_percentage: 40}
    rollout_percentage: 25
"""
    )
    attributes = ("--set", "country=FR", "--set", 'app_version="2.3"', "--set", "company=acme")
    ran = burgee("eval", "checkout", *attributes, "--explain")
    assert ran.out.splitlines() == [
        "checkout = false  (variant off, SPLIT)",
        "  Germans: passed on",
        "    country is FR, the rule wants DE",
        "  new: passed on",
        '    app_version is "2.3" (read as 2.3.0), the rule wants version 2.4.0 or above',
        "  default: answered  [bucket of 'acme:checkout' is 69,721, not below 25,000]",
    ]


def test_an_answer_without_a_unit_names_the_attribute_that_is_missing(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {f: {status: on, bucket_by: company, rollout_percentage: 25}}\n")
    ran = burgee("eval", "f", "--user", "ada", "--explain")
    assert ran.code == 1
    assert "TARGETING_KEY_MISSING: users are divided by 'company'" in ran.err
    assert "  default: answered\n    company, the bucketed attribute, is missing" in ran.out
    split: dict[str, Any] = {"status": True, "variants": {"a": 1, "b": 2}, "default": {"split": {"a": 1, "b": 1}}}
    answer = Ruleset({"format": 1, "flags": {"f": split}}).evaluate("f", {}, 0)
    assert answer.error_message == "users are divided by 'targetingKey', which the context does not have"
    pinned = {**split, "hash": "flagd-cbor", "bucket_by": "team"}
    answer = Ruleset({"format": 1, "flags": {"f": pinned}}).evaluate("f", {}, 0)
    assert answer.error_message == "users are divided by 'team', which the context does not have"


def test_every_operator_reads_as_a_sentence() -> None:
    for operator in OPERATORS.values():
        assert operator.clause.format("x", "y") not in {"", "x", "y"}
        assert "y" in operator.wants.format("y")


def test_an_explanation_says_what_a_required_flag_gives_and_where_that_leads() -> None:
    """A rule passes on, a flag gives its off variant."""
    flags = {
        "base": {"status": True, "variants": {"a": 1, "b": 2, "c": 3}, "default": {"serve": "a"}},
        "by_company": {"status": True, "rollout_percentage": 50, "bucket_by": ["company", "team"]},
        "rule": {
            "status": True,
            "rules": [
                {"name": "r", "when": {}, "requires": [{"flag": "base", "variant": ["b", "c"]}], "serve": "on"},
                {"name": "gone", "when": {}, "requires": [{"flag": "nowhere", "not_variant": "on"}], "serve": "on"},
                {"name": "met", "when": {}, "requires": [{"flag": "base", "not_variant": "b"}], "serve": "off"},
            ],
            "default": {"serve": "off"},
        },
        "flag": {"status": True, "requires": [{"flag": "base", "not_variant": "a"}]},
        "erring": {"status": True, "requires": [{"flag": "by_company", "variant": "on"}]},
    }
    served = Ruleset({"format": 1, "flags": flags})

    def steps(name: str) -> list[tuple[Any, ...]]:
        return [
            (one["step"], one["verdict"], one.get("why"))
            for one in served.explain(name, {"targetingKey": "ada"}, 0)["steps"]
        ]

    assert steps("rule") == [
        ("r", "passed on", ["base gives a, b or c is required"]),
        ("gone", "passed on", ["there is no flag nowhere, not on is required"]),
        ("met", "answered", None),
    ]
    assert steps("flag") == [("requires base = not a", "answered", ["base gives a, not a is required"])]
    assert steps("erring") == [
        ("requires by_company = on", "answered", ["by_company gives an error, on is required"])
    ]
    assert steps("by_company") == [("default", "answered", ["company or team, the bucketed attribute, is missing"])]


def test_a_share_of_a_segment_is_described_and_explained() -> None:
    share = {"rollout_percentage": 50, "salt": "exp"}
    segments: dict[str, Any] = {
        "half": {"country": "DE", "$share": share},
        "teams": {"$share": {**share, "bucket_by": ["team", "crew"]}},
    }
    assert describe(segments["half"]) == "country = DE and 50 % of users"
    assert describe(segments["teams"]) == "50 % of users by team or crew"
    when, context = {"segment": "half"}, {"targetingKey": "bob", "country": "DE"}
    assert list(explain(when, context, segments)) == [
        "the bucket of 'bob:exp' is 93,351, segment half wants one below 50,000"
    ]
    assert list(explain(when, {**context, "targetingKey": "ada"}, segments)) == []
    assert list(explain({"segment": "teams"}, context, segments)) == [
        "team or crew, the bucketed attribute, is missing, segment teams wants 50 % of users by team or crew"
    ]
