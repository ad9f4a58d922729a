"""GO Feature Flag's configuration to flags.yaml.

Its flags can change by themselves: at the steps of a scheduled rollout, when an experiment begins and ends, and when
a progressive rollout begins. The flag's definition after each such time becomes an entry of `schedule`.
"""

from __future__ import annotations

import json
import math
import re
import sys
from copy import deepcopy
from itertools import permutations
from typing import TYPE_CHECKING, Any

from burgee.flagfile.fields import NAME_PATTERN
from burgee.importers.base import Imported, NoEquivalent
from burgee.importers.goff_query import Query
from burgee.importers.goff_shape import require_shape
from burgee.importers.jsonlogic import Attribute, ConditionReader
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from burgee.flagfile.yaml_reader import Document, KeyPath
    from burgee.importers.jsonlogic import When

BEFORE = float("-inf")
DECIDING = {
    "variations",
    "targeting",
    "bucketingKey",
    "defaultRule",
    "scheduledRollout",
    "experimentation",
    "disable",
    "metadata",
}
_USER = Attribute("targetingKey", "")
MAX_ORDERED = 6
"""Percentages that are added up in every order."""


def import_goff(document: Document) -> Imported:
    """Converts a GO Feature Flag file; reports parts without an equivalent."""
    made = Imported(document)
    if not isinstance(document.value, dict):
        made.leave_out("the file", (), "a GO Feature Flag file is a mapping of flags by key")
        return made
    for name, flag in document.value.items():
        try:
            made.flags[name] = _GoffFlag(made, name, flag).definition()
        except NoEquivalent as found:
            made.leave_out(name, found.path or (name,), str(found))
        except RecursionError:
            made.leave_out(name, (name,), "one of its queries is nested too deeply")
    return made


