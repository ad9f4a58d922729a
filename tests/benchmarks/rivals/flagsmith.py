"""Flagsmith's client in offline mode; a percentage and every rule is a segment there."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from flagsmith import Flagsmith

from benchmarks import work

PACKAGES = ["flagsmith==6.3.0"]


def _condition(attribute: str, operator: str, operand: Any) -> dict[str, Any]:
    name, value = {
        "eq": ("EQUAL", operand),
        "in": ("IN", json.dumps(operand) if isinstance(operand, list) else operand),
        "semver_gte": ("GREATER_THAN_INCLUSIVE", f"{operand}:semver"),
        "gte": ("GREATER_THAN_INCLUSIVE", str(operand)),
        "starts_with": ("REGEX", f"^{operand}"),
        "split": ("PERCENTAGE_SPLIT", str(operand)),
    }[operator]
    return {"operator": name, "property_": attribute, "value": value}


def _state(number: int, name: str, value: Any, *, enabled: bool, priority: int | None = None) -> dict[str, Any]:
    arms = [
        {
            "id": index,
            "mv_fs_value_uuid": str(UUID(int=index)),
            "percentage_allocation": weight,
            "multivariate_feature_option": {"value": arm},
        }
        for index, (arm, weight) in enumerate(work.ARMS.items())
    ]
    return {
        "feature": {"id": number, "name": name, "type": "STANDARD"},
        "enabled": enabled,
        "django_id": number,
        "feature_state_value": value,
        "featurestate_uuid": f"{number}-{priority}",
        "feature_segment": None if priority is None else {"priority": priority},
        "multivariate_feature_state_values": arms if value is None and priority is not None and enabled else [],
    }


def _segment(number: int, condition: dict[str, Any], states: list[Any]) -> dict[str, Any]:
    inner = {"type": "ANY", "rules": [], "conditions": [condition]}
    rules = [{"type": "ALL", "conditions": [], "rules": [inner]}]
    return {"id": number, "name": f"s{number}", "rules": rules, "feature_states": states}


def document(flags: dict[str, str]) -> bytes:
    numbers = {name: number for number, name in enumerate(flags, 1)}
    of = {kind: [name for name, one in flags.items() if one == kind] for kind in ("share", "rules", "users")}
    on = [(kind, [_state(numbers[n], n, "on", enabled=True, priority=0) for n in of[kind]]) for kind in of]
    states = dict(on)
    segments = []
    if of["share"]:
        segments.append(_segment(1, _condition("", "split", 50.0), states["share"]))
    if of["users"]:
        listed = _condition("$.identity.identifier", "in", work.LISTED)
        segments.append(_segment(2, listed, states["users"]))
    if of["rules"]:
        for number, (attribute, operator, operand, variant) in enumerate(work.RULES, 3):
            laid = [_state(numbers[n], n, variant, enabled=True, priority=number) for n in of["rules"]]
            segments.append(_segment(number, _condition(attribute, operator, operand), laid))
    features = [
        _state(numbers[name], name, "other" if kind == "rules" else None, enabled=kind == "rules")
        for name, kind in flags.items()
    ]
    environment = {"id": 1, "api_key": "key", "name": "bench", "feature_states": features}
    project = {"id": 1, "name": "p", "segments": segments, "hide_disabled_flags": False}
    return json.dumps({**environment, "project": project, "identity_overrides": []}).encode()


class Handed:
    """An offline handler that has the document."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment

    def get_environment(self) -> Any:
        return self.environment


def ready(data: bytes) -> Any:
    return Flagsmith(offline_mode=True, offline_handler=Handed(json.loads(data)))


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return user, attributes


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    flags_of = client.get_identity_flags
    if kind == "rules":
        return [flags_of(user, traits).get_feature_value(name) for user, traits in people]
    return [flags_of(user, traits).is_feature_enabled(name) for user, traits in people]


def bulk(client: Any, _flags: dict[str, str], person: Any) -> Any:
    user, traits = person
    return client.get_identity_flags(user, traits).all_flags()
