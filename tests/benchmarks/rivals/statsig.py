"""Statsig's Rust core, its specs taken from a data store in this process."""

from __future__ import annotations

import json
import os
from itertools import accumulate
from typing import Any

from statsig_python_core import DataStore, DataStoreResponse, Statsig, StatsigOptions, StatsigUser

from benchmarks import work

PACKAGES = ["statsig-python-core==0.24.2"]
OPERATORS: dict[str, Any] = {
    "eq": lambda operand: ("any", [operand]),
    "in": lambda operand: ("any", operand),
    "semver_gte": lambda operand: ("version_gte", operand),
    "gte": lambda operand: ("gte", operand),
    "starts_with": lambda operand: ("str_starts_with_any", [operand]),
}
os.environ["NO_PROXY"] = "*"


class Memory(DataStore):
    """A store that has the specs."""

    def __init__(self, specs: bytes) -> None:
        super().__init__()
        self.specs = specs.decode()

    def get(self, _key: str) -> Any:
        return DataStoreResponse(result=self.specs, time=1)


def _condition(kind: str, operator: str, operand: Any, **other: Any) -> dict[str, Any]:
    return {"type": kind, "operator": operator, "targetValue": operand, "idType": "userID", "field": None, **other}


CONDITIONS: dict[str, dict[str, Any]] = {
    "everybody": {"type": "public", "targetValue": None, "operator": None, "field": None, "idType": "userID"},
    "listed": _condition("unit_id", "any", work.LISTED),
    **{
        name: _condition("user_field", *OPERATORS[operator](operand), field=name)
        for name, operator, operand, _ in work.RULES
    },
    **{
        arm: _condition("user_bucket", "lt", bound * 10, additionalValues={"salt": "arms"})
        for arm, bound in zip(work.ARMS, accumulate(work.ARMS.values()), strict=True)
    },
}


def _rule(key: str, conditions: list[str], value: Any, percentage: float = 100) -> dict[str, Any]:
    reported = {"name": key, "id": key, "salt": key, "passPercentage": percentage, "conditions": conditions}
    return {**reported, "returnValue": value, "idType": "userID"}


def _spec(name: str, kind: str) -> dict[str, Any]:
    if kind == "rules":
        rules = []
        for attribute, _, _, variant in work.RULES:
            if variant is None:
                rules += [_rule(arm, [attribute, arm], {"value": arm}) for arm in work.ARMS]
            else:
                rules.append(_rule(attribute, [attribute], {"value": variant}))
        reported = {"type": "dynamic_config", "entity": "dynamic_config", "defaultValue": {"value": "other"}}
    else:
        share = kind == "share"
        rules = [_rule("on", ["everybody" if share else "listed"], True, 50 if share else 100)]
        reported = {"type": "feature_gate", "entity": "feature_gate", "defaultValue": False}
    return {**reported, "salt": name, "enabled": True, "idType": "userID", "version": 1, "rules": rules}


def document(flags: dict[str, str]) -> bytes:
    specs = {name: _spec(name, kind) for name, kind in flags.items()}
    used = {condition for spec in specs.values() for rule in spec["rules"] for condition in rule["conditions"]}
    return json.dumps(
        {
            "has_updates": True,
            "time": 1,
            "feature_gates": {name: spec for name, spec in specs.items() if spec["type"] == "feature_gate"},
            "dynamic_configs": {name: spec for name, spec in specs.items() if spec["type"] == "dynamic_config"},
            "layer_configs": {},
            "condition_map": {name: CONDITIONS[name] for name in used},
            "experiment_to_layer": {},
        }
    ).encode()


def ready(data: bytes) -> Any:
    options = StatsigOptions(
        data_store=Memory(data),
        disable_network=True,
        disable_all_logging=True,
        disable_country_lookup=True,
        disable_disk_access=True,
        output_log_level="none",
    )
    client = Statsig("secret-none", options)
    client.initialize().wait()
    return client


def close(client: Any) -> None:
    client.shutdown().wait()


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return StatsigUser(user_id=user, custom=attributes)


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    if kind == "rules":
        config = client.get_dynamic_config
        return [config(person, name).get_string("value", "other") for person in people]
    gate = client.check_gate
    return [gate(person, name) for person in people]
