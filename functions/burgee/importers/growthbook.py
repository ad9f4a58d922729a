"""GrowthBook's features, as its API or its SDKs have them, to flags.yaml."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from burgee.importers.base import (
    Imported,
    NoEquivalent,
    Sdk,
    both,
    condition,
    either,
    negated,
    one_type,
    require_name,
    scalar_list,
    variant_names,
)
from burgee.importers.environment import NAMELESS, convert_flags
from burgee.importers.growthbook_conditions import (
    ConditionReader,
    Groups,
    attribute_name,
    parsed,
    values_that_pass,
)
from burgee.importers.growthbook_shape import environments
from burgee.importers.hashing import Hashing, hashing_keys
from burgee.importers.overlays import overlaid
from burgee.importers.shapes import GrowthBookFeature, require_shape
from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath
    from burgee.importers.base import When
    from burgee.importers.growthbook_shape import Entries, Feature

PLACES = {1: 1_000, 2: 10_000}
"""How many places the line of each version of its hash has."""
_STICKY = ("minBucketVersion", "bucketVersion", "disableStickyBucketing", "fallbackAttribute")


def import_growthbook(
    files: Sequence[tuple[str | None, Document]], sdk: Sdk = Sdk.JAVASCRIPT, lists: Collection[str] | None = None
) -> Imported:
    """Converts GrowthBook's files, each with the name of its environment if it is known.

    `lists` are the attributes that may hold lists; None for all.
    """
    found = environments(files)
    made = {name: _Environment(entries, sdk, lists).imported() for name, entries in found.items()}
    return made[NAMELESS] if set(made) == {NAMELESS} else overlaid(made)


class _Environment:
    """Converts the features of one environment."""

    def __init__(self, entries: Entries, sdk: Sdk, lists: Collection[str] | None) -> None:
        self.entries, self.sdk = entries, sdk
        self.made = entries.imported()
        self.reader = ConditionReader(Groups(entries.groups, entries.group_names), sdk, lists)

    def share(self, hashing: Hashing, places: int, of: int) -> When:
        """The segment of the first places of a line, made once."""
        percentage = _percent(places, of)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{hashing.salt.removeprefix('__')}-{percentage}").strip("._-")
        segment = {"when": {}, "rollout_percentage": percentage, "bucket_by": hashing.bucket_by}
        segment |= {"salt": hashing.salt, "hash": hashing.hash}
        segments = self.reader.groups.segments
        while segments.setdefault(name, segment) != segment:
            name += "-2"
        return {"segment": name}

    def imported(self) -> Imported:
        convert_flags(self.made, self.entries.features, lambda key, one: _Feature(self, key, one).definition())
        self.made.segments = self.reader.groups.segments
        return self.made


class _Feature:
    """Converts one feature in one environment."""

    def __init__(self, environment: _Environment, key: str, feature: Feature) -> None:
        self.environment, self.made = environment, environment.made
        self.key = require_name(key, feature.path)
        self.path, self.about = feature.path, feature.about
        if feature.why_not:
            raise NoEquivalent(feature.why_not, self.path)
        require_shape(GrowthBookFeature, feature.value or {}, self.path)
        self.is_off = feature.value is None
        self.feature: Mapping[str, Any] = feature.value or self.outline()
        self.rules = [one for one in self.feature.get("rules") or () if isinstance(one, dict)]
        self.values = self.all_values()
        names = variant_names(list(self.values.values()))
        self.names = dict(zip(self.values, names, strict=True))
        self.variants = {self.names[text]: value for text, value in self.values.items()}

    def outline(self) -> Mapping[str, Any]:
        """A feature that is off here: its default value alone, which the API has as text."""
        text = self.about.get("defaultValue")
        if self.about.get("valueType") == "string":
            return {"defaultValue": text}
        return {"defaultValue": parsed(text, self.path)}

    def all_values(self) -> dict[str, Any]:
        """Every value that the feature may have, by its JSON."""
        values = [self.feature.get("defaultValue")]
        for rule in self.rules:
            values += [rule["force"]] if rule.get("force") is not None else rule.get("variations") or []
        if all(isinstance(value, bool) for value in values):
            values = [True, False]
        one_type(values, self.path)
        return {json.dumps(value, sort_keys=True): value for value in values}

    def definition(self) -> dict[str, Any]:
        """The feature in the grammar of flags.yaml."""
        made = {**self.described(), "status": "off" if self.is_off else "on"}
        rules: list[dict[str, Any]] = []
        hashings: list[tuple[dict[str, Any], Hashing]] = []
        gates: list[dict[str, Any]] = []
        for index, rule in enumerate(self.rules):
            path = (*self.path, "rules", index)
            gated, required = self.requirements(rule, path)
            if gated and rules:
                raise NoEquivalent("a prerequisite that switches it off after a rule has no equivalent", path)
            gates += gated
            converted = self.rule(rule, path)
            if converted is None or required is None:
                continue
            entry, hashing = converted
            if required:
                entry["requires"] = required
            rules.append(entry)
            if hashing is not None:
                hashings.append((entry, hashing))
            if entry["when"] == {} and "serve" in entry and not entry.keys() & {"rollout_percentage", "requires"}:
                break
        made |= hashing_keys(self.key, None, hashings)
        default = {"serve": self.name(self.feature.get("defaultValue"))}
        if rules and rules[-1]["when"] == {} and rules[-1].keys() <= {"when", "serve", "name"}:
            default = {"serve": rules.pop()["serve"]}
        if set(self.names.values()) != {"on", "off"} or self.is_off or gates:
            made["variants"] = self.variants  # without an off variant: a feature that is off gives no value
        if gates:
            made["requires"] = gates
        return {**made, **({"rules": rules} if rules else {}), "default": default}

    def described(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        text, owner, project = (self.about.get(key) for key in ("description", "owner", "project"))
        if isinstance(text, str) and 0 < len(text) <= 500:
            made["description"] = text
        elif text:
            self.made.not_carried(self.key, self.path, "a description of more than 500 characters")
        owner = owner if isinstance(owner, str) and owner else project
        if isinstance(owner, str) and 0 < len(owner) <= 255:
            made["owner"] = owner
        tags = [tag for tag in self.about.get("tags") or () if isinstance(tag, str)]
        return {**made, **({"tags": tags} if tags else {})}

    def name(self, value: Any) -> str:
        return self.names[json.dumps(value, sort_keys=True)]

    def requirements(
        self, rule: Mapping[str, Any], path: KeyPath
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
        """Prerequisites of the flag, and of one rule; None if one is never met."""
        gates: list[dict[str, Any]] = []
        required: list[dict[str, Any]] = []
        for index, parent in enumerate(rule.get("parentConditions") or ()):
            here = (*path, "parentConditions", index)
            if not isinstance(parent, dict) or not isinstance(parent.get("id"), str):
                raise NoEquivalent("a prerequisite without the id of a feature", here)
            if not parent.get("condition"):
                continue
            found = self.requirement(parent, here)
            if parent.get("gate"):
                if found is False:
                    raise NoEquivalent("a prerequisite of it is never met", here)
                gates += [found] if found is not True else []
            elif found is False:
                return gates, None
            elif found is not True:
                required.append(found)
        return gates, required

    def requirement(self, parent: Mapping[str, Any], path: KeyPath) -> dict[str, Any] | bool:
        """Which variants of the parent meet a condition on its value."""
        entry = self.environment.entries.features.get(parent["id"])
        if entry is None:
            raise NoEquivalent(f"its prerequisite {parent['id']!r} is not in the file", path)
        other = _Feature(self.environment, parent["id"], entry)
        when = self.environment.reader.when(parent["condition"], path)
        *passed, null_passes = values_that_pass(when, [*other.variants.values(), None])
        meeting = [name for name, passes in zip(other.variants, passed, strict=True) if passes]
        failing = [name for name in other.variants if name not in meeting]
        if null_passes:
            return {"flag": other.key, "not_variant": scalar_list(failing)} if failing else True
        return {"flag": other.key, "variant": scalar_list(meeting)} if meeting else False

    def rule(self, rule: Mapping[str, Any], path: KeyPath) -> tuple[dict[str, Any], Hashing | None] | None:
        """One rule, and how it is hashed; None if it serves nobody."""
        when = (
            self.environment.reader.when(rule["condition"], (*path, "condition")) if rule.get("condition") else True
        )
        variations = rule.get("variations")
        if rule.get("force") is None and not isinstance(variations, list):
            if rule.get("contextualVariations") or rule.get("contextualBanditRef"):
                raise NoEquivalent("a contextual bandit has no equivalent", path)
            return None
        for key in _STICKY:
            if rule.get(key):
                self.made.not_carried(self.key, (*path, key), f"`{key}` of sticky buckets")
        when = both(when, *self.filters(rule, path))
        named = {"name": str(rule["name"])[:255]} if rule.get("name") else {}
        head = {**named, "when": condition(when)}
        if when is False:
            return None
        if rule.get("force") is not None:
            return self.forced(rule, head, path)
        if len(variations or ()) < 2:
            return None
        return self.experiment(rule, head, path)

    def filters(self, rule: Mapping[str, Any], path: KeyPath) -> Iterator[When]:
        """Namespaces and filters: ranges of lines of their own, each as the segments up to its ends."""
        found = rule.get("filters")
        if not isinstance(found, list) or not found:
            namespace = rule.get("namespace")
            if not namespace or rule.get("force") is not None:
                return
            if not isinstance(namespace, list) or len(namespace) != 3:
                raise NoEquivalent("a namespace that is not a name and two numbers has no equivalent", path)
            own = {"attribute": rule.get("hashAttribute"), "hashVersion": 1, "seed": f"__{namespace[0]}"}
            found = [{**own, "ranges": [namespace[1:]]}]
        for one in found:
            if not isinstance(one, dict):
                raise NoEquivalent("a filter that is not a mapping", path)
            version = one.get("hashVersion") or 2
            places = PLACES.get(version)
            ranges = [self.bound(bounds, path) for bounds in one.get("ranges") or ()]
            if places is None:
                yield False
                continue
            attribute = attribute_name(one.get("attribute") or "id", path)
            hashing = Hashing(f"growthbook-v{version}", str(one.get("seed") or ""), attribute)
            yield either(
                *(self.within(hashing, _first(low, places), _first(high, places), places) for low, high in ranges)
            )

    def within(self, hashing: Hashing, low: int, high: int, places: int) -> When:
        """Users on the places from `low` to below `high` of a line."""
        if low >= high:
            return False
        above = negated(self.environment.share(hashing, low, places)) if low else True
        below = _present(hashing) if high >= places else self.environment.share(hashing, high, places)
        return both(below, above)

    def forced(
        self, rule: Mapping[str, Any], head: dict[str, Any], path: KeyPath
    ) -> tuple[dict[str, Any], Hashing | None] | None:
        """A value for all, or for a share: from the start of the line, or a range of it."""
        variant = self.name(rule["force"])
        bounds: Any = rule.get("range")
        coverage: Any = rule.get("coverage")
        if bounds is None and coverage is None:
            return {**head, "serve": variant}, None
        places = self.places(rule)
        if places is None:
            return None
        hashing = self.hashing(rule, self.key, path)
        if bounds is not None:
            start, stop = self.bound(bounds, path)
            low, high = _first(start, places), _first(stop, places)
            return self.arms({variant: (low, high)}, head, hashing, places) if low < high else None
        if not is_number(coverage):
            raise NoEquivalent("a coverage that is not a number", path)
        inclusive = self.environment.sdk is Sdk.JAVASCRIPT and coverage > 0
        end = _first(coverage, places, inclusive=inclusive)
        if not end:
            return None
        if end >= places:
            head["when"] = condition(both(head["when"] or True, _present(hashing)))
            return {**head, "serve": variant}, None
        return {**head, "rollout_percentage": _percent(end, places), "serve": variant}, hashing

    def experiment(
        self, rule: Mapping[str, Any], head: dict[str, Any], path: KeyPath
    ) -> tuple[dict[str, Any], Hashing | None] | None:
        """The arms of an experiment as ranges of the line; one that passes through is left to the next rule."""
        variations, meta = rule["variations"], rule.get("meta") or []
        places = self.places(rule)
        if places is None:
            return None
        ranges = rule.get("ranges") or _bucket_ranges(len(variations), rule.get("coverage"), rule.get("weights"))
        hashing = self.hashing(rule, rule.get("key") or self.key, path)
        arms: dict[str, tuple[int, int]] = {}
        for index, (value, bounds) in enumerate(zip(variations, ranges, strict=False)):
            start, end = self.bound(bounds, path)
            low, high = _first(start, places), _first(end, places)
            about = meta[index] if index < len(meta) and isinstance(meta[index], dict) else {}
            if low < high and not about.get("passthrough"):
                self.add_arm(arms, value, low, high)
        if not rule.get("name") and rule.get("key"):
            head = {"name": str(rule["key"])[:255], **head}
        return self.arms(arms, head, hashing, places) if arms else None

    def add_arm(self, arms: dict[str, tuple[int, int]], value: Any, low: int, high: int) -> None:
        """Adds an arm; a second one of the same value is a variant of its own."""
        name = self.name(value)
        if name in arms and arms[name][1] == low:
            arms[name] = (arms[name][0], high)
            return
        number = 2
        while name in arms:
            name = f"{self.name(value)} ({number})"
            number += 1
        self.variants.setdefault(name, value)
        self.names.setdefault(name, name)
        arms[name] = (low, high)

    def arms(
        self, arms: Mapping[str, tuple[int, int]], head: dict[str, Any], hashing: Hashing, places: int
    ) -> tuple[dict[str, Any], Hashing | None]:
        """A split if the arms take the whole line in order, else ranges."""
        ends = [0, *(high for _, high in arms.values())]
        whole = [low for low, _ in arms.values()] == ends[:-1] and ends[-1] >= places
        if whole and len(arms) == 1:
            head["when"] = condition(both(head["when"] or True, _present(hashing)))
            return {**head, "serve": next(iter(arms))}, None
        if whole:
            split = {name: _percent(min(high, places) - low, places) for name, (low, high) in arms.items()}
            return {**head, "split": split}, hashing
        ranges = {
            name: [_percent(low, places), _percent(min(high, places), places)] for name, (low, high) in arms.items()
        }
        return {**head, "ranges": ranges}, hashing

    def places(self, rule: Mapping[str, Any]) -> int | None:
        """The places of the rule's line; None for a version of the hash that does not exist, which takes nobody."""
        version = rule.get("hashVersion") or 1
        return PLACES.get(version) if isinstance(version, int) else None

    def bound(self, bounds: Any, path: KeyPath) -> tuple[float, float]:
        if not isinstance(bounds, (list, tuple)) or len(bounds) != 2 or not all(map(is_number, bounds)):
            raise NoEquivalent("a range that is not two numbers has no equivalent", path)
        return bounds[0], bounds[1]

    def hashing(self, rule: Mapping[str, Any], key: str, path: KeyPath) -> Hashing:
        version = rule.get("hashVersion") or 1
        attribute = attribute_name(rule.get("hashAttribute") or "id", path)
        return Hashing(f"growthbook-v{version}", str(rule.get("seed") or key), attribute, "next")


