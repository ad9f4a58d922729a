"""Imported features against GrowthBook's own SDK, feature by feature and user by user.

`BURGEE_SDKS` names a Python that has the SDK.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from burgee.importers.base import Sdk
from burgee.importers.growthbook import import_growthbook
from suites.sdks.asking import CONTEXTS, FLAGS, JAVASCRIPT, SDKS, SEED, compare, ruleset, theirs, users
from suites.sdks.growthbook import GrowthBook, context_here, uses_not_regex
from support.migrate import document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SDK = Sdk.JAVASCRIPT if JAVASCRIPT else Sdk.PYTHON
pytestmark = pytest.mark.skipif(SDKS is None, reason="BURGEE_SDKS names no environment that has the rivals' SDKs")


def test_every_answer_is_growthbooks(tmp_path: Path) -> None:
    generator = GrowthBook(random.Random(SEED))
    file = generator.file(FLAGS * 2)
    contexts = [generator.context(number) for number in range(CONTEXTS)]
    made = import_growthbook([(None, document(json.dumps(file)))], SDK)
    served = ruleset(made, tmp_path)
    names = list(made.flags)[:FLAGS]
    assert len(names) == FLAGS

    def here(name: str, one: Mapping[str, Any]) -> Any:
        answer = served.evaluate(name, one, 0)
        assert answer.error_code is None
        return answer.value

    pairs = [(one, context_here(one)) for one in contexts]
    reasons: dict[str, Callable[[str, Any], bool]] = {}
    if JAVASCRIPT:
        reasons["`$notRegex` is not known there"] = lambda name, _one: uses_not_regex(name, file["features"])
    found = compare(names, pairs, theirs("growthbook", file, names, contexts), here, reasons)
    print(f"\nGrowthBook: {found.answers:,} answers, explained {dict(found.explained)}")
    assert found.unexplained[:3] == []


def test_every_one_of_many_users_keeps_the_value(tmp_path: Path) -> None:
    arms = {"variations": [0, 1, 2], "weights": [0.3333, 0.3333, 0.3334], "coverage": 0.7}
    rules = {
        f"v{version}-{kind}": {"hashVersion": version, "seed": "s", **rule}
        for version in (1, 2)
        for kind, rule in (("share", {"force": 1, "coverage": 0.37}), ("arms", arms))
    }
    features = {name: {"defaultValue": 9, "rules": [rule]} for name, rule in rules.items()}
    file = {"features": features, "savedGroups": {}}
    contexts = [{"id": key} for key in users()]
    served = ruleset(import_growthbook([(None, document(json.dumps(file)))], SDK), tmp_path)
    asked = theirs("growthbook", file, list(features), contexts)
    pairs = [(one, context_here(one)) for one in contexts]
    found = compare(list(features), pairs, asked, lambda name, one: served.evaluate(name, one, 0).value, {})
    print(f"\nGrowthBook's hashes: {len(contexts):,} users of {len(features)} rules")
    assert (found.unexplained[:3], found.answers) == ([], len(contexts) * 4)