class _GoffFlag:
    """Converts one flag."""

    def __init__(self, made: Imported, name: str, flag: Any) -> None:
        self.made, self.name, self.path = made, name, (name,)
        require_shape(flag, self.path)
        if not re.fullmatch(NAME_PATTERN, name) or len(name) > 255:
            raise NoEquivalent("its key is not a valid name: use letters, digits, `.`, `_` and `-`")
        if "variations" not in flag and {"true", "false", "default", "percentage", "rule"} & flag.keys():
            raise NoEquivalent("it is in the format from before 1.0; let GO Feature Flag's own tool convert it")
        self.flag: dict[str, Any] = flag
        self.hashed = False
        self.reader = ConditionReader(
            names={"key": _USER, "targetingKey": _USER, "anonymous": Attribute("anonymous", False)}, loose_null=False
        )

    def definition(self) -> dict[str, Any]:
        """The flag in the grammar of flags.yaml."""
        for key in sorted(self.flag.keys() - DECIDING):
            self.made.not_carried(self.name, (*self.path, key), f"`{key}`")
        converted = self.made.described(self.name, self.flag.get("metadata"), (*self.path, "metadata"))
        state = self.state(BEFORE)
        schedule = []
        before = state
        for moment in sorted(set(self.moments())):
            after = self.state(moment)
            changed = {key: value for key, value in after.items() if before.get(key) != value}
            if changed:
                schedule.append({"at": format_time(moment), "set": changed})
            before = after
        if self.hashed:
            converted["hash"] = "goff"
        if self.flag.get("bucketingKey"):
            converted["bucket_by"] = self.flag["bucketingKey"]
        if not schedule and not state["rules"]:
            del state["rules"]
        return {**converted, **state, **({"schedule": schedule} if schedule else {})}

    def moments(self) -> Iterator[float]:
        """The times at which the flag changes, other than along a ramp."""
        for index, step in enumerate(self.flag.get("scheduledRollout") or []):
            yield self.time(step, "date", ("scheduledRollout", index))
        for flag in (self.flag, *(self.flag.get("scheduledRollout") or [])):
            experiment = flag.get("experimentation") or {}
            yield from (
                self.time(experiment, key, ("experimentation",)) for key in ("start", "end") if key in experiment
            )
            for rule in (*(flag.get("targeting") or []), flag.get("defaultRule") or {}):
                initial = (rule.get("progressiveRollout") or {}).get("initial") or {}
                if initial.get("date"):
                    yield self.time(initial, "date", ("defaultRule", "progressiveRollout", "initial"))

    def time(self, owner: Mapping[str, Any], key: str, path: KeyPath) -> float:
        value = owner.get(key)
        try:
            return parse_time(value)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise NoEquivalent(f"{value!r:.80} is not an RFC 3339 time", (*self.path, *path, key)) from error

    def state(self, moment: float) -> dict[str, Any]:
        """What is served from a time on."""
        flag = merged(self.flag, [step for step in self.steps() if self.time(step, "date", ()) <= moment])
        variations = flag.get("variations")
        if not variations or None in variations.values():
            raise NoEquivalent("it has no variations, or one without a value", (*self.path, "variations"))
        rules = []
        for index, rule in enumerate(flag.get("targeting") or []):
            path = (*self.path, "targeting", index)
            when = self.when(rule, path)
            if not rule.get("disable") and when is not False:
                rules += self.rules(rule, {} if when is True else when, variations, moment, path)
        default = flag.get("defaultRule")
        if default is None:
            raise NoEquivalent("it has no default rule", self.path)
        *more, last = self.rules(default, {}, variations, moment, (*self.path, "defaultRule"))
        return {
            "status": "off" if flag.get("disable") or self.idle(flag, moment) else "on",
            "variants": dict(variations),
            "rules": rules + more,
            "default": {key: value for key, value in last.items() if key in {"serve", "split"}},
        }

    def steps(self) -> list[Any]:
        """The scheduled steps in the order of their dates."""
        steps = self.flag.get("scheduledRollout") or []
        return sorted(steps, key=lambda step: self.time(step, "date", ("scheduledRollout",)))

    def idle(self, flag: Mapping[str, Any], moment: float) -> bool:
        """Whether an experiment has not begun or has ended."""
        experiment = flag.get("experimentation") or {}
        start, end = (
            self.time(experiment, key, ("experimentation",)) if key in experiment else None
            for key in ("start", "end")
        )
        return (start is not None and moment < start) or (end is not None and moment >= end)

    def when(self, rule: Mapping[str, Any], path: KeyPath) -> When:
        text = (rule.get("query") or "").strip()
        if not text.startswith("{"):
            return not text or Query(text, (*path, "query")).when
        try:
            node = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NoEquivalent("its query is not JSON", (*path, "query")) from error
        return self.reader.when(node, (*path, "query"))

    def rules(
        self,
        rule: Mapping[str, Any],
        when: Mapping[str, Any],
        variations: Mapping[str, Any],
        moment: float,
        path: KeyPath,
    ) -> list[dict[str, Any]]:
        """Converts a rule to one rule or, for a progressive rollout, to two: the growing share and the rest."""
        named = {"name": rule["name"]} if rule.get("name") else {}
        head = {**named, "when": dict(when)}
        if rule.get("progressiveRollout"):
            return self.progressive(rule["progressiveRollout"], head, variations, moment, path)
        if rule.get("percentage"):
            return [{**head, **self.outcome(rule["percentage"], variations, (*path, "percentage"))}]
        return [{**head, "serve": self.known(rule.get("variation"), variations, (*path, "variation"))}]

    def known(self, variation: Any, variations: Mapping[str, Any], path: KeyPath) -> str:
        if variation not in variations:
            raise NoEquivalent(f"it serves {variation!r}, which is not one of its variations", path)
        return str(variation)

    def outcome(
        self, percentages: Mapping[str, float], variations: Mapping[str, Any], path: KeyPath
    ) -> dict[str, Any]:
        """Shares in GO Feature Flag's order: by name, descending."""
        numbers = percentages.values()
        if min(numbers) < 0:
            raise NoEquivalent("a percentage is a number from 0", path)
        weights, reached, bound = {}, 0.0, 0
        for name in sorted(percentages, key=lambda name: name.encode(), reverse=True):
            reached += percentages[name] * 1000
            weight = int(reached) - bound
            bound += weight
            weights[self.known(name, variations, path)] = weight / 1000 if weight % 1000 else weight // 1000
        if not bound or _totals(numbers) != {bound}:
            raise NoEquivalent("its percentages do not add up to the same number in every order", path)
        served = [name for name, weight in weights.items() if weight]
        if len(served) == 1:
            return {"serve": served[0]}
        self.hashed = True
        return {"split": weights}

    def progressive(
        self,
        rollout: Mapping[str, Any],
        head: Mapping[str, Any],
        variations: Mapping[str, Any],
        moment: float,
        path: KeyPath,
    ) -> list[dict[str, Any]]:
        """A ramp of the end variation, and the initial one for everyone else."""
        here = (*path, "progressiveRollout")
        first, last = rollout.get("initial"), rollout.get("end")
        if first is None or last is None:
            raise NoEquivalent("a progressive rollout has an initial step and an end", here)
        begin, finish = self.time(first, "date", (*here, "initial")[1:]), self.time(last, "date", (*here, "end")[1:])
        variants = [self.known(one.get("variation"), variations, here) for one in (first, last)]
        low, high = first.get("percentage") or 0, last.get("percentage") or 100
        high = high if high <= 100 else 100
        if finish <= begin or not 0 <= low <= high or any(round(one, 3) != one for one in (low, high)):
            raise NoEquivalent("its progressive rollout does not grow", here)
        rest = {**head, "serve": variants[0]}
        if low and moment < begin:
            return [rest]
        self.hashed = True
        ramp = {"from": low, "to": high, "start": format_time(begin), "end": format_time(finish)}
        return [
            {**head, "rollout_percentage": ramp, "serve": variants[1]},
            {**rest, "name": f"{head['name']}, the rest"} if "name" in head else rest,
        ]


