"""Imported features against Unleash's own SDK, feature by feature and context by context.

`BURGEE_SDKS` names a Python that has the SDK.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from burgee.importers.unleash import PLAIN, import_unleash
from suites.sdks.asking import CONTEXTS, FLAGS, JAVASCRIPT, SDKS, SEED, compare, ruleset, theirs, users
from suites.sdks.unleash import Unleash, compares_dates, context_here, drawn_at_random
from support.migrate import document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(SDKS is None, reason="BURGEE_SDKS names no environment that has the rivals' SDKs")

NODE: dict[str, Callable[[str, Any], bool]] = (
    {"Node's SDK hashes what is beyond ASCII by itself": lambda _name, one: not is_ascii(one)} if JAVASCRIPT else {}
)


def is_ascii(context: Any) -> bool:
    return json.dumps(context, ensure_ascii=False).isascii()


def test_every_answer_is_unleashs_or_drawn_at_random_there(tmp_path: Path) -> None:
    generator = Unleash(random.Random(SEED))
    file = generator.file(FLAGS * 2)
    contexts = [generator.context(number) for number in range(CONTEXTS)]
    made = import_unleash([(None, document(json.dumps(file)))])
    served = ruleset(made, tmp_path)
    names = list(made.flags)[:FLAGS]
    assert len(names) == FLAGS
    features = {feature["name"]: feature for feature in file["features"]}
    segments = {segment["id"]: segment for segment in file["segments"]}

    def here(name: str, one: Mapping[str, Any]) -> Any:
        answer = served.evaluate(name, one, 0)
        assert answer.error_code is None
        if "variants" not in made.flags[name]:
            return [answer.value, None]
        return [answer.variant is not None, None if answer.variant == PLAIN else answer.variant]

    reasons = {"Unleash draws at each call": lambda name, one: drawn_at_random(name, features, one), **NODE}
    if JAVASCRIPT:
        dated = "Node's SDK compares every date with the clock"
        reasons[dated] = lambda name, _one: compares_dates(name, features, segments)
    pairs = [(one, context_here(one)) for one in contexts]
    found = compare(names, pairs, theirs("unleash", file, names, contexts), here, reasons)
    print(f"\nUnleash: {found.answers:,} answers, explained {dict(found.explained)}")
    assert found.unexplained[:3] == []
    assert sum(found.explained.values()) < found.answers / (25 if JAVASCRIPT else 50)


def test_every_one_of_many_users_keeps_the_share_and_the_variant(tmp_path: Path) -> None:
    arms = [
        {"name": f"v{index}", "weight": weight, "stickiness": "userId"}
        for index, weight in enumerate((333, 333, 334))
    ]
    share = {"rollout": "37", "stickiness": "userId", "groupId": "group"}
    strategy = {"name": "flexibleRollout", "parameters": share, "constraints": [], "variants": arms}
    feature = {"name": "flag", "enabled": True, "strategies": [strategy], "variants": []}
    file = {"version": 2, "features": [feature], "segments": []}
    contexts = [{"userId": key, "properties": {}} for key in users()]
    served = ruleset(import_unleash([(None, document(json.dumps(file)))]), tmp_path)

    def here(name: str, one: Mapping[str, Any]) -> Any:
        variant = served.evaluate(name, one, 0).variant
        return [variant is not None, variant]

    pairs = [(one, context_here(one)) for one in contexts]
    found = compare(["flag"], pairs, theirs("unleash", file, ["flag"], contexts), here, NODE)
    print(f"\nUnleash's hashes: {len(contexts):,} users of a rollout with variants")
    assert (found.unexplained[:3], found.answers) == ([], len(contexts))
