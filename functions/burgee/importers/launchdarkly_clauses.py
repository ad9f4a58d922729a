"""LaunchDarkly's clauses to conditions.

A clause holds if any of its values passes; without the attribute it does not hold, negated or not. The attributes of
the context kind `user` are those of the context here, with its key as `targetingKey`; those of another kind are in a
mapping of that name, as in `org.key`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from burgee.evaluation.operators import OperandError, check_operand
from burgee.evaluation.semver import parse_version
from burgee.importers.base import NoEquivalent, attribute, both, either, negated, scalar_list
from burgee.numeric import is_number
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.importers.base import When

    Values = Sequence[Any]

USER = "user"
_STRINGS = {"key", "name", "firstName", "lastName", "email", "country", "ip", "avatar"}
"""Attributes that LaunchDarkly knows, which are strings, never lists."""
_AFFIXES = {"startsWith": "starts_with", "endsWith": "ends_with", "contains": "contains", "matches": "matches"}
_SIZES = {
    "lessThan": ("lt", max),
    "lessThanOrEqual": ("lte", max),
    "greaterThan": ("gt", min),
    "greaterThanOrEqual": ("gte", min),
}
_VERSIONS = {"semVerEqual": "semver_eq", "semVerLessThan": "semver_lt", "semVerGreaterThan": "semver_gt"}
_MAX_TIME = 253_402_300_799_000


def attribute_path(reference: Any, kind: Any, path: KeyPath) -> str:
    """The attribute that a reference of LaunchDarkly names: `/address/city` is `address.city`."""
    if not isinstance(reference, str) or reference in {"", "/"}:
        raise NoEquivalent("a clause names no attribute", path)
    steps = [reference]
    if kind and reference.startswith("/"):
        steps = reference[1:].split("/")
        if not all(steps) or any(re.search(r"~(?![01])", step) for step in steps):
            raise NoEquivalent(f"{reference!r} is not an attribute reference", path)
        steps = [step.replace("~1", "/").replace("~0", "~") for step in steps]
    kind = kind or USER
    if steps == ["key"]:
        steps = ["targetingKey"] if kind == USER else steps
    whole = steps if kind == USER else [kind, *steps]
    if len(whole) > 1 and any("." in step for step in whole):
        raise NoEquivalent(f"an attribute with a point in its name inside {whole[0]!r} has no equivalent", path)
    name = ".".join(whole)
    return attribute(name, path)


def keys_of(kind: Any, values: Iterable[Any]) -> When:
    """The condition that the key of a kind is one of these."""
    known = [value for value in dict.fromkeys(values) if isinstance(value, str)]
    path = "targetingKey" if kind in {None, "", USER} else f"{kind}.key"
    return {path: scalar_list(known)} if known else False


def clause_condition(clause: Any, segments: Mapping[str, str], lists: Collection[str] | None, path: KeyPath) -> When:
    """The condition of one clause; `segments` are names by LaunchDarkly's keys.

    `lists` are the attributes that may hold lists, of which LaunchDarkly tests each item; None for all.
    """
    if not isinstance(clause, dict) or not isinstance(clause.get("values"), list):
        raise NoEquivalent("a clause without `values`", path)
    operator, values, is_negated = clause.get("op"), clause["values"], bool(clause.get("negate"))
    if operator == "segmentMatch":
        known = [segments[key] for key in values if isinstance(key, str) and key in segments]
        held: When = {"segment": scalar_list(known)} if known else False
        return negated(held) if is_negated else held
    kind = clause.get("contextKind")
    reference = clause.get("attribute")
    if reference in {"kind", "/kind"}:
        return _kinds(operator, values, is_negated, path)
    name = attribute_path(reference, kind, path)
    if reference == "anonymous":
        return _anonymous(name, kind, operator, values, is_negated)
    is_string = reference in _STRINGS
    tests = _tests(operator, values, path, is_string=is_string)
    may_be_list = not is_string and (lists is None or name in lists)
    held = either(*({name: {"any_value": test} if may_be_list else test} for test in tests))
    if not is_negated:
        return held
    return {name: {"exists": True}} if held is False else both({name: {"exists": True}}, negated(held))


def _kinds(operator: Any, values: Values, is_negated: bool, path: KeyPath) -> When:
    """Whether the context has one of these kinds."""
    if operator != "in":
        raise NoEquivalent("a pattern on the kind of a context has no equivalent", path)
    keys = ["targetingKey" if kind == USER else f"{kind}.key" for kind in values if isinstance(kind, str)]
    held = either(*({key: {"exists": True}} for key in keys))
    return negated(held) if is_negated else held


def _anonymous(name: str, kind: Any, operator: Any, values: Values, is_negated: bool) -> When:
    """`anonymous` is false where it is missing; but a context of the kind must be there."""
    wanted = {value for value in values if isinstance(value, bool)} if operator == "in" else set()
    wanted = {True, False} - wanted if is_negated else wanted
    own: When = {"targetingKey" if kind in {None, "", USER} else f"{kind}.key": {"exists": True}}
    if len(wanted) != 1:
        return both(own, bool(wanted))
    return {name: True} if wanted == {True} else both(own, {"not": {name: True}})


def _tests(operator: Any, values: Values, path: KeyPath, *, is_string: bool) -> list[Any]:
    """What an attribute must meet, one of these: each a value, a list of values, or operators."""
    if operator == "in":
        return _equal(values, path, is_string=is_string)
    if operator in _AFFIXES:
        texts = [value for value in values if isinstance(value, str)]
        if operator == "matches":
            texts = [text for text in texts if _is_pattern(text, path)]
        return [{_AFFIXES[operator]: scalar_list(texts)}] if texts else []
    if operator in _SIZES:
        comparison, widest = _SIZES[operator]
        numbers = [value for value in values if is_number(value)]
        return [{comparison: widest(numbers)}] if numbers else []
    if operator in {"before", "after"}:
        return _times(operator, values)
    if operator in _VERSIONS:
        return [{_VERSIONS[operator]: version} for version in map(_version, values) if version is not None]
    return []  # LaunchDarkly: an operator that it does not know never holds


def _equal(values: Values, path: KeyPath, *, is_string: bool) -> list[Any]:
    if any(isinstance(value, (dict, list)) for value in values):
        raise NoEquivalent("comparing with a list or a mapping has no equivalent", path)
    known = [value for value in values if value is not None and not (is_string and not isinstance(value, str))]
    return [scalar_list(known)] if known else []


def _is_pattern(text: str, path: KeyPath) -> bool:
    """Whether a pattern is one; raises if RE2 lacks something that it uses."""
    try:
        check_operand("matches", text)
    except OperandError as error:
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError):
            return False
        raise NoEquivalent(f"the pattern {text!r:.80} has no equivalent in RE2", path) from error
    return True


def _times(operator: str, values: Values) -> list[Any]:
    """A time in an attribute is a string, or a number of milliseconds since 1970."""
    moments = [moment for moment in map(_moment, values) if moment is not None]
    if not moments:
        return []
    moment = max(moments) if operator == "before" else min(moments)
    whole = int(moment) if moment == int(moment) else moment
    return [{operator: format_time(moment / 1000)}, {"lt" if operator == "before" else "gt": whole}]


def _moment(value: Any) -> float | None:
    """Milliseconds since 1970."""
    if is_number(value):
        return float(value) if 0 <= value <= _MAX_TIME else None
    try:
        return parse_time(value) * 1000 if isinstance(value, str) and "T" in value.upper() else None
    except ValueError:
        return None


def _version(value: Any) -> str | None:
    """A version in full: `2` and `2.3` are 2.0.0 and 2.3.0 there."""
    if not isinstance(value, str):
        return None
    found = re.fullmatch(r"([0-9.]*)(.*)", value, re.DOTALL)
    numbers, rest = found.groups() if found else (value, "")
    whole = numbers + ".0" * max(0, 2 - numbers.count(".")) + rest
    if whole[:1] in {"v", "V"} or parse_version(whole) is None:
        return None
    return whole
