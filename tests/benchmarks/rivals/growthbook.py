"""GrowthBook, one instance per user, as its documentation has it."""

from __future__ import annotations

import json
from typing import Any

from growthbook import GrowthBook

from benchmarks import work

PACKAGES = ["growthbook==4.0.0"]
CONDITIONS: dict[str, Any] = {
    "eq": lambda operand: operand,
    "in": lambda operand: {"$in": operand},
    "semver_gte": lambda operand: {"$vgte": operand},
    "gte": lambda operand: {"$gte": operand},
    "starts_with": lambda operand: {"$regex": f"^{operand}"},
}


def _rules() -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for attribute, operator, operand, variant in work.RULES:
        rule = {"condition": {attribute: CONDITIONS[operator](operand)}}
        if variant is not None:
            rules.append({**rule, "force": variant})
        else:
            weights = [weight / 100 for weight in work.ARMS.values()]
            arms = {"variations": list(work.ARMS), "weights": weights, "hashAttribute": "id", "hashVersion": 2}
            rules.append({**rule, **arms, "key": "arms", "seed": "arms", "coverage": 1})
    return {"defaultValue": "other", "rules": rules}


def document(flags: dict[str, str]) -> bytes:
    share = {"force": True, "coverage": 0.5, "hashAttribute": "id", "hashVersion": 2}
    kinds = {
        "share": {"defaultValue": False, "rules": [share]},
        "rules": _rules(),
        "users": {"defaultValue": False, "rules": [{"condition": {"id": {"$in": work.LISTED}}, "force": True}]},
    }
    return json.dumps({name: kinds[kind] for name, kind in flags.items()}).encode()


def ready(data: bytes) -> Any:
    return GrowthBook(features=json.loads(data), attributes={})


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return {"id": user, **attributes}


def ask(client: Any, name: str, _kind: str, people: list[Any]) -> list[Any]:
    reported = []
    for person in people:
        client.set_attributes(person)
        reported.append(client.eval_feature(name).value)
    return reported
