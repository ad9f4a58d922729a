"""Canonical CBOR, against the library that flagd's Python core uses."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burgee.evaluation.cbor import encoded

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(TEXTS, inner, max_size=30),
    max_leaves=40,
)


def whole(value: Any) -> Any:
    """What flagd's specification does to floats first."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value <= 2**64 - 1:
        return int(value)
    return value


@given(JSON)
@example(1.0)
@example(-0.0)
@example(2.0**64)
@example(-(2.0**63))
@example(1.5)
@example(65504.0 + 0.5)
@example(3.4028234663852886e38)
@example({"b": 1, "aa": 2, "a": 3, "": [1.0, {"x": None}]})
@example([*range(30)])
@example("x" * 70_000)
def test_json_values_are_encoded_as_the_library_encodes_them(value: Any) -> None:
    assert encoded(value) == cbor2.dumps(whole(value), canonical=True)


@pytest.mark.parametrize("value", [object(), b"x", {1: 2}, {"a": object()}, [set()]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="is not a JSON value"):
        encoded(value)
