"""Checks of definitions beyond the grammar: unknown names, cycles, mixed types, overlapping layers.

All input passes these checks: lint runs them on a file, `burgee.flagfile.entering` on definitions from the API or the
command line. A check is a generator of faults, called by `snapshot_faults` (flags together), `flag_faults` (a flag
over time) or `state_faults` (a flag at one time); it does not depend on files.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.decisions import ONE_LINE
from burgee.evaluation.definition import (
    NEXT,
    fragments,
    is_divided,
    on_a_cycle,
    owners,
    pinned_hash,
    requirements,
    scheduled,
    segments_of,
    states,
    variants,
    weights,
)
from burgee.evaluation.hash_strategies import strategy
from burgee.flagfile.guard_checks import guard_faults
from burgee.flagfile.nesting import deep_requirements, deep_segments, required_ever
from burgee.flagfile.suggestions import near
from burgee.flagfile.value_schemas import mismatches
from burgee.model import Fault
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence

    from burgee.model import Definition, Snapshot

    Path: TypeAlias = tuple[str | int, ...]
    Uses: TypeAlias = Callable[[str], Sequence[tuple[Path, str]]]
    Locate: TypeAlias = Callable[..., Path]

MAX_SCHEDULE = 100
"""Maximum entries of a schedule: a flag is compiled and checked after each."""
MAX_CYCLES = 20
"""Maximum cycles reported per snapshot; there can be as many as flags."""
MAX_SHOWN = 20
"""Maximum names of a cycle in a message."""


class Surroundings(NamedTuple):
    """The snapshot that contains the definitions.

    `unread` are names that exist but could not be parsed, so references to them are not reported. `more_variants` are
    variants of flags in other environments, if any of these are acceptable.
    """

    snapshot: Snapshot
    unread: Container[tuple[str, str]] = frozenset()
    more_variants: Mapping[str, Collection[str]] = {}

    @property
    def flags(self) -> Mapping[str, Definition]:
        """By name."""
        found: Mapping[str, Definition] = self.snapshot["flags"]
        return found

    def names(self, section: str) -> Mapping[str, Any]:
        """The entries of a section, by name."""
        found: Mapping[str, Any] = self.snapshot.get(section, {})
        return found

    def missing(self, section: str, name: str) -> bool:
        """Whether a section lacks a name."""
        return name not in self.names(section) and (section, name) not in self.unread

    def variants(self, flag: str) -> list[str]:
        """The variants that a flag has at any time."""
        own = [variant for state in states(self.flags[flag]) for variant in variants(state.definition)]
        return list(dict.fromkeys([*own, *self.more_variants.get(flag, ())]))


def snapshot_faults(around: Surroundings, flags: Collection[str] | None = None) -> Iterator[Fault]:
    """All faults of a snapshot, or of some of its flags, alone and together with others.

    Paths start at the snapshot: `("flags", name, key, ...)`, or `("segments", name, key, ...)` into a condition.
    """
    if flags is None:
        yield from _segments(around)
    for name in around.flags if flags is None else flags:
        yield from flag_faults(around, name)
    yield from deep_segments(around.names("segments"), around.flags, flags)
    if flags is None or any(required_ever(around.flags[name]) for name in flags):
        yield from deep_requirements(around.flags)
    yield from _cycles("flags", around.flags, lambda name: required_ever(around.flags[name]), flags)
    yield from _layers(around, flags)


def flag_faults(around: Surroundings, name: str) -> Iterator[Fault]:
    """All faults of one flag, now and after each entry of its schedule."""
    definition, base = around.flags[name], ("flags", name)
    yield from guard_faults(name, definition, around.names("metrics"), partial(around.missing, "metrics"))
    entries = definition.get("schedule", ())
    if len(entries) > MAX_SCHEDULE:
        message = f"a schedule has at most {MAX_SCHEDULE} entries"
        yield Fault((*base, "schedule"), "too-long", message, "remove past entries", at_key=True)
        return
    times = [parse_time(entry["at"]) for entry in entries]
    for index in range(1, len(times)):
        if times[index] <= times[index - 1]:
            where = (*base, "schedule", index, "at")
            yield Fault(where, "schedule-order", "each entry must come after the one before it")
    homes: dict[str, Path] = {key: (*base, key) for key in definition}
    found: list[Fault] = []
    now, *later = scheduled(definition)
    found += state_faults(around, name, now.definition, homes)
    for index, state in zip(sorted(range(len(times)), key=times.__getitem__), later, strict=True):
        homes |= {key: (*base, "schedule", index, "set", key) for key in entries[index]["set"]}
        found += state_faults(around, name, state.definition, homes)
    yield from dict.fromkeys(found)


def state_faults(around: Surroundings, name: str, state: Definition, homes: Mapping[str, Path]) -> Iterator[Fault]:
    """All faults of a flag at one time; `homes` are the paths to its keys."""

    def locate(key: str, *inner: str | int) -> Path:
        return (*homes.get(key, ("flags", name)), *inner)

    for check in STATE_CHECKS:
        yield from check(around, name, state, locate)


def _variants_named(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Every variant that is mentioned must exist."""
    del around
    known = list(variants(state))
    for path, variant, at_key in _mentions(state):
        if variant not in known:
            hint = near(variant, known) or f"the flag has {', '.join(known)}"
            yield Fault(locate(*path), "unknown-variant", f"{name} has no variant {variant!r}", hint, at_key)


