"""Limits nested values, segments inside segments and chains of required flags, so that no file exhausts a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.definition import fragments, requirements, segments_of
from burgee.model import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from burgee.model import Definition

    Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 32
"""Maximum levels of a flag file, from its top to the innermost value."""
MAX_NESTING = 16
"""Maximum levels of a condition with its segments expanded, and of flags that require each other in a chain."""


def deep_segments(
    segments: Mapping[str, Any], flags: Mapping[str, Definition], names: Collection[str] | None = None
) -> Iterator[Fault]:
    """The conditions closest to the limit that exceed it, of segments and flags, or of the named flags; those that
    only lead there are not repeated.
    """
    found = {name: _references(when) for name, when in segments.items()}
    levels = _depths({name: [(inner, level) for _, inner, level in own] for name, own in found.items()})
    for name in segments if names is None else ():
        yield from _too_deep(("segments", name), found[name], levels)
    for name in flags if names is None else names:
        for path, when in _conditions(flags[name]):
            yield from _too_deep(("flags", name, *path), _references(when), levels)


def _references(when: Mapping[str, Any]) -> list[tuple[Path, str, int]]:
    """The segments that a condition names: the path to the name, the name, and its depth."""
    return [(path, name, sum(isinstance(step, str) for step in path)) for path, name in segments_of(when)]


def _too_deep(owner: Path, references: list[tuple[Path, str, int]], levels: Mapping[str, int]) -> Iterator[Fault]:
    for path, segment, level in references:
        found = level + levels.get(segment, 0)
        if found > MAX_NESTING >= levels.get(segment, 0):
            message = f"this condition is {found} levels deep with its segments expanded; at most {MAX_NESTING}"
            yield Fault((*owner, *path), "too-deep", message, "name fewer segments inside segments")


def deep_requirements(flags: Mapping[str, Definition]) -> Iterator[Fault]:
    """The flags closest to the limit whose chain of requirements exceeds it."""
    uses = {name: required_ever(definition) for name, definition in flags.items()}
    depths = _depths({name: [(other, 1) for _, other in found] for name, found in uses.items()})
    for name, found in uses.items():
        deepest = max((depths.get(other, 0) for _, other in found), default=0)
        if deepest + 1 > MAX_NESTING >= deepest:
            message = f"{name} begins a chain of {deepest + 1} flags that require each other; at most {MAX_NESTING}"
            at = next(path for path, other in found if depths.get(other, 0) == deepest)[:-2]
            hint = "require fewer flags that require others"
            yield Fault(("flags", name, *at), "too-deep", message, hint, at_key=True)


def required_ever(definition: Definition) -> list[tuple[Path, str]]:
    """The flags that a definition requires at any time, even while it is off (an override may turn it on), with the
    paths to their names.
    """
    found: list[tuple[Path, str]] = []
    for number, part in enumerate(fragments(definition)):
        base: Path = ("schedule", number - 1, "set") if number else ()
        found += [((*base, *path, "flag"), entry["flag"]) for path, entry in requirements(part)]
    return found


def _conditions(definition: Definition) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every rule's condition at any time, with the path to it."""
    for number, part in enumerate(fragments(definition)):
        base: Path = ("schedule", number - 1, "set") if number else ()
        for index, rule in enumerate(part.get("rules", ())):
            yield (*base, "rules", index, "when"), rule["when"]


def _depths(uses: Mapping[str, list[tuple[str, int]]]) -> dict[str, int]:
    """The depth of each name, by the weights on its longest path; another check reports cycles.

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
                depths[step[0]] = 0  # a cycle back to here adds nothing
                path.append((step[0], iter(uses[step[0]])))
    return depths
