"""PostHog's local evaluation."""

from __future__ import annotations

import json
from typing import Any

from posthog import Posthog

from benchmarks import work

PACKAGES = ["posthog==7.91.1"]
OPERATORS = {"eq": "exact", "in": "exact", "semver_gte": "semver_gte", "gte": "gte", "starts_with": "regex"}


def _property(attribute: str, operator: str, operand: Any) -> dict[str, Any]:
    value = f"^{operand}" if operator == "starts_with" else operand
    return {"key": attribute, "operator": OPERATORS[operator], "value": value, "type": "person"}


def _filters(kind: str) -> dict[str, Any]:
    if kind == "share":
        return {"groups": [{"properties": [], "rollout_percentage": 50}]}
    if kind == "users":
        return {"groups": [{"properties": [_property("user", "in", work.LISTED)], "rollout_percentage": 100}]}
    groups: list[dict[str, Any]] = []
    for attribute, operator, operand, variant in work.RULES:
        group = {"properties": [_property(attribute, operator, operand)], "rollout_percentage": 100}
        groups.append({**group, "variant": variant} if variant is not None else group)
    shares = {**dict.fromkeys(work.VARIANTS, 0), **work.ARMS}
    variants = [{"key": name, "rollout_percentage": weight} for name, weight in shares.items()]
    return {"groups": groups, "multivariate": {"variants": variants}}


def document(flags: dict[str, str]) -> bytes:
    reported = [
        {"id": number, "key": name, "active": True, "filters": _filters(kind)}
        for number, (name, kind) in enumerate(flags.items())
    ]
    return json.dumps(reported).encode()


def ready(data: bytes) -> Any:
    client = Posthog("key", host="http://127.0.0.1:1", disabled=False, send=False, enable_local_evaluation=False)
    client.feature_flags = json.loads(data)
    client.group_type_mapping = {}
    client.cohorts = {}
    return client


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return user, {"user": user, **attributes}


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    get = client.get_feature_flag
    reported = [
        get(name, user, person_properties=properties, only_evaluate_locally=True, send_feature_flag_events=False)
        for user, properties in people
    ]
    return [one or "other" for one in reported] if kind == "rules" else reported


def bulk(client: Any, _flags: dict[str, str], person: Any) -> Any:
    user, properties = person
    return client.get_all_flags(user, person_properties=properties, only_evaluate_locally=True)
