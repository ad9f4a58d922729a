"""The one rule for numbers, wherever they enter: flag files, requests, contexts, events, imports.

A whole number without a point or an exponent keeps every digit. Any other number is the double (IEEE 754) nearest to
it, as in JSON. What is too large for a double has no place: it reads as an infinity, which `misfit` finds.
"""

from __future__ import annotations

import json
import re
import sys
from math import inf, isfinite
from typing import Any, TypeGuard

LARGEST = int(sys.float_info.max)
_MOST_DIGITS = len(str(LARGEST))
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number that may enter: finite, not beyond a double, and no boolean."""
    if isinstance(value, int):
        return not isinstance(value, bool) and -LARGEST <= value <= LARGEST
    return isinstance(value, float) and isfinite(value)


def parse_number(text: str) -> int | float | None:
    """The number that a string writes as JSON does, infinite where it is too large; None where it writes none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return whole_number(text) if match[1] is match[2] is None else float(text)


def parse_json(data: str | bytes) -> Any:
    """`json.loads` under the rule; ValueError and RecursionError as there, but never for the length of a number."""
    return json.loads(data, parse_int=whole_number)


def misfit(value: Any) -> tuple[str | int, ...] | None:
    """The path to the first number in a JSON value that may not enter; None where all may."""
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
    """The whole number that digits write, infinite where it is too large.

    Python reads one in time by the square of its digits, and refuses thousands of them: neither is asked of it.
    """
    if len(text) <= _MOST_DIGITS + 1:
        number = int(text)
        if -LARGEST <= number <= LARGEST:
            return number
    return -inf if text[0] == "-" else inf
