"""Unleash's features, as its clients receive them or from an export, to flags.yaml."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.evaluation.context import TARGETING_KEY
from burgee.importers.base import (
    Imported,
    NoEquivalent,
    both,
    condition,
    either,
    kind_of,
    require_name,
    scalar_list,
)
from burgee.importers.environment import NAMELESS, convert_flags
from burgee.importers.hashing import Hashing, hashing_keys
from burgee.importers.overlays import overlaid
from burgee.importers.shapes import UnleashFeature, UnleashSegment, require_shape
from burgee.importers.unleash_constraints import (
    Period,
    addresses_condition,
    attribute_name,
    constraint_condition,
    is_numeric,
    on_the_clock,
    period,
)
from burgee.importers.unleash_shape import environments
from burgee.numeric import parse_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath
    from burgee.importers.base import When
    from burgee.importers.unleash_shape import Entries, Feature

HASH = "unleash"
LASTING = {"kill-switch", "permission"}
"""Types of features that Unleash never reports as stale."""
PLAIN = "enabled"
"""The variant of a feature that is enabled without one of its variants."""


def import_unleash(files: Sequence[tuple[str | None, Document]]) -> Imported:
    """Converts Unleash's files, each with the name of its environment if it is known."""
    found = environments(files)
    if set(found) == {NAMELESS}:
        return _Environment(found[NAMELESS]).imported()
    return overlaid({name: _Environment(entries).imported() for name, entries in found.items() if name != NAMELESS})


