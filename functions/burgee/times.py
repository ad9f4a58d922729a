"""RFC 3339 to instants and back, in UTC; durations to seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache

from burgee.records import NamedTuple

_DATE = r"\d{4}-\d\d-\d\d"
_DATE_TIME = (
    rf"({_DATE})[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:)([0-5]\d|60)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_DURATION = r"(\d{1,9})([smhd])"
_DAY = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MILLISECOND = round(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LAST_MILLISECOND = round(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1000 + 999
LONGEST_SECONDS = 3660 * _DAY


class Instant(NamedTuple):
    """A point in time, exact: compares as time passes.

    `fraction` is the fractional digits of the second, without trailing zeros, so that any number of them compares as
    a string.
    """

    seconds: int
    fraction: str


def parse_instant(text: str) -> Instant:
    """The instant of an RFC 3339 date-time, or of a date's midnight in UTC; any number of fractional digits.

    A leap second, `:60`, is 23:59:60 in UTC and, as in POSIX, the same instant as the following midnight. Raises
    ValueError for any other string, also for a date-time without an offset, which would depend on the machine.
    """
    match = _compiled(_DATE_TIME).fullmatch(text)
    if match is None and not _compiled(_DATE).fullmatch(text):
        raise _no_time(text)
    date, minute, second, fraction, zone = match.groups() if match else (text, "00:00:", "00", None, "Z")
    leap = second == "60"
    try:
        moment = datetime.fromisoformat(f"{date}T{minute}{'59' if leap else second}{zone.upper()}")
    except ValueError as error:
        raise _no_time(text) from error
    seconds = int(moment.timestamp()) + leap
    if leap and seconds % _DAY:
        raise _no_time(text)
    return Instant(seconds, fraction.rstrip("0") if fraction else "")


def parse_time(text: str) -> float:
    """The same in epoch seconds, to the microsecond."""
    seconds, fraction = parse_instant(text)
    return seconds + int(fraction[:9].ljust(9, "0")) / 1e9 if fraction else float(seconds)


@cache  # compiled when first used, as few cold starts need one
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def _no_time(text: str) -> ValueError:
    return ValueError(f"{text!r:.80} is not an RFC 3339 time such as 2027-03-01T09:00:00Z")


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 30m, 2h or 7d; ValueError for anything else and for more than about ten years."""
    match = _compiled(_DURATION).fullmatch(text)
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        message = f"{text!r:.80} is not a time such as 30m, 2h or 7d"
        raise ValueError(message)
    return seconds


def lasting(seconds: float) -> str:
    """A duration in words, in its largest unit and rounded down to a tenth of it: 1 day, 2.5 hours, 8 seconds."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size or size == 1:
            count = int(seconds * 10 / size) / 10
            return f"{count:,g} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("every duration has a unit")


def is_ahead(moment: float, now: float, most: float) -> bool:
    """Whether a time that is set at most so many seconds ahead is still to come.

    One further ahead was set before the clock was put back: waiting for it could take a year.
    """
    return now < moment <= now + most


def format_time(epoch: float) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any; before year 1 and after 9999, that limit."""
    milliseconds = min(max(round(epoch * 1000), _FIRST_MILLISECOND), _LAST_MILLISECOND)
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    precision = "milliseconds" if milliseconds % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
