"""A condition of the flag file as a reviewer reads it: `country in DE, FR and app_version >= 2.3.0`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from burgee.evaluation.operators import IGNORE_CASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_ITEMS = 4
MAX_TEXT = 60
GROUPS = frozenset({"any", "all", "not"})
NUMBER = re.compile(r"-?\d+(\.\d+)?")

PHRASES: Mapping[str, Callable[[str, str], str]] = {
    "eq": "{} = {}".format,
    "ne": "{} is not {}".format,
    "in": "{} in {}".format,
    "not_in": "{} not in {}".format,
    "contains": "{} contains {}".format,
    "not_contains": "{} does not contain {}".format,
    "starts_with": "{} starts with {}".format,
    "ends_with": "{} ends with {}".format,
    "matches": "{} matches {}".format,
    "gt": "{} > {}".format,
    "gte": "{} >= {}".format,
    "lt": "{} < {}".format,
    "lte": "{} <= {}".format,
    "before": "{} before {}".format,
    "after": "{} after {}".format,
    "semver_eq": "{} = {}".format,
    "semver_ne": "{} is not {}".format,
    "semver_gt": "{} > {}".format,
    "semver_gte": "{} >= {}".format,
    "semver_lt": "{} < {}".format,
    "semver_lte": "{} <= {}".format,
    "semver_tilde": "{} ~{}".format,
    "semver_caret": "{} ^{}".format,
    "cidr": "{} in network {}".format,
}
"""How an operator reads between an attribute and its operand; another operator reads by its own name."""


def describe(when: Mapping[str, Any], segments: Mapping[str, str] | None = None) -> str:
    """A whole condition on one line; `segments` says more of some segments."""
    return " and ".join(_clauses(when, segments or {})) or "everyone"


def difference(old: Mapping[str, Any], new: Mapping[str, Any], segments: Mapping[str, str] | None = None) -> str:
    """What was different before a condition changed: items of a list by name, other clauses whole."""
    notes: list[str] = []
    gone: dict[str, Any] = {}
    for key, value in old.items():
        if key in new and new[key] == value:
            continue
        here, there = _items(key, value), _items(key, new.get(key))
        if here is None or there is None:
            gone[key] = value
            continue
        added, removed = [one for one in there if one not in here], [one for one in here if one not in there]
        notes += [f"{label}: {_operand(items)}" for label, items in (("new", added), ("gone", removed)) if items]
    narrower = {key: value for key, value in new.items() if key not in old}
    if gone:
        notes.insert(0, f"before: {describe(gone, segments)}")
    elif narrower:
        notes.append(f"before without {describe(narrower, segments)}")
    return "; ".join(notes) or "in another order"


def _items(key: str, value: Any) -> list[Any] | None:
    """What a plain clause takes, as a list; None for other conditions."""
    if key in GROUPS or value is None or isinstance(value, dict):
        return None
    return value if isinstance(value, list) else [value]


def _clauses(when: Mapping[str, Any], segments: Mapping[str, str]) -> Iterator[str]:
    for key, value in when.items():
        if key in {"any", "all"}:
            joined = f" {'or' if key == 'any' else 'and'} ".join(_grouped(part, segments) for part in value)
            yield f"({joined})" if len(when) > 1 else joined
        elif key == "not":
            yield f"not ({describe(value, segments)})"
        elif key == "segment":
            names = [value] if isinstance(value, str) else value
            yield "segment " + " or ".join(f"{name}{segments.get(name, '')}" for name in names)
        elif isinstance(value, dict):
            case = ", in any case" if value.get(IGNORE_CASE) else ""
            asked = {operator: operand for operator, operand in value.items() if operator != IGNORE_CASE}
            yield from (_clause(key, operator, operand) + case for operator, operand in asked.items())
        else:
            yield _clause(key, "in" if isinstance(value, list) else "eq", value)


def _grouped(when: Mapping[str, Any], segments: Mapping[str, str]) -> str:
    parts = list(_clauses(when, segments))
    return f"({' and '.join(parts)})" if len(parts) > 1 else "".join(parts)


def _clause(path: str, operator: str, operand: Any) -> str:
    if operator == "exists":
        return f"{path} is set" if operand else f"{path} is not set"
    if operator in {"in", "not_in"} and isinstance(operand, list) and len(operand) == 1:
        operator, operand = ("eq", operand[0]) if operator == "in" else ("ne", operand[0])
    phrase = PHRASES.get(operator)
    shown = _operand(operand)
    return phrase(path, shown) if phrase else f"{path} {operator} {shown}"


def _operand(operand: Any) -> str:
    if isinstance(operand, list):
        shown = operand if len(operand) == MAX_ITEMS + 1 else operand[:MAX_ITEMS]
        more = len(operand) - len(shown)
        return ", ".join(map(_operand, shown)) + (f" and {more:,} more" if more else "")
    text = operand if isinstance(operand, str) and not _reads_as_another(operand) else _json(operand)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _reads_as_another(text: str) -> bool:
    """Whether a string without quotes would be taken for nothing, a number, a boolean or several items."""
    return not text.strip() or text in {"true", "false", "null"} or "," in text or NUMBER.fullmatch(text) is not None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
