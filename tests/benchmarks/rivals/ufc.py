"""The configuration format that Eppo and Datadog share."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from typing import Any

from benchmarks import work

SEMVER = "GTE"  # Eppo recognises versions by their form; Datadog wants SEMVER_GTE
OPERATORS = {
    "eq": lambda operand: ("ONE_OF", [operand]),
    "in": lambda operand: ("ONE_OF", operand),
    "semver_gte": lambda operand: (SEMVER, operand),
    "gte": lambda operand: ("GTE", operand),
    "starts_with": lambda operand: ("MATCHES", f"^{operand}"),
}


def _split(variation: str, low: int = 0, high: int = 10_000) -> dict[str, Any]:
    shards = [{"salt": "salt", "totalShards": 10_000, "ranges": [{"start": low, "end": high}]}]
    return {"variationKey": variation, "shards": shards if (low, high) != (0, 10_000) else []}


def _allocation(key: str, splits: list[Any], attribute: str = "", operator: str = "", operand: Any = None) -> Any:
    allocation: dict[str, Any] = {"key": key, "rules": [], "splits": splits, "doLog": False}
    if attribute:
        name, value = OPERATORS[operator](operand)
        condition = {"attribute": attribute, "operator": name, "value": value}
        allocation["rules"] = [{"conditions": [condition]}]
    return allocation


def _flag(name: str, kind: str) -> dict[str, Any]:
    if kind == "rules":
        bounds = [0, *accumulate(weight * 100 for weight in work.ARMS.values())]
        arms = [_split(arm, low, high) for arm, (low, high) in zip(work.ARMS, pairwise(bounds), strict=True)]
        allocations = [
            _allocation(f"a{number}", arms if variant is None else [_split(variant)], attribute, operator, operand)
            for number, (attribute, operator, operand, variant) in enumerate(work.RULES)
        ]
        values: dict[str, Any] = {name: name for name in work.VARIANTS}
    else:
        values = {"on": True, "off": False}
        if kind == "share":
            allocations = [_allocation("a", [_split("on", 0, 5000)]), _allocation("b", [_split("off")])]
        else:
            allocations = [
                _allocation("a", [_split("on")], "id", "in", work.LISTED),
                _allocation("b", [_split("off")]),
            ]
    return {
        "key": name,
        "enabled": True,
        "variationType": "STRING" if kind == "rules" else "BOOLEAN",
        "variations": {key: {"key": key, "value": value} for key, value in values.items()},
        "allocations": allocations,
        "totalShards": 10_000,
    }


def document(flags: dict[str, str]) -> bytes:
    return json.dumps(
        {
            "createdAt": "2026-01-01T00:00:00.000Z",
            "format": "SERVER",
            "environment": {"name": "Test"},
            "flags": {name: _flag(name, kind) for name, kind in flags.items()},
        }
    ).encode()