def _totals(percentages: Collection[float]) -> set[int]:
    """The totals, in thousandths, that GO Feature Flag may divide by: it adds in the order of a map, a random one."""
    if all(float(one).is_integer() for one in percentages):
        return {int(sum(percentages)) * 1000}
    if len(percentages) <= MAX_ORDERED:
        return {int(sum(order) * 1000) for order in permutations(percentages)}
    error = len(percentages) * sys.float_info.epsilon
    return {int(math.fsum(percentages) * 1000 * (1 + sign * error)) for sign in (-1, 1)}


def merged(flag: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> dict[str, Any]:
    """A flag with the steps of its schedule applied in order, as GO Feature Flag does."""
    laid: dict[str, Any] = deepcopy(dict(flag))
    for step in deepcopy(steps):
        rules = laid.setdefault("targeting", []) or []
        updates = {rule["name"]: rule for rule in step.get("targeting") or [] if rule.get("name")}
        for rule in rules:
            if rule.get("name", "") in updates:
                _merge_rule(rule, updates[rule["name"]])
        known = {rule.get("name") for rule in rules} & updates.keys()
        rules += [rule for rule in step.get("targeting") or [] if rule.get("name") not in known]
        laid["targeting"] = rules
        if step.get("defaultRule") is not None:
            _merge_rule(laid.setdefault("defaultRule", {}), step["defaultRule"])
        if "disable" in step:
            laid["disable"] = step["disable"]
        for key in ("variations", "experimentation"):
            if step.get(key):
                laid[key] = {**(laid.get(key) or {}), **step[key]}
    return laid


def _merge_rule(rule: dict[str, Any], update: Mapping[str, Any]) -> None:
    """A negative percentage removes a variation."""
    rule |= {key: update[key] for key in ("disable", "query", "variation") if key in update}
    for end, step in (update.get("progressiveRollout") or {}).items():
        rollout = rule.setdefault("progressiveRollout", {})
        rollout[end] = {**(rollout.get(end) or {}), **(step or {})}
    if "percentage" in update:
        laid = {**(rule.get("percentage") or {}), **(update["percentage"] or {})}
        rule["percentage"] = {name: share for name, share in laid.items() if share >= 0}
