"""Checks new definitions from any input as in a file, against the existing flags.

A write is refused for faults that it adds, not for earlier ones: a flag that an older version accepted can still be
killed, and its valid keys can still be changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from burgee.errors import InvalidFlag
from burgee.evaluation.definition import fragments
from burgee.flagfile.definition_checks import Surroundings, snapshot_faults
from burgee.flagfile.faults import faults_of
from burgee.flagfile.fields import Name
from burgee.flagfile.flag_grammar import DEFINITION_KEYS, DefinitionSpec, normalise
from burgee.flagfile.nesting import MAX_DEPTH
from burgee.model import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.model import Definition, Snapshot

_NAME: TypeAdapter[str] = TypeAdapter(Name)
# What can be wrong in a stored definition that an older version wrote.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def entered(name: str, wanted: Mapping[str, Any], snapshot: Snapshot) -> Definition:
    """A definition in the form that releases hold. Raises InvalidFlag with every fault that it adds to a snapshot."""
    before: Definition = snapshot["flags"].get(name, {})
    faults = [*_name_faults(name), *grammar_faults(name, wanted)]
    new = _without(faults, grammar_faults(name, before) if faults else ())
    if new:
        raise InvalidFlag(name, new)
    definition = _normalised(wanted, before) if faults else normalise(wanted)
    after = {**snapshot, "flags": {**snapshot["flags"], name: definition}}
    new = _without(_faults_with(after, name), _faults_with(snapshot, name))
    if new:
        raise InvalidFlag(name, new)
    return definition


def require_unneeded(name: str, snapshot: Snapshot) -> None:
    """InvalidFlag with every fault that a snapshot has without a flag alone: others that require it."""
    after = {**snapshot, "flags": {flag: one for flag, one in snapshot["flags"].items() if flag != name}}
    new = _without(_faults_with(after, name), _faults_with(snapshot, name))
    if new:
        raise InvalidFlag(name, new)


def stored_faults(snapshot: Snapshot) -> list[Fault]:
    """The faults of an already released snapshot that would be refused today; it is still served."""
    found = [fault for name, definition in snapshot["flags"].items() for fault in grammar_faults(name, definition)]
    return [*found, *_tolerant(snapshot_faults(Surroundings(snapshot)))]


def grammar_faults(name: str, definition: Mapping[str, Any]) -> list[Fault]:
    """Where a definition violates the grammar; paths begin with `("flags", name)`."""
    deep = _too_deep(definition)
    if deep is not None:
        return [Fault(("flags", name, *deep), "too-deep", f"nesting is deeper than {MAX_DEPTH} levels")]
    try:
        DefinitionSpec.model_validate(definition)
    except ValidationError as error:
        return faults_of(error.errors(include_url=False), ("flags", name))
    return []


def _too_deep(definition: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    """The path to a value nested too deeply for a file (there also under `flags.NAME.environments.ENVIRONMENT`)."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), definition)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > MAX_DEPTH - 4:
            return path
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [((*path, key), inner) for key, inner in parts]
    return None


def _name_faults(name: str) -> list[Fault]:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        return [fault._replace(at_key=True) for fault in faults_of(error.errors(include_url=False), ("flags", name))]
    return []


def _normalised(wanted: Mapping[str, Any], before: Mapping[str, Any]) -> Definition:
    """A definition that keeps earlier faults: only what differs from the previous one is normalised."""
    changed = normalise({key: value for key, value in wanted.items() if repr(before.get(key, ...)) != repr(value)})
    keys = dict.fromkeys([*(key for key in DEFINITION_KEYS if key in wanted), *wanted])
    return {key: changed.get(key, wanted[key]) for key in keys}


def _faults_with(snapshot: Snapshot, name: str) -> Iterator[Fault]:
    """The faults of a flag, of those that require it, and of what they share."""
    flags = snapshot["flags"]
    concerned = [one for one in flags if one == name or name in _required(flags[one])]
    return _tolerant(snapshot_faults(Surroundings(snapshot), concerned))


def _required(definition: Definition) -> set[str]:
    try:
        return {entry["flag"] for part in fragments(definition) for entry in part.get("requires", ())}
    except _BROKEN:
        return set()


def _tolerant(faults: Iterator[Fault]) -> Iterator[Fault]:
    """Faults until a definition that cannot be checked, because an older version wrote it."""
    try:
        yield from faults
    except _BROKEN:
        return


def _without(faults: Any, known: Any) -> list[Fault]:
    """Faults that are not among the known ones; compared by message, as positions in a schedule may change."""
    old = {(fault.path, fault.code, fault.message) for fault in known}
    return [fault for fault in dict.fromkeys(faults) if (fault.path, fault.code, fault.message) not in old]
