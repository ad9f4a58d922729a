"""The effect of changes in conditions of every operator, several on one attribute, against the engine itself."""

from __future__ import annotations

import json
import os
import random
from math import sqrt
from typing import Any

import pytest

from burgee.diff.effect import effects
from burgee.diff.symbolic import Side
from burgee.evaluation.operators import OPERATORS
from support.effects import NOW, snapshot

PAIRS = int(os.environ.get("BURGEE_EXAMPLES", "1")) * 40
CONTEXTS, USERS = 400, 400
TESTS: dict[str, list[Any]] = {
    "version": [
        {"starts_with": "7."},
        {"semver_eq": "7.1.0"},
        {"semver_ne": "2.0.0"},
        {"semver_gte": "4.2.0"},
        {"semver_gt": "7.1.0"},
        {"semver_lt": "7.1.0-rc.1"},
        {"semver_lte": "2.0.0"},
        {"semver_tilde": "7.1.0"},
        {"semver_caret": "4.2.0"},
        {"contains": "-beta"},
        {"matches": r"^7\."},
    ],
    "email": [
        {"eq": "bob@example.com", "ignore_case": True},
        {"ends_with": "@Example.com"},
        {"ends_with": ["@example.com", "@corp.com"], "ignore_case": True},
        {"starts_with": "bob", "ignore_case": True},
        {"not_contains": "+"},
        {"matches": r"^[a-z]+@corp\.com$"},
        {"in": ["bob@example.com", "eve@corp.com"]},
        {"not_in": ["bob@example.com"], "ignore_case": True},
        {"exists": False},
    ],
    "ip": [
        {"cidr": "10.0.0.0/8"},
        {"cidr": ["10.1.0.0/16", "2001:db8::/32"]},
        {"starts_with": "10.1."},
        {"exists": True},
    ],
    "born": [{"before": "2027-03-15T00:00:00Z"}, {"after": "2027-03-01"}, {"starts_with": "2027-03"}],
    "age": [
        {"gt": 18},
        {"gte": 18, "lt": 65},
        {"lte": 9007199254740993},
        {"eq": 18},
        {"ne": 18},
        {"not_in": [17, 18]},
        {"gt": 1e300},
    ],
    "tags": [
        {"contains": "a"},
        {"not_contains": ["b", "c"]},
        {"contains": ["b", 1]},
        {"any_item": "a"},
        {"any_item": ["b", 1]},
        {"any_item": {"starts_with": "a"}},
        {"any_item": {"gte": 1, "lt": 5}},
        {"any_value": "a"},
        {"any_value": ["b", "x", 1]},
        {"any_value": {"starts_with": "a"}},
        {"any_value": {"not_contains": "a"}},
        {"any_value": {"gte": 1, "lt": 5}},
    ],
}
VALUES: dict[str, list[Any]] = {
    "version": [
        "7.1.0",
        "7.1",
        "7.0.9",
        "2.0.0",
        "4.2.0",
        "7.1.0-beta",
        "7.1.0-rc.1",
        "8.0.0",
        "1.9",
        "7.x",
        "x-beta",
        7,
    ],
    "email": ["bob@example.com", "BOB@EXAMPLE.COM", "a+b@Example.com", "eve@corp.com", "x", "", "bob@corp.com", 5],
    "ip": ["10.1.2.3", "10.9.0.1", "192.0.2.1", "10.1.x", "2001:db8::1", "::ffff:10.1.0.1", True],
    "born": ["2027-03-05", "2027-03-20T00:00:00Z", "2027-02-01", "2027-03x", "2028-01-01T00:00:00+01:00", 3],
    "age": [17, 18, 18.5, 64, 65, 2**53, 2**53 + 1, 1e301, -1, "18", True],
    "tags": [["a"], ["b"], ["a", "c"], [1], [], "abc", "x", ["d"], ["ab", 4], [5, "b"], "a", 3, 7, [["a"]]],
}


def test_every_operator_is_tried() -> None:
    tried = {name for tests in TESTS.values() for test in tests for name in test}
    assert tried - {"ignore_case"} == set(OPERATORS)


def when(source: random.Random) -> dict[str, Any]:
    paths = source.sample(sorted(TESTS), source.choice([1, 1, 1, 2]))
    made = {path: source.choice(TESTS[path]) for path in paths}
    return {"not": made} if source.random() < 0.15 else made


def rule(source: random.Random) -> dict[str, Any]:
    made = {"when": when(source), "serve": source.choice(["on", "off"])}
    return {**made, "rollout_percentage": source.choice([10, 50])} if source.random() < 0.3 else made


def flag(source: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"status": True, "rules": [rule(source) for _ in range(source.randint(1, 4))]}
    if source.random() < 0.3:
        made["targets"] = {"on": ["ada"], "off": ["bob"]}
    return {**made, "default": {"serve": source.choice(["on", "off"])}}


def edited(source: random.Random, before: dict[str, Any]) -> dict[str, Any]:
    """A rule put in, taken out, moved or changed, as people do."""
    rules = list(before["rules"])
    at = source.randrange(len(rules))
    way = source.choice(["insert", "drop", "change", "move", "default"])
    if way == "insert":
        rules.insert(at, rule(source))
    elif way == "drop":
        rules.pop(at)
    elif way == "change":
        rules[at] = {**rules[at], "when": when(source)}
    elif way == "move":
        rules.insert(0, rules.pop(at))
    else:
        return {**before, "default": {"serve": "on" if before["default"]["serve"] == "off" else "off"}}
    return {**before, "rules": rules}


def context(source: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {path: source.choice(values) for path, values in VALUES.items() if source.random() < 0.8}
    return {**made, "targetingKey": source.choice(["ada", "bob", f"u{source.getrandbits(40):x}"])}


@pytest.mark.parametrize("seed", range(PAIRS))
def test_no_change_is_missed_and_no_example_or_share_is_false(seed: int) -> None:
    source = random.Random(seed)
    before = flag(source)
    after = edited(source, before)
    files = snapshot({"f": before}), snapshot({"f": after})
    old, new = Side(files[0], NOW), Side(files[1], NOW)
    found = effects(*files, NOW)
    regions = [region for effect in found for region in effect.regions]
    moves = {(move.before, move.after) for region in regions for move in region.moves}
    for _ in range(CONTEXTS):
        one = context(source)
        pair = old.answer("f", one), new.answer("f", one)
        assert pair[0] == pair[1] or pair in moves, f"{json.dumps(one)} moves from {pair[0]} to {pair[1]}, unreported"
    users = [f"u{source.getrandbits(40):x}" for _ in range(USERS)]
    for region in regions:
        for move in region.moves:
            assert move.example is not None or not region.is_certain or move.share < 0.001
            if move.example is None:
                continue
            pair = old.answer("f", move.example), new.answer("f", move.example)
            assert pair == (move.before, move.after), "an example is false"
            if region.users:
                continue
            here = [{**move.example, "targetingKey": user} for user in users]
            counted = sum((old.answer("f", one), new.answer("f", one)) == pair for one in here) / USERS
            share = float(move.share)
            assert abs(counted - share) <= 5 * sqrt(share * (1 - share) / USERS) + 1e-9


def test_few_regions_are_left_open() -> None:
    """Neither proved empty nor with an example: at most one in a hundred."""
    regions: list[Any] = []
    for seed in range(PAIRS):
        source = random.Random(seed)
        before = flag(source)
        for effect in effects(snapshot({"f": before}), snapshot({"f": edited(source, before)}), NOW):
            regions += effect.regions
    assert len(regions) > PAIRS // 2
    assert sum(not region.is_certain for region in regions) * 100 <= len(regions)
