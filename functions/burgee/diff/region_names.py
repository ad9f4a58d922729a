"""Names the regions of a comparison by the rules that match on either side."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.condition_wording import difference
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import segments_of
from burgee.evaluation.explanations import describe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from burgee.diff.partial_context import RuleMatch
    from burgee.diff.symbolic import Side

WORD = re.compile(r"[A-Za-z]+")


class Label(NamedTuple):
    """A rule in words; `stays` says that both sides have it with the same condition."""

    text: str
    stays: bool


def noun_of(units: Collection[str]) -> str:
    """The plural noun for a flag's units, from the bucketed attributes: `company` gives companies."""
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
        self._labels: dict[str, tuple[Mapping[int, Label], Mapping[int, Label]]] = {}
        self._segments: dict[str, str] | None = None
        self._targets: tuple[set[str], set[str]] | None = None
        self._is_on_one_side = any(side.state(own) is None for side, own in zip(self.sides, self.own, strict=True))

    def matching(self, seen: Sequence[RuleMatch]) -> str:
        """The region in which these rules match."""
        phrase = self.suffix(seen)
        return f"{self.noun} {phrase[2:]}" if phrase else f"{self.noun} matching no rule"

    def without(self, path: str, seen: Sequence[RuleMatch]) -> str:
        """The region of contexts without the bucketed attribute."""
        return f"contexts without `{path}`{self.suffix(seen)}"

    def targeted(self, user: str, seen: Sequence[RuleMatch], lacking: Sequence[str] = ()) -> str:
        """The region of users named in targets like this one, perhaps without an attribute that is bucketed on."""
        if self._targets is None:
            self._targets = _in_targets(self.sides[0], self.own[0]), _in_targets(self.sides[1], self.own[1])
        old, new = (user in users for users in self._targets)
        change = "" if old == new or self._is_on_one_side else "newly " if new else "no longer "
        without = "".join(f", without `{path}`" for path in lacking[:1])
        return f"users {change}named in targets{without}{self.suffix(seen)}"

    def suffix(self, seen: Sequence[RuleMatch]) -> str:
        """The matching rules, as a clause that starts with a comma; empty if there are none."""
        old, new = ([self._label(*match) for match in seen if match.side == side] for side in (0, 1))
        if self._is_on_one_side:
            # The flag is on one side alone: nobody matches a rule newly, or no longer.
            return "".join(f", matching {label.text}" for label in (*old, *new))
        # An unchanged rule matches as before: only the rules before it decide differently.
        phrases = [f"matching {label.text}" for label in new if label in old]
        phrases += [f"newly {'reaching' if one.stays else 'matching'} {one.text}" for one in new if one not in old]
        phrases += [
            f"no longer {'reaching' if one.stays else 'matching'} {one.text}" for one in old if one not in new
        ]
        return f", {', '.join(phrases)}" if phrases else ""

    def _label(self, side: int, flag: str, index: int) -> Label:
        own = flag == self.own[side]
        key = "" if own else flag
        if key not in self._labels:
            self._labels[key] = self._labelled(self.own if own else (flag, flag), "" if own else f"{flag}'s rule ")
        return self._labels[key][side][index]

    def _labelled(self, flags: tuple[str, str], prefix: str) -> tuple[dict[int, Label], dict[int, Label]]:
        """Labels of a flag's rules on both sides; a rule on both sides, even if changed, has one label."""
        old, new = (
            list((side.state(flag) or {}).get("rules", ())) for side, flag in zip(self.sides, flags, strict=True)
        )
        partner = _paired(old, new)
        segments = self._changed_segments()
        labels: tuple[dict[int, Label], dict[int, Label]] = ({}, {})
        for index, rule in enumerate(new):
            former = old[partner[index]] if index in partner else None
            changed = former is not None and former["when"] != rule["when"]
            note = difference(former["when"], rule["when"], segments) if former is not None and changed else ""
            text = _called(prefix, rule, describe(rule["when"], segments), note)
            labels[1][index] = Label(text, former is not None and not changed and not _redefined(rule, segments))
            if former is not None:
                labels[0][partner[index]] = labels[1][index]
        for index, rule in enumerate(old):
            labels[0].setdefault(
                index, Label(_called(prefix, rule, describe(rule["when"], segments), ""), stays=False)
            )
        return labels

    def _changed_segments(self) -> Mapping[str, str]:
        """Describes changed segments."""
        if self._segments is None:
            old, new = self.sides[0].segments, self.sides[1].segments
            found = {name: " (which goes)" for name in old if name not in new}
            for name in new:
                if name in old and old[name] != new[name]:
                    found[name] = f" ({describe(new[name])}; {difference(old[name], new[name])})"
            waiting = list(found)
            while waiting:
                inner = waiting.pop()
                for name in new:
                    if name not in found and inner in _used(new[name]):
                        found[name] = f" (with segment {inner}{found[inner]})"
                        waiting.append(name)
            self._segments = found
        return self._segments


def _in_targets(side: Side, flag: str) -> set[str]:
    """The users in the targets of a flag and of all that it requires, also while it is off."""
    targets = [(side.state(one) or {}).get("targets", {}) for one in side.family(flag)]
    return {user for each in targets for users in each.values() for user in users}


def _called(prefix: str, rule: Mapping[str, Any], condition: str, note: str) -> str:
    whole = f"{condition}; {note}" if note else condition
    if "name" in rule:
        return f'{prefix}"{rule["name"]}" ({whole})'
    return f"{prefix}({whole})" if prefix else f"{condition} ({note})" if note else condition


def _redefined(rule: Mapping[str, Any], segments: Collection[str]) -> bool:
    """Whether a rule uses a changed segment."""
    return not set(segments).isdisjoint(_used(rule["when"]))


def _used(when: Mapping[str, Any]) -> set[str]:
    """The segments that a condition names."""
    return {name for _, name in segments_of(when)}


def _paired(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Maps new rules to the old ones that they continue: by name, else by condition, else by order."""
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
