"""RFC 3339 to epoch seconds and back, in UTC; durations to seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DURATION = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
LONGEST_SECONDS = 3660 * 86400
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})")


def parse_time(text: str) -> float:
    """Epoch seconds of an RFC 3339 date-time, or of a date's midnight in UTC.

    A date-time without an offset is a ValueError: it would mean another moment on every machine.
    """
    if _DATE.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    if not _DATE_TIME.fullmatch(text):
        message = f"{text!r} is not an RFC 3339 time such as 2027-03-01T09:00:00Z"
        raise ValueError(message)
    return datetime.fromisoformat(text.upper()).timestamp()


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 30m, 2h or 7d; ValueError for another text, and for more than about ten years."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        message = f"{text!r} is not a time such as 30m, 2h or 7d"
        raise ValueError(message)
    return seconds


def format_time(epoch: float) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any."""
    seconds, milliseconds = divmod(round(epoch * 1000), 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
