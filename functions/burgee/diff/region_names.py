"""Names of the regions of a comparison: which contexts they hold, by the rules that match on either side."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from burgee.diff.condition_wording import describe, describe_change
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from burgee.diff.symbolic import RuleMatch, Side

WORD = re.compile(r"[A-Za-z]+")


def noun_of(units: Collection[str]) -> str:
    """What a flag that is bucketed on these attributes decides about, in the plural: `company` gives companies."""
    path = next(iter(units), TARGETING_KEY)
    if len(units) != 1 or path == TARGETING_KEY:
        return "users"
    if not WORD.fullmatch(path):
        return f"values of {path}"
    if path.endswith("y") and path[-2:-1] not in {*"aeiou"}:
        return f"{path[:-1]}ies"
    return f"{path}es" if path.endswith(("s", "x", "ch", "sh")) else f"{path}s"


class RegionNames:
    """Names regions of flag `name` of the old side and `other` of the new; `named` are the users in their targets."""

    def __init__(self, old: Side, new: Side, name: str, other: str, named: Collection[str]) -> None:
        self.sides = (old, new)
        self.own = (name, other)
        self.noun = noun_of(old.units(name) | new.units(other))
        self.everyone = f"all {self.noun} not named in targets" if named else f"all {self.noun}"
        self.named = "users named in targets"
        self._labels: dict[str, tuple[Mapping[int, str], Mapping[int, str]]] = {}
        self._segments: dict[str, str] | None = None

    def matching(self, seen: Sequence[RuleMatch]) -> str:
        """The region in which these rules were found to match."""
        phrase = self.suffix(seen)
        return f"{self.noun} {phrase[2:]}" if phrase else f"{self.noun} matching no rule"

    def without(self, path: str, seen: Sequence[RuleMatch]) -> str:
        """The region of contexts that lack the attribute which is bucketed on."""
        return f"contexts without `{path}`{self.suffix(seen)}"

    def targeted(self, seen: Sequence[RuleMatch]) -> str:
        """The region of users whom targets name."""
        return self.named + self.suffix(seen)

    def suffix(self, seen: Sequence[RuleMatch]) -> str:
        """The rules that match, as a clause that starts with a comma; empty where none does."""
        old, new = ([self._label(*match) for match in seen if match.side == side] for side in (0, 1))
        told = [f"matching {label}" for label in new if label in old]
        told += [f"newly matching {label}" for label in new if label not in old]
        told += [f"no longer matching {label}" for label in old if label not in new]
        return f", {', '.join(told)}" if told else ""

    def _label(self, side: int, flag: str, index: int) -> str:
        own = flag == self.own[side]
        key = "" if own else flag
        if key not in self._labels:
            self._labels[key] = self._labelled(self.own if own else (flag, flag), "" if own else f"{flag}'s rule ")
        return self._labels[key][side][index]

    def _labelled(self, flags: tuple[str, str], prefix: str) -> tuple[dict[int, str], dict[int, str]]:
        """Labels of a flag's rules on both sides; a rule that stands on both, perhaps changed, has one label."""
        old, new = (
            list((side.state(flag) or {}).get("rules", ())) for side, flag in zip(self.sides, flags, strict=True)
        )
        partner = _paired(old, new)
        segments = self._changed_segments()
        labels: tuple[dict[int, str], dict[int, str]] = ({}, {})
        for index, rule in enumerate(new):
            former = partner.get(index)
            changed = former is not None and old[former]["when"] != rule["when"]
            condition = (
                describe_change(old[former]["when"], rule["when"], segments)
                if former is not None and changed
                else describe(rule["when"], segments)
            )
            labels[1][index] = prefix + _called(rule, condition)
            if former is not None:
                labels[0][former] = labels[1][index]
        for index, rule in enumerate(old):
            labels[0].setdefault(index, prefix + _called(rule, describe(rule["when"], segments)))
        return labels

    def _changed_segments(self) -> Mapping[str, str]:
        """What to say of segments that the change defines otherwise."""
        if self._segments is None:
            old, new = self.sides[0].segments, self.sides[1].segments
            self._segments = {
                name: f" ({describe_change(old[name], new[name])})"
                for name in new
                if name in old and old[name] != new[name]
            }
        return self._segments


def _called(rule: Mapping[str, Any], condition: str) -> str:
    return f'"{rule["name"]}" ({condition})' if "name" in rule else condition


def _paired(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """New rules to the old ones that they go on from: by name, else by condition, else by order."""
    pairs: dict[int, int] = {}
    for key in (_name, _condition, _nameless):
        waiting: dict[Any, list[int]] = {}
        for index, rule in enumerate(old):
            if index not in pairs.values():
                waiting.setdefault(key(rule), []).append(index)
        for index, rule in enumerate(new):
            if index not in pairs and key(rule) is not None and waiting.get(key(rule)):
                pairs[index] = waiting[key(rule)].pop(0)
    return pairs


def _name(rule: Mapping[str, Any]) -> Any:
    return rule.get("name")


def _condition(rule: Mapping[str, Any]) -> str:
    return json.dumps(rule["when"], sort_keys=True)


def _nameless(rule: Mapping[str, Any]) -> bool | None:
    return None if "name" in rule else True
