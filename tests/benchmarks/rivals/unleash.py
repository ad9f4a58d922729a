"""Unleash's client, whose engine is Rust, from a bootstrap document."""

from __future__ import annotations

import json
import logging
from itertools import count
from typing import Any

from UnleashClient import UnleashClient
from UnleashClient.cache import FileCache

from benchmarks import work

PACKAGES = ["unleashclient==6.9.1"]
OPERATORS = {"eq": "IN", "in": "IN", "semver_gte": "SEMVER_GT", "gte": "NUM_GTE", "starts_with": "STR_STARTS_WITH"}
logging.disable(logging.CRITICAL)
_number = count()


def _strategy(percentage: int, constraints: list[Any], variants: list[Any]) -> dict[str, Any]:
    parameters = {"rollout": str(percentage), "stickiness": "userId", "groupId": "g"}
    strategy = {"name": "flexibleRollout", "parameters": parameters, "constraints": constraints}
    return {**strategy, "variants": variants}


def _variant(name: str, weight: int) -> dict[str, Any]:
    payload = {"type": "string", "value": name}
    return {"name": name, "weight": weight * 10, "payload": payload, "stickiness": "userId"}


def _constraint(attribute: str, operator: str, operand: Any) -> dict[str, Any]:
    reported: dict[str, Any] = {"contextName": attribute, "operator": OPERATORS[operator], "inverted": False}
    if operator == "semver_gte":  # there is no "at least", so "not below"
        return {**reported, "operator": "SEMVER_LT", "inverted": True, "value": operand}
    if operator == "gte":
        return {**reported, "value": str(operand)}
    return {**reported, "values": operand if isinstance(operand, list) else [operand]}


def _flag(name: str, kind: str) -> dict[str, Any]:
    if kind == "share":
        strategies = [_strategy(50, [], [])]
    elif kind == "users":
        strategies = [{"name": "userWithId", "parameters": {"userIds": ",".join(work.LISTED)}, "constraints": []}]
    else:
        strategies = []
        for attribute, operator, operand, variant in work.RULES:
            arms = work.ARMS if variant is None else {variant: 100}
            variants = [_variant(arm, weight) for arm, weight in arms.items()]
            strategies.append(_strategy(100, [_constraint(attribute, operator, operand)], variants))
    return {"name": name, "type": "release", "enabled": True, "strategies": strategies, "variants": []}


def document(flags: dict[str, str]) -> bytes:
    return json.dumps({"version": 2, "features": [_flag(name, kind) for name, kind in flags.items()]}).encode()


def ready(data: bytes) -> Any:
    name = f"bench{next(_number)}"
    cache = FileCache(name)
    cache.bootstrap_from_dict(json.loads(data))
    client = UnleashClient(
        "http://127.0.0.1:1",
        name,
        cache=cache,
        disable_metrics=True,
        disable_registration=True,
        multiple_instance_mode="warn",
    )
    client.initialize_client(fetch_toggles=False)
    return client


def close(client: Any) -> None:
    client.destroy()


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return {"userId": user, "properties": {name: str(value) for name, value in attributes.items()}}


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    if kind == "rules":
        variant = client.get_variant
        reported = [variant(name, person)["name"] for person in people]
        return ["other" if one == "disabled" else one for one in reported]
    enabled = client.is_enabled
    return [enabled(name, person) for person in people]
