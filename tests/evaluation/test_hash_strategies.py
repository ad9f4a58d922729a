"""Pinned hashes, against the libraries and the vectors that the rivals' engines rest on."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import cbor2
import mmh3
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from burgee.evaluation.hash_strategies import strategy
from burgee.evaluation.pinned_hashes import PINNED, _Fraction, fnv1a, murmur3
from burgee.evaluation.ruleset import Ruleset

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def ruleset(**flags: dict[str, Any]) -> Ruleset:
    return Ruleset({"format": 1, "environment": None, "flags": flags})


@given(st.binary(max_size=100))
def test_murmur3_is_that_of_the_reference_implementation(data: bytes) -> None:
    assert murmur3(data) == mmh3.hash(data, signed=False)


@pytest.mark.parametrize(
    ("data", "hashed"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"b", 0xE70C2DE5), (b"foobar", 0xBF9CF968)]
)
def test_fnv1a_gives_the_published_vectors(data: bytes, hashed: int) -> None:
    """From the test program of Fowler, Noll and Vo."""
    assert fnv1a(data) == hashed


@given(TEXTS, TEXTS, st.integers(1, 2**31 - 1))
def test_flagds_place_is_the_scaled_hash_of_canonical_cbor(unit: str, salt: str, size: int) -> None:
    pair = mmh3.hash(cbor2.dumps([salt, unit], canonical=True), signed=False)
    joined = mmh3.hash(cbor2.dumps(salt + unit, canonical=True), signed=False)
    assert strategy("flagd-cbor").place(size)(unit, salt) == pair * size >> 32
    assert strategy("flagd-cbor-text").place(size)(unit, salt) == joined * size >> 32
    assert strategy("flagd-text").place(size)(unit, salt) == mmh3.hash(salt + unit, signed=False) * size >> 32


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_long_texts_have_the_length_that_cbor_gives_them(length: int) -> None:
    hashed = mmh3.hash(cbor2.dumps("x" * length, canonical=True), signed=False)
    assert strategy("flagd-cbor-text").place(2**32)("x" * length, "") == hashed


VECTORS = yaml.safe_load((Path(__file__).parents[1] / "cases/pinned-hashes.yaml").read_text(encoding="utf-8"))
WAYS = [*sorted(PINNED), "unleash-arms"]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['unit'][:12]}:{case['salt']}")
def test_places_are_those_of_the_rivals_own_libraries(case: dict[str, Any]) -> None:
    unit, salt = case["unit"], case["salt"]

    def place(name: str, size: int) -> int:
        return strategy(name).place(size)(unit, salt)

    assert place("growthbook-v1", 1_000) / 1_000 == case["growthbook-v1"]
    assert place("growthbook-v2", 10_000) / 10_000 == case["growthbook-v2"]
    assert place("growthbook-v2", 100_000) / 100_000 == case["growthbook-v2"]
    assert place("unleash", 100) + 1 == case["unleash"]
    assert place("unleash", 100_000) == (case["unleash"] - 1) * 1_000
    assert place("unleash-arms", 1_000_000) == (case["unleash-arms"] - 1) * 1_000
    assert place("unleash-arms", 7_000) == (case["unleash-arms-7"] - 1) * 1_000
    if "launchdarkly" in case:
        assert place("launchdarkly", 2**60) / (2**60 - 1) == case["launchdarkly"]
        assert place("launchdarkly", 100_000) == int(case["launchdarkly"] * 100_000)


@given(TEXTS)
def test_growthbook_hashes_the_code_units_that_javascript_has(unit: str) -> None:
    state = 0x811C9DC5
    for code in memoryview(unit.encode("utf-16-le")).cast("H").tolist():
        state = (state ^ code) * 0x01000193 % 2**32
    assert strategy("growthbook-v1").place(1_000)(unit, "") == state % 1_000


@given(st.sampled_from(WAYS), st.integers(1, 1_000), TEXTS, TEXTS, st.data())
def test_a_cut_divides_the_line_where_the_bound_does(
    name: str, size: int, unit: str, salt: str, data: st.DataObject
) -> None:
    way, size = strategy(name), size * 1_000
    bound = data.draw(st.integers(0, size))
    fine = way.place(way.resolution(size))(unit, salt)
    assert (way.place(size)(unit, salt) < bound) is (fine < way.cut(bound, size))


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("size", [99_000, 100_000, 7_000])
def test_shares_of_a_line_add_up_to_one(name: str, size: int) -> None:
    way = strategy(name)
    bounds = sorted(way.cut(bound, size) for bound in (0, 1, 3_500, size))
    parts = [way.share(low, high, way.resolution(size)) for low, high in pairwise(bounds)]
    assert sum(part for part, _ in parts) == parts[0][1]


def test_the_largest_hash_of_launchdarkly_is_in_the_last_arm() -> None:
    """There the fraction is 1, which is below no sum of weights, so that its SDKs give the last arm."""
    arms = strategy("launchdarkly").arms("s", [1, 2])
    assert _Fraction("x", lambda _unit, _salt: 2**60 - 1, "").place(arms.size)("u", "s") == arms.size - 1
    assert strategy("launchdarkly").cut(arms.size, arms.size) == 2**60


def test_weights_of_unleash_add_up_to_a_whole_number() -> None:
    flag = {"status": True, "hash": "unleash", "default": {"split": {"on": 1, "off": 0.5}}}
    answer = ruleset(flag=flag).evaluate("flag", {"targetingKey": "ada"}, 0)
    assert (answer.error_code, answer.value) == ("PARSE_ERROR", None)
    assert "whole number" in str(answer.error_message)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_raise_withdraws_nothing_and_arms_get_their_shares(name: str) -> None:
    source = random.Random(5)
    split = {"a": 1, "b": 2, "c": 7}
    served = ruleset(
        tenth={"status": True, "hash": name, "salt": "s", "rollout_percentage": 10},
        third={"status": True, "hash": name, "salt": "s", "rollout_percentage": 33.333},
        arms={
            "status": True,
            "hash": name,
            "variants": dict.fromkeys("abc", 1),
            "default": {"split": split},
        },
    )
    counts = dict.fromkeys("abc", 0)
    for _ in range(10_000):
        context = {"targetingKey": f"{source.getrandbits(60):x}"}
        assert served.evaluate("tenth", context, 0).value <= served.evaluate("third", context, 0).value
        counts[str(served.evaluate("arms", context, 0).variant)] += 1
    assert [round(count / 1000) for count in counts.values()] == [1, 2, 7]


def test_the_explanation_shows_what_was_hashed_and_how_it_fell() -> None:
    flag = {"status": True, "hash": "goff", "default": {"split": {"on": 25, "off": 75}}}
    (step,) = ruleset(flag=flag).explain("flag", {"targetingKey": "ada"}, 0)["steps"]
    assert (step["arm_hashed"], step["arms"]) == ("flagada", 100_000)
    assert step["arm"] == fnv1a(b"flagada") % 100_000
    rolled = {"status": True, "hash": "flagd-cbor", "salt": "s", "rollout_percentage": 25}
    (step,) = ruleset(flag=rolled).explain("flag", {"targetingKey": "ada"}, 0)["steps"]
    assert step["hashed"] == 'CBOR of ["s", "ada"]'
    assert step["bucket"] == strategy("flagd-cbor").place(100_000)("ada", "s")


def test_a_rollout_beside_a_split_on_one_line_is_broken_and_not_served() -> None:
    flag = {"status": True, "hash": "goff", "rollout_percentage": 10, "default": {"split": {"on": 1, "off": 1}}}
    answer = ruleset(flag=flag).evaluate("flag", {"targetingKey": "ada"}, 0)
    assert (answer.error_code, answer.value) == ("PARSE_ERROR", None)
    assert "one line" in str(answer.error_message)