class _Environment:
    """Converts the features and segments of one environment."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.made = entries.imported()
        self.segments: dict[Any, str] = {}
        self.numeric: set[str] = set()
        self.drawing: set[str] = set()

    def imported(self) -> Imported:
        for number, (segment, path) in self.entries.segments.items():
            self.segment(number, segment, path)
        convert_flags(self.made, self.entries.features, lambda name, one: _Feature(self, name, one).definition())
        if self.numeric:
            names = ", ".join(sorted(self.numeric))
            text = f"clients must send these as numbers, not as strings, because they are compared as such: {names}"
            self.made.differs("the file", (), text)
        if self.drawing & self.made.flags.keys():
            names = ", ".join(sorted(self.drawing & self.made.flags.keys()))
            text = "a user without the attribute that divides is in no share; Unleash draws at each call: "
            self.made.differs("the file", (), text + names)
        return self.made

    def segment(self, number: Any, segment: Mapping[str, Any], path: KeyPath) -> None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(segment.get("name") or "")).strip("._-")[:200]
        name = name or f"segment-{number}"
        while name in self.made.segments:
            name += "-2"
        constraints = segment.get("constraints") or []
        if any(map(on_the_clock, constraints)):
            self.made.leave_out(f"segment {name}", path, "it depends on the current time")
            return
        self.made.place_flag(f"segment {name}", path)
        try:
            require_shape(UnleashSegment, segment, path)
            when = condition(self.constraints(constraints, (*path, "constraints")))
        except NoEquivalent as found:
            self.made.leave_out(f"segment {name}", found.path or path, str(found))
            return
        text = segment.get("description")
        described = {"description": text} if isinstance(text, str) and 0 < len(text) <= 500 else {}
        self.made.segments[name] = {**described, "when": when}
        self.segments[number] = name

    def share(self, hashing: Hashing, percentage: int) -> dict[str, Any]:
        """The segment of a rollout that is divided by something else than the variants beside it."""
        by = hashing.bucket_by if isinstance(hashing.bucket_by, str) else "-".join(hashing.bucket_by)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{hashing.salt}-{by}-{percentage}").strip("._-")
        bucket_by = hashing.bucket_by if isinstance(hashing.bucket_by, str) else list(hashing.bucket_by)
        share = {"rollout_percentage": percentage, "bucket_by": bucket_by, "salt": hashing.salt, "hash": hashing.hash}
        while self.made.segments.setdefault(name, {"when": {}, **share}) != {"when": {}, **share}:
            name += "-2"
        return {"segment": name}

    def constraints(self, constraints: Sequence[Any], path: KeyPath) -> When:
        """The condition that every constraint holds."""
        self.numeric |= {attribute_name(one.get("contextName"), path) for one in constraints if is_numeric(one)}
        return both(*(constraint_condition(one, (*path, index)) for index, one in enumerate(constraints)))


class _Strategy(NamedTuple):
    """A strategy as a rule: its condition, the share of users that meet it, and how they are divided."""

    when: When
    percentage: int
    split: Mapping[str, int] | None
    hashing: Hashing | None
    overrides: Sequence[tuple[When, str]]
    name: str | None
    period: Period


class _Feature:
    """Converts one feature in one environment."""

    def __init__(self, environment: _Environment, name: str, feature: Feature) -> None:
        self.environment, self.made = environment, environment.made
        self.name = require_name(name, feature.path, "name")
        require_shape(UnleashFeature, feature.value, feature.path)
        self.feature, self.path, self.tags = feature
        self.strategies = [
            (one, (*self.path, "strategies", index))
            for index, one in enumerate(self.feature.get("strategies") or ())
            if isinstance(one, dict)
        ]
        self.values = self.variant_values()
        self.add_plain()

    def add_plain(self) -> None:
        """Adds the variant of users who get the feature enabled, but none of its variants."""
        plain = [one for one, _ in self.strategies if not self.variants_of(one)]
        if not self.values or not (plain or (not self.strategies and not self.feature.get("variants"))):
            return
        if kind_of(next(iter(self.values.values()))) != "str" or PLAIN in self.values:
            raise NoEquivalent("it is enabled with and without a variant, which is not a string", self.path)
        self.values[PLAIN] = ""

    def variant_values(self) -> dict[str, Any]:
        """The values of the variants by name; empty for a boolean feature."""
        lists = [self.feature.get("variants"), *(one.get("variants") for one, _ in self.strategies)]
        payloads: dict[str, Any] = {}
        for variant in (one for variants in lists for one in variants or () if isinstance(one, dict)):
            name, payload = variant.get("name"), variant.get("payload")
            if not isinstance(name, str) or not name:
                raise NoEquivalent("a variant without a name", self.path)
            if payloads.setdefault(name, payload) != payload:
                raise NoEquivalent(f"its variant {name!r} has two payloads", self.path)
        if not payloads:
            return {}
        values = {name: _payload(payload) for name, payload in payloads.items()}
        if all(value is None for value in values.values()):
            return {name: name for name in values}
        if len({kind_of(value) for value in values.values()}) > 1:
            texts = {name: (payload or {}).get("value", "") for name, payload in payloads.items()}
            self.made.differs(
                self.name, self.path, "its variants have payloads of several types, here all are strings"
            )
            return {name: str(text) for name, text in texts.items()}
        return values

    def definition(self) -> dict[str, Any]:
        """The feature in the grammar of flags.yaml."""
        made = self.described()
        made["status"] = "on" if self.feature.get("enabled") is True else "off"
        found = [self.strategy(strategy, path) for strategy, path in self.strategies]
        if self.values:
            made["variants"] = self.values
        requires = self.requires()
        if requires:
            made["requires"] = requires
        if self.is_never_met():
            made["status"] = "off"
        return {**made, **self.decided(found)}

    def described(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        text, project = self.feature.get("description"), self.feature.get("project")
        if isinstance(text, str) and 0 < len(text) <= 500:
            made["description"] = text
        elif text:
            self.made.not_carried(self.name, (*self.path, "description"), "a description of more than 500 characters")
        if isinstance(project, str) and project not in {"", "default"}:
            made["owner"] = project
        if self.tags:
            made["tags"] = list(self.tags)
        if str(self.feature.get("type")) in LASTING:
            made["permanent"] = True
        if self.feature.get("impressionData"):
            self.made.not_carried(self.name, self.path, "impression data")
        return made

    def decided(self, found: Sequence[_Strategy]) -> dict[str, Any]:
        """`rules` and `default`: strategies are alternatives, so the first that holds decides."""
        rules: list[dict[str, Any]] = []
        hashings: list[tuple[dict[str, Any], Hashing]] = []
        nobody = {"default": {"serve": next(iter(self.values))}, "rollout_percentage": 0} if self.values else None
        last: dict[str, Any] = nobody or {"default": {"serve": "off"}}
        default: Hashing | None = None
        for one in found:
            if one.when is False or one.percentage <= 0:
                continue
            share = {"rollout_percentage": one.percentage} if one.percentage < 100 else {}
            times = {key: value for key, value in one.period._asdict().items() if value}
            for override, variant in one.overrides:
                when = both(one.when, override)
                if when is False:
                    continue
                head = {"when": condition(when), **share, **times, "serve": variant}
                rules.append(head)
                if one.hashing is not None and share:
                    hashings.append((head, one.hashing))
            outcome = {"split": dict(one.split)} if one.split else {"serve": PLAIN if self.values else "on"}
            if one.when is True and not times:
                last, default = {"default": outcome, **share}, one.hashing
                if share and one is not found[-1]:
                    last, default = nobody or {"default": {"serve": "off"}}, None
                else:
                    break
            rule = {
                **({"name": one.name} if one.name else {}),
                "when": condition(one.when),
                **share,
                **times,
                **outcome,
            }
            rules.append(rule)
            if one.hashing is not None:
                hashings.append((rule, one.hashing))
        if not self.strategies:
            split, hashing = self.split({}, self.path, None)
            last, default = (
                {"default": {"split": split} if split else {"serve": PLAIN if self.values else "on"}},
                hashing,
            )
            rules = self.overriding(rules)
        keys = hashing_keys(self.name, default, hashings)
        return {**keys, **({"rules": rules} if rules else {}), **last}

    def overriding(self, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The overrides of a feature without strategies, which is on for everybody."""
        return [*rules, *({"when": condition(when), "serve": name} for when, name in self.overrides({}))]

    def strategy(self, strategy: Mapping[str, Any], path: KeyPath) -> _Strategy:
        name, parameters = strategy.get("name"), strategy.get("parameters") or {}
        constraints = list(strategy.get("constraints") or ())
        clocked = [one for one in constraints if on_the_clock(one)]
        plain = [one for one in constraints if not on_the_clock(one)]
        parts = [self.environment.constraints(plain, (*path, "constraints"))]
        parts += [self.segment(number, path) for number in strategy.get("segments") or ()]
        percentage, sticky = 100, None
        if name == "userWithId":
            users = _listed(parameters.get("userIds"))
            parts.append({TARGETING_KEY: scalar_list(users)} if users else False)
        elif name == "remoteAddress":
            parts.append(addresses_condition(_listed(parameters.get("IPs"))))
        elif name in _ROLLOUTS:
            percentage = _percentage(parameters.get("rollout", parameters.get("percentage")))
            sticky = _ROLLOUTS[name] or parameters.get("stickiness") or "default"
        elif name != "default":
            raise NoEquivalent(f"the strategy {name!r} is one of your own", path)
        hashing = None
        if sticky is not None and 0 < percentage < 100:
            hashing = self.hashing(sticky, self.group(str(name), parameters), path)
        elif sticky not in {None, "default", "random"}:
            parts.append({attribute_name(sticky, path): {"exists": True}})
        split, arms = self.split(strategy, path, hashing)
        if split and hashing and arms and arms != hashing:
            parts.append(self.environment.share(hashing, percentage))
            percentage, hashing = 100, None
        title = strategy.get("title")
        named = title if isinstance(title, str) and 0 < len(title) <= 255 else None
        held = [period(one, path) for one in clocked]
        start, end = max((one.start for one in held if one.start), default=None), None
        ends = [one.end for one in held if one.end]
        if ends:
            end = min(ends)
        return _Strategy(
            both(*parts), percentage, split, arms or hashing, self.overrides(strategy), named, Period(start, end)
        )

    def segment(self, number: Any, path: KeyPath) -> dict[str, Any]:
        if number in self.environment.segments:
            return {"segment": self.environment.segments[number]}
        if number in self.environment.entries.segments:
            raise NoEquivalent("one of its segments is left out", path)
        raise NoEquivalent(f"its segment {number!r} is not in the file", path)

    def group(self, name: str, parameters: Mapping[str, Any]) -> str:
        found = parameters.get("groupId")
        return str(found) if found else (self.name if name == "flexibleRollout" else "")

    def hashing(self, sticky: Any, salt: str, path: KeyPath) -> Hashing:
        """How a stickiness divides: without the value Unleash goes on to the next strategy, or draws at random."""
        if sticky == "random":
            text = "Unleash draws again at each call, for everyone; here a user keeps the answer"
            self.made.differs(self.name, path, text)
        if sticky == "default":
            self.environment.drawing.add(self.name)
        if sticky in {"default", "random"}:
            return Hashing(HASH, salt, (TARGETING_KEY, "sessionId"), "next")
        return Hashing(HASH, salt, attribute_name(sticky, path), "next")

    def variants_of(self, strategy: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        own = strategy.get("variants") or self.feature.get("variants") or ()
        return [one for one in own if isinstance(one, dict)]

    def split(
        self, strategy: Mapping[str, Any], path: KeyPath, rollout: Hashing | None
    ) -> tuple[Mapping[str, int] | None, Hashing | None]:
        """The weights of the variants, and how they are divided."""
        variants = self.variants_of(strategy)
        weights: dict[str, int] = {}
        for one in variants:
            weight = one.get("weight", 0)
            if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
                raise NoEquivalent("a weight that is not a whole number has no equivalent", path)
            if weight:
                weights[str(one["name"])] = weight
        if not weights:
            return None, None
        sticky = variants[0].get("stickiness") or (strategy.get("parameters") or {}).get("stickiness") or "default"
        salt = self.name
        if strategy.get("variants"):
            salt = self.group(str(strategy.get("name")), strategy.get("parameters") or {})
        if len(weights) == 1:
            return weights, rollout
        hashing = self.hashing(sticky, salt, path)
        self.environment.drawing.add(self.name)
        return weights, hashing

    def overrides(self, strategy: Mapping[str, Any]) -> list[tuple[When, str]]:
        """Variants that certain users get, before any is drawn."""
        found: list[tuple[When, str]] = []
        for variant in self.variants_of(strategy):
            parts = [
                {attribute_name(one.get("contextName"), self.path): scalar_list(one["values"])}
                for one in variant.get("overrides") or ()
                if isinstance(one, dict) and one.get("values")
            ]
            when = either(*parts)
            if when is not False:
                found.append((when, str(variant["name"])))
        return found

    def requires(self) -> list[dict[str, Any]]:
        """The parents, each with the variants that it may have."""
        made: list[dict[str, Any]] = []
        for one in self.dependencies():
            parent = self.environment.entries.features.get(one["feature"])
            if parent is None:
                continue
            other = _Feature(self.environment, one["feature"], parent)
            if not one.get("enabled", True):
                made.append({"flag": other.name, **_absent(other)})
            elif one.get("variants"):
                known = other.known(one["variants"])
                made += [{"flag": other.name, "variant": scalar_list(known)}] if known else []
            else:
                made.append({"flag": other.name, **_present(other)})
        return made

    def is_never_met(self) -> bool:
        """Whether a parent is missing, has parents itself, or has none of the variants: Unleash never meets it."""
        for one in self.dependencies():
            parent = self.environment.entries.features.get(one["feature"])
            if parent is None or parent.value.get("dependencies"):
                return True
            wanted = one.get("variants")
            other = _Feature(self.environment, one["feature"], parent)
            if one.get("enabled", True) and wanted and not other.known(wanted):
                return True
        return False

    def known(self, wanted: Any) -> list[str]:
        """Which of these variants it has; `disabled` is what it has while it is enabled without one."""
        plain = PLAIN if self.values else "on"
        names = [plain if name == "disabled" else name for name in wanted]
        return [name for name in names if name in (self.values or {"on"})]

    def dependencies(self) -> Iterator[Mapping[str, Any]]:
        for one in self.feature.get("dependencies") or ():
            if isinstance(one, dict) and isinstance(one.get("feature"), str):
                yield one


def _present(parent: _Feature) -> dict[str, Any]:
    """What a parent serves while it is enabled."""
    return {"variant": scalar_list(list(parent.values))} if parent.values else {"variant": "on"}


def _absent(parent: _Feature) -> dict[str, Any]:
    return {"not_variant": scalar_list(list(parent.values))} if parent.values else {"variant": "off"}


_ROLLOUTS = {
    "flexibleRollout": None,
    "gradualRolloutUserId": "userId",
    "gradualRolloutSessionId": "sessionId",
    "gradualRolloutRandom": "random",
}


def _percentage(value: Any) -> int:
    number = parse_number(str(value).strip()) if value is not None else 0
    return min(max(int(number or 0), 0), 100)


def _listed(text: Any) -> list[str]:
    return [part.strip() for part in str(text or "").split(",") if part.strip()]


def _payload(payload: Any) -> Any:
    """The value of a payload: a string, a number or JSON."""
    if not isinstance(payload, dict):
        return None
    kind, text = payload.get("type"), payload.get("value")
    if kind == "number":
        number = parse_number(str(text).strip())
        return text if number is None else number
    if kind == "json":
        try:
            return json.loads(str(text))
        except (ValueError, RecursionError):
            return text
    return text
