"""Imported files against the rivals' own SDKs, flag by flag and context by context.

`BURGEE_SDKS` names a Python that has the SDKs.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from burgee.importers.launchdarkly import import_launchdarkly
from suites.sdks.asking import CONTEXTS, FLAGS, JAVASCRIPT, SDKS, SEED, compare, ruleset, theirs, users
from suites.sdks.launchdarkly import LaunchDarkly, context_here, empty_unit
from support.migrate import document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(SDKS is None, reason="BURGEE_SDKS names no environment that has the rivals' SDKs")


def test_every_answer_is_launchdarklys(tmp_path: Path) -> None:
    generator = LaunchDarkly(random.Random(SEED))
    file = generator.file(FLAGS * 3)
    contexts = [generator.context(number) for number in range(CONTEXTS)]
    made = import_launchdarkly([(None, document(json.dumps(file)))])
    served = ruleset(made, tmp_path)
    names = list(made.flags)[:FLAGS]
    asked = theirs("launchdarkly", file, names, contexts)
    numbers = {
        name: {variant: file["flags"][name]["variations"].index(value) for variant, value in values(made.flags[name])}
        for name in names
    }

    def here(name: str, one: Mapping[str, Any]) -> Any:
        answer = served.evaluate(name, one, 0)
        return None if answer.variant is None else numbers[name][answer.variant]

    def is_empty(name: str, one: Any) -> bool:
        flag = file["flags"][name]
        parents = [required["key"] for required in flag["prerequisites"]]
        return empty_unit(flag, one) or any(is_empty(parent, one) for parent in parents)

    pairs = [(one, context_here(one)) for one in contexts]
    reasons: dict[str, Callable[[str, Any], bool]] = {"the attribute that divides is empty": is_empty}
    if JAVASCRIPT:
        reasons["a rollout begins with a weight of 0"] = lambda name, _one: begins_with_nobody(name, file["flags"])
    found = compare(names, pairs, asked, here, reasons)
    print(f"\nLaunchDarkly: {found.answers:,} answers, explained {dict(found.explained)}")
    assert found.unexplained[:3] == []


def test_every_one_of_many_users_keeps_the_variation(tmp_path: Path) -> None:
    def rollout(*weights: int, **more: Any) -> dict[str, Any]:
        arms = [{"variation": index, "weight": weight} for index, weight in enumerate(weights)]
        return {"rollout": {"variations": arms, **more}}

    plain = {"version": 1, "on": True, "salt": "5d2e", "variations": [0, 1, 2]}
    flags = {
        "thirds": {**plain, "fallthrough": rollout(33_333, 33_333, 33_334)},
        "seeded": {**plain, "fallthrough": rollout(1, 49_999, 50_000, kind="experiment", seed=61)},
    }
    file = {"flags": {key: {"key": key, **flag} for key, flag in flags.items()}, "segments": {}}
    contexts = [{"kind": "user", "key": key} for key in users()]
    served = ruleset(import_launchdarkly([(None, document(json.dumps(file)))]), tmp_path)
    asked = theirs("launchdarkly", file, list(flags), contexts)
    pairs = [(one, context_here(one)) for one in contexts]
    found = compare(list(flags), pairs, asked, lambda name, one: served.evaluate(name, one, 0).value, {})
    print(f"\nLaunchDarkly's hash: {len(contexts):,} users of {len(flags)} rollouts")
    assert (found.unexplained[:3], found.answers) == ([], len(contexts) * 2)


def begins_with_nobody(name: str, flags: Mapping[str, Any]) -> bool:
    """Whether a first variation has no users: what lacks the value that divides gets the next one in Node's SDK."""
    flag = flags[name]
    rollouts = [one["rollout"] for one in (flag["fallthrough"], *flag["rules"]) if "rollout" in one]
    own = any(one["variations"][0]["weight"] == 0 for one in rollouts)
    return own or any(begins_with_nobody(one["key"], flags) for one in flag["prerequisites"])


def values(flag: Mapping[str, Any]) -> Any:
    return flag.get("variants", {"on": True, "off": False}).items()
