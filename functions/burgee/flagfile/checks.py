"""What the grammar cannot see: names that must exist, cycles, values of mixed types, layers that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.decisions import ONE_LINE
from burgee.flagfile.experiment_checks import check_experiment
from burgee.flagfile.grammar import Flag, FlagTest, dump
from burgee.flagfile.nesting import check_nesting
from burgee.flagfile.source import near
from burgee.model import Problem
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from burgee.flagfile.source import Source
    from burgee.model import Place

    Found: TypeAlias = Iterator[Problem]
    Route: TypeAlias = tuple[str | int, ...]
    Layer: TypeAlias = tuple[dict[str, Any], Route]


MAX_SHOWN = 20
"""Names of a cycle that a message has."""


def check(source: Source) -> list[Problem]:
    """Every problem of a file, those of reading it included, in the order of the file."""
    found = list(source.problems)
    for name, segment in source.model.segments.items():
        found += _segment_names(source, "segments", name, dict(segment.when), ("when",))
    found += _cycles(source, "segments", {n: _segments_of(s.when) for n, s in source.model.segments.items()})
    for name, flag in source.model.flags.items():
        found += _flag(source, name, flag)
    found += _cycles(source, "flags", {n: _required(f) for n, f in source.model.flags.items()})
    found += check_nesting(source)
    found += _layers(source)
    order = {document.file: index for index, document in enumerate(source.documents)}
    found.sort(key=lambda problem: (order.get(problem.place.file, -1), problem.place))
    return list(dict.fromkeys(found))


def _flag(source: Source, name: str, flag: Flag) -> Found:
    written = dump(flag)
    overlays = written.pop("environments", {})
    for environment in overlays:
        if environment not in source.model.environments:
            place = source.place("flags", name, "environments", environment, key=True)
            yield _unknown_environment(source, place, environment)
    base: Layer = (written, ())
    yield from _states(source, name, [base])
    for environment, overlay in overlays.items():
        yield from _states(source, name, [base, (overlay, ("environments", environment))])
    yield from check_experiment(source, name, flag)
    for index, test in enumerate(flag.tests or ()):
        yield from _test(source, name, index, test, [{**written, **overlay} for overlay in _seen_by(test, overlays)])


def _seen_by(test: FlagTest, overlays: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The overlays under which a test runs: its environment's, or all of them and none."""
    return [overlays.get(test.environment, {})] if test.environment else [{}, *overlays.values()]


def _test(source: Source, name: str, index: int, test: FlagTest, laid: Sequence[Mapping[str, Any]]) -> Found:
    if test.environment is not None and test.environment not in source.model.environments:
        place = source.place("flags", name, "tests", index, "environment")
        yield _unknown_environment(source, place, test.environment)
    known = list(dict.fromkeys(variant for flag in laid for variant in _variants(flag)))
    if test.expect is not None and test.expect not in known:
        hint = near(test.expect, known) or f"the flag has {', '.join(known)}"
        place = source.place("flags", name, "tests", index, "expect")
        yield Problem(place, "unknown-variant", f"{name} has no variant {test.expect!r}", hint)


def _unknown_environment(source: Source, place: Place, environment: str) -> Problem:
    hint = near(environment, source.model.environments) or "list it under the top-level `environments`"
    return Problem(place, "unknown-environment", f"there is no environment {environment!r}", hint)


def _states(source: Source, name: str, states: Iterable[Layer]) -> Found:
    """Checks the laid-over flag, and again after each entry of its schedule."""
    laid: dict[str, Any] = {}
    homes: dict[str, Route] = {}
    for keys, route in states:
        laid |= keys
        homes |= {key: (*route, key) for key in keys}
    yield from _definition(source, name, laid, homes)
    last = float("-inf")
    schedule = homes.get("schedule", ("schedule",))
    for index, entry in enumerate(laid.get("schedule", ())):
        moment = parse_time(entry["at"])
        if moment <= last:
            place = source.place("flags", name, *schedule, index, "at")
            yield Problem(place, "schedule-order", "each entry must come after the one before it")
        last = moment
        laid = {**laid, **entry["set"]}
        homes |= {key: (*schedule, index, "set", key) for key in entry["set"]}
        yield from _definition(source, name, laid, homes)


