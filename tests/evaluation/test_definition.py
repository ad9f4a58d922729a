"""A definition's defaults, its states over time, what it requires, and the walk over its conditions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.evaluation.definition import (
    fragments,
    off_variant,
    on_a_cycle,
    owners,
    required,
    rule_name,
    salt,
    segments_of,
    state_at,
    states,
    unit_attributes,
    variants,
    weights,
)
from burgee.times import parse_time

T1, T2, T3 = "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"


def test_a_boolean_flag_is_on_or_off_and_others_have_no_off_variant_unless_they_say_so() -> None:
    assert dict(variants({})) == {"on": True, "off": False}
    assert off_variant({}) == "off"
    assert off_variant({"variants": {"a": 1}}) is None
    assert off_variant({"variants": {"a": 1}, "off_variant": "a"}) == "a"
    assert off_variant({"off_variant": "on"}) == "on"


def test_the_unit_is_the_targeting_key_unless_the_flag_buckets_on_another_attribute() -> None:
    assert unit_attributes({}) == ("targetingKey",)
    assert unit_attributes({"bucket_by": "company"}) == ("company",)
    assert unit_attributes({"bucket_by": "company"}, {"bucket_by": ["device", "company"]}) == ("device", "company")
    assert unit_attributes({"bucket_by": "company"}, {}) == ("company",)


def test_a_rule_salts_with_its_own_salt_then_the_flags_then_its_name() -> None:
    assert salt("beta", {}) == "beta"
    assert salt("beta", {"salt": "s"}) == "s"
    assert salt("beta", {"salt": "s"}, {}) == "s"
    assert salt("beta", {"salt": "s"}, {"salt": ""}) == ""
    assert salt("beta", {}, {"salt": "own"}) == "own"


def test_weights_are_positive_and_in_declared_order() -> None:
    assert list(weights({"split": {"b": 1, "a": 0, "c": 2.5}}).items()) == [("b", 1), ("c", 2.5)]
    assert weights({"serve": "a"}) == {"a": 1}
    assert weights({}) == {"on": 1}


def test_the_flag_itself_comes_first_among_the_owners_and_rules_have_names() -> None:
    state = {"default": {"serve": "a"}, "rules": [{"when": {}}, {"name": "staff", "when": {}}]}
    assert [(owner.name, owner.rule) for owner in owners(state)] == [("default", None), ("rule 1", 0), ("staff", 1)]
    assert next(owners(state)).outcome == {"serve": "a"}
    assert next(owners({})).outcome == {}
    assert rule_name({}, 4) == "rule 5"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_schedule_acts_by_its_times_in_whatever_order_it_is_written(order: tuple[int, ...]) -> None:
    entries = [
        {"at": T1, "set": {"status": True}},
        {"at": T2, "set": {"salt": "s"}},
        {"at": T3, "set": {"status": False}},
    ]
    definition = {"status": False, "schedule": [entries[index] for index in order]}
    found = states(definition)
    assert [state.since for state in found] == [float("-inf"), *map(parse_time, (T1, T2, T3))]
    assert [state.definition["status"] for state in found] == [False, True, True, False]
    assert state_at(definition, parse_time(T2) - 0.001) == {"status": True}
    assert state_at(definition, parse_time(T2)) == {"status": True, "salt": "s"}


def test_entries_of_one_moment_act_in_their_order() -> None:
    entries = [{"at": T1, "set": {"salt": "a"}}, {"at": "2027-01-01T01:00:00+01:00", "set": {"salt": "b"}}]
    assert state_at({"schedule": entries}, parse_time(T1)) == {"salt": "b"}
    assert state_at({"schedule": entries[::-1]}, parse_time(T1)) == {"salt": "a"}


def test_a_definition_without_a_schedule_is_its_only_state() -> None:
    definition = {"status": True}
    assert [state.definition for state in states(definition)] == [definition]
    assert list(fragments({"status": True, "schedule": [{"at": T1, "set": {"salt": "s"}}]}))[1:] == [{"salt": "s"}]


def test_only_a_flag_that_is_on_requires_others() -> None:
    needs = [{"flag": "a", "variant": "on"}]
    assert required({"status": True, "requires": needs}) == ["a"]
    assert required({"status": False, "requires": needs}) == []
    turned_on = {"status": False, "requires": needs, "schedule": [{"at": T1, "set": {"status": True}}]}
    assert required(turned_on) == ["a"]
    assert required({"status": True, "schedule": [{"at": T1, "set": {"requires": needs}}]}) == ["a"]


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names, max_size=3), max_size=6), st.permutations("abcdef"))
def test_flags_on_a_cycle_are_those_that_reach_themselves(graph: dict[str, list[str]], order: list[str]) -> None:
    """Against a search through all paths, in any order of asking."""

    def reaches(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(graph.get(start, ()))
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += graph.get(one, ())
        return found

    known: dict[str, bool] = {}
    for name in order:
        assert on_a_cycle(name, lambda one: graph.get(one, ()), known) is (name in reaches(name))


def test_a_long_chain_of_flags_takes_one_pass() -> None:
    asked: list[str] = []

    def requires(name: str) -> list[str]:
        asked.append(name)
        return [str(int(name) + 1)] if int(name) < 20_000 else []

    known: dict[str, bool] = {}
    assert not any(on_a_cycle(str(number), requires, known) for number in range(20_001))
    assert len(asked) <= 2 * 20_001


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ({"country": "DE", "plan": {"in": ["a"]}}, []),
        ({"segment": "eu"}, [(("segment",), "eu")]),
        ({"segment": ["eu", "us"]}, [(("segment", 0), "eu"), (("segment", 1), "us")]),
        (
            {"any": [{"x": 1}, {"not": {"segment": "eu"}}], "all": [{"segment": ["us"]}]},
            [(("any", 1, "not", "segment"), "eu"), (("all", 0, "segment", 0), "us")],
        ),
        ({}, []),
    ],
)
def test_segments_are_found_wherever_a_condition_names_them(when: Any, found: Any) -> None:
    assert list(segments_of(when)) == found
