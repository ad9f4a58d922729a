"""`before` and `after` as automata: RFC 3339 times as `burgee.times` parses them.

Times in UTC are compared exactly. With an offset, the order is unknown within a day of the bound, and for a leap
second within a second of it; the place of leap seconds is unknown too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.satisfiability.machines import DEAD, Every, Machine, MachineOutcome, MachineState
from burgee.times import Instant

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

    from burgee.diff.satisfiability.orders import Interval

_SHAPE = "dddd-dd-ddTdd:dd:dd"
_OFFSET = "2d:5d"
_DATE_END = 10
_FRACTION = 20
_CHARACTERS = frozenset("0123456789-:.TZ+ ")
_LAST_DAY = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY = 24 * 3600
_BEGINNING = "0000-00-00T00:00:00."
_END = ":"  # after every digit

_MARKS = (-_DAY - 1, -1, 0, _DAY + 1)
"""Seconds from the bound to the time compared with."""

_PLAIN, _LEAP_SECOND, _WITH_OFFSET = range(3)
_SPANS = ((2, 2), (1, 2), (0, 3))
"""How a time is written, which determines the marks between which the bound may be."""


class Reading(NamedTuple):
    """Characters read, the orders against the marks, the rest of the field, and how it is written."""

    at: int
    orders: tuple[int, ...]
    held: str = ""
    form: int = _PLAIN


class Offset(NamedTuple):
    """A position in `+05:30` after its sign; `held` is a first digit that limits the second."""

    orders: tuple[int, ...]
    form: int
    read: int = 0
    held: str = ""


class Zulu(NamedTuple):
    """After `Z`."""

    orders: tuple[int, ...]
    form: int


class TimeOrder:
    """-1, 0 or 1: a time's order against a bound; None for other strings."""

    def __init__(self, bound: Instant) -> None:
        self._marks = [_digits(bound.seconds + seconds) + bound.fraction for seconds in _MARKS]
        self._last = _FRACTION + len(bound.fraction)
        self.start: MachineState = Reading(0, (0,) * len(_MARKS))

    def step(self, state: MachineState, char: str) -> MachineState:
        char = char.upper() if char.isascii() else char
        if isinstance(state, Offset):
            return _offset(state, char)
        if not isinstance(state, Reading) or char not in _CHARACTERS:
            return DEAD
        if state.at < len(_SHAPE):
            return self._field(state, char)
        if char == "." and state.at == len(_SHAPE):
            return state._replace(at=_FRACTION)
        if char.isdigit() and state.at >= _FRACTION:
            return Reading(min(state.at + 1, self._last + 1), self._compared(state, char), "", state.form)
        if state.at == _FRACTION or char not in "Z+-":
            return DEAD
        return (Zulu if char == "Z" else Offset)(self._ended(state), state.form)

    def _compared(self, state: Reading, char: str) -> tuple[int, ...]:
        return tuple(
            order or _compare(char, mark[state.at : state.at + 1] or "0")
            for order, mark in zip(state.orders, self._marks, strict=True)
        )

    def _ended(self, state: Reading) -> tuple[int, ...]:
        """The orders with zeros for what was not written."""
        return tuple(
            order or (-1 if mark[state.at :].strip("0T:.") else 0)
            for order, mark in zip(state.orders, self._marks, strict=True)
        )

    def _field(self, state: Reading, char: str) -> MachineState:
        shape = _SHAPE[state.at]
        if shape == "T":
            return state._replace(at=state.at + 1, held="") if char in "T " else DEAD
        if shape != "d":
            return state._replace(at=state.at + 1) if char == shape else DEAD
        if not char.isdigit():
            return DEAD
        held, form = _held(state.at, state.held + char)
        if held is None:
            return DEAD
        return Reading(state.at + 1, self._compared(state, char), held, max(state.form, form))

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        if isinstance(state, Reading) and state.at == _DATE_END:
            return _orders(self._ended(state), _PLAIN)
        if isinstance(state, Zulu):
            return [*_orders(state.orders, state.form), *_doubt(state.form)]
        if isinstance(state, Offset) and state.read == len(_OFFSET):
            return [*_orders(state.orders, _WITH_OFFSET), *_doubt(state.form)]
        return (None,)

    def kind(self, char: str) -> Hashable:
        upper = char.upper() if char.isascii() else char
        return upper if upper in _CHARACTERS else None

    def edges(self) -> Iterable[int]:
        return ()


def _offset(state: Offset, char: str) -> MachineState:
    shape = _OFFSET[state.read : state.read + 1]
    if not shape or (char != ":" if shape == ":" else not "0" <= char <= "9"):
        return DEAD
    if (shape in "25" and char > shape) or (state.held == "2" and char > "3"):
        return DEAD
    held = "2" if shape == "2" and char == "2" else ""
    return Offset(state.orders, state.form, state.read + 1, held)


def _orders(orders: tuple[int, ...], form: int) -> Collection[int]:
    """From the least to the greatest possible order of the time against the bound."""
    first, last = _SPANS[form]
    return range(orders[last], orders[first] + 1)


def _doubt(form: int) -> tuple[None, ...]:
    return (None,) if form == _LEAP_SECOND else ()


def _compare(left: str, right: str) -> int:
    return (left > right) - (left < right)


def _digits(seconds: int) -> str:
    """A time as written in UTC up to the decimal point, for comparing character by character."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return _END if seconds > 0 else _BEGINNING
    return f"{moment.replace(tzinfo=None).isoformat()}."


def _held(at: int, digits: str) -> tuple[str | None, int]:
    """The rest of a partly read field, None if it is not a time; and how it is written."""
    if at < 4:
        year = _year(digits)
        if at < 3:
            return _standing_for(year, digits), _PLAIN
        exists, leap = year
        return ("leap" if leap else "") if exists else None, _PLAIN
    if at == 5:
        return digits, _PLAIN
    if at == 6:
        month = int(digits[-2:])
        if not 1 <= month <= 12:
            return None, _PLAIN
        return str(28 if month == 2 and not digits.startswith("leap") else _LAST_DAY[month - 1]), _PLAIN
    if at == 8:
        return digits, _PLAIN
    if at == 9:
        return "" if 1 <= int(digits[2:]) <= int(digits[:2]) else None, _PLAIN
    if at in {11, 14, 17}:
        limit = {11: "2", 14: "5", 17: "6"}[at]
        if digits > limit:
            return None, _PLAIN
        return digits if digits == limit else "0", _PLAIN
    value = int(digits)
    return "" if value <= {12: 23, 15: 59, 18: 60}[at] else None, _LEAP_SECOND if value == 60 else _PLAIN


_stand_ins: dict[object, str] = {}


def _standing_for(year: object, digits: str) -> str:
    """A representative prefix of a year with the same completions."""
    return _stand_ins.setdefault((len(digits), year), digits)


@cache
def _year(digits: str) -> tuple[object, ...]:
    """Whether a year exists and is a leap year, for each completion."""
    if len(digits) < 4:
        return tuple(_year(digits + digit) for digit in "0123456789")
    year = int(digits)
    return year > 0, year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def time_interval(interval: Interval[Instant]) -> Machine:
    """True for times in an interval."""
    every = [(TimeOrder(Instant(0, "")), _is_time)] if interval.low is interval.high is None else []
    return Every([*every, *interval.parts(TimeOrder)])


def _is_time(outcome: MachineOutcome) -> bool:
    return outcome is not None
