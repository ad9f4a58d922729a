"""Schemas of values, compared with the library jsonschema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from burgee.flagfile.fields import dump
from burgee.flagfile.value_schemas import ValueSchema, mismatches

NAMES = ["a", "b", "c"]
SCALARS = st.one_of(
    st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0, 1.5]), st.sampled_from(["", "x", "1"])
)
VALUES = st.recursive(
    st.one_of(st.none(), SCALARS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*NAMES, "d"]), inner)),
    max_leaves=8,
)


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def made(properties: dict[str, Any], required: int, others: Any) -> dict[str, Any]:
        found = {"type": "object", "properties": properties, "required": list(properties)[:required]}
        return found if others is None else {**found, "additionalProperties": others}

    others = st.one_of(st.none(), st.booleans(), inner)
    return st.builds(made, st.dictionaries(st.sampled_from(NAMES), inner), st.integers(0, 3), others)


PLAIN = st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind})
CHOICES = st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values})
SCHEMAS = st.recursive(
    st.one_of(PLAIN, CHOICES),
    lambda inner: st.one_of(
        objects(inner),
        inner.map(lambda item: {"type": "array", "items": item}),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found}),
    ),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
def test_a_value_fits_where_jsonschema_says_so(schema: dict[str, Any], value: Any) -> None:
    meant = dump(ValueSchema.model_validate(schema))
    assert Draft202012Validator(meant).is_valid(value) is Draft202012Validator(schema).is_valid(value)
    assert (not list(mismatches(meant, value))) is Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"description": "No type."},
        {"type": "text"},
        {"type": "string", "pattern": "a+"},
        {"type": "string", "items": {"type": "string"}},
        {"type": "array", "properties": {}},
        {"anyOf": [{"type": "string"}], "type": "string"},
        {"anyOf": []},
        {"enum": []},
        {"enum": [[1]]},
        {"type": "object", "required": ["a"]},
        {"type": "object", "additionalProperties": "no"},
    ],
)
def test_what_no_generated_type_could_say_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ValueSchema.model_validate(schema)


def test_a_mismatch_says_where_and_why() -> None:
    schema = {"type": "object", "properties": {"zones": {"type": "array", "items": {"type": "string"}}}}
    assert list(mismatches(schema, {"zones": ["a", 1]})) == [(("zones", 1), "a string is needed here, not 1")]
    assert list(mismatches({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}, {})) == [
        ((), "the property 'a' is missing")
    ]
