"""Reads evaluation contexts: attributes by path, the bucketed unit, and values typed on the command line."""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.numeric import is_number, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from burgee.model import Context

    Unit: TypeAlias = Callable[[Context], str | None]

TARGETING_KEY = "targetingKey"
_LITERAL = frozenset('-0123456789tf"')
"""Characters with which a number, a boolean or a quoted string begins."""


class Bulk(dict[str, Any]):
    """The context of a bulk evaluation, which caches its segments."""

    __slots__ = ("segments",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.segments: dict[str, bool] = {}


def reader(path: str) -> Callable[[Context], Any]:
    """Returns a reader of an attribute, None if missing; a key named exactly `device.os` takes precedence over
    nesting.
    """
    if "." not in path:
        return lambda context: context.get(path)
    steps = path.split(".")

    def read(context: Context) -> Any:
        found = context.get(path)
        if found is not None:
            return found
        found = context
        for step in steps:
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found

    return read


class ValueUnit(str):
    """A unit that was not a string: equal to its string form, and with its value as CBOR for hashes of values."""

    cbor: bytes
    is_whole: bool
    """Whether it is a whole number, which every hash accepts."""


def value_unit(value: Any) -> ValueUnit | None:
    """The unit of a value that is not a string; None for a list (flagd reads it as shares) or a non-JSON value."""
    if isinstance(value, (list, tuple)):
        return None
    from burgee.evaluation.cbor import encoded

    number = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        unit = ValueUnit(json.dumps(number))
        unit.cbor = encoded(value)
        unit.is_whole = isinstance(number, int) and not isinstance(number, bool)
    except (TypeError, ValueError):  # an object of the application's own, or thousands of digits
        return None
    return unit


@lru_cache(maxsize=256)
def value_reader(attribute: str, *others: str) -> Unit:
    """Returns a reader of the unit for hashes of JSON values; None if it is missing, null, a list or not JSON.

    Of several attributes, the first that is a unit counts.
    """
    if others:
        return _first([value_reader(one) for one in (attribute, *others)])
    read = reader(attribute)

    def read_value(context: Context) -> str | None:
        value = read(context)
        return value if value is None or isinstance(value, str) else value_unit(value)

    return read_value


@lru_cache(maxsize=256)
def unit_reader(attribute: str, *others: str) -> Unit:
    """Returns a reader of the bucketed unit as a string: the targeting key or another attribute; None if missing.

    Of several attributes, the first that is a unit counts.
    """
    if others:
        return _first([unit_reader(one) for one in (attribute, *others)])
    read = reader(attribute)

    def general(context: Context) -> str | None:
        value = read(context)
        if isinstance(value, str):
            return value or None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        try:
            return str(value)
        except ValueError:  # thousands of digits, which Python refuses to convert to a string
            return None

    if attribute != TARGETING_KEY:
        return general

    def targeting_key(context: Context) -> str | None:
        key = context.get(TARGETING_KEY)
        return key if type(key) is str and key else general(context)

    return targeting_key


def _first(readers: Sequence[Unit]) -> Unit:
    def read_first(context: Context) -> str | None:
        for read in readers:
            unit = read(context)
            if unit is not None:
                return unit
        return None

    return read_first


def literal(text: str) -> Any:
    """Parses typed input as a JSON number, boolean or quoted string; anything else is returned unchanged.

    ValueError for a number that is too large for a double.
    """
    if text[:1] not in _LITERAL:
        return text
    number = parse_number(text)
    if number is not None:
        if is_number(number):
            return number
        raise ValueError(f"{text:.80} is out of range; in double quotes it is a string")
    return json.loads(text) if _literal().fullmatch(text) else text


@cache  # compiled when first used
def _literal() -> re.Pattern[str]:
    return re.compile(r'true|false|"[^"\\]*"', re.ASCII)
