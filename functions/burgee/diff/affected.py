"""Finds the flags that a change can affect: those that differ, and those that depend on them, directly or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import fragments, requirements, segments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.model import Definition, Snapshot

SILENT = frozenset({"description", "owner", "tags", "expires", "permanent", "client"})
"""Keys that do not affect answers."""


def reached(before: Snapshot, after: Snapshot) -> list[str]:
    """The flags whose answers a change may affect, in file order."""
    changed = {("flag", name) for name in _differing(before["flags"], after["flags"], deciding)}
    changed |= {("segment", name) for name in _differing(before.get("segments", {}), after.get("segments", {}))}
    changed |= {("holdout", name) for name in _differing(before.get("holdouts", {}), after.get("holdouts", {}))}
    users: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for snapshot in (before, after):
        for name, definition in snapshot["flags"].items():
            for needed in needs(definition):
                users.setdefault(needed, []).append(("flag", name))
        for name, when in snapshot.get("segments", {}).items():
            for _, other in segments_of(when):
                users.setdefault(("segment", other), []).append(("segment", name))
    waiting = sorted(changed)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in changed:
                changed.add(user)
                waiting.append(user)
    names = dict.fromkeys([*before["flags"], *after["flags"]])
    return [name for name in names if ("flag", name) in changed]


def deciding(definition: Definition) -> dict[str, Any]:
    """A definition without keys that do not affect answers, in a fixed order."""
    return {key: definition[key] for key in sorted(definition) if key not in SILENT}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], view: Any = lambda value: value) -> Iterator[str]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old is None or new is None or (old is not new and json.dumps(view(old)) != json.dumps(view(new))):
            yield name


def needs(definition: Definition) -> Iterator[tuple[str, str]]:
    """The dependencies of a flag: ("flag", name), ("segment", name) or ("holdout", name)."""
    for state in fragments(definition):
        for _, entry in requirements(state):
            yield "flag", entry["flag"]
        if "holdout" in state:
            yield "holdout", state["holdout"]
        for rule in state.get("rules", ()):
            for _, name in segments_of(rule["when"]):
                yield "segment", name
