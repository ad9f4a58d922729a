"""Lists a flag's future changes: its schedule's entries, and the movement of its ramps in between."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff import wording
from burgee.diff.comparison import compare
from burgee.diff.symbolic import Side
from burgee.diff.transitions import is_moving, moments
from burgee.diff.world import World
from burgee.evaluation.definition import owners, rule_turns, schedule, scheduled
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.diff.flag_effect import RegionEffect
    from burgee.model import Definition, Snapshot

BEFORE = 0.001
"""Just before a time, in seconds: times count to the millisecond."""


class Entry(NamedTuple):
    """What changes at a time, or between two; RFC 3339."""

    start: str
    end: str | None
    regions: Sequence[RegionEffect]

    def __str__(self) -> str:
        when = self.start if self.end is None else f"{self.start} to {self.end}, little by little"
        return f"{when}: " + "; ".join(f"{wording.who(region)}: {wording.moves(region)}" for region in self.regions)


def timeline(snapshot: Snapshot, name: str, now: float, world: World | None = None) -> list[Entry]:
    """All future changes of a flag after `now` (epoch seconds), if it is not edited."""
    world = world or World()
    here = Side(snapshot, now)
    found: list[Entry] = []
    if name not in here.flags:
        return found
    points = [now, *moments(name, [here], now)]
    for last, moment in pairwise(points):
        just = here.at(moment - BEFORE)
        drift = compare(name, here.at(last), just, world).regions if is_moving(name, [here], last, just.now) else []
        if drift:
            found.append(Entry(format_time(last), format_time(moment), drift))
        jump = compare(name, just, here.at(moment), world).regions
        # The last step of a ramp is the change within a millisecond: it belongs to the drift.
        if jump and not (drift and _small(jump)):
            found.append(Entry(format_time(moment), None, jump))
    return found


def _small(regions: Sequence[RegionEffect]) -> bool:
    return all(move.share * 1000 <= 1 for region in regions for move in region.moves)


class Happening(NamedTuple):
    """A time (epoch seconds) of a future change, its description, and the shares of users that move."""

    at: float
    flag: str
    what: str
    moves: tuple[str, ...] = ()


def coming(snapshot: Snapshot, names: Iterable[str], since: float, world: World | None = None) -> list[Happening]:
    """All future changes of these flags from a time on, earliest first."""
    world = world or World()
    found = []
    for name in names:
        moved: dict[float, list[str]] = {}
        for entry in timeline(snapshot, name, since, world):
            gradually = "" if entry.end is None else f"until {entry.end}, little by little, "
            lines = [f"{gradually}{wording.who(region)}: {wording.moves(region)}" for region in entry.regions]
            moved.setdefault(parse_time(entry.start), []).extend(lines)
        written = [one for one in _of_flag(name, snapshot["flags"][name]) if one.at >= since]
        found += [one._replace(moves=tuple(moved.pop(one.at, ()))) for one in written]
        rest = "moves with a ramp that has begun, or with a required flag"
        found += [Happening(moment, name, rest, tuple(lines)) for moment, lines in moved.items()]
    return sorted(found)


def _of_flag(name: str, definition: Definition) -> Iterator[Happening]:
    states = scheduled(definition)
    ends = [*(state.since for state in states[1:]), float("inf")]
    for state, end in zip(states, ends, strict=True):
        yield from _ramps(name, state.definition, state.since, end)
        for turn in rule_turns(state.definition) if state.definition.get("status", False) else ():
            if state.since <= turn.at < end:
                yield Happening(turn.at, name, f"{turn.rule} {turn.what}")
    for (_, before), (at, keys) in zip(states, schedule(definition), strict=False):
        changes = [f"{key}: {_short(before.get(key))} -> {_short(value)}" for key, value in keys.items()]
        yield Happening(at, name, "; ".join(changes))
    if "expires" in definition:
        yield Happening(parse_time(definition["expires"]), name, "expires")


def _ramps(name: str, laid: Mapping[str, Any], begin: float, end: float) -> Iterator[Happening]:
    """The ramps of a state, within the time that it is in force."""
    if not laid.get("status", False):
        return
    for one in owners(laid):
        owner = "" if one.rule is None else f"{one.name}: "
        ramp = one.settings.get("rollout_percentage")
        if not isinstance(ramp, dict):
            continue
        start, arrival = parse_time(ramp["start"]), parse_time(ramp["end"])
        if begin <= start < end:
            what = f"{owner}rollout moves from {ramp['from']} % to {ramp['to']} %, until {format_time(arrival)}"
            yield Happening(start, name, what)
        if begin <= arrival < end:
            yield Happening(arrival, name, f"{owner}rollout arrives at {ramp['to']} %")


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict) and "from" in value and "start" in value:
        return f"a ramp from {value['from']} % to {value['to']} %"
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
