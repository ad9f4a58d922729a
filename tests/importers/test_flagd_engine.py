"""Imported flags against flagd's own Python core, flag by flag and context by context."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.flag_grammar import normalise
from burgee.importers.base import Generation
from burgee.importers.flagd import import_flagd
from support.generate import Flagd
from support.migrate import CONTEXTS, FLAGS, compare, context, document, imported, odd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TYPES = {bool: "boolean", str: "string", int: "integer", float: "float", dict: "object"}
LEFT_OUT = ["two shares that do not meet", "serves no variant"]
DEFAULTS = {"boolean": False, "string": "", "integer": 0, "float": 0.0, "object": {}}


def _mentions(flag: Mapping[str, Any], name: str, shared: str) -> bool:
    """Whether a flag, or a condition that it shares, asks for an attribute."""
    text = json.dumps(flag)
    return f'"{name}"' in (text + shared if "$ref" in text else text)


def test_every_answer_is_flagds_or_differs_for_a_named_reason(tmp_path: Path) -> None:
    generator = Flagd(20261124)
    file = generator.file(FLAGS * 2)
    core = FlagdCore()
    core.set_flags(copy.deepcopy(file))
    made = import_flagd(document(json.dumps(file)), Generation.CBOR)
    ruleset, compared = imported(made, tmp_path, LEFT_OUT)
    contexts = [context(generator.source, number) for number in range(CONTEXTS)]
    shared = json.dumps(file["$evaluators"])

    def theirs(name: str, one: Mapping[str, Any]) -> Any:
        kind = TYPES[type(next(iter(file["flags"][name]["variants"].values())))]
        attributes = {key: value for key, value in one.items() if key != "targetingKey"}
        resolve = getattr(core, f"resolve_{kind}_value")
        try:
            answer = resolve(name, DEFAULTS[kind], EvaluationContext(one.get("targetingKey"), attributes))
        except OpenFeatureError:
            return None, None
        return (answer.variant, json.dumps(answer.value)) if answer.variant else (None, None)

    def ours(name: str, one: Mapping[str, Any]) -> Any:
        answer = ruleset.evaluate(name, one, 0)
        return (answer.variant, json.dumps(answer.value)) if answer.variant else (None, None)

    def converted(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
        return any(odd(name, value) and _mentions(flag, name, shared) for name, value in one.items())

    def emptied(flag: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
        return one.get("tags") == [] and _mentions(flag, "tags", shared)

    names = {"flagd converts the value": converted, "an empty list is false": emptied}
    found = compare({name: file["flags"][name] for name in compared}, contexts, ours, theirs, names)
    print(f"\nflagd: {found.answers:,} answers, explained {dict(found.explained)}, else {len(found.unexplained)}")
    assert found.unexplained[:3] == []
    assert found.answers == FLAGS * CONTEXTS
    assert sum(found.explained.values()) < found.answers / 50


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "42", "ada"])
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
SHARES = [["red", 20], ["green", 30], ["blue", 50]]


@given(VALUES.filter(lambda value: not isinstance(value, list)), st.sampled_from(["company", "account.id"]))
@example(42, "company")
@example("42", "company")
@example(42.0, "company")
@example(1e20, "company")
@example(-1.7976931348623157e308, "company")
@example("", "company")
@example({"a": [1.0, None]}, "account.id")
def test_a_unit_of_any_kind_is_placed_as_flagd_places_it(value: Any, path: str) -> None:
    """Numeric ids above all: each gets the share that it has there. flagd takes a list for shares."""
    targeting = {"fractional": [{"var": path}, *SHARES]}
    variants = {name: name for name, _ in SHARES} | {"none": "none"}
    flag = {"state": "ENABLED", "variants": variants, "defaultVariant": "none", "targeting": targeting}
    file = {"flags": {"flag": flag}}
    core = FlagdCore()
    core.set_flags(copy.deepcopy(file))
    made = import_flagd(document(json.dumps(file)), Generation.CBOR)
    served = Ruleset({"format": 1, "flags": {name: normalise(one) for name, one in made.flags.items()}})
    attributes = {"company": value, "account": {"id": value}}
    theirs = core.resolve_string_value("flag", "", EvaluationContext("u", attributes)).variant
    assert served.evaluate("flag", attributes, 0).variant == theirs


@given(VALUES)
@example("")
@example(42)
@example(42.0)
@example(True)
@example(None)
def test_a_joined_unit_is_placed_as_flagd_places_it_or_the_report_names_it(value: Any) -> None:
    targeting = {"fractional": [{"cat": ["seed", {"var": "company"}]}, *SHARES]}
    flag = {"state": "ENABLED", "variants": {name: name for name, _ in SHARES}, "targeting": targeting}
    file = {"flags": {"flag": {**flag, "defaultVariant": "red"}}}
    core = FlagdCore()
    core.set_flags(copy.deepcopy(file))
    made = import_flagd(document(json.dumps(file)), Generation.CBOR)
    [finding] = made.findings
    assert "where 'company' is empty, or neither a string nor a whole number" in finding.text
    served = Ruleset({"format": 1, "flags": {name: normalise(one) for name, one in made.flags.items()}})
    attributes: dict[str, Any] = {"company": value}
    answer = served.evaluate("flag", attributes, 0)
    if (
        value is None
        or (isinstance(value, str) and value)
        or (isinstance(value, int) and not isinstance(value, bool))
    ):
        there = core.resolve_string_value("flag", "", EvaluationContext("u", attributes))
        assert answer.variant == there.variant
    elif not (isinstance(value, float) and value.is_integer()):
        assert answer.reason == "ERROR"
