"""The one rule for numbers in all input: flag files, requests, contexts, events, imports.

A whole number without a point or an exponent keeps every digit. Any other number is the double (IEEE 754) nearest to
it, as in JSON. A number too large for a double is not allowed: it reads as an infinity, which `misfit` finds.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from math import inf, isfinite
from typing import Any, TypeGuard

LARGEST = int(sys.float_info.max)
SHORTEST_TOO_LARGE = len(str(LARGEST))
"""Of so many digits is the shortest whole number that is too large for a double."""


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is an allowed number: finite, within the range of a double, and not a boolean."""
    if isinstance(value, int):
        return not isinstance(value, bool) and -LARGEST <= value <= LARGEST
    return isinstance(value, float) and isfinite(value)


def parse_number(text: str) -> int | float | None:
    """Parses a string as a JSON number, infinite if it is too large; None if it is not a number."""
    match = _number().fullmatch(text)
    if match is None:
        return None
    return whole_number(text) if match[1] is match[2] is None else float(text)


@cache  # compiled when first used: a pattern costs a cold start as much as some modules
def _number() -> re.Pattern[str]:
    return re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def parse_json(data: str | bytes) -> Any:
    """`json.loads` under the rule; ValueError and RecursionError as there, but never for the length of a number."""
    return json.loads(data, parse_int=whole_number)


def misfit(value: Any) -> tuple[str | int, ...] | None:
    """The path to the first number in a JSON value that is not allowed; None if all are."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, dict):
            waiting += [((*path, key), inner) for key, inner in reversed(part.items())]
        elif isinstance(part, list):
            waiting += [((*path, index), part[index]) for index in reversed(range(len(part)))]
        elif isinstance(part, (int, float)) and not isinstance(part, bool) and not is_number(part):
            return path
    return None


def whole_number(text: str) -> int | float:
    """Parses digits as a whole number, infinite if it is too large.

    Python needs quadratic time for many digits and refuses thousands of them: longer strings are not passed to it.
    """
    if len(text) <= SHORTEST_TOO_LARGE + 1:
        number = int(text)
        if -LARGEST <= number <= LARGEST:
            return number
    return -inf if text[0] == "-" else inf