def _present(hashing: Hashing) -> When:
    """The condition that there is something to hash."""
    return {str(hashing.bucket_by): {"exists": True}, "not": {str(hashing.bucket_by): ""}}


def _first(bound: float, places: int, *, inclusive: bool = False) -> int:
    """How many places of a line are below a bound, as GrowthBook's floating-point numbers have it."""
    numbers = _Line(places)
    found = bisect_left(numbers, bound)
    return found + 1 if inclusive and found < places and found / places == bound else found


class _Line:
    """The numbers 0, 1/n, 2/n and so on below 1, for bisection."""

    def __init__(self, places: int) -> None:
        self.places = places

    def __len__(self) -> int:
        return self.places

    def __getitem__(self, index: int) -> float:
        return index / self.places


def _percent(places: int, of: int) -> float:
    found = places * 100 / of
    return int(found) if found == int(found) else round(found, 3)


def _bucket_ranges(count: int, coverage: Any, weights: Any) -> Iterator[list[float]]:
    """The arms as GrowthBook computes them, in its order of operations."""
    covered = 1.0 if coverage is None else min(max(float(coverage), 0.0), 1.0)
    fits = isinstance(weights, list) and len(weights) == count and all(map(is_number, weights))
    if not fits or not 0.99 <= sum(weights) <= 1.01:
        weights = [1 / count] * count
    reached = 0.0
    for weight in weights:
        start = reached
        reached += weight
        yield [start, start + covered * weight]
