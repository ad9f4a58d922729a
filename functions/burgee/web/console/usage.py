"""What the console says of usage: when a flag was last asked for, by which keys, and what it answered."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from burgee.errors import StoreError
from burgee.events.usage_report import warning
from burgee.times import format_time
from burgee.web.console.words import ago, percent
from burgee.web.exchange import exchange_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from burgee.events.usage_report import Asked, UsageReport

DAYS = 30
MAX_KEYS = 5


class Line(NamedTuple):
    """How often something was asked for, and when last (RFC 3339); None if never."""

    name: str
    answers: int
    last: str | None


class Usage(NamedTuple):
    """The usage of a flag in the last days."""

    asked: Sequence[Line]
    variants: Sequence[tuple[str, str]]
    keys: Sequence[Line]
    more_keys: int
    warnings: Sequence[str]


def report_of(request: Request) -> UsageReport | None:
    """The usage of the caller's flags; None where it is not recorded, or cannot be read now."""
    usage = request.app.state.usage
    if usage is None or not exchange_of(request).belongs_to(usage.project, usage.environment):
        return None
    try:
        found: UsageReport = usage.report(DAYS * 86_400.0)
    except StoreError:  # a page does without it
        return None
    return found if found.coverage.first is not None else None


def of_flag(report: UsageReport | None, flag: str) -> Usage | None:
    """What the page of a flag shows; None where usage is not recorded."""
    used = None if report is None else report.flags.get(flag)
    if used is None:
        return None
    variants = sorted(used.variants.items(), key=lambda one: -one[1])
    keys = sorted(used.keys.items(), key=lambda one: -one[1].answers)
    return Usage(
        [_line("by name", used.named), _line("in bulk", used.bulk)],
        [(variant or "no value", share_of_answers(number, used.answers)) for variant, number in variants],
        [_line(key or "no key", asked) for key, asked in keys[:MAX_KEYS]],
        max(len(keys) - MAX_KEYS, 0),
        [warning(one) for one in used.checks if one.deviates],
    )


def last_asked(report: UsageReport | None, flag: str, now: float) -> str | None:
    """When a flag was last asked for, in words: by name, or only with all others; None where that is unknown."""
    used = None if report is None else report.flags.get(flag)
    if used is None:
        return None
    for asked, words in ((used.named, "asked for"), (used.bulk, "only in bulk")):
        if asked.last is not None:
            return f"{words} {ago(format_time(asked.last), now)}"
    return f"not asked for in {DAYS} days"


def share_of_answers(number: int, answers: int) -> str:
    """A share of answers to one digit below the point, which few answers do not deserve more of."""
    tenths = Fraction(round(1000 * number / answers), 1000)
    return percent(tenths) if tenths else f"under {percent(Fraction(1, 1000))}"


def _line(name: str, asked: Asked) -> Line:
    return Line(name, asked.answers, None if asked.last is None else format_time(asked.last))
