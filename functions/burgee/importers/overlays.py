"""Joins what was imported for each environment: one definition a flag, with the differences as overlays."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.importers.base import LEFT_OUT, UNUSED, Imported, ImportFinding, segments_used

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from burgee.flagfile.yaml_reader import Document
    from burgee.model import Place

    Convert: TypeAlias = Callable[[Sequence[tuple[str | None, Document]]], Imported]

DESCRIBING = ("description", "owner", "tags", "metadata", "expires", "permanent")
"""Keys that an overlay cannot have; those of the first environment are kept."""


def each_environment(convert: Callable[[Document], Imported]) -> Convert:
    """An importer of files that hold one environment each, from one of a single file.

    Without names the flags of all files are one import.
    """

    def several(files: Sequence[tuple[str | None, Document]]) -> Imported:
        made = [(name, convert(document)) for name, document in files]
        if all(name is None for name, _ in made):
            return together([part for _, part in made])
        if any(name is None for name, _ in made) or len({name for name, _ in made}) < len(made):
            raise Refused("environments", "name the environment of every file, each once: ENV=FILE")
        return overlaid({str(name): part for name, part in made})

    return several


def together(parts: Sequence[Imported]) -> Imported:
    """One import from those of several files of one environment; a flag that two define is left out."""
    first, *others = parts
    for part in others:
        for name, flag in part.flags.items():
            if name in first.flags:
                first.refuse("flags", name, "two of the files define it")
            elif name not in first.left_out:
                first.flags[name], first.homes[name] = flag, part.homes.get(name, part.document.place((name,)))
        for name, segment in part.segments.items():
            if not _same(first.segments.setdefault(name, segment), segment):
                first.refuse("segments", name, "two of the files define it, each in another way")
        first.findings += part.findings
    return first


def overlaid(parts: Mapping[str, Imported]) -> Imported:
    """One import from those of several environments, by name.

    A flag that is left out in one environment is left out in all. A segment that is not the same in all environments
    becomes one segment for each.
    """
    first = next(iter(parts.values()))
    made = Imported(first.document)
    parts = _named(made, parts)
    made.environments = list(parts)
    left_out = {name for part in parts.values() for name in part.left_out}
    for part in parts.values():
        made.homes = {**part.homes, **made.homes}
        part.flags = {name: flag for name, flag in part.flags.items() if name not in left_out}
    _add_segments(made, parts)
    _add_findings(made, parts)
    for name in dict.fromkeys(name for part in parts.values() for name in part.flags):
        having = {environment: part for environment, part in parts.items() if name in part.flags}
        absent = tuple(environment for environment in parts if environment not in having)
        if absent:
            text = "the other engine does not have the flag; here it is off"
            made.findings.append(ImportFinding(name, "differs", text, made.homes[name], absent))
        made.flags[name] = _laid(
            {environment: part.flags[name] for environment, part in having.items()}, is_partial=bool(absent)
        )
    return made


def _named(made: Imported, parts: Mapping[str, Imported]) -> Mapping[str, Imported]:
    """The same, each by a name that an environment here can have."""
    named: dict[str, Imported] = {}
    for name, part in parts.items():
        valid = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:255] or "environment"
        while valid in named:
            valid += "-2"
        if valid != name:
            made.differs(f"the environment {name}", (), f"it is called {valid!r} here")
        named[valid] = part
    return named


def _laid(definitions: Mapping[str, Mapping[str, Any]], *, is_partial: bool) -> dict[str, Any]:
    """What all definitions share, and the rest of each as an overlay; without an environment a flag is then off."""
    definitions = _with_all_variants(definitions)
    first, *others = definitions.values()
    describing = {key: value for key, value in first.items() if key in DESCRIBING}
    deciding = {key: value for key, value in first.items() if key not in DESCRIBING}
    shared = {
        key: value for key, value in deciding.items() if all(key in one and _same(one[key], value) for one in others)
    }
    if not is_partial and all(one.keys() <= shared.keys() | describing.keys() for one in definitions.values()):
        return {**describing, **shared}
    shared.pop("status", None)
    if "variants" in deciding:  # a flag with variants needs them, and a default, without an environment too
        shared |= {key: deciding[key] for key in ("variants", "default") if key in deciding}
    overlays = {
        environment: {
            key: value
            for key, value in one.items()
            if key not in DESCRIBING and not (key in shared and _same(shared[key], value))
        }
        for environment, one in definitions.items()
    }
    return {**describing, **shared, "environments": overlays}


def _with_all_variants(definitions: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """The same, each with the variants of all, if none has two values."""
    like = next((one for one in definitions.values() if "variants" in one), None)
    if like is not None:
        definitions = {environment: _with_variants(one, like) for environment, one in definitions.items()}
    if not all("variants" in one for one in definitions.values()):
        return definitions
    together: dict[str, Any] = {}
    for one in definitions.values():
        for name, value in one["variants"].items():
            if not _same(together.setdefault(name, value), value):
                return definitions
    return {environment: {**one, "variants": together} for environment, one in definitions.items()}


def _with_variants(definition: Mapping[str, Any], like: Mapping[str, Any]) -> Mapping[str, Any]:
    """A definition without variants as one with them: it is boolean, or off and as the other while that is off."""
    if "variants" in definition:
        return definition
    if all(isinstance(value, bool) for value in like["variants"].values()):
        return {
            "default": {"serve": "on"},
            **definition,
            "variants": {"on": True, "off": False},
            "off_variant": "off",
        }
    return {**like, "status": "off"} if definition.get("status") == "off" else definition


def _same(one: Any, other: Any) -> bool:
    """Equality that counts order, as in a split."""
    return json.dumps(one) == json.dumps(other)


def _add_segments(made: Imported, parts: Mapping[str, Imported]) -> None:
    for part in parts.values():
        part.drop_unused_segments()
    names = dict.fromkeys(name for part in parts.values() for name in part.segments)
    apart: set[str] = set()
    for name in names:
        found = [
            {key: value for key, value in part.segments[name].items() if key != "description"}
            for part in parts.values()
            if name in part.segments
        ]
        if any(not _same(one, found[0]) for one in found[1:]):
            apart.add(name)
    grown = True
    while grown:  # a segment that uses one of these is another one in each environment too
        using = {
            name
            for part in parts.values()
            for name in part.segments
            if apart & set(segments_used(part.segments[name]["when"]))
        }
        grown = not using <= apart
        apart |= using
    for environment, part in parts.items():
        renamed = {name: f"{name}.{environment}" for name in apart}
        for flag in part.flags.values():
            _rename(flag, renamed)
        for name, segment in part.segments.items():
            _rename(segment, renamed)
            joined = renamed.get(name, name)
            made.segments[joined] = segment
            made.homes.setdefault(f"segment {joined}", part.homes.get(f"segment {name}", made.document.place(())))


def _rename(node: Any, names: Mapping[str, str]) -> None:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "segment":
            several = [names.get(name, name) for name in ([value] if isinstance(value, str) else value)]
            node[key] = several[0] if isinstance(value, str) else several
        else:
            _rename(value, names)


def _add_findings(made: Imported, parts: Mapping[str, Imported]) -> None:
    """Each finding once, with the environments that it concerns."""
    in_use = {name for part in parts.values() for name in part.segments}
    where: dict[tuple[str, str, str], tuple[Place, list[str]]] = {}
    for environment, part in parts.items():
        for finding in part.findings:
            if finding.text == UNUSED and finding.subject.removeprefix("segment ") in in_use:
                continue  # another environment uses it
            _, named = where.setdefault((finding.subject, finding.code, finding.text), (finding.place, []))
            if environment not in named:
                named.append(environment)
    for (subject, code, text), (place, named) in where.items():
        everywhere = len(named) == len(parts) or (code != LEFT_OUT and not named)
        made.findings.append(ImportFinding(subject, code, text, place, () if everywhere else tuple(named)))
