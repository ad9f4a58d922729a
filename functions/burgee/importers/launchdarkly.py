"""LaunchDarkly's flags and segments, as its API or its SDKs have them, to flags.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from burgee.evaluation.context import TARGETING_KEY
from burgee.importers.base import (
    Imported,
    NoEquivalent,
    both,
    condition,
    either,
    ensures,
    ensures_presence,
    joined_text,
    negated,
    one_type,
    require_name,
    variant_names,
)
from burgee.importers.environment import NAMELESS, convert_flags
from burgee.importers.hashing import hashing_keys
from burgee.importers.launchdarkly_clauses import USER, attribute_path, clause_condition, keys_of
from burgee.importers.launchdarkly_rollouts import ADD_SDK_FILE, HASH, WHOLE, Variations, percent
from burgee.importers.launchdarkly_shape import environments
from burgee.importers.overlays import overlaid
from burgee.importers.shapes import LaunchDarklyFlag, LaunchDarklySegment, require_shape

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath
    from burgee.importers.base import When
    from burgee.importers.launchdarkly_rollouts import Served
    from burgee.importers.launchdarkly_shape import Entries, Entry

UNDECIDING = {
    "trackEvents": "tracking of events",
    "trackEventsFallthrough": "tracking of events",
    "debugEventsUntilDate": "debugging of events",
    "_debugEventsUntilDate": "debugging of events",
    "samplingRatio": "sampling of events",
    "migration": "a migration with stages",
}


def import_launchdarkly(
    files: Sequence[tuple[str | None, Document]], lists: Collection[str] | None = None
) -> Imported:
    """Converts LaunchDarkly's files, each with the name of its environment if it is known.

    `lists` are the attributes that may hold lists; None for all but those that LaunchDarkly itself defines.
    """
    found = environments(files)
    if not found:
        made = Imported(files[0][1])
        made.leave_out("the file", (), "it has no flags")
        return made
    if set(found) == {NAMELESS}:
        return _Environment(found[NAMELESS], lists).imported()
    shared = found.pop(NAMELESS, None)
    parts = {}
    for name, entries in found.items():
        if shared is not None:  # segments of a file that names no environment
            entries.segments = {**shared.segments, **entries.segments}
            entries.unread += shared.unread
        parts[name] = _Environment(entries, lists).imported()
    return overlaid(parts)


class _Environment:
    """Converts the flags and segments of one environment."""

    def __init__(self, entries: Entries, lists: Collection[str] | None) -> None:
        self.entries, self.lists = entries, lists
        self.made = entries.imported()
        self.segments: dict[str, str] = {}
        self.lost_segments: dict[str, str] = {}
        self.own_off: set[str] = set()

    def imported(self) -> Imported:
        for key in self.entries.segments:
            self.segments[key] = _segment_name(key, self.segments.values())
        for key, entry in self.entries.segments.items():
            self.segment(key, entry)
        self.own_off = set(self.needing_own_off())
        convert_flags(self.made, self.entries.flags, lambda key, entry: _Flag(self, key, entry).definition())
        return self.made

    def segment(self, key: str, entry: Entry) -> None:
        name = self.segments[key]
        self.made.place_flag(f"segment {name}", entry.path)
        try:
            when = condition(self.segment_condition(key, entry))
        except NoEquivalent as found:
            self.lost_segments[key] = str(found)
            self.made.leave_out(f"segment {key}", found.path or entry.path, str(found))
            return
        described = entry.about.get("description") or entry.about.get("name")
        text = {"description": described} if isinstance(described, str) and 0 < len(described) <= 500 else {}
        self.made.segments[name] = {**text, "when": when}

    def segment_condition(self, key: str, entry: Entry) -> When:
        """Included, or not excluded and matched by a rule."""
        segment, path = entry.value, entry.path
        require_shape(LaunchDarklySegment, segment, path)
        if segment.get("unbounded"):
            raise NoEquivalent("its list of users is a big segment, which LaunchDarkly keeps elsewhere", path)
        included = either(keys_of(None, _listed(segment, "included")), *_of_kinds(segment, "includedContexts"))
        excluded = either(keys_of(None, _listed(segment, "excluded")), *_of_kinds(segment, "excludedContexts"))
        rules = []
        for index, rule in enumerate(_listed(segment, "rules")):
            here = (*path, "rules", index)
            if not isinstance(rule, dict):
                raise NoEquivalent("a rule that is not a mapping", here)
            when = self.clauses(rule, here)
            if rule.get("weight") is not None and when is not False:
                when = self.share(key, entry, index, when, here)
            rules.append(when)
        return either(included, both(negated(excluded), either(*rules)))

    def share(self, key: str, entry: Entry, index: int, when: When, path: KeyPath) -> When:
        """The share of a segment's rule, as a segment of its own; contexts without the attribute are inside."""
        rule = entry.value["rules"][index]
        weight, kind = rule["weight"], rule.get("rolloutContextKind")
        if isinstance(weight, bool) or not isinstance(weight, int):
            raise NoEquivalent("a weight that is not a whole number has no equivalent", path)
        if "salt" not in entry.value:
            raise NoEquivalent(f"the API does not give the salt of its share: {ADD_SDK_FILE}", path)
        attribute = attribute_path(rule.get("bucketBy") or "key", kind, path)
        absent: list[When] = []
        if attribute != TARGETING_KEY and weight > 0:
            absent.append(both(when, {attribute: {"exists": False}}))
        elif kind not in {None, "", USER}:
            absent.append(both(when, {f"{kind}.key": {"exists": False}}))
        if weight >= WHOLE:
            return when
        name = _segment_name(f"{self.segments[key]}-share-{index + 1}", self.made.segments)
        by = {} if attribute == TARGETING_KEY else {"bucket_by": attribute}
        if attribute not in {TARGETING_KEY, f"{kind}.key"} and weight > 0:
            how = f"users whose {attribute} is neither a string nor a whole number are in its share there, not here"
            self.made.differs(f"segment {key}", path, how)
        share = {"rollout_percentage": percent(max(weight, 0)), **by}
        salt = f"{key}.{entry.value['salt']}"
        self.made.segments[name] = {"when": condition(when), **share, "salt": salt, "hash": HASH}
        return either({"segment": name}, *absent)

    def clauses(self, rule: Mapping[str, Any], path: KeyPath) -> When:
        """The condition that every clause of a rule holds."""
        parts = []
        for index, clause in enumerate(_listed(rule, "clauses")):
            here = (*path, "clauses", index)
            for key in clause.get("values", ()) if isinstance(clause, dict) else ():
                if clause.get("op") == "segmentMatch" and isinstance(key, str) and key in self.lost_segments:
                    raise NoEquivalent(f"the segment {key!r} is left out: {self.lost_segments[key]}", here)
            parts.append(clause_condition(clause, self.segments, self.lists, here))
        return both(*parts)

    def needing_own_off(self) -> Iterator[str]:
        """Flags whose off variation is required by another: LaunchDarkly never counts it while the flag is off."""
        for entry in self.entries.flags.values():
            for required in _listed(entry.value, "prerequisites"):
                key = required.get("key") if isinstance(required, dict) else None
                other = self.entries.flags.get(key) if isinstance(key, str) else None
                if other is not None and other.value.get("offVariation") == required.get("variation"):
                    yield str(key)


