"""Finds renamed flags: a removed and an added one with the same definition."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.affected import deciding
from burgee.diff.comparison import compare
from burgee.evaluation.definition import salt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.diff.flag_effect import RegionEffect
    from burgee.diff.symbolic import Side
    from burgee.diff.world import World
    from burgee.model import Definition


class Rename(NamedTuple):
    """A flag's names before and after, and the effect of the change from one to the other."""

    old: str
    new: str
    regions: Sequence[RegionEffect]


def renames(old: Side, new: Side, world: World) -> list[Rename]:
    """Each flag once; among equal definitions, first those with the same salt, then in file order."""
    gone = [name for name in old.flags if name not in new.flags]
    come = [name for name in new.flags if name not in old.flags]
    partners: dict[str, str] = {}
    for with_salt in (True, False):
        waiting: dict[tuple[str, str], list[str]] = {}
        taken = set(partners.values())
        for name in reversed(gone):
            if name not in taken:
                waiting.setdefault(_likeness(name, old.flags[name], with_salt), []).append(name)
        for name in come:
            alike = waiting.get(_likeness(name, new.flags[name], with_salt))
            if name not in partners and alike:
                partners[name] = alike.pop()
    return [
        Rename(partners[name], name, compare(partners[name], old, new, world, name).regions)
        for name in come
        if name in partners
    ]


def _likeness(name: str, definition: Definition, with_salt: bool) -> tuple[str, str]:
    """What two flags must have in common: all deciding keys except the salt, and that too if requested."""
    decides = {key: value for key, value in deciding(definition).items() if key != "salt"}
    return json.dumps(decides, sort_keys=True), salt(name, definition) if with_salt else ""
