"""Snapshots of one flag and generated ones, and the effect between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.diff.effect import effects
from burgee.times import parse_time

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from burgee.diff.flag_effect import FlagEffect

NOW = parse_time("2027-01-01T12:00:00Z")
ON, OFF = {"status": True}, {"status": False}
AB = {"status": True, "variants": {"a": 1, "b": 2}, "off_variant": "a"}
CONDITIONS: list[Any] = [
    {},
    {"country": ["DE", "FR"]},
    {"country": {"ne": "DE"}},
    {"age": {"gte": 18}},
    {"age": {"gt": 18, "lt": 65}},
    {"plan": {"exists": True}},
    {"version": {"semver_gte": "2.3.0"}},
    {"version": {"semver_caret": "2.1.0"}},
    {"email": {"ends_with": "@example.com"}},
    {"any": [{"country": "DE"}, {"not": {"age": {"lt": 40}}}]},
    {"segment": "eu"},
]
VALUES: dict[str, list[Any]] = {
    "country": ["DE", "FR", "IT", 5],
    "age": [5, 18, 18.5, 39, 40, 65, 70, "18"],
    "plan": ["pro", True],
    "version": ["2.3.0", "2.1.0", "2.2.9", "3.0.0", "2.3.0-rc.1", "x"],
    "email": ["a@example.com", "a@example.org"],
}


def snapshot(flags: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"format": 1, "environment": None, "segments": {}, "holdouts": {}, "flags": flags, **more}


def changed(before: Any, after: Any, now: float = NOW) -> dict[str, FlagEffect]:
    return {effect.flag: effect for effect in effects(before, after, now)}


def generated(source: random.Random) -> dict[str, Any]:
    """A file of three flags that use everything."""

    def outcome(variants: list[str]) -> dict[str, Any]:
        if source.random() < 0.4:
            return {"split": {variant: source.choice([1, 2, 3.5]) for variant in variants}}
        return {"serve": source.choice(variants)}

    def flag(index: int) -> dict[str, Any]:
        variants = ["on", "off"] if source.random() < 0.5 else ["x", "y", "z"]
        made: dict[str, Any] = {"status": source.random() < 0.85, "default": outcome(variants)}
        if variants[0] == "x":
            made["variants"] = {variant: f"{variant}{source.choice([1, 2])}" for variant in variants}
            if source.random() < 0.7:
                made["off_variant"] = source.choice(variants)
        if source.random() < 0.6:
            made["rollout_percentage"] = source.choice([0, 12.5, 40, 77.777, 100])
        if source.random() < 0.3:
            made["salt"] = source.choice(["s", "t"])
        if source.random() < 0.3:
            made["layer"] = {"name": "l", "range": source.choice([[0, 50], [25, 100]])}
        if source.random() < 0.3:
            made["holdout"] = "q"
        if index and source.random() < 0.4:
            made["requires"] = [{"flag": "f0", "variant": source.choice(["on", "x"])}]
        made["rules"] = []
        for number in range(source.randint(0, 3)):
            rule = {"name": f"r{number}", "when": source.choice(CONDITIONS), **outcome(variants)}
            if source.random() < 0.5:
                rule["rollout_percentage"] = source.choice([5, 30, 60])
            if source.random() < 0.2:
                rule["salt"] = "own"
            made["rules"].append(rule)
        return made

    segments = {"eu": source.choice([{"country": "DE"}, {"country": ["DE", "IT"]}])}
    return snapshot({f"f{n}": flag(n) for n in range(3)}, segments=segments, holdouts={"q": {"percentage": 10}})


UNITS = ["company", ["company", "targetingKey"], ["targetingKey", "device"]]
RANGES: list[tuple[list[float], list[float]]] = [([0, 30], [50, 80]), ([12.5, 40], [40, 100]), ([60, 100], [0, 20])]
DIVIDED: list[Any] = [
    {"segment": "tenth"},
    {"not": {"segment": "half"}},
    {"segment": ["tenth", "half"], "age": {"gte": 18}},
    {"any": [{"plan": "pro"}, {"all": [{"segment": "half"}, {"not": {"segment": "tenth"}}]}]},
]
"""Conditions that name segments with a share of users."""
INDEPENDENT = ["launchdarkly", "growthbook-v2", "flagd-text"]
"""Pinned hashes whose lines do not depend on each other, each with one line for shares and arms."""


def divided(source: random.Random, name: str) -> dict[str, Any]:
    """A segment that holds a share of the users who meet its condition."""
    share = {"rollout_percentage": source.choice([0, 10, 50, 66.667, 100]), "salt": source.choice([name, "s", "f1"])}
    if source.random() < 0.6:
        share["bucket_by"] = source.choice(UNITS)
    if source.random() < 0.3:
        share["hash"] = source.choice(INDEPENDENT)
    return {**source.choice([{}, {"country": "DE"}, {"segment": "eu"}]), "$share": share}


def grown(source: random.Random) -> dict[str, Any]:
    """The same, with what the grammar has for those who come from other engines."""
    made = generated(source)
    made["segments"] |= {name: divided(source, name) for name in ("tenth", "half")}
    for name, flag in made["flags"].items():
        for rule in flag["rules"]:
            if source.random() < 0.4:
                rule["when"] = source.choice(DIVIDED)
        variants = list(flag.get("variants", ["on", "off"]))
        for settings, outcome in [(flag, flag["default"]), *((rule, rule) for rule in flag["rules"])]:
            if source.random() < 0.4:
                settings["bucket_by"] = source.choice(UNITS)
            if source.random() < 0.4:
                settings["without_unit"] = source.choice(["next", *variants])
            if "split" in outcome and source.random() < 0.5:
                del outcome["split"]
                outcome["ranges"] = dict(zip(source.sample(variants, 2), source.choice(RANGES), strict=True))
            if settings is not flag and name != "f0" and source.random() < 0.3:
                required = made["flags"]["f0"].get("variants", ["on", "off"])
                key = source.choice(["variant", "not_variant"])
                wanted = source.choice([source.choice(list(required)), source.sample(list(required), 2)])
                settings["requires"] = [{"flag": "f0", key: wanted}]
            if settings is not flag and source.random() < 0.2:
                settings["hash"] = source.choice(INDEPENDENT)
                if {"split", "ranges"} & outcome.keys():
                    settings.pop("rollout_percentage", None)
    return made


def changing(
    source: random.Random, seed: int, make: Callable[[random.Random], dict[str, Any]] = generated
) -> tuple[dict[str, Any], dict[str, Any], dict[str, FlagEffect]]:
    """A generated pair of files between which some flag changes, and the effects; every other time one flag alone."""
    while True:
        before, after = make(source), make(source)
        if seed % 2:
            flags = {**before["flags"], "f1": after["flags"]["f1"]}
            after = {**before, "flags": flags, "segments": after["segments"]}
        if found := changed(before, after):
            return before, after, found
