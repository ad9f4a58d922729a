"""Writes definitions back into flag files: only flags that change; comments, order and quoting are kept.

A flag's new value is merged with what the file has, and only the text of what differs is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import FlagFileError, Refused
from burgee.evaluation.snapshots import definition_digest
from burgee.files import write_file
from burgee.flagfile.compile import compile_file
from burgee.flagfile.environments import definition
from burgee.flagfile.fields import dump
from burgee.flagfile.flag_grammar import DefinitionSpec, Overlay
from burgee.flagfile.flag_tests import run_tests
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_patch import aligned, patched, same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document
    from burgee.model import Definition, Problem

DESCRIBING = tuple(key for key in DefinitionSpec.model_fields if key not in Overlay.model_fields)
"""Keys that do not affect answers, and apply to every environment."""


def write_back(path: Path, environment: str | None, wanted: Mapping[str, Definition | None]) -> list[Problem]:
    """Edits a flag file in place; returns the flags' tests that fail now, for the reviewer.

    The result is read back: if it differs from what was wanted, the files are restored, and FlagFileError or Refused
    is raised.
    """
    source = Source(path)
    texts = edited(source, environment, wanted)
    before = {file: file.read_bytes() for file in texts}
    try:
        for file, text in texts.items():
            write_file(file, text.encode())
        _verify(path, environment, wanted)
    except BaseException:
        for file, data in before.items():
            write_file(file, data)
        raise
    return run_tests(Source(path))[1]


def write_each(
    path: Path, environment: str | None, wanted: Mapping[str, Definition | None]
) -> tuple[dict[str, str], list[Problem]]:
    """Edits a flag file in place; why a flag could not be written, which blocks no other, and tests that fail now."""
    refused: dict[str, str] = {}
    try:
        return refused, write_back(path, environment, wanted)
    except (Refused, FlagFileError):
        for flag, definition_wanted in wanted.items():
            try:
                write_back(path, environment, {flag: definition_wanted})
            except (Refused, FlagFileError) as error:
                refused[flag] = str(error)
    return refused, run_tests(Source(path))[1]


def _verify(path: Path, environment: str | None, wanted: Mapping[str, Definition | None]) -> None:
    flags = compile_file(path, environment)["flags"]
    for flag, definition_wanted in wanted.items():
        if definition_digest(flags.get(flag)) != definition_digest(definition_wanted):
            raise Refused("not-in-file", f"{flag}: the file cannot express this in {environment or 'itself'}")


def edited(source: Source, environment: str | None, wanted: Mapping[str, Definition | None]) -> dict[Path, str]:
    """The contents of the files that change when each flag becomes as `wanted` (None: removed) in an environment.

    Raises Refused for what the file cannot express, such as removing a flag from one environment only.
    """
    scope = None if environment is None else _Scope(environment, [*source.model.environments])
    entries: dict[tuple[str, str], Any] = {}
    for flag, definition_wanted in wanted.items():
        home = source.homes.get(("flags", flag))
        if definition_wanted is None:
            if environment is not None and home is not None:
                raise Refused("not-in-file", f"{flag}: the file cannot remove a flag from {environment} only")
            entries["flags", flag] = None
        elif home is None:
            entries["flags", flag] = _new(definition_wanted, environment)
        else:
            git = definition(source.model.flags[flag], environment)
            entries["flags", flag] = _changed(home.value["flags"][flag], flag, git, definition_wanted, scope)
    return _patched(source, entries, {})


def edited_entries(
    source: Source,
    wanted: Mapping[tuple[str, str], Mapping[str, Any] | None],
    homes: Mapping[tuple[str, str], Document],
) -> dict[Path, str]:
    """The contents of the files that change when flags and segments, by section and name, become as `wanted`.

    Entries are whole, as written, with their environments; None removes one. `homes` are the files of new ones, the
    main file by default.
    """
    entries: dict[tuple[str, str], Any] = {}
    for (section, name), entry in wanted.items():
        home = source.homes.get((section, name))
        if entry is None:
            entries[section, name] = None
        elif home is None:
            entries[section, name] = {key: _written(key, value) for key, value in entry.items()}
        else:
            here = dump(getattr(source.model, section)[name])
            entries[section, name] = _changed(home.value[section][name], name, here, entry, None)
    return _patched(source, entries, homes)


def _patched(
    source: Source, entries: Mapping[tuple[str, str], Any], homes: Mapping[tuple[str, str], Document]
) -> dict[Path, str]:
    """The contents of the files that change with entries, as files write them; None removes one."""
    values: dict[str, dict[str, Any]] = {}
    for (section, name), entry in entries.items():
        document = source.homes.get((section, name)) or homes.get((section, name)) or source.documents[0]
        value = values.setdefault(document.file, dict(document.value))
        if value.get(section) is document.value.get(section):
            value[section] = dict(value.get(section) or {})
        if entry is None:
            value[section].pop(name, None)
        else:
            value[section][name] = entry
    return {Path(file): patched(Path(file).read_bytes().decode("utf-8"), value) for file, value in values.items()}


class _Scope(NamedTuple):
    """The environment that an edit is for, and all of the file."""

    environment: str
    all: Sequence[str]


def _changed(raw: Any, name: str, git: Definition, wanted: Mapping[str, Any], scope: _Scope | None) -> dict[str, Any]:
    """An entry of a file with its definition changed from `git` to `wanted`; what stays is as the file has it."""
    entry = dict(raw) if isinstance(raw, dict) else {}
    target = entry
    gone = [key for key in git if key not in wanted]
    changed = {key: value for key, value in wanted.items() if key not in git or not same(git[key], value)}
    if scope is not None:
        target = _overlay(entry, scope.environment)
        if "guard" in gone and "guard" not in target:
            _move_guard(entry, [one for one in scope.all if one != scope.environment])
            gone.remove("guard")
        names = ", ".join(key for key in gone if key not in target and key not in DESCRIBING)
        if names:
            raise Refused("not-in-file", f"{name}: the file cannot remove {names} in {scope.environment} only")
    for key in gone:
        (entry if key in DESCRIBING else target).pop(key, None)
    for key, value in changed.items():
        place = entry if key in DESCRIBING else target
        place[key] = _merged(place.get(key), git.get(key), _written(key, value))
    if scope is not None:
        _put_overlay(entry, scope.environment, target)
    return entry


def _move_guard(entry: dict[str, Any], environments: Sequence[str]) -> None:
    """Moves a flag's guard from all environments into some: it has ended in the others."""
    guard = entry.pop("guard")
    for environment in environments:
        target = _overlay(entry, environment)
        target.setdefault("guard", guard)
        _put_overlay(entry, environment, target)