def _mentions(state: Definition) -> Iterator[tuple[Path, str, bool]]:
    """Every mention of a variant: its path within the state, its name, and whether it is a key."""
    if "off_variant" in state:
        yield ("off_variant",), state["off_variant"], False
    for variant in state.get("targets", {}):
        yield ("targets", variant), variant, True
    for owner in owners(state):
        path: Path = ("default",) if owner.rule is None else ("rules", owner.rule)
        if "serve" in owner.outcome:
            yield (*path, "serve"), owner.outcome["serve"], False
        for key in ("split", "ranges"):
            for variant in owner.outcome.get(key, {}):
                yield (*path, key, variant), variant, True
        where: Path = () if owner.rule is None else path
        if owner.settings.get("without_unit", NEXT) != NEXT:
            yield (*where, "without_unit"), owner.settings["without_unit"], False


def _one_type(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """All variants have values of one type."""
    del around, name
    kinds = {variant: _kind(value) for variant, value in state.get("variants", {}).items()}
    first = next(iter(kinds.values()), None)
    for variant, kind in kinds.items():
        if kind != first:
            message = f"{variant!r} is {kind} where the first variant is {first}"
            yield Fault(locate("variants", variant), "mixed-types", message, "give all variants one type")


def _as_the_schema_says(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Every value has the type that the flag's schema gives."""
    del around, name
    if "schema" not in state:
        return
    for variant, value in variants(state).items():
        for path, message in mismatches(state["schema"], value):
            yield Fault(locate("variants", variant, *path), "schema-mismatch", f"{variant}: {message}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if value is None:
        return "null"
    return {"str": "a string", "list": "a list"}.get(type(value).__name__, "a mapping")


def _missing_default(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """A flag must state what users get if no rule serves them: 10 % of Germany must not include all others."""
    del around
    if state.get("default"):
        return
    others = state.get("off_variant") or next(iter(state.get("variants", ())), "off")
    hint = f"add `default: {{serve: {others}}}` to the flag, or another of its variants"
    if "variants" in state:
        message = f"{name} has variants, but does not say which is served when no rule decides"
        key = "default" if "default" in state else "variants"
        yield Fault(locate(key), "missing-default", message, hint, at_key=key == "variants")
    elif state.get("rules") and "rollout_percentage" not in state:
        message = f"{name} has rules, but does not say what everyone else gets"
        yield Fault(locate("rules"), "missing-default", message, hint, at_key=True)


def _missing_serve(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """A rule of a flag with variants must say which of them it serves."""
    del around, name
    for index, rule in enumerate(state.get("rules", ()) if "variants" in state else ()):
        if {"serve", "split", "ranges"}.isdisjoint(rule):
            yield Fault(locate("rules", index), "serve-missing", "the rule needs `serve`, `split` or `ranges`")


def _next_is_no_variant(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Beside a variant `next`, it would be open what `without_unit: next` means."""
    del around
    for owner in owners(state) if NEXT in variants(state) else ():
        if owner.settings.get("without_unit") == NEXT:
            path: Path = () if owner.rule is None else ("rules", owner.rule)
            message = f"`next` goes on to the next rule, but {name} has a variant of that name"
            yield Fault(locate(*path, "without_unit"), "ambiguous-next", message, "rename the variant")


def _segments_named(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Every segment that a rule names must exist."""
    del name
    for index, rule in enumerate(state.get("rules", ())):
        yield from _unknown_segments(around, rule["when"], locate("rules", index, "when"))


def _targeted_once(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """A user is named only once, under one variant."""
    del around, name
    seen: dict[str, str] = {}
    for variant, users in state.get("targets", {}).items():
        for index, user in enumerate(users):
            if user in seen:
                message = f"{user!r} is already under {seen[user]!r}"
                yield Fault(locate("targets", variant, index), "target-twice", message, "name a user once")
            seen[user] = variant


def _hashing(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Features that a pinned hash does not support, and an empty salt, which only such a hash may need."""
    del around, name
    for owner in owners(state):
        path: Path = () if owner.rule is None else ("rules", owner.rule)
        pinned = pinned_hash(state, owner.settings)
        way = strategy(pinned)
        if pinned is None and owner.settings.get("salt") == "":
            yield Fault(locate(*path, "salt"), "empty", "this must not be empty")
        shares = weights(owner.outcome)
        if not way.has_two_lines and "rollout_percentage" in owner.settings and is_divided(owner.outcome):
            where = locate(*path, "rollout_percentage")
            yield Fault(where, "hash-one-line", ONE_LINE, "remove the rollout, or the hash")
        try:
            way.arms("", shares.values() if "split" in owner.outcome else (1,))
        except ValueError as error:
            yield Fault(locate(*(path or ("default",)), "split"), "hash-weights", str(error))


def _requirements(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """Every required flag must exist, with the variant that it must give."""
    del name
    for path, entry in requirements(state):
        other = entry["flag"]
        if around.missing("flags", other):
            hint = near(other, around.flags)
            yield Fault(locate(*path, "flag"), "unknown-flag", f"there is no flag {other!r}", hint)
        elif other in around.flags:
            known = around.variants(other)
            for inner, variant in _required_variants(entry):
                if variant not in known:
                    hint = near(variant, known) or f"it has {', '.join(known)}"
                    message = f"{other} has no variant {variant!r}"
                    yield Fault(locate(*path, *inner), "unknown-variant", message, hint)


def _required_variants(entry: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for key in ("variant", "not_variant"):
        found = entry.get(key, ())
        if isinstance(found, str):
            yield (key,), found
        else:
            yield from (((key, index), variant) for index, variant in enumerate(found))


def _held_out(around: Surroundings, name: str, state: Definition, locate: Locate) -> Iterator[Fault]:
    """The holdout must exist."""
    del name
    holdout = state.get("holdout")
    if holdout is not None and around.missing("holdouts", holdout):
        hint = near(holdout, around.names("holdouts"))
        yield Fault(locate("holdout"), "unknown-holdout", f"there is no holdout {holdout!r}", hint)


STATE_CHECKS: Sequence[Callable[[Surroundings, str, Definition, Locate], Iterator[Fault]]] = (
    _variants_named,
    _one_type,
    _as_the_schema_says,
    _missing_default,
    _missing_serve,
    _next_is_no_variant,
    _segments_named,
    _targeted_once,
    _hashing,
    _requirements,
    _held_out,
)
"""The checks of a flag at one time. `locate(key, ...)` returns the path to the fault."""


def _segments(around: Surroundings) -> Iterator[Fault]:
    segments = around.names("segments")
    for name, when in segments.items():
        yield from _unknown_segments(around, when, ("segments", name))
    yield from _cycles("segments", segments, lambda name: list(segments_of(segments[name])))


def _unknown_segments(around: Surroundings, when: Mapping[str, Any], base: Path) -> Iterator[Fault]:
    for path, name in segments_of(when):
        if around.missing("segments", name):
            hint = near(name, around.names("segments"))
            yield Fault((*base, *path), "unknown-segment", f"there is no segment {name!r}", hint)


def _cycles(
    section: str, names: Mapping[str, Any], uses: Uses, starts: Iterable[str] | None = None
) -> Iterator[Fault]:
    """Cycles that together contain every member of a cycle: in file order, one for each member that is in none yet.
    With `starts`, only cycles reachable from them.
    """

    def used(name: str) -> list[str]:
        return [other for _, other in uses(name) if other in names]

    known: dict[str, bool] = {}
    for start in names if starts is None else starts:
        on_a_cycle(start, used, known)
    done: set[str] = set()
    for name in islice((name for name in names if known.get(name) and name not in done), MAX_CYCLES):
        cycle = _way_back(name, lambda one: [other for other in used(one) if known[other]])
        done.update(cycle)
        path = next(path for path, other in uses(cycle[-1]) if other == name)
        shown = [*cycle[:MAX_SHOWN], *(["..."] if len(cycle) > MAX_SHOWN else []), name]
        message = f"this is a cycle: {' -> '.join(shown)}"
        yield Fault((section, cycle[-1], *path), "cycle", message)


def _way_back(start: str, uses: Callable[[str], Iterable[str]]) -> list[str]:
    """The shortest path from a member of a cycle to the one that uses it."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for other in uses(name):
            if other == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other not in came_from:
                came_from[other] = name
                waiting.append(other)
    return [start]


class _Range(NamedTuple):
    """A range of a layer that a flag uses at some time."""

    low: float
    high: float
    flag: str
    path: Path


def _layers(around: Surroundings, flags: Collection[str] | None) -> Iterator[Fault]:
    """Overlapping ranges of one layer, including those that a schedule sets later."""
    taken: dict[str, list[_Range]] = {}
    wanted: dict[str, None] = {}
    for flag, definition in around.flags.items():
        for layer, path in _layers_of(flag, definition):
            low, high = layer["range"]
            taken.setdefault(layer["name"], []).append(_Range(low, high, flag, path))
            if flags is None or flag in flags:
                wanted[layer["name"]] = None
    order = {flag: number for number, flag in enumerate(around.flags)}
    for name in wanted:
        yield from _overlaps(name, taken[name], order)


def _layers_of(name: str, definition: Definition) -> Iterator[tuple[Mapping[str, Any], Path]]:
    for number, part in enumerate(fragments(definition)):
        if "layer" in part:
            base: Path = ("schedule", number - 1, "set") if number else ()
            yield part["layer"], ("flags", name, *base, "layer", "range")


def _overlaps(layer: str, ranges: Sequence[_Range], order: Mapping[str, int]) -> Iterator[Fault]:
    """Reported at the later of two flags in the file. Of the ranges that begin before a range, it is enough to
    compare the one that ends last, and the last-ending one of another flag.
    """
    ends: list[_Range] = []
    for one in sorted(ranges):
        for other in ends:
            if other.flag != one.flag and one.low < other.high:
                first, last = sorted((one, other), key=lambda each: order[each.flag])
                message = f"{last.flag} and {first.flag} share part of layer {layer!r}"
                yield Fault(last.path, "layer-overlap", message, f"{first.flag} has {first.low:g} to {first.high:g}")
                break
        ends = _last_ends([*ends, one])


def _last_ends(ranges: Sequence[_Range]) -> list[_Range]:
    """The range that ends last, and the last-ending range of another flag."""
    last = max(ranges, key=lambda one: one.high)
    others = [one for one in ranges if one.flag != last.flag]
    return [last, max(others, key=lambda one: one.high)] if others else [last]
