"""Flags that are ready to go: one answer for everybody for a while, past their date, or nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.engine import bound, ramp
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from burgee.model import Definition

    Run: TypeAlias = tuple[str, float]
    """What everyone gets, and since when."""

DAY = 86_400


class Stale(NamedTuple):
    """A flag, a stable code and why; `since` when (epoch seconds), None where that has no time."""

    flag: str
    code: str
    message: str
    since: float | None = None


class Version(NamedTuple):
    """What a file said from a moment on, until the next version."""

    since: float
    flags: Mapping[str, Definition]


def stale(versions: Iterable[Version], now: float, days: int) -> list[Stale]:
    """Why flags of the newest version should go. Versions come newest first, and are asked for as far as needed."""
    history = iter(versions)
    current = next(history)
    open_runs: dict[str, Run] = {}
    for name, definition in current.flags.items():
        answer = everyone(definition, now)
        if answer is not None and not definition.get("permanent", False):
            open_runs[name] = answer, _from(definition, current.since, now)
    ended: dict[str, Run] = {}
    newer = current.since
    for version in history:
        for name, (answer, since) in list(open_runs.items()):
            before = version.flags.get(name)
            if since > newer or before is None or everyone(before, newer - 1) != answer:
                ended[name] = open_runs.pop(name)
            else:
                open_runs[name] = answer, _from(before, version.since, newer - 1)
        newer = version.since
        if not open_runs:
            break
    runs = {**ended, **open_runs}
    return [one for name in current.flags for one in _reasons(name, current.flags[name], runs.get(name), now, days)]


def _reasons(name: str, definition: Definition, run: Run | None, now: float, days: int) -> Iterator[Stale]:
    if run is not None and now - run[1] >= days * DAY:
        told = f"{run[0]} for everyone, for {int((now - run[1]) / DAY)} days: put it into the code, remove the flag"
        yield Stale(name, "settled", told, run[1])
    expires = definition.get("expires")
    if expires is not None and parse_time(expires) <= now:
        yield Stale(name, "expired", f"expired on {expires[:10]}", parse_time(expires))
    if not definition.get("owner"):
        yield Stale(name, "no-owner", "nobody answers for it: give it an `owner`")


def everyone(definition: Definition, now: float) -> str | None:
    """The variant that everybody gets; None where it depends on who asks."""
    laid, _ = _laid(definition, now)
    off = laid.get("off_variant", "no value" if "variants" in laid else "off")
    if not laid.get("status", False):
        return str(off)
    percentage = laid.get("rollout_percentage", 100)
    if isinstance(percentage, dict):
        if now < parse_time(percentage["end"]):
            return None
        share = bound(ramp(percentage), now) / 1000
    else:
        share = percentage
    decided = [key for key in ("targets", "rules", "requires", "holdout", "layer") if laid.get(key)]
    default = laid.get("default", {})
    arms = [arm for arm, weight in default.get("split", {}).items() if weight > 0]
    if decided or len(arms) > 1 or 0 < share < 100:
        return None
    return str(off if not share else arms[0] if arms else default.get("serve", "on"))


def _laid(definition: Definition, now: float) -> tuple[dict[str, Any], float]:
    """A flag with its schedule laid over, and when it last changed by itself."""
    laid, since = dict(definition), float("-inf")
    for entry in definition.get("schedule", ()):
        if parse_time(entry["at"]) <= now:
            laid |= entry["set"]
            since = parse_time(entry["at"])
    return laid, since


def _from(definition: Definition, written: float, now: float) -> float:
    """Since when a flag answers as it does: written so, or moved there by its schedule or ramp."""
    laid, since = _laid(definition, now)
    percentage = laid.get("rollout_percentage")
    arrived = parse_time(percentage["end"]) if isinstance(percentage, dict) else float("-inf")
    return max(written, since, arrived if arrived <= now else float("-inf"))
