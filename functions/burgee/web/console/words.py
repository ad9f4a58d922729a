"""Numbers and times as the console writes them; a unit never stands on a line of its own."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from burgee import plurals
from burgee.diff import wording
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_BREAK = "\N{NO-BREAK SPACE}"
_UNITS = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))
_JUST_NOW = 5
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def percent(share: Fraction, *, briefly: bool = False) -> str:
    """A share in percent as reports write it; briefly, to one digit below the point."""
    if briefly and share > Fraction(1, 100):
        share = Fraction(round(share * 1000), 1000)
    return wording.percent(share).replace(" %", f"{NO_BREAK}%")


def duration(seconds: float) -> str:
    """A duration in one or two units: 41 s, 9 min, 1 h 38 min, 39 days."""
    rest = max(int(seconds), 0)
    size, unit = next(((size, unit) for size, unit in _UNITS if rest >= size), _UNITS[-1])
    count, rest = divmod(rest, size)
    text = f"{count}{NO_BREAK}{unit}{'s' if unit == 'day' and count != 1 else ''}"
    if unit == "h" and rest >= 60:
        text += f" {rest // 60}{NO_BREAK}min"
    return text


def ago(moment: str, now: float) -> str:
    """How long a time (RFC 3339) has passed."""
    passed = now - parse_time(moment)
    return "just now" if passed < _JUST_NOW else f"{duration(passed)} ago"


def ahead(moment: str, now: float) -> str:
    """In how long a time (RFC 3339) comes."""
    rest = parse_time(moment) - now
    return "now" if rest <= 0 else f"in {duration(rest)}"


def clock(moment: str | float) -> str:
    """A time (RFC 3339, or epoch seconds) as a person reads it, in UTC: 21 Jan 2027, 03:07 UTC."""
    text = format_time(moment) if isinstance(moment, (int, float)) else moment
    date, _, time = text.partition("T")
    return f"{day(date)}, {time[:5]}{NO_BREAK}UTC" if time else day(date)


def day(moment: str | float) -> str:
    """The day of a time (RFC 3339, or epoch seconds): 1 Mar 2027."""
    moment = format_time(moment) if isinstance(moment, (int, float)) else moment
    year, month, number = moment[:10].split("-")
    return f"{int(number)}{NO_BREAK}{_MONTHS[int(month) - 1]} {year}"


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun, on one line."""
    return plurals.counted(number, one, several).replace(" ", NO_BREAK, 1)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "percent": percent,
    "duration": duration,
    "ago": ago,
    "ahead": ahead,
    "clock": clock,
    "day": day,
    "counted": counted,
}
