"""The differences of two values by part: `rules[EU].rollout_percentage: 40 -> 50` instead of two long lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_SHOWN = 8
"""Maximum changes shown per key; the others are counted."""


ABSENT: Any = object()
"""Marks a part that is missing in one of the values."""
MAX_WIDTH = 100


class ValueChange(NamedTuple):
    """A part that differs: its path, and its values before and after."""

    path: str
    old: Any
    new: Any


def value_changes(old: Any, new: Any, path: str = "") -> Iterator[ValueChange]:
    """The smallest parts that differ; empty if the values are equal, including number types and order."""
    if _same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and _ordered_alike(old, new):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path}.{key}" if path else str(key)
            yield from value_changes(old.get(key, ABSENT), new.get(key, ABSENT), inner)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _item_changes(old, new, path)
    else:
        yield ValueChange(path, old, new)


def _item_changes(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[ValueChange]:
    """For lists: the common start and end are skipped, and the rest is compared in pairs if the lengths match."""
    shorter = min(len(old), len(new))
    head = next((index for index in range(shorter) if not _same(old[index], new[index])), shorter)
    rest = shorter - head
    tail = next((index for index in range(rest) if not _same(old[-1 - index], new[-1 - index])), rest)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(gone) == len(come):
        for index, (before, after) in enumerate(zip(gone, come, strict=True), head + 1):
            yield from value_changes(before, after, f"{path}[{_label(before, after, index)}]")
        return
    for number, item in enumerate(gone, head + 1):
        yield ValueChange(f"{path}[{_label(item, item, number)}]", item, ABSENT)
    for number, item in enumerate(come, head + 1):
        yield ValueChange(f"{path}[{_label(item, item, number)}]", ABSENT, item)


def _ordered_alike(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether both have their keys in the same order, which matters in a split."""
    return [key for key in old if key in new] == [key for key in new if key in old]


def _label(before: Any, after: Any, number: int) -> str:
    """An item's name if it has one on both sides, else its number from 1, such as `rule 2`."""
    names = {item.get("name") if isinstance(item, dict) else None for item in (before, after)}
    name = names.pop() if len(names) == 1 else None
    return str(name) if name else str(number)


def _same(old: Any, new: Any) -> bool:
    if old is ABSENT or new is ABSENT:
        return old is new
    return json.dumps(old) == json.dumps(new)


def change_lines(old: Any, new: Any) -> list[str]:
    """Each change on a line; long values are shortened around the difference, changes past `MAX_SHOWN` counted."""
    changes = list(value_changes(old, new))
    lines = [f"{one.path}: {' -> '.join(_cut(_text(one.old), _text(one.new)))}" for one in changes[:MAX_SHOWN]]
    return lines + ([f"and {len(changes) - MAX_SHOWN:,} more changes"] if len(changes) > MAX_SHOWN else [])


def _text(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _cut(old: str, new: str) -> tuple[str, str]:
    """Both on one line; a long common prefix is dropped so that the difference is visible."""
    alike = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
    start = alike - MAX_WIDTH // 4 if alike > MAX_WIDTH // 2 and max(len(old), len(new)) > MAX_WIDTH else 0
    cut = [f"...{text[start:]}" if start else text for text in (old, new)]
    first, second = [text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 3]}..." for text in cut]
    return first, second