def _definition(source: Source, name: str, flag: Mapping[str, Any], homes: Mapping[str, Route]) -> Found:
    def place(key: str, *inner: str | int, at_key: bool = False) -> Any:
        return source.place("flags", name, *homes.get(key, ()), *inner, key=at_key)

    known = _variants(flag)
    for route, variant, at_key in _served(flag):
        if variant not in known:
            hint = near(variant, known) or f"the flag has {', '.join(known)}"
            message = f"{name} has no variant {variant!r}"
            yield Problem(place(route[0], *route[1:], at_key=at_key), "unknown-variant", message, hint)  # type: ignore[arg-type]
    yield from _missing_default(name, flag, place)
    if "variants" in flag:
        yield from _values(flag["variants"], place)
        for index, rule in enumerate(flag.get("rules", ())):
            if "serve" not in rule and "split" not in rule:
                yield Problem(place("rules", index), "serve-missing", "the rule needs `serve` or `split`")
    for index, rule in enumerate(flag.get("rules", ())):
        route = (*homes["rules"], index, "when")
        yield from _segment_names(source, "flags", name, rule["when"], route)
    yield from _targets(flag, place)
    yield from _hashing(flag, place)
    for index, entry in enumerate(flag.get("requires", ())):
        yield from _requirement(source, entry, lambda key, index=index: place("requires", index, key))  # type: ignore[misc]
    holdout = flag.get("holdout")
    if holdout is not None and holdout not in source.model.holdouts and ("holdouts", holdout) not in source.homes:
        yield Problem(
            place("holdout"),
            "unknown-holdout",
            f"there is no holdout {holdout!r}",
            near(holdout, source.model.holdouts),
        )


def _missing_default(name: str, flag: Mapping[str, Any], place: Callable[..., Any]) -> Found:
    """What everybody gets whom no rule serves has to be said: 10 % of Germany must not mean all others as well."""
    if flag.get("default"):
        return
    others = flag.get("off_variant") or (next(iter(flag["variants"])) if "variants" in flag else "off")
    hint = f"add `default: {{serve: {others}}}` to the flag, or another of its variants"
    if "variants" in flag:
        at = place("default") if "default" in flag else place("variants", at_key=True)
        message = f"{name} has variants, and does not say which of them is served when no rule decides"
        yield Problem(at, "missing-default", message, hint)
    elif flag.get("rules") and "rollout_percentage" not in flag:
        message = f"{name} has rules, and does not say what everybody else gets"
        yield Problem(place("rules", at_key=True), "missing-default", message, hint)


def _variants(flag: Mapping[str, Any]) -> list[str]:
    return list(flag.get("variants", ("on", "off")))


def _served(flag: Mapping[str, Any]) -> Iterator[tuple[Route, str, bool]]:
    """Every mention of a variant: its route, its name, and whether it stands as a key."""
    if "off_variant" in flag:
        yield ("off_variant",), flag["off_variant"], False
    for variant in flag.get("targets", {}):
        yield ("targets", variant), variant, True
    outcomes = [(("default",), flag.get("default", {}))]
    outcomes += [(("rules", index), rule) for index, rule in enumerate(flag.get("rules", ()))]  # type: ignore[misc]
    for route, outcome in outcomes:
        if "serve" in outcome:
            yield (*route, "serve"), outcome["serve"], False
        for variant in outcome.get("split", {}):
            yield (*route, "split", variant), variant, True


def _values(variants: Mapping[str, Any], place: Callable[..., Any]) -> Found:
    kinds = {variant: _kind(value) for variant, value in variants.items()}
    first = next(iter(kinds.values()))
    for variant, kind in kinds.items():
        if kind != first:
            message = f"{variant!r} is {kind} where the first variant is {first}"
            yield Problem(place("variants", variant), "mixed-types", message, "give all variants one type")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if value is None:
        return "null"
    return {"str": "a text", "list": "a list"}.get(type(value).__name__, "an object")


def _targets(flag: Mapping[str, Any], place: Callable[..., Any]) -> Found:
    seen: dict[str, str] = {}
    for variant, users in flag.get("targets", {}).items():
        for index, user in enumerate(users):
            if user in seen:
                message = f"{user!r} is already under {seen[user]!r}"
                yield Problem(place("targets", variant, index), "target-twice", message, "name a user once")
            seen[user] = variant


def _hashing(flag: Mapping[str, Any], place: Callable[..., Any]) -> Found:
    """What a pinned hash cannot do, and an empty salt, which only such a hash may need."""
    whole = {**flag.get("default", {}), **{key: flag[key] for key in ("rollout_percentage", "salt") if key in flag}}
    owners: list[tuple[Route, Mapping[str, Any]]] = [((), whole)]
    owners += [(("rules", index), rule) for index, rule in enumerate(flag.get("rules", ()))]
    for route, owner in owners:
        if "hash" not in flag and owner.get("salt") == "":
            yield Problem(place(*route, "salt"), "empty", "this must not be empty")
        arms = sum(weight > 0 for weight in owner.get("split", {}).values())
        if "hash" in flag and "rollout_percentage" in owner and arms > 1:
            where = place(*route, "rollout_percentage")
            yield Problem(where, "hash-one-line", ONE_LINE, "drop the rollout, or the hash")


