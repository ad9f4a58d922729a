"""This project, from its source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "functions"))

from benchmarks import work
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import load_snapshot, payload

PACKAGES: list[str] = []


def _rules() -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for attribute, operator, operand, variant in work.RULES:
        outcome = {"split": work.ARMS} if variant is None else {"serve": variant}
        rules.append({"when": {attribute: {operator: operand}}, **outcome})
    variants = {name: name for name in work.VARIANTS}
    return {"status": True, "variants": variants, "rules": rules, "default": {"serve": "other"}}


def document(flags: dict[str, str]) -> bytes:
    kinds = {
        "share": {"status": True, "rollout_percentage": 50},
        "rules": _rules(),
        "users": {"status": True, "targets": {"on": work.LISTED}, "default": {"serve": "off"}},
    }
    return payload({"format": 1, "environment": None, "flags": {name: kinds[kind] for name, kind in flags.items()}})


def ready(data: bytes) -> Ruleset:
    return Ruleset(load_snapshot(data))


def someone(user: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"targetingKey": user, **attributes}


def ask(client: Ruleset, name: str, _kind: str, people: list[Any]) -> list[Any]:
    evaluate = client.evaluate
    return [evaluate(name, person).value for person in people]


def bulk(client: Ruleset, _flags: dict[str, str], person: Any) -> Any:
    return client.evaluate_all(person)
