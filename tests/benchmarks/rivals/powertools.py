"""AWS Powertools' feature_flags. It hashes nothing and knows no versions: it is given numbers instead of both."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from typing import Any

from aws_lambda_powertools.utilities.feature_flags import FeatureFlags
from aws_lambda_powertools.utilities.feature_flags.base import StoreProvider

from benchmarks import work

PACKAGES = ["boto3", "aws-lambda-powertools==3.37.0"]
ACTIONS = {
    "eq": "EQUALS",
    "in": "KEY_IN_VALUE",
    "semver_gte": "KEY_GREATER_THAN_OR_EQUAL_VALUE",
    "gte": "KEY_GREATER_THAN_OR_EQUAL_VALUE",
    "starts_with": "STARTSWITH",
}


class Memory(StoreProvider):
    """A store that has the configuration."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    @property
    def get_raw_configuration(self) -> dict[str, Any]:
        return self.configuration

    def get_configuration(self) -> dict[str, Any]:
        return self.configuration


def _number(version: str) -> int:
    major, minor, patch = (int(part) for part in version.split("."))
    return (major * 1000 + minor) * 1000 + patch


def _condition(action: str, key: str, value: Any) -> dict[str, Any]:
    return {"action": action, "key": key, "value": value}


def _modulo(low: int, high: int) -> dict[str, Any]:
    return _condition("MODULO_RANGE", "number", {"BASE": 100, "START": low, "END": high - 1})


def _rules() -> dict[str, Any]:
    rules = {}
    for attribute, operator, operand, variant in work.RULES:
        value = _number(operand) if operator == "semver_gte" else operand
        condition = _condition(ACTIONS[operator], attribute, value)
        if variant is not None:
            rules[attribute] = {"when_match": variant, "conditions": [condition]}
            continue
        bounds = [0, *accumulate(work.ARMS.values())]
        for arm, (low, high) in zip(work.ARMS, pairwise(bounds), strict=True):
            rules[arm] = {"when_match": arm, "conditions": [condition, _modulo(low, high)]}
    return {"default": "other", "boolean_type": False, "rules": rules}


def document(flags: dict[str, str]) -> bytes:
    kinds = {
        "share": {"default": False, "rules": {"half": {"when_match": True, "conditions": [_modulo(0, 50)]}}},
        "rules": _rules(),
        "users": {
            "default": False,
            "rules": {
                "listed": {"when_match": True, "conditions": [_condition("KEY_IN_VALUE", "user", work.LISTED)]}
            },
        },
    }
    return json.dumps({name: kinds[kind] for name, kind in flags.items()}).encode()


def ready(data: bytes) -> Any:
    client = FeatureFlags(store=Memory(json.loads(data)))
    client.get_configuration()
    return client


def someone(user: str, attributes: dict[str, Any]) -> Any:
    context = {"user": user, "number": int(user.rpartition("-")[2]) if "-" in user else 7, **attributes}
    return {**context, "version": _number(attributes["version"])} if "version" in attributes else context


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    default = "other" if kind == "rules" else False
    evaluate = client.evaluate
    return [evaluate(name=name, context=person, default=default) for person in people]
