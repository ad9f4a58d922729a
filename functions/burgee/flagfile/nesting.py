"""How deep segments lead into segments and flags require flags: one bound, so that no file exhausts a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.definition import fragments, segments_of
from burgee.flagfile.grammar import MAX_NESTING, dump
from burgee.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from burgee.flagfile.grammar import Flag
    from burgee.flagfile.source import Source

    Route: TypeAlias = tuple[str | int, ...]


def check_nesting(source: Source) -> Iterator[Problem]:
    """Problems where the bound is passed first; what leads there from further away is not repeated."""
    segments = {name: _references(segment.when) for name, segment in source.model.segments.items()}
    levels = _depths({name: [(inner, level) for _, inner, level in found] for name, found in segments.items()})
    for name, found in segments.items():
        yield from _too_deep(source, ("segments", name, "when"), found, levels)
    for name, flag in source.model.flags.items():
        for route, when in _conditions(flag):
            yield from _too_deep(source, ("flags", name, *route), _references(when), levels)
    yield from _requirements(source)


def _references(when: Mapping[str, Any]) -> list[tuple[Route, str, int]]:
    """The segments that a condition names: the route to the name, the name, and how many levels in it stands."""
    return [(route, name, sum(isinstance(step, str) for step in route)) for route, name in segments_of(when)]


def _too_deep(
    source: Source, owner: Route, references: Iterable[tuple[Route, str, int]], levels: Mapping[str, int]
) -> Iterator[Problem]:
    for route, segment, level in references:
        found = level + levels.get(segment, 0)
        if found > MAX_NESTING >= levels.get(segment, 0):
            section, name, *rest = owner
            place = source.place(str(section), str(name), *rest, *route)
            message = f"this condition is {found} levels deep with its segments opened; at most {MAX_NESTING}"
            yield Problem(place, "too-deep", message, "name fewer segments inside segments")


def _requirements(source: Source) -> Iterator[Problem]:
    found: dict[str, Problem] = {}
    written = {name: dump(flag) for name, flag in source.model.flags.items()}
    for environment in [None, *source.model.environments]:
        uses = {name: _required({**flag, **_overlay(flag, environment)}) for name, flag in written.items()}
        depths = _depths({name: [(other, 1) for other in others] for name, others in uses.items()})
        for name, others in uses.items():
            deepest = max((depths.get(other, 0) for other in others), default=0)
            if deepest + 1 > MAX_NESTING >= deepest:
                message = f"{name} leads to {deepest + 1} flags in a row by what each requires; at most {MAX_NESTING}"
                place = source.place("flags", name, "requires", key=True)
                found.setdefault(name, Problem(place, "too-deep", message, "require fewer flags that require others"))
    yield from found.values()


def _overlay(flag: Mapping[str, Any], environment: str | None) -> Mapping[str, Any]:
    overlay: Mapping[str, Any] = flag.get("environments", {}).get(environment, {})
    return overlay


def _required(definition: Mapping[str, Any]) -> list[str]:
    """The flags that a definition requires at any time, also while it is off: an override may turn it on."""
    return [entry["flag"] for part in fragments(definition) for entry in part.get("requires", ())]


def _conditions(flag: Flag) -> Iterator[tuple[Route, Mapping[str, Any]]]:
    """Every rule's condition at any time and in any environment, with the route to it."""
    written = dump(flag)
    parts: list[tuple[Route, Mapping[str, Any]]] = [((), written)]
    parts += [(("environments", name), overlay) for name, overlay in written.get("environments", {}).items()]
    for base, part in list(parts):
        entries = enumerate(part.get("schedule", ()))
        parts += [((*base, "schedule", index, "set"), entry["set"]) for index, entry in entries]
    for base, part in parts:
        for index, rule in enumerate(part.get("rules", ())):
            yield (*base, "rules", index, "when"), rule["when"]


def _depths(uses: Mapping[str, list[tuple[str, int]]]) -> dict[str, int]:
    """How deep each name leads, by the weights on the way; what leads back to itself is another check's.

    One pass over all names, without recursion: a file may have a hundred thousand in a row.
    """
    depths: dict[str, int] = {}
    for start in uses:
        path = [(start, iter(uses[start]))] if start not in depths else []
        if path:
            depths[start] = 0
        while path:
            name, rest = path[-1]
            step = next(rest, None)
            if step is None:
                path.pop()
                depths[name] = max((depths.get(other, 0) + weight for other, weight in uses[name]), default=0)
            elif step[0] in uses and step[0] not in depths:
                depths[step[0]] = 0  # what leads back here meanwhile adds nothing
                path.append((step[0], iter(uses[step[0]])))
    return depths
