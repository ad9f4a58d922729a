"""Finds why a flag with an unchanged definition changes: the flags, segments and holdouts that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.diff.affected import deciding, needs
from burgee.evaluation.definition import segments_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from burgee.model import Snapshot

SECTIONS = {"segment": "segments", "holdout": "holdouts"}


def causes(before: Snapshot, after: Snapshot, flag: str, changed: Collection[str]) -> list[str]:
    """The changed dependencies of a flag, such as `segment staff`; empty if its own definition changes.

    `changed` are the flags whose answers change.
    """
    old, new = before["flags"].get(flag), after["flags"].get(flag)
    if old is None or new is None or deciding(old) != deciding(new):
        return []
    needed = dict.fromkeys(needs(new))
    return [f"{kind} {name}" for kind, name in needed if _touched(before, after, kind, name, changed)]


def _touched(before: Snapshot, after: Snapshot, kind: str, name: str, changed: Collection[str]) -> bool:
    if kind == "flag":
        return name in changed
    section = SECTIONS[kind]
    inside = _segments(after, name) if kind == "segment" else [name]
    return any(before.get(section, {}).get(one) != after.get(section, {}).get(one) for one in inside)


def _segments(snapshot: Snapshot, name: str) -> Iterator[str]:
    """A segment and all that it uses."""
    waiting, seen = [name], {name}
    while waiting:
        one = waiting.pop()
        yield one
        inner = {used for _, used in segments_of(snapshot.get("segments", {}).get(one, {}))} - seen
        seen |= inner
        waiting += sorted(inner)