def _overlay(entry: Mapping[str, Any], environment: str) -> dict[str, Any]:
    return dict((entry.get("environments") or {}).get(environment) or {})


def _put_overlay(entry: dict[str, Any], environment: str, overlay: Mapping[str, Any]) -> None:
    environments = dict(entry.get("environments") or {})
    if overlay:
        environments[environment] = overlay
    else:
        environments.pop(environment, None)
    if environments:
        entry["environments"] = environments
    else:
        entry.pop("environments", None)


def _merged(raw: Any, old: Any, new: Any) -> Any:
    """A value as the file would write it: `raw` is what it has, which means `old`; parts that stay keep its form.

    Keys stay in the file's order, unless their order changes, which matters in a split.
    """
    if same(old, new):
        return raw
    if isinstance(raw, dict) and isinstance(old, dict) and isinstance(new, dict) and old.keys() <= raw.keys():
        inner = {key: _merged(raw[key], old[key], value) if key in old else value for key, value in new.items()}
        shared = [key for key in new if key in old]
        if shared != [key for key in old if key in new]:
            return inner
        return {key: inner[key] if key in inner else raw[key] for key in _ordered(raw, old, new)}
    if isinstance(raw, list) and isinstance(old, list) and isinstance(new, list) and len(raw) == len(old):
        return [
            value if index is None else _merged(raw[index], old[index], value)
            for index, value in zip(aligned(old, new), new, strict=True)
        ]
    return new


def _ordered(raw: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The file's keys that stay, each followed by the new ones that come after it. A default may be written out."""
    following: dict[str | None, list[str]] = {None: []}
    last = None
    for key in new:
        if key in raw:
            last = key
        else:
            following.setdefault(last, []).append(key)
    yield from following[None]
    for key in raw:
        if key in new or key not in old:
            yield key
            yield from following.get(key, [])


def _written(key: str, value: Any) -> Any:
    return ("on" if value else "off") if key == "status" else value


def _new(wanted: Definition, environment: str | None) -> dict[str, Any]:
    keys = {key: _written(key, value) for key, value in wanted.items()}
    if environment is None:
        return keys
    describing = {key: value for key, value in keys.items() if key in DESCRIBING}
    return {**describing, "environments": {environment: {k: v for k, v in keys.items() if k not in DESCRIBING}}}
