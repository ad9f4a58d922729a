"""When flags change by themselves: the entries of schedules, and the ends of ramps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import fragments, owners
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from burgee.diff.symbolic import Side
    from burgee.model import Definition


def moments(name: str, sides: Iterable[Side], now: float) -> list[float]:
    """The moments after `now` at which a flag, or one that it requires, changes on any side."""
    found = {
        moment
        for side in sides
        for one in side.family(name)
        for moment in moments_of(side.flags.get(one) or {})
        if moment > now
    }
    return sorted(found)


def moments_of(definition: Definition) -> Iterator[float]:
    """All moments at which a definition changes what it gives."""
    for entry in definition.get("schedule", ()):
        yield parse_time(entry["at"])
    for ramp in ramps(definition):
        yield parse_time(ramp["start"])
        yield parse_time(ramp["end"])


def ramps(definition: Definition) -> Iterator[dict[str, Any]]:
    """Every percentage that grows by itself."""
    for state in fragments(definition):
        for owner in owners(state):
            if isinstance(owner.settings.get("rollout_percentage"), dict):
                yield owner.settings["rollout_percentage"]
