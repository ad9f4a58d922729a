"""Flags that can be removed: one answer for everyone for some time, expired, or without an owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.partial_context import PartialContext, Straddled
from burgee.diff.regions import Needed
from burgee.diff.symbolic import Side
from burgee.diff.transitions import moments, moments_of
from burgee.guards.plan import guarded
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from burgee.model import Snapshot

DAY = 86_400


class Stale(NamedTuple):
    """A flag, a stable code and why."""

    flag: str
    code: str
    message: str


class FileVersion(NamedTuple):
    """A version of the file, in force from a time (epoch seconds) until the next."""

    since: float
    snapshot: Snapshot


class Settled(NamedTuple):
    """The one variant that a flag gives everyone, and since when (epoch seconds)."""

    variant: str
    since: float


def stale(versions: Iterable[FileVersion], now: float, days: int) -> list[Stale]:
    """Why flags of the newest version should be removed. Versions come newest first, and are read as needed."""
    side, found = _settled(versions, now)
    since = {name: one.since for name, one in found.items()}
    return [one for name in side.flags for one in reasons(side, name, since.get(name), days)]


def settled_flags(versions: Iterable[FileVersion], now: float, days: int = 0) -> dict[str, Settled]:
    """The flags of the newest version that have given everyone one variant for some days, and will; by name.

    Flags marked permanent are not among them.
    """
    side, found = _settled(versions, now)
    kept = {name: one for name, one in found.items() if not side.flags[name].get("permanent")}
    return {name: one for name, one in kept.items() if now - one.since >= days * DAY}


def _settled(versions: Iterable[FileVersion], now: float) -> tuple[Side, dict[str, Settled]]:
    history = iter(versions)
    current = next(history)
    side = Side(current.snapshot, now)
    answers = {name: answer for name in side.flags if (answer := settled(side, name)) is not None}
    since = {name: arrived(side, name, current.since) for name in answers}
    going_back, newer = set(since), current.since
    for version in history:
        # If a flag changed by itself after the newer version was written, earlier versions do not matter.
        going_back = {name for name in going_back if since[name] <= newer}
        before = Side(version.snapshot, newer - 1)
        going_back = {name for name in going_back if everyone(before, name) == answers[name]}
        if not going_back:
            break
        since |= {name: arrived(before, name, version.since) for name in going_back}
        newer = version.since
    return side, {name: Settled(answer, since[name]) for name, answer in answers.items()}


def reasons(side: Side, name: str, since: float | None, days: int) -> Iterator[Stale]:
    """Why one flag should be removed; since when it has given everyone the same answer (None if unknown)."""
    definition = side.flags[name]
    always = None if since is None or definition.get("permanent") else settled(side, name)
    if always is not None and since is not None and side.now - since >= days * DAY:
        age = f"{always} for everyone, for {int((side.now - since) / DAY)} days (since {format_time(since)[:10]})"
        yield Stale(name, "settled", f"{age}: put it into the code and remove the flag, or mark it permanent")
    expires = definition.get("expires")
    if expires is not None and parse_time(expires) <= side.now:
        yield Stale(name, "expired", f"expired on {expires[:10]}: remove it, or change the date")
    if not definition.get("owner"):
        yield Stale(name, "no-owner", "it has no owner: give it an `owner`")


def settled(side: Side, name: str) -> str | None:
    """The variant that everyone gets now and later; None if it depends on the context, the time or a guard."""
    guards = any(guarded(side.flags[one]) for one in side.family(name) if one in side.flags)
    return None if guards or moments(name, [side], side.now) else everyone(side, name)


def everyone(side: Side, name: str) -> str | None:
    """The variant that everyone gets now; None if it depends on the context."""
    state = side.state(name)
    if state is None or side.broken(name):
        return None
    if any(side.targets(one) for one in side.family(name) if (side.state(one) or {}).get("status")):
        return None
    try:
        return str(side.decide(name, PartialContext()))
    except (Needed, Straddled):
        return None


def arrived(side: Side, name: str, written: float) -> float:
    """Since when a flag gives its current answer: by an edit, or by its own or a prerequisite's schedule."""
    acted = (moment for one in side.family(name) for moment in moments_of(side.flags.get(one) or {}))
    return max(written, *(moment for moment in acted if moment <= side.now), float("-inf"))
