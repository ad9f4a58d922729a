"""The exact effect of a change, against hand-derived shares and against the engine itself."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.cases import DRAWS, MAX_CASES
from burgee.diff.comparison import Effort
from burgee.diff.effect import effects
from burgee.evaluation.pinned_hashes import PINNED
from burgee.evaluation.ruleset import Ruleset
from support.effects import AB, NOW, OFF, ON, VALUES, changed, changing, generated, snapshot

if TYPE_CHECKING:
    from burgee.diff.flag_effect import FlagEffect

USERS = 4_000
"""Asked in each region."""


def moves(before: Any, after: Any, flag: str = "f") -> dict[tuple[str, str, str], str]:
    """Percentages by region, from and to."""
    effect = changed(snapshot({"f": before}), snapshot({"f": after}))[flag]
    return {
        (region.when, str(move.before), str(move.after)): f"{float(move.share * 100):.3f}"
        for region in effect.regions
        for move in region.moves
    }


NOBODY = "all users"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (OFF, ON, {(NOBODY, "off", "on"): "100.000"}),
        (ON, OFF, {(NOBODY, "on", "off"): "100.000"}),
        ({**ON, "rollout_percentage": 5}, {**ON, "rollout_percentage": 10}, {(NOBODY, "off", "on"): "5.000"}),
        ({**ON, "rollout_percentage": 10}, {**ON, "rollout_percentage": 5}, {(NOBODY, "on", "off"): "5.000"}),
        ({**ON, "rollout_percentage": 0}, {**ON, "rollout_percentage": 0.125}, {(NOBODY, "off", "on"): "0.125"}),
        (
            {**ON, "rollout_percentage": 50},
            {**ON, "rollout_percentage": 50, "salt": "new"},
            {(NOBODY, "on", "off"): "25.000", (NOBODY, "off", "on"): "25.000"},
        ),
        (
            {**AB, "default": {"split": {"a": 50, "b": 50}}},
            {**AB, "default": {"split": {"a": 20, "b": 80}}},
            {(NOBODY, "a", "b"): "30.000"},
        ),
        (
            {**AB, "default": {"split": {"a": 50, "b": 50}}},
            {**AB, "default": {"split": {"b": 50, "a": 50}}},
            {(NOBODY, "a", "b"): "50.000", (NOBODY, "b", "a"): "50.000"},
        ),
        (
            {**AB, "rollout_percentage": 40, "default": {"split": {"a": 50, "b": 50}}},
            {**AB, "rollout_percentage": 60, "default": {"split": {"a": 50, "b": 50}}},
            {(NOBODY, "a", "b"): "10.000"},
        ),
        (
            {**ON, "rollout_percentage": 50},
            {**ON, "rollout_percentage": 50, "layer": {"name": "l", "range": [0, 20]}},
            {(NOBODY, "on", "off"): "40.000"},
        ),
        (
            {**ON, "default": {"serve": "off"}},
            {
                **ON,
                "rules": [{"name": "r", "when": {"country": "DE"}, "rollout_percentage": 20}],
                "default": {"serve": "off"},
            },
            {('users newly matching "r" (country = DE)', "off", "on"): "20.000"},
        ),
        (
            {**ON, "rollout_percentage": {"from": 0, "to": 100, "start": "2027-01-01", "end": "2027-01-02"}},
            {**ON, "rollout_percentage": 60},
            {(NOBODY, "off", "on"): "10.000"},
        ),
        ({**OFF, "schedule": [{"at": "2027-01-01", "set": ON}]}, OFF, {(NOBODY, "on", "off"): "100.000"}),
        (
            {**AB, "default": {"serve": "b"}},
            {**AB, "variants": {"a": 1, "b": 3}, "default": {"serve": "b"}},
            {(NOBODY, "b", "b"): "100.000"},
        ),
    ],
)
def test_shares_derived_by_hand(before: Any, after: Any, expected: Any) -> None:
    assert moves(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ON, {**ON, "description": "described better"}),
        (ON, {**ON, "rollout_percentage": 100}),
        (OFF, {**OFF, "rollout_percentage": 50}),
        ({**ON, "rules": [{"when": {"a": 1}}]}, ON),
        ({**ON, "rollout_percentage": 50}, {**ON, "rollout_percentage": 50, "salt": "f"}),
    ],
)
def test_a_change_that_nobody_sees_has_no_effect(before: Any, after: Any) -> None:
    assert changed(snapshot({"f": before}), snapshot({"f": after})) == {}


def test_a_raise_takes_nothing_away_and_a_cut_names_a_user_who_loses() -> None:
    raised = changed(
        snapshot({"f": {**ON, "rollout_percentage": 5}}), snapshot({"f": {**ON, "rollout_percentage": 10}})
    )
    assert raised["f"].losing() == []
    before, after = (
        snapshot({"f": {**ON, "rollout_percentage": 10}}),
        snapshot({"f": {**ON, "rollout_percentage": 5}}),
    )
    ((_, move),) = changed(before, after)["f"].losing()
    assert move.example is not None
    context = move.example
    assert Ruleset(before).evaluate("f", context, NOW).value is True
    assert Ruleset(after).evaluate("f", context, NOW).value is False


def test_what_a_flag_depends_on_is_its_change_too() -> None:
    flags = {
        "base": {**ON, "rules": [{"when": {"segment": "eu"}}], "default": {"serve": "off"}},
        "needs": {**ON, "requires": [{"flag": "base", "variant": "on"}]},
        "held": {**ON, "holdout": "q4"},
        "other": ON,
    }
    before = snapshot(flags, segments={"eu": {"country": "DE"}}, holdouts={"q4": {"percentage": 5}})
    after = snapshot(flags, segments={"eu": {"country": ["DE", "FR"]}}, holdouts={"q4": {"percentage": 8}})
    found = changed(before, after)
    assert set(found) == {"base", "needs", "held"}
    (region,) = found["needs"].regions
    assert region.context == {"country": "FR"}
    assert region.moves[0].share == 1
    assert found["held"].regions[0].moves[0].share == Fraction(3, 100)


def test_flags_that_come_and_go() -> None:
    found = changed(snapshot({"gone": ON}), snapshot({"new": ON}))
    assert {name: str(effect.regions[0].moves[0].after) for name, effect in found.items()} == {
        "gone": "(absent)",
        "new": "on",
    }
    assert found["gone"].losing()


def test_named_users_are_reported_by_name() -> None:
    before = {**ON, "targets": {"on": ["ada", "bob"]}, "default": {"serve": "off"}}
    after = {**ON, "targets": {"off": ["ada"], "on": ["eve"]}, "default": {"serve": "off"}}
    regions = changed(snapshot({"f": before}), snapshot({"f": after}))["f"].regions
    reported = {user: (str(r.moves[0].before), str(r.moves[0].after)) for r in regions for user in r.users}
    assert reported == {"ada": ("on", "off"), "bob": ("on", "off"), "eve": ("off", "on")}


def test_combinations_that_nobody_can_have_are_left_out() -> None:
    rules = [{"when": {"country": "DE", "age": {"gt": 30}}}, {"when": {"country": "FR", "age": {"lt": 20}}}]
    before = {**ON, "rules": rules, "default": {"serve": "off"}}
    after = {**before, "rules": [{"when": {"all": [{"country": "DE"}, {"country": "FR"}]}}, *rules]}
    assert changed(snapshot({"f": before}), snapshot({"f": after})) == {}


def test_too_many_cases_are_drawn_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tenth of the cases that are allowed, and a tenth of those that are drawn."""
    monkeypatch.setattr("burgee.diff.effect.Effort", lambda: Effort(MAX_CASES // 10, DRAWS // 10))
    rules = [{"name": f"r{n}", "when": {f"a{n}": 1}, "rollout_percentage": n + 10} for n in range(20)]
    before = {**ON, "rules": rules, "default": {"serve": "off"}}
    after = {**before, "salt": "another"}
    found = changed(snapshot({"f": before}), snapshot({"f": after}))["f"]
    assert "drawn by chance" in (found.sample or "")
    moves = [move for region in found.regions for move in region.moves]
    assert {str(move.before) for move in moves} == {"on", "off"}
    assert all("targetingKey" in move.example for move in moves if move.example)
    assert found.regions == changed(snapshot({"f": before}), snapshot({"f": after}))["f"].regions


def test_conditions_of_many_clauses_are_few_cases() -> None:
    """Whether a rule's condition holds is one question, however many clauses it has."""
    conditions = [{"any": [{f"a{n}": 1}, {f"b{n}": 1}]} for n in range(20)]
    before = {**ON, "rules": [{"name": "r", "when": {"all": conditions}}], "default": {"serve": "off"}}
    after = {**before, "rules": [{"name": "r", "when": {"not": {"all": conditions}}}]}
    effect = changed(snapshot({"f": before}), snapshot({"f": after}))["f"]
    assert effect.sample is None
    assert {(str(m.before), str(m.after), m.share) for r in effect.regions for m in r.moves} == {
        ("on", "off", Fraction(1)),
        ("off", "on", Fraction(1)),
    }


def pinned(source: random.Random) -> dict[str, Any]:
    """The same with rivals' hashes, most of which have one line for shares and arms."""
    made = generated(source)
    for flag in made["flags"].values():
        if source.random() < 0.8:
            flag["hash"] = source.choice(sorted(PINNED))
            for settings, outcome in [(flag, flag["default"]), *((rule, rule) for rule in flag["rules"])]:
                if "split" in outcome and flag["hash"] == "unleash":
                    outcome["split"] = {arm: int(weight) for arm, weight in outcome["split"].items()}
                elif "split" in outcome:
                    settings.pop("rollout_percentage", None)
    return made


def dependent_lines(made: dict[str, Any]) -> int:
    return sum(flag.get("hash") in {"goff", "growthbook-v1", "unleash"} for flag in made["flags"].values())


@pytest.mark.parametrize("seed", range(40))
def test_the_engine_agrees_where_a_hash_is_pinned(seed: int) -> None:
    source = random.Random(1000 + seed)
    compare(source, *changing(source, seed, pinned))


@pytest.mark.parametrize("seed", range(60))
def test_the_engine_agrees(seed: int) -> None:
    """For generated pairs: shares as counted in every region, and no change that was not foretold."""
    source = random.Random(seed)
    compare(source, *changing(source, seed))


def compare(
    source: random.Random, before: dict[str, Any], after: dict[str, Any], found: dict[str, FlagEffect]
) -> None:
    old, new = Ruleset(before), Ruleset(after)
    users = [f"{source.getrandbits(60):x}" for _ in range(USERS)]

    for name, effect in found.items():
        if effect.sample is not None:
            assert "depend on each other" in effect.sample
            assert dependent_lines(before) + dependent_lines(after) > 0
            continue
        for region in effect.regions:
            seen: dict[tuple[Any, ...], int] = {}
            context = dict(region.context)
            for user in users:
                context["targetingKey"] = user
                one, other = old.evaluate(name, context, NOW), new.evaluate(name, context, NOW)
                if (one.variant, one.value) != (other.variant, other.value):
                    pair = (one.variant, one.value, other.variant, other.value)
                    seen[pair] = seen.get(pair, 0) + 1
            reported = {(*_pair(move.before), *_pair(move.after)): move.share for move in region.moves}
            assert set(seen) <= set(reported)
            for pair, share in reported.items():
                error = sqrt(float(share) * (1 - float(share)) / USERS)
                assert abs(seen.get(pair, 0) / USERS - float(share)) <= 4 * error + 1e-9, (name, region, pair)

    for user in users[:1500]:
        context = {path: source.choice(values) for path, values in VALUES.items() if source.random() < 0.7}
        context["targetingKey"] = user
        for name in before["flags"]:
            one, other = old.evaluate(name, context, NOW), new.evaluate(name, context, NOW)
            if (one.variant, one.value) != (other.variant, other.value) and found[name].sample is None:
                pairs = [(m.before.variant, m.after.variant) for r in found[name].regions for m in r.moves]
                assert (one.variant, other.variant) in pairs


def _pair(outcome: Any) -> tuple[Any, Any]:
    return outcome.variant, json.loads(outcome.value)


THIRDS = {"status": True, "default": {"split": {"on": 1, "off": 2}}}


def test_flagds_lines_of_different_sizes_are_one_line() -> None:
    """Half and a third of one hash nest: a sixth moves, to the precision of 32 bits."""
    before = {**THIRDS, "hash": "flagd-cbor"}
    after = {**before, "default": {"split": {"on": 50, "off": 50}}}
    (effect,) = effects(snapshot({"f": before}), snapshot({"f": after}), NOW)
    (region,) = effect.regions
    (move,) = region.moves
    assert (str(move.before), str(move.after)) == ("off", "on")
    assert abs(move.share - Fraction(1, 6)) < Fraction(1, 2**31)
    assert move.share.denominator & (move.share.denominator - 1) == 0, "an exact count of hashes over 2^32"


def test_goffs_remainders_are_counted_exactly() -> None:
    before = {"status": True, "hash": "goff", "rollout_percentage": 5}
    (effect,) = effects(snapshot({"f": before}), snapshot({"f": {**before, "rollout_percentage": 100}}), NOW)
    ((move,),) = (region.moves for region in effect.regions)
    beyond = sum((2**32 - first + 99_999) // 100_000 for first in range(5_000, 100_000))
    assert move.share == Fraction(beyond, 2**32)


def test_goffs_lines_of_different_sizes_are_reported_as_not_exact() -> None:
    before = {**THIRDS, "hash": "goff"}
    after = {**before, "default": {"split": {"on": 50, "off": 50}}}
    (effect,) = effects(snapshot({"f": before}), snapshot({"f": after}), NOW)
    assert (
        effect.sample == "it uses a pinned hash twice, and the results depend on each other: shares are not computed"
    )
    assert effect.regions == []


def test_pinning_a_hash_moves_who_it_moves() -> None:
    """Two independent hashes of a half: a quarter goes each way."""
    after = {"status": True, "rollout_percentage": 50, "hash": "flagd-text"}
    reported = moves({"status": True, "rollout_percentage": 50}, after)
    assert {pair[1:]: share for pair, share in reported.items()} == {("on", "off"): "25.000", ("off", "on"): "25.000"}
