"""The schema of JSON values that have none, from the values themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence


def inferred(values: Sequence[Any]) -> dict[str, Any]:
    """A schema that all of the values fit. A property is required if every object has it."""
    groups: dict[str, list[Any]] = {}
    for value in values:
        groups.setdefault(_kind(value), []).append(value)
    if "integer" in groups and "number" in groups:
        groups["number"] += groups.pop("integer")
    found = [_of(kind, group) for kind, group in groups.items()]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _of(kind: str, values: list[Any]) -> dict[str, Any]:
    if kind == "object":
        names = dict.fromkeys(name for value in values for name in value)
        return {
            "type": kind,
            "properties": {name: inferred([value[name] for value in values if name in value]) for name in names},
            "required": [name for name in names if all(name in value for value in values)],
        }
    items = [item for value in values for item in value] if kind == "array" else []
    return {"type": kind, "items": inferred(items)} if items else {"type": kind}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number" if isinstance(value, float) else "integer"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
