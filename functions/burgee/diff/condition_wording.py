"""Describes how a condition changed, for reviewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import KEYWORDS
from burgee.evaluation.explanations import describe, shown

if TYPE_CHECKING:
    from collections.abc import Mapping


def difference(old: Mapping[str, Any], new: Mapping[str, Any], segments: Mapping[str, str] | None = None) -> str:
    """What was different before a condition changed: list items by name, other clauses in full."""
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
        notes += [f"{label}: {shown(items)}" for label, items in (("new", added), ("gone", removed)) if items]
    narrower = {key: value for key, value in new.items() if key not in old}
    if gone:
        notes.insert(0, f"before: {describe(gone, segments)}")
    elif narrower:
        notes.append(f"before without {describe(narrower, segments)}")
    return "; ".join(notes) or "in another order"


def _items(key: str, value: Any) -> list[Any] | None:
    """The values of a plain clause as a list; None for other conditions."""
    if (key in KEYWORDS and key != "segment") or value is None or isinstance(value, dict):
        return None
    return value if isinstance(value, list) else [value]
