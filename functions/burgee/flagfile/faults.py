"""Translates pydantic's errors to faults, each with its path, code and hint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.operators import OPERATORS
from burgee.flagfile.data_sources import DataSource, ExposureRows, FactRows
from burgee.flagfile.experiments import Experiment, Metric
from burgee.flagfile.fields import shown
from burgee.flagfile.flag_grammar import FlagSpec, Requirement, RuleSpec
from burgee.flagfile.grammar import FlagFile
from burgee.flagfile.guards import Guard
from burgee.flagfile.suggestions import near
from burgee.flagfile.value_schemas import ValueSchema
from burgee.model import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from burgee.flagfile.fields import Part


def faults_of(details: Iterable[ErrorDetails], base: tuple[str | int, ...] = ()) -> list[Fault]:
    """All faults that pydantic found, with `path` prepended; a condition may have several."""
    return [fault for detail in details for fault in _faults_of(detail, base)]


def _faults_of(detail: ErrorDetails, base: tuple[str | int, ...]) -> list[Fault]:
    context = detail.get("ctx", {})
    start = (*base, *_real(detail["loc"]))
    if detail["type"] == "condition":
        return [_in_condition(fault, start) for fault in context["faults"]]
    path = (*start, *context.get("path", ()))
    return [without_value(path) if detail["type"] == "no-value" else _fault_of(detail, path)]


def without_value(path: tuple[str | int, ...]) -> Fault:
    """A key or an item without a value."""
    message = "this item has no value" if isinstance(path[-1], int) else f"{path[-1]!r} has no value"
    return Fault(path, "no-value", message, "give it one, or remove it", at_key=True)


def _in_condition(fault: Fault, start: tuple[str | int, ...]) -> Fault:
    named = fault.code == "unknown-operator"
    hint = near(fault.path[-1], OPERATORS) if named else None
    return Fault((*start, *fault.path), fault.code, fault.message, hint, at_key=named)


def _fault_of(detail: ErrorDetails, path: tuple[str | int, ...]) -> Fault:
    kind = detail["type"]
    key = path[-1] if path else ""
    if kind == "extra_forbidden":
        hint = near(key, sorted(_siblings(path)))
        return Fault(path, "unknown-key", f"there is no key {key!r} here", hint, at_key=True)
    if kind == "missing":
        return Fault(path[:-1], "missing-key", f"{path[-1]!r} is needed here", at_key=True)
    named = "[key]" in detail["loc"]
    if kind == "string_pattern_mismatch":
        message = f"{detail['input']!r} is not a name"
        hint = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
        return Fault(path, "invalid-name", message, hint, at_key=named)
    if kind in _PLAIN:
        code, words = _PLAIN[kind]
        message = words.format(found=shown(detail["input"]), **_words(detail.get("ctx", {})))
        return Fault(path, code, message, _shape(path) if kind in {"dict_type", "model_type"} else None, at_key=named)
    return Fault(path, kind if "-" in kind else "wrong-type", detail["msg"], at_key=named)


def _shape(path: tuple[str | int, ...]) -> str | None:
    """What a mapping looks like that is easily guessed as a list or a number."""
    if not path:
        return None
    margins = path[-1] in _MARGINS
    if margins or (len(path) > 1 and path[-2] in _MARGINS):
        return "write `{errors: {margin: 20}}`, with the metric's name" if margins else "write `{margin: 20}`"
    return "write `{steps: [5, 25, 100], hold: 6h, alarms: [...]}`" if path[-1] == "guard" else None


_MARGINS = {"guardrails", "signals"}
_PLAIN = {
    "bool_type": ("wrong-type", "true or false is needed here, not {found}"),
    "bool_parsing": ("wrong-type", "`on` or `off` is needed here, not {found}"),
    "dict_type": ("wrong-type", "a mapping is needed here, not {found}"),
    "model_type": ("wrong-type", "a mapping is needed here, not {found}"),
    "list_type": ("wrong-type", "a list is needed here, not {found}"),
    "tuple_type": ("wrong-type", "a list of two percentages is needed here, not {found}"),
    "string_type": ("wrong-type", "a string is needed here, not {found}; quote it if it is one"),
    "string_too_long": ("too-long", "at most {max_length} characters"),
    "string_too_short": ("empty", "this must not be empty"),
    "too_short": ("empty", "this must not be empty"),
    "enum": ("wrong-value", "{expected} is needed here, not {found}"),
    "literal_error": ("wrong-value", "{expected} is needed here, not {found}"),
}


_TAGS = frozenset({"(percentage)", "(ramp)", "(allowed)", "(schema)", "[key]"})


def _words(context: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if key in {"max_length", "expected"}}


def _real(location: Iterable[str | int]) -> tuple[str | int, ...]:
    """A location without the tags that pydantic adds for unions and keys."""
    return tuple(step for step in location if step not in _TAGS)


def _siblings(location: tuple[str | int, ...]) -> set[str]:
    """The keys allowed at the end of a location: an approximation, good enough for a hint."""
    part: type[Part] = FlagFile
    if len(location) > 2 and location[0] in {"flags", "metrics", "sources"}:
        inside = next((key for key in _INSIDE if key in location[2:-1]), location[0])
        part = _PARTS[inside]
    return {field.alias or name for name, field in part.model_fields.items()}


_INSIDE = ("schema", "guard", "requires", "rules", "experiment", "exposures", "facts")
_PARTS: dict[str | int, type[Part]] = {
    "schema": ValueSchema,
    "guard": Guard,
    "requires": Requirement,
    "rules": RuleSpec,
    "experiment": Experiment,
    "flags": FlagSpec,
    "metrics": Metric,
    "sources": DataSource,
    "exposures": ExposureRows,
    "facts": FactRows,
}
