"""Unleash's constraints to conditions.

All attributes are strings in Unleash. A missing one meets `NOT_IN` and what is inverted.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.evaluation.operators import OperandError, check_operand
from burgee.importers.base import NoEquivalent, attribute, negated, scalar_list
from burgee.numeric import is_number, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.importers.base import When

_STRINGS = {"STR_STARTS_WITH": "starts_with", "STR_ENDS_WITH": "ends_with", "STR_CONTAINS": "contains"}
_NUMBERS = {"NUM_EQ": "eq", "NUM_GT": "gt", "NUM_GTE": "gte", "NUM_LT": "lt", "NUM_LTE": "lte"}
_TIMES = {"DATE_AFTER": "after", "DATE_BEFORE": "before"}
_VERSIONS = {f"SEMVER_{name}": f"semver_{name.lower()}" for name in ("EQ", "GT", "GTE", "LT", "LTE")}
CLOCK = "currentTime"


class Period(NamedTuple):
    """When a strategy holds, from constraints on the current time; None is without end."""

    start: str | None = None
    end: str | None = None


def attribute_name(name: Any, path: KeyPath) -> str:
    """The attribute of a field of Unleash's context."""
    if not isinstance(name, str) or not name:
        raise NoEquivalent("a constraint names no field of the context", path)
    return "targetingKey" if name == "userId" else attribute(name, path)


def on_the_clock(constraint: Any) -> bool:
    """Whether a constraint compares the current time, which is not in the context."""
    return isinstance(constraint, dict) and constraint.get("contextName") == CLOCK


def period(constraint: Mapping[str, Any], path: KeyPath) -> Period:
    """From when to when a constraint on the current time holds."""
    operator, value = constraint.get("operator"), constraint.get("value")
    if operator not in _TIMES or constraint.get("inverted") or not _fits("before", value):
        raise NoEquivalent("this constraint on the current time has no equivalent", path)
    return Period(start=str(value)) if operator == "DATE_AFTER" else Period(end=str(value))


def constraint_condition(constraint: Any, path: KeyPath) -> When:
    """The condition of one constraint."""
    if not isinstance(constraint, dict):
        raise NoEquivalent("a constraint that is not a mapping", path)
    name = attribute_name(constraint.get("contextName"), path)
    held = _held(name, constraint, path)
    return negated(held) if constraint.get("inverted") else held


def is_numeric(constraint: Any) -> bool:
    """Whether a constraint reads its attribute as a number."""
    return isinstance(constraint, dict) and constraint.get("operator") in _NUMBERS


def _held(name: str, constraint: Mapping[str, Any], path: KeyPath) -> When:
    operator, value = constraint.get("operator"), constraint.get("value")
    values = [one for one in constraint.get("values") or () if isinstance(one, str)]
    if operator in {"IN", "NOT_IN"}:
        held: When = {name: scalar_list(values)} if values else False
        return negated(held) if operator == "NOT_IN" else held
    if operator in _STRINGS:
        ignored = {"ignore_case": True} if constraint.get("caseInsensitive") else {}
        return {name: {_STRINGS[operator]: scalar_list(values), **ignored}} if values else False
    if operator in _NUMBERS:
        number = value if is_number(value) else parse_number(str(value).strip())
        return {name: {_NUMBERS[operator]: _valid(number, is_valid=number is not None, path=path)}}
    if operator in _TIMES:
        return {name: {_TIMES[operator]: _valid(value, is_valid=_fits("before", value), path=path)}}
    if operator in _VERSIONS:
        if isinstance(value, str) and value[:1] in {"v", "V"}:
            return False
        return {name: {_VERSIONS[operator]: _valid(value, is_valid=_fits("semver_eq", value), path=path)}}
    if operator == "REGEX":
        ignored = {"ignore_case": True} if constraint.get("caseInsensitive") else {}
        return {name: {"matches": value, **ignored}} if _fits("matches", value) else False
    if operator == "IN_CIDR":
        return _networks(name, values)
    raise NoEquivalent(f"the operator {operator!r} has no equivalent", path)


def _valid(value: Any, *, is_valid: bool, path: KeyPath) -> Any:
    """Checks an operand: without a valid one, some of Unleash's SDKs never meet the constraint, others drop all."""
    if not is_valid:
        raise NoEquivalent("Unleash's SDKs do not agree on an operand that is none of its operator", path)
    return value


def _networks(name: str, values: Sequence[str]) -> When:
    networks = []
    for value in values:
        with suppress(ValueError):
            networks.append(str(ip_network(value.strip(), strict=False)))
    return {name: {"cidr": scalar_list(networks)}} if networks else False


def addresses_condition(values: Sequence[str]) -> When:
    """The condition of `remoteAddress`: addresses and networks."""
    return _networks("remoteAddress", values)


def _fits(operator: str, value: Any) -> bool:
    try:
        check_operand(operator, value)
    except (OperandError, TypeError):
        return False
    return isinstance(value, str)
