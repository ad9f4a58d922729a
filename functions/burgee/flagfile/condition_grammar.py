"""The grammar of conditions: what `when` and segments may say, its faults by place, and its JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from burgee.evaluation.definition import SHARE
from burgee.evaluation.operators import ANY_ITEM, ANY_VALUE, IGNORE_CASE, OPERATORS, OperandError, check_operand
from burgee.flagfile.nesting import MAX_NESTING
from burgee.model import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator


def _condition(value: Any) -> Any:
    """All faults of a condition in one error, each with its path."""
    faults = list(_condition_faults(value, (), MAX_NESTING))
    if faults:
        message = "; ".join(fault.message for fault in faults)
        raise PydanticCustomError("condition", "{message}", {"message": message, "faults": faults})
    return value


def _condition_faults(when: Any, path: tuple[str | int, ...], depth: int) -> Iterator[Fault]:
    if not isinstance(when, dict):
        yield Fault(path, "condition-type", f"a condition is a mapping of attributes, not {when!r:.80}")
    elif depth == 0:
        yield Fault(path, "too-deep", f"conditions nest deeper than {MAX_NESTING} levels")
    else:
        for key, value in when.items():
            yield from _clause_faults(key, value, (*path, key), depth)


def _clause_faults(key: str, value: Any, path: tuple[str | int, ...], depth: int) -> Iterator[Fault]:
    if key in {"any", "all"}:
        if not isinstance(value, list) or not value:
            yield Fault(path, "condition-type", f"`{key}` takes a list of conditions")
            return
        for index, part in enumerate(value):
            yield from _condition_faults(part, (*path, index), depth - 1)
    elif key == "not":
        yield from _condition_faults(value, path, depth - 1)
    elif key == "segment":
        names = value if isinstance(value, list) and value else [value]
        if not all(isinstance(name, str) for name in names):
            yield Fault(path, "condition-type", "`segment` takes a segment's name or a list of names")
    elif key == SHARE:
        yield Fault(
            path, "condition-type", "a share of users is a segment's: write `rollout_percentage` beside its `when`"
        )
    else:
        yield from _attribute_faults(value, path)


def _attribute_faults(value: Any, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield from _operand_faults("in" if isinstance(value, list) else "eq", value, path, ignore_case=False)
        return
    ignore_case = value.get(IGNORE_CASE, False)
    if not isinstance(ignore_case, bool):
        yield Fault((*path, IGNORE_CASE), "invalid-operand", "`ignore_case` takes true or false")
    names = [name for name in value if name != IGNORE_CASE]
    if not names:
        yield Fault(path, "condition-type", "an operator is needed, such as `eq`")
    for name in names:
        if name not in OPERATORS:
            yield Fault((*path, name), "unknown-operator", f"there is no operator `{name}`")
            continue
        if ignore_case is True and not OPERATORS[name].ignores_case:
            yield Fault((*path, IGNORE_CASE), "invalid-operand", f"`ignore_case` does not go with `{name}`")
        yield from _operand_faults(name, value[name], (*path, name), ignore_case=ignore_case is True)


def _operand_faults(name: str, operand: Any, path: tuple[str | int, ...], *, ignore_case: bool) -> Iterator[Fault]:
    try:
        check_operand(name, operand, ignore_case=ignore_case)
    except OperandError as error:
        yield Fault(path, "invalid-operand", f"`{name}` takes {error}")


def _operator_schema(*, of_item: bool = False) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"description": f"Takes {op.takes}."} for name, op in OPERATORS.items()}
    if of_item:
        del properties[ANY_ITEM], properties[ANY_VALUE], properties["exists"]
    else:
        plain = {"type": ["string", "number", "boolean"]}
        for name in (ANY_ITEM, ANY_VALUE):
            properties[name]["anyOf"] = [plain, {"type": "array"}, _operator_schema(of_item=True)]
    properties[IGNORE_CASE] = {"type": "boolean", "description": "Compare strings case-insensitively."}
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}


_WHEN_SCHEMA = {
    "type": "object",
    "description": "Conditions that must all hold: a scalar means equals, a list one of, a mapping names operators.",
    "properties": {
        "any": {"type": "array", "items": {"type": "object"}, "description": "At least one of these holds."},
        "all": {"type": "array", "items": {"type": "object"}, "description": "All of these hold."},
        "not": {"type": "object", "description": "This does not hold."},
        "segment": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "description": "The user is in this segment, or in one of these.",
        },
    },
    "additionalProperties": {
        "anyOf": [{"type": ["string", "number", "boolean"]}, {"type": "array"}, _operator_schema()]
    },
}
When = Annotated[dict[str, Any], BeforeValidator(_condition), WithJsonSchema(_WHEN_SCHEMA)]
