"""Finds the times at which flags change by themselves: entries of schedules, and the whole duration of ramps.

Between two such times every limit on a hash line is linear in time. So an interval is cut where limits of one line
cross; within a piece the limits keep their order, and a difference at one inner time exists at all of them.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.affected import needs
from burgee.evaluation.decisions import Ramp
from burgee.evaluation.definition import fragments, owners, rule_turns
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from burgee.diff.symbolic import Side
    from burgee.model import Definition


class Checkpoint(NamedTuple):
    """A time at which to compare (epoch seconds); with `since` and `until`, it represents all times between them."""

    at: float
    since: float | None = None
    until: float | None = None


def checkpoints(name: str, sides: Sequence[Side], now: float) -> list[Checkpoint]:
    """The times after `now` at which to compare a flag, in order, so that no difference at any time is missed.

    After the last time nothing changes.
    """
    found: list[Checkpoint] = []
    for begin, end in pairwise([now, *moments(name, sides, now)]):
        for since, until in pairwise([begin, *_crossings(name, sides, begin, end), end]):
            if is_moving(name, sides, since, until):
                found.append(Checkpoint((since + until) / 2, since, until))
        found.append(Checkpoint(end))
    return found


def is_moving(name: str, sides: Sequence[Side], begin: float, end: float) -> bool:
    """Whether a ramp of a flag, or of one that it requires, moves users between two times."""
    return any(_moves(limit, begin, end) for limits in _limits(name, sides, begin, end) for limit in limits)


def _moves(limit: int | Ramp, begin: float, end: float) -> bool:
    return isinstance(limit, Ramp) and limit.low != limit.high and limit.start < end and begin < limit.end


def _crossings(name: str, sides: Sequence[Side], begin: float, end: float) -> list[float]:
    """Where limits on one line cross while a ramp moves."""
    times = set()
    for limits in _limits(name, sides, begin, end):
        for one, other in combinations(limits, 2):
            first, last = (_height(one, at) - _height(other, at) for at in (begin, end))
            if first * last < 0:
                times.add(begin + (end - begin) * first / (first - last))
    return sorted(time for time in times if begin < time < end)


def _limits(name: str, sides: Sequence[Side], begin: float, end: float) -> Iterator[set[int | Ramp]]:
    """The limits of shares that are in force within an interval, by their line."""
    lines: dict[tuple[str, str | None], set[int | Ramp]] = {}
    for side in sides:
        there = side.at((begin + end) / 2)
        for one in there.family(name):
            decided = there.decisions(one)
            for member in there.members(one):
                lines.setdefault((member.salt, member.strategy.name), set()).add(member.high)
            for step in () if decided is None else decided.steps:
                share = getattr(step, "share", None)
                if share is not None:
                    line = (share.salt, share.strategy.name)  # of whatever unit: more crossings do no harm
                    lines.setdefault(line, set()).update((share.low, share.high))
    yield from lines.values()


def _height(limit: int | Ramp, at: float) -> float:
    """A limit in buckets, not rounded to whole ones."""
    if not isinstance(limit, Ramp):
        return limit
    passed = min(max((at - limit.start) / (limit.end - limit.start), 0.0), 1.0)
    return 1000 * (limit.low + (limit.high - limit.low) * passed)


def moments(name: str, sides: Iterable[Side], now: float) -> list[float]:
    """The times after `now` at which a flag, or one that it requires, changes on either side."""
    found = {
        moment
        for side in sides
        for one in _ever_required(name, side)
        for moment in moments_of(side.flags.get(one) or {})
        if moment > now
    }
    return sorted(found)


def _ever_required(name: str, side: Side) -> Iterator[str]:
    """A flag and all that it requires at any time: `requires` can arrive by a schedule."""
    waiting, seen = [name], {name}
    while waiting:
        one = waiting.pop()
        yield one
        needed = {other for kind, other in needs(side.flags.get(one) or {}) if kind == "flag"} - seen
        seen |= needed
        waiting += sorted(needed)


def moments_of(definition: Definition) -> Iterator[float]:
    """All times at which a definition's answers change."""
    for entry in definition.get("schedule", ()):
        yield parse_time(entry["at"])
    for ramp in ramps(definition):
        yield parse_time(ramp["start"])
        yield parse_time(ramp["end"])
    yield from turns(definition)


def turns(definition: Definition) -> list[float]:
    """All times at which rules of a definition begin or end."""
    return [turn.at for state in fragments(definition) for turn in rule_turns(state)]


def ramps(definition: Definition) -> Iterator[dict[str, Any]]:
    """Every ramp of a definition."""
    for state in fragments(definition):
        for owner in owners(state):
            if isinstance(owner.settings.get("rollout_percentage"), dict):
                yield owner.settings["rollout_percentage"]
