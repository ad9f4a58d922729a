"""GrowthBook's targeting conditions to `when:` mappings.

A missing attribute is null there: it meets what is negative, and equality with null. The attribute `id`, by
which GrowthBook divides by default, is the targeting key here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.operators import OperandError, check_operand
from burgee.evaluation.semver import parse_whole_version
from burgee.importers.base import NoEquivalent, Sdk, attribute, both, either, negated, scalar_list
from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.importers.base import When

_ITEM = "an item of a list"
_SIZES = {"$lt": "lt", "$lte": "lte", "$gt": "gt", "$gte": "gte"}
_VERSIONS = {
    "$veq": "semver_eq",
    "$vgt": "semver_gt",
    "$vgte": "semver_gte",
    "$vlt": "semver_lt",
    "$vlte": "semver_lte",
}
_NEGATIVE = {
    "$ne": "$eq",
    "$nin": "$in",
    "$nini": "$ini",
    "$notRegex": "$regex",
    "$notRegexi": "$regexi",
    "$vne": "$veq",
    "$notInGroup": "$inGroup",
}


def attribute_name(name: Any, path: KeyPath) -> str:
    """The attribute here of one there."""
    return TARGETING_KEY if name == "id" else attribute(str(name), path)


@dataclass(slots=True)
class Groups:
    """Saved groups, which become segments where they are used."""

    values: Mapping[str, Any]
    names: Mapping[str, str]
    """Names by id, where they are known."""
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: dict[tuple[str, str], str] = field(default_factory=dict)

    def segment(self, group: Any, attribute: str, when: Callable[[Any], When]) -> When:
        """The segment of a group; `when` makes its condition from its entry."""
        if not isinstance(group, str) or group not in self.values:
            return False
        known = self.made.get((group, attribute))
        if known is None:
            condition = when(self.values[group])
            if isinstance(condition, bool):
                return condition
            known = self._free(
                re.sub(r"[^A-Za-z0-9._-]+", "-", self.names.get(group) or group).strip("._-") or "group"
            )
            self.made[group, attribute] = known
            self.segments[known] = {"when": condition}
        return {"segment": known}

    def _free(self, name: str) -> str:
        name = name[:200]
        while name in self.segments:
            name += "-2"
        return name


class ConditionReader:
    """Converts conditions; `groups` are the saved groups that they may name.

    `lists` are the attributes that may hold lists, of which one item is enough; None for all.
    """

    def __init__(self, groups: Groups, sdk: Sdk, lists: Collection[str] | None = None) -> None:
        self.groups, self.sdk, self.lists = groups, sdk, lists

    def when(self, condition: Any, path: KeyPath) -> When:
        """The condition that all entries hold."""
        if not isinstance(condition, dict):
            raise NoEquivalent("a condition that is not a mapping", path)
        parts: list[When] = []
        for key, value in condition.items():
            here = (*path, key)
            if key in {"$or", "$nor"}:
                held = either(*self.each(value, here)) if value else True
                parts.append(negated(held) if key == "$nor" else held)
            elif key == "$and":
                parts += self.each(value, here)
            elif key == "$not":
                parts.append(negated(self.when(value, here)))
            elif key == "$savedGroup":
                parts.append(self.saved(value, here))
            elif key == "$savedGroups":
                raise NoEquivalent(f"`{key}` has no equivalent", here)
            else:
                parts.append(self.value(attribute_name(key, here), value, here))
        return both(*parts)

    def each(self, conditions: Any, path: KeyPath) -> list[When]:
        if not isinstance(conditions, list):
            raise NoEquivalent(f"`{path[-1]}` takes a list", path)
        return [self.when(one, (*path, index)) for index, one in enumerate(conditions)]

    def saved(self, reference: Any, path: KeyPath) -> When:
        """A saved group of its own condition, or of values of an attribute that it names."""
        if not isinstance(reference, dict):
            return False

        def when(entry: Any) -> When:
            if isinstance(entry, dict) and entry.get("type") == "condition":
                return self.when(entry.get("condition"), path)
            if isinstance(entry, dict) and entry.get("type") == "list":
                return self.among(attribute_name(key, path), entry.get("values"), path, any_case=False)
            raise NoEquivalent("a saved group of this type has no equivalent", path)

        entry = self.groups.values.get(str(reference.get("id")))
        own = entry.get("attributeKey") if isinstance(entry, dict) else None
        key = reference.get("attributeKey", own) or ""
        return self.groups.segment(reference.get("id"), str(key), when)

    def value(self, name: str, wanted: Any, path: KeyPath) -> When:
        """The condition on one attribute: a value, or a mapping of operators."""
        if isinstance(wanted, dict) and wanted and all(str(key).startswith("$") for key in wanted):
            return both(*(self.operator(name, key, operand, (*path, key)) for key, operand in wanted.items()))
        return self.equal(name, wanted, path)

    def equal(self, name: str, wanted: Any, path: KeyPath) -> When:
        if wanted is None:
            return {name: {"exists": False}}
        if isinstance(wanted, (dict, list)):
            raise NoEquivalent("comparing with a list or a mapping has no equivalent", path)
        return {name: wanted}

    def operator(self, name: str, operator: str, operand: Any, path: KeyPath) -> When:
        if operator in _NEGATIVE:
            if operator in {"$nin", "$nini"} and not isinstance(operand, list):
                return False
            return negated(self.operator(name, _NEGATIVE[operator], operand, path))
        if operator in _SIZES:
            if not is_number(operand):
                raise NoEquivalent(
                    f"comparing by size with {operand!r:.80} has no equivalent: only numbers have", path
                )
            zero = {"$lt": operand > 0, "$lte": operand >= 0, "$gt": operand < 0, "$gte": operand <= 0}[operator]
            return self.or_missing({name: {_SIZES[operator]: operand}}, name, holds=zero)
        if operator in _VERSIONS:
            if not isinstance(operand, str) or parse_whole_version(operand.removeprefix("v")) is None:
                raise NoEquivalent(f"{operand!r:.80} has no equivalent: only a semantic version in full has", path)
            held = {name: {_VERSIONS[operator]: operand.removeprefix("v")}}
            return self.or_missing(held, name, holds=operator in {"$vlt", "$vlte"})
        if operator not in _OTHERS:
            raise NoEquivalent(f"`{operator}` has no equivalent", path)
        return _OTHERS[operator](self, name, operand, path)

    def or_missing(self, held: When, name: str, *, holds: bool) -> When:
        """JavaScript's SDK compares a missing number as 0, and a missing version as 0 too, which is below all."""
        return either(held, {name: {"exists": False}}) if holds and self.sdk is Sdk.JAVASCRIPT else held

    def exists(self, name: str, operand: Any, _path: KeyPath) -> When:
        return {name: {"exists": bool(operand)}}

    def negation(self, name: str, operand: Any, path: KeyPath) -> When:
        return negated(self.value(name, operand, path))

    def group(self, name: str, operand: Any, path: KeyPath) -> When:
        return self.groups.segment(operand, name, lambda entry: self.listed(name, entry, path))

    def listed(self, name: str, entry: Any, path: KeyPath) -> When:
        values = entry.get("values") if isinstance(entry, dict) else entry
        if not isinstance(values, list):
            raise NoEquivalent("a saved group of this type has no equivalent", path)
        return self.among(name, values, path, any_case=False)

    def among(self, name: str, values: Any, path: KeyPath, *, any_case: bool) -> When:
        """The attribute is one of these, or a list with one of them."""
        if not isinstance(values, list):
            return False
        known = [value for value in values if value is not None]
        if any(isinstance(value, (dict, list)) for value in known):
            raise NoEquivalent("comparing with a list or a mapping has no equivalent", path)
        held: When = False
        if known:
            test = {"in": known, "ignore_case": True} if any_case else scalar_list(known)
            held = {name: test}
            if name != TARGETING_KEY and (self.lists is None or name in self.lists):
                held = {name: {"any_value": test}}
        return either(held, {name: {"exists": False}}) if len(known) < len(values) else held

    def all_of(self, name: str, values: Any, path: KeyPath, *, any_case: bool) -> When:
        """The attribute is a list with all of these."""
        if not isinstance(values, list):
            return False
        if any(isinstance(value, (dict, list)) or value is None for value in values):
            raise NoEquivalent("a condition on the items of a list has no equivalent", path)
        tests = [{"eq": value, "ignore_case": True} if any_case else value for value in values]
        return both(*({name: {"any_item": test}} for test in tests)) if tests else False

    def element(self, name: str, wanted: Any, path: KeyPath) -> When:
        """The attribute is a list with an item that passes."""
        plain = ConditionReader(self.groups, Sdk.PYTHON, ())
        if isinstance(wanted, dict) and wanted and all(str(key).startswith("$") for key in wanted):
            held = plain.value(_ITEM, wanted, path)
            if isinstance(held, bool):
                return held
            if held.keys() == {_ITEM} and held[_ITEM] != {"exists": False}:
                return {name: {"any_item": held[_ITEM]}}
        raise NoEquivalent("a condition on the items of a list has no equivalent", path)

    def pattern(self, name: str, pattern: Any, path: KeyPath, *, any_case: bool) -> When:
        try:
            check_operand("matches", pattern)
        except OperandError as error:
            try:
                re.compile(pattern)
            except (re.error, TypeError, OverflowError, RecursionError):
                return False
            raise NoEquivalent(f"the pattern {pattern!r:.80} has no equivalent in RE2", path) from error
        return {name: {"matches": pattern, **({"ignore_case": True} if any_case else {})}}


