"""What flags will do by themselves: schedules, ramps and expiries, in the order of time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.model import Definition


class Happening(NamedTuple):
    """A moment (epoch seconds) at which something changes by itself, and what, in words."""

    at: float
    flag: str
    what: str


def coming(flags: Mapping[str, Definition], since: float) -> list[Happening]:
    """All that happens by itself from a moment on, earliest first."""
    found = [one for name, definition in flags.items() for one in _of_flag(name, definition)]
    return sorted(one for one in found if one.at >= since)


def _of_flag(name: str, definition: Definition) -> Iterator[Happening]:
    laid = {key: value for key, value in definition.items() if key != "schedule"}
    moments = [parse_time(entry["at"]) for entry in definition.get("schedule", ())]
    begin = float("-inf")
    for moment, entry in zip(moments, definition.get("schedule", ()), strict=True):
        yield from _ramps(name, laid, begin, moment)
        told = "; ".join(f"{key}: {_short(laid.get(key))} -> {_short(value)}" for key, value in entry["set"].items())
        yield Happening(moment, name, told)
        laid |= entry["set"]
        begin = moment
    yield from _ramps(name, laid, begin, float("inf"))
    if "expires" in definition:
        yield Happening(parse_time(definition["expires"]), name, "expires")


def _ramps(name: str, laid: Mapping[str, Any], begin: float, end: float) -> Iterator[Happening]:
    """The ramps of a state, as far as they run while it is in force."""
    owners = [("", laid)]
    owners += [
        (f"{rule.get('name', f'rule {index}')}: ", rule) for index, rule in enumerate(laid.get("rules", ()), 1)
    ]
    if not laid.get("status", False):
        return
    for owner, part in owners:
        ramp = part.get("rollout_percentage")
        if not isinstance(ramp, dict):
            continue
        start, arrival = parse_time(ramp["start"]), parse_time(ramp["end"])
        if begin <= start < end:
            told = f"{owner}rollout moves from {ramp['from']} % to {ramp['to']} %, until {format_time(arrival)}"
            yield Happening(start, name, told)
        if begin <= arrival < end:
            yield Happening(arrival, name, f"{owner}rollout arrives at {ramp['to']} %")


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict) and "from" in value and "start" in value:
        return f"a ramp from {value['from']} % to {value['to']} %"
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
