"""What a flag will do by itself: its jumps at the moments of its schedule, and what its ramps move in between."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from burgee import told
from burgee.decide import Side, World
from burgee.effect import compare
from burgee.moments import moments
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.effect import RegionEffect
    from burgee.model import Snapshot

BEFORE = 0.001
"""Just before a moment, in seconds: times count to the millisecond."""


class Entry(NamedTuple):
    """What changes at a moment, or between two; RFC 3339."""

    start: str
    end: str | None
    regions: Sequence[RegionEffect]

    def __str__(self) -> str:
        when = self.start if self.end is None else f"{self.start} to {self.end}, little by little"
        return f"{when}: " + "; ".join(f"{told.whom(region)}: {told.moves(region)}" for region in self.regions)


def timeline(snapshot: Snapshot, name: str, now: float, world: World | None = None) -> list[Entry]:
    """All that a flag will change by itself after `now` (epoch seconds), as long as nobody edits it."""
    world = world or World()
    here = Side(snapshot, now)
    found: list[Entry] = []
    if name not in here.flags:
        return found
    points = [now, *moments(name, [here], now)]
    for last, moment in pairwise(points):
        just = here.at(moment - BEFORE)
        drift = compare(name, here.at(last), just, world).regions
        if drift:
            found.append(Entry(format_time(last), format_time(moment), drift))
        jump = compare(name, just, here.at(moment), world).regions
        # A ramp that arrives moves on by what a millisecond adds: it is part of the drift.
        if jump and not (drift and _small(jump)):
            found.append(Entry(format_time(moment), None, jump))
    return found


def _small(regions: Sequence[RegionEffect]) -> bool:
    return all(move.share * 1000 <= 1 for region in regions for move in region.moves)