_OTHERS: Mapping[str, Callable[[ConditionReader, str, Any, KeyPath], When]] = {
    "$eq": ConditionReader.equal,
    "$in": partial(ConditionReader.among, any_case=False),
    "$ini": partial(ConditionReader.among, any_case=True),
    "$all": partial(ConditionReader.all_of, any_case=False),
    "$alli": partial(ConditionReader.all_of, any_case=True),
    "$regex": partial(ConditionReader.pattern, any_case=False),
    "$regexi": partial(ConditionReader.pattern, any_case=True),
    "$exists": ConditionReader.exists,
    "$not": ConditionReader.negation,
    "$inGroup": ConditionReader.group,
    "$elemMatch": ConditionReader.element,
}


def parsed(text: Any, path: KeyPath) -> Any:
    """JSON in a string, as GrowthBook's API has it."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise NoEquivalent("it is not JSON", path) from error


def values_that_pass(when: When, values: Sequence[Any]) -> list[bool]:
    """For each value whether a condition on `value` holds, with null for a value that is missing."""
    from burgee.evaluation.conditions import compile_condition

    if isinstance(when, bool):
        return [when] * len(values)

    def no_segment(_name: str) -> Any:
        raise NoEquivalent("a saved group in the condition of a prerequisite has no equivalent")

    matches = compile_condition(when, no_segment)
    return [matches({"value": value}) for value in values]