class _Flag:
    """Converts one flag in one environment."""

    def __init__(self, environment: _Environment, key: str, entry: Entry) -> None:
        self.environment, self.made = environment, environment.made
        self.key = require_name(key, entry.path)
        require_shape(LaunchDarklyFlag, entry.value, entry.path)
        self.flag, self.path, self.about = entry
        self.values = _listed(self.flag, "variations")
        if not self.values:
            raise NoEquivalent("it has no variations", self.path)
        one_type(self.values, self.path)
        given = [one.get("name") if isinstance(one, dict) else None for one in _listed(self.about, "variations")]
        self.names = variant_names(self.values, given)
        self.variations = Variations(self.key, self.names, self.flag.get("salt"))
        self.is_boolean = sorted(self.names) == ["off", "on"] and all(
            isinstance(value, bool) and value is (name == "on")
            for name, value in zip(self.names, self.values, strict=True)
        )

    def definition(self) -> dict[str, Any]:
        """The flag in the grammar of flags.yaml."""
        self.report_undeciding()
        made = {**self.described(), "status": "on" if self.flag.get("on") is True else "off"}
        made |= self.variants()
        targets, before = self.targets()
        rules, hashings = [*before], []
        for index, rule in enumerate(_listed(self.flag, "rules")):
            path = (*self.path, "rules", index)
            if not isinstance(rule, dict):
                raise NoEquivalent("a rule that is not a mapping", path)
            when = self.environment.clauses(rule, path)
            served = self.variations.served(rule, path)
            self.report_experiment(served, path)
            rules += self.without_kind(rule, when, path)
            if when is False:
                continue
            named = self.named(rule)
            converted = {**named, "when": condition(when), **served.keys}
            rules.append(converted)
            if served.hashing is not None:
                hashings.append((converted, served.hashing))
            if served.others is not None:
                others = {"name": f"{named['name']}, not in the experiment"[:255]} if named else {}
                rules.append({**others, "when": condition(when), "serve": served.others})
        fallthrough = self.flag.get("fallthrough")
        served = self.variations.served(fallthrough, (*self.path, "fallthrough"))
        self.report_experiment(served, (*self.path, "fallthrough"))
        rules += self.without_kind(fallthrough, True, (*self.path, "fallthrough"))
        default, hashing = served.keys, served.hashing
        if served.others is not None and hashing is not None:
            experiment = {"name": "experiment", "when": {}, **served.keys}
            rules.append(experiment)
            hashings.append((experiment, hashing))
            default, hashing = {"serve": served.others}, None
        if all(one.bucket_by == TARGETING_KEY for one in (hashing, *(one for _, one in hashings)) if one):
            hashing = hashing and hashing._replace(without_unit=None)
            hashings = [(rule, one._replace(without_unit=None)) for rule, one in hashings]
        made |= hashing_keys(self.key, hashing, hashings)
        if targets:
            made["targets"] = targets
        requires = self.requires()
        if requires:
            made["requires"] = requires
        if rules:
            made["rules"] = rules
        return {**made, "default": default}

    def report_undeciding(self) -> None:
        for key, what in UNDECIDING.items():
            if self.flag.get(key):
                self.made.not_carried(self.key, (*self.path, key), what)
        for index, rule in enumerate(_listed(self.flag, "rules")):
            if isinstance(rule, dict) and rule.get("trackEvents"):
                self.made.not_carried(self.key, (*self.path, "rules", index), "tracking of events")
        if self.about.get("deprecated"):
            self.made.not_carried(self.key, self.path, "being deprecated")

    def described(self) -> dict[str, Any]:
        """Description, owner, tags and the like, as the API gives them."""
        about = self.about
        made: dict[str, Any] = {}
        name, text = about.get("name"), about.get("description")
        texts = [one for one in (name, text) if isinstance(one, str) and one and _plain(one) != _plain(self.key)]
        if texts:
            described = joined_text(texts)
            made["description"] = described if len(described) <= 500 else texts[-1][:500]
            if len(described) > 500:
                self.made.not_carried(self.key, self.path, "a description of more than 500 characters as a whole")
        owner = about.get("_maintainerTeam") or about.get("_maintainer") or {}
        owner = owner.get("key") or owner.get("email") if isinstance(owner, dict) else None
        if isinstance(owner, str) and 0 < len(owner) <= 255:
            made["owner"] = owner
        tags = [tag for tag in _listed(about, "tags") if isinstance(tag, str)]
        if tags:
            made["tags"] = tags
        metadata = {}
        for key, value in (about.get("customProperties") or {}).items():
            values = value.get("value") if isinstance(value, dict) else None
            metadata[key] = values[0] if isinstance(values, list) and len(values) == 1 else values
        made |= self.made.described(self.key, {k: v for k, v in metadata.items() if k not in made}, self.path)
        if about.get("temporary") is False:
            made["permanent"] = True
        sides = about.get("clientSideAvailability")
        sides = sides if isinstance(sides, dict) else {}
        if about.get("includeInSnippet") or sides.get("usingEnvironmentId") or sides.get("usingMobileKey"):
            made["client"] = True
        return made

    def variants(self) -> dict[str, Any]:
        """The values by name, and the one that is served while the flag is off."""
        index = self.flag.get("offVariation")
        off = None if index is None else self.variations.name(index, (*self.path, "offVariation"))
        has_own = self.key in self.environment.own_off
        if has_own and self.flag.get("on") is True and _listed(self.flag, "prerequisites"):
            # Off variation: there met if a prerequisite is not, here only without a variant of its own.
            text = "if it is switched off later, flags that require its off variation are served; there they are not"
            self.made.differs(self.key, (*self.path, "prerequisites"), text)
            has_own = False
        if self.is_boolean and off == "off" and not has_own:
            return {}
        values = dict(zip(self.names, self.values, strict=True))
        if has_own and off is not None:
            values["while off"] = values[off]
            off = "while off"
        return {"variants": values, **({"off_variant": off} if off is not None else {})}

    def targets(self) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
        """Individual targets; keys of other kinds as rules, and all as rules if their order matters."""
        by_kind = _listed(self.flag, "contextTargets")
        users = {
            one.get("variation"): one for one in reversed(_listed(self.flag, "targets")) if isinstance(one, dict)
        }
        ordered: list[tuple[Any, Any, Any]] = []
        for one in by_kind or _listed(self.flag, "targets"):
            if not isinstance(one, dict):
                raise NoEquivalent("a target that is not a mapping", (*self.path, "targets"))
            kind = one.get("contextKind") or "user"
            own = users.get(one.get("variation"), {}) if by_kind and kind == "user" else one
            ordered.append((kind, one.get("variation"), own.get("values") or []))
        others = [entry for entry in ordered if entry[0] != "user"]
        first_other = next((index for index, entry in enumerate(ordered) if entry[0] != "user"), len(ordered))
        if any(entry[0] == "user" and entry[2] for entry in ordered[first_other:]):
            return {}, [rule for entry in ordered for rule in self.target_rule(*entry)]
        seen: set[str] = set()
        targets: dict[str, list[str]] = {}
        for kind, variation, values in ordered:
            fresh = [value for value in dict.fromkeys(values) if isinstance(value, str) and value not in seen]
            if kind == "user" and fresh:
                name = self.variations.name(variation, (*self.path, "targets"))
                targets.setdefault(name, []).extend(fresh)
                seen.update(fresh)
        return targets, [rule for entry in others for rule in self.target_rule(*entry)]

    def target_rule(self, kind: str, variation: Any, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
        when = keys_of(kind, values)
        if when is not False:
            name = self.variations.name(variation, (*self.path, "contextTargets"))
            yield {"name": f"{kind} targets: {name}"[:255], "when": condition(when), "serve": name}

    def requires(self) -> list[dict[str, str]]:
        """The prerequisites, each with the name of its variation."""
        made = []
        for index, required in enumerate(_listed(self.flag, "prerequisites")):
            path = (*self.path, "prerequisites", index)
            key = required.get("key") if isinstance(required, dict) else None
            entry = self.environment.entries.flags.get(key) if isinstance(key, str) else None
            if entry is None:
                raise NoEquivalent(f"its prerequisite {key!r} is not in the file", path)
            other = _Flag(self.environment, str(key), entry)
            made.append({"flag": other.key, "variant": other.variations.name(required.get("variation"), path)})
        return made

    def without_kind(self, found: Any, when: When, path: KeyPath) -> Iterator[dict[str, Any]]:
        """A rule for contexts without the kind of a rollout: they get its first variation, whatever its weight."""
        rollout = found.get("rollout") if isinstance(found, dict) and found.get("variation") is None else None
        kind = (rollout.get("contextKind") if rollout else None) or USER
        if rollout and kind != USER and not rollout["variations"][0].get("weight"):
            key = f"{kind}.key"
            present = ensures(when, key, ensures_presence, self.made.segments)
            absent = not present and both(when, {key: {"exists": False}})
            first = self.variations.name(rollout["variations"][0].get("variation"), path)
            if absent is not False:
                yield {"name": f"without {kind}", "when": condition(absent), "serve": first}

    def report_experiment(self, served: Served, path: KeyPath) -> None:
        if served.is_experiment:
            self.made.not_carried(self.key, path, "the experiment on its rollout (its arms are carried)")

    @staticmethod
    def named(rule: Mapping[str, Any]) -> dict[str, str]:
        name = rule.get("description")
        return {"name": name} if isinstance(name, str) and 0 < len(name) <= 255 else {}


def _segment_name(key: str, taken: Any) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", key).lstrip("._-")[:200] or "segment"
    while name in taken:
        name += "-2"
    return name


def _of_kinds(segment: Mapping[str, Any], key: str) -> Iterator[When]:
    for target in _listed(segment, key):
        if isinstance(target, dict):
            yield keys_of(target.get("contextKind"), _listed(target, "values"))


def _listed(owner: Mapping[str, Any], key: str) -> list[Any]:
    found = owner.get(key)
    return found if isinstance(found, list) else []


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