def _requirement(source: Source, entry: Mapping[str, str], place: Callable[[str], Any]) -> Found:
    other = source.model.flags.get(entry["flag"])
    if other is None:
        if ("flags", entry["flag"]) not in source.homes:
            hint = near(entry["flag"], source.model.flags)
            yield Problem(place("flag"), "unknown-flag", f"there is no flag {entry['flag']!r}", hint)
        return
    written = dump(other)
    overlays = written.get("environments", {}).values()
    variants = list(dict.fromkeys(v for overlay in [{}, *overlays] for v in _variants({**written, **overlay})))
    if entry["variant"] not in variants:
        advice = near(entry["variant"], variants) or f"it has {', '.join(variants)}"
        message = f"{entry['flag']} has no variant {entry['variant']!r}"
        yield Problem(place("variant"), "unknown-variant", message, advice)


def _segments_of(when: Any) -> list[tuple[Route, str]]:
    """Every segment that a condition names, with the route to the name."""
    found: list[tuple[Route, str]] = []
    if isinstance(when, dict):
        for key, value in when.items():
            if key == "segment":
                names = value if isinstance(value, list) else [value]
                listed = isinstance(value, list)
                found += [((key, index) if listed else (key,), name) for index, name in enumerate(names)]
            elif key == "not":
                found += [((key, *route), name) for route, name in _segments_of(value)]
            elif key in {"any", "all"}:
                for index, part in enumerate(value):
                    found += [((key, index, *route), name) for route, name in _segments_of(part)]
    return found


def _segment_names(source: Source, section: str, owner: str, when: Any, base: Route) -> Found:
    for route, name in _segments_of(when):
        if ("segments", name) not in source.homes:
            place = source.place(section, owner, *base, *route)
            hint = near(name, source.model.segments)
            yield Problem(place, "unknown-segment", f"there is no segment {name!r}", hint)


def _required(flag: Flag) -> list[tuple[Route, str]]:
    return [(("requires", index, "flag"), entry.flag) for index, entry in enumerate(flag.requires or ())]


def _cycles(source: Source, section: str, uses: Mapping[str, list[tuple[Route, str]]]) -> Found:
    """Each cycle once, placed where it closes."""
    done: set[str] = set()
    for start in uses:
        trail: dict[str, int] = {}
        stack: list[tuple[str, Iterator[tuple[Route, str]]]] = []
        if start not in done:
            stack, trail = [(start, iter(uses[start]))], {start: 0}
        while stack:
            name, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                stack.pop()
                del trail[name]
                done.add(name)
            elif step[1] in trail:
                base = ("when",) if section == "segments" else ()
                place = source.place(section, name, *base, *step[0])
                cycle = [inner for inner, _ in stack[trail[step[1]] : trail[step[1]] + MAX_SHOWN]]
                cycle += ["..."] * (len(stack) - trail[step[1]] > MAX_SHOWN)
                yield Problem(place, "cycle", f"this leads back to itself: {' -> '.join([*cycle, step[1]])}")
            elif step[1] in uses and step[1] not in done:
                trail[step[1]] = len(stack)
                stack.append((step[1], iter(uses[step[1]])))


def _layers(source: Source) -> Found:
    """Ranges of one layer that overlap, in any environment; a schedule may move a flag, which counts as well."""
    for environment in [None, *source.model.environments]:
        taken: dict[str, list[tuple[float, float, str]]] = {}
        for name, flag in source.model.flags.items():
            for layer, route in _layers_of(flag, environment):
                low, high = layer["range"]
                for other_low, other_high, other in taken.get(layer["name"], ()):
                    if low < other_high and other_low < high and other != name:
                        message = f"{name} and {other} share part of layer {layer['name']!r}"
                        place = source.place("flags", name, *route, "layer", "range")
                        yield Problem(place, "layer-overlap", message, f"{other} has {other_low:g} to {other_high:g}")
                taken.setdefault(layer["name"], []).append((low, high, name))


def _layers_of(flag: Flag, environment: str | None) -> Iterator[tuple[Mapping[str, Any], Route]]:
    """The layers that a flag stands in over time, with the way to each."""
    laid = dump(flag)
    overlay = laid.pop("environments", {}).get(environment, {})
    route: Route = ("environments", environment) if "layer" in overlay else ()  # type: ignore[assignment]
    schedule: Route = ("environments", environment) if "schedule" in overlay else ()  # type: ignore[assignment]
    laid |= overlay
    if "layer" in laid:
        yield laid["layer"], route
    for index, entry in enumerate(laid.get("schedule", ())):
        if "layer" in entry["set"]:
            yield entry["set"]["layer"], (*schedule, "schedule", index, "set")
