"""flagd's evaluator in Python."""

from __future__ import annotations

import json
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from benchmarks import work

PACKAGES = ["openfeature-flagd-core==2.0.0"]


def _condition(attribute: str, operator: str, operand: Any) -> dict[str, Any]:
    var = {"var": attribute}
    return {
        "eq": {"==": [var, operand]},
        "in": {"in": [var, operand]},
        "semver_gte": {"sem_ver": [var, ">=", operand]},
        "gte": {">=": [var, operand]},
        "starts_with": {"starts_with": [var, operand]},
    }[operator]


def _rules() -> dict[str, Any]:
    branches: list[Any] = []
    for attribute, operator, operand, variant in work.RULES:
        arms = {"fractional": [[arm, weight] for arm, weight in work.ARMS.items()]}
        branches += [_condition(attribute, operator, operand), variant or arms]
    return {
        "state": "ENABLED",
        "variants": {name: name for name in work.VARIANTS},
        "defaultVariant": "other",
        "targeting": {"if": [*branches, "other"]},
    }


def document(flags: dict[str, str]) -> bytes:
    boolean = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    listed = {"if": [{"in": [{"var": "targetingKey"}, work.LISTED]}, "on", "off"]}
    kinds = {
        "share": {**boolean, "targeting": {"fractional": [["on", 50], ["off", 50]]}},
        "rules": _rules(),
        "users": {**boolean, "targeting": listed},
    }
    return json.dumps({"flags": {name: kinds[kind] for name, kind in flags.items()}}).encode()


def ready(data: bytes) -> Any:
    core = FlagdCore()
    core.set_flags(data.decode())
    return core


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return EvaluationContext(user, attributes)


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    if kind == "rules":
        text = client.resolve_string_value
        return [text(name, "other", person).value for person in people]
    boolean = client.resolve_boolean_value
    return [boolean(name, False, person).value for person in people]
