"""Writes definitions back into flag files: only flags that change; comments, order and quoting are kept.

Each flag's lines are cut out, edited as round-trip YAML, and put back; the rest of the file stays unchanged, byte for
byte.
"""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
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
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document
    from burgee.model import Definition, Problem

_NEED_QUOTES = re.compile("[\x85\u2028\u2029]|^\\?")
"""Unicode's line breaks, which other styles fold, and what begins like the key of a flow mapping."""
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
    texts: dict[Path, list[str]] = {}
    # From the end of each file to its beginning, so that places above an edit stay valid.
    for flag in sorted(wanted, key=lambda name: _line(source, "flags", name), reverse=True):
        document = source.homes.get(("flags", flag)) or source.documents[0]
        path = Path(document.file)
        lines = texts.setdefault(path, path.read_bytes().decode("utf-8").splitlines(keepends=True))
        _put(lines, source, flag, wanted[flag], environment)
    return {path: "".join(lines) for path, lines in texts.items()}


def edited_entries(
    source: Source,
    wanted: Mapping[tuple[str, str], Mapping[str, Any] | None],
    homes: Mapping[tuple[str, str], Document],
) -> dict[Path, str]:
    """The contents of the files that change when flags and segments, by section and name, become as `wanted`.

    Entries are whole, as written, with their environments; None removes one. `homes` are the files of new ones, the
    main file by default.
    """
    texts: dict[Path, list[str]] = {}
    found = {key: source.homes.get(key) or homes.get(key) or source.documents[0] for key in wanted}
    # From the end of each file to its beginning, so that places above an edit stay valid; new ones last to first.
    last_first = list(wanted)[::-1]
    for key in sorted(last_first, key=lambda one: _position(found[one], *one), reverse=True):
        document, entry = found[key], wanted[key]
        path = Path(document.file)
        lines = texts.setdefault(path, path.read_bytes().decode("utf-8").splitlines(keepends=True))
        if key not in source.homes:
            if entry is not None:
                written = {name: _written(name, value) for name, value in entry.items()}
                _append(lines, document, key[0], key[1], written)
            continue
        first, last = _extent(lines, document, *key)
        here = dump(getattr(source.model, key[0])[key[1]])
        fragment = "".join(lines[first:last])
        lines[first:last] = [] if entry is None else [_edited_fragment(fragment, key[1], here, entry, None)]
    return {path: "".join(lines) for path, lines in texts.items()}


def _position(document: Document, section: str, name: str) -> tuple[int, bool]:
    """Where an entry is in a file, or after which line a new one is put."""
    entries = document.value.get(section) or {}
    if name in entries or not entries:
        return (document.place((section, name), key=True).line if entries else 2**31), False
    return max(document.place((section, other), key=True).line for other in entries), True


def _line(source: Source, section: str, name: str) -> int:
    return source.place(section, name).line if (section, name) in source.homes else 2**31


def _put(lines: list[str], source: Source, flag: str, wanted: Definition | None, environment: str | None) -> None:
    document = source.homes.get(("flags", flag)) or source.documents[0]
    if ("flags", flag) not in source.homes:
        if wanted is not None:
            _append(lines, document, "flags", flag, _new(wanted, environment))
        return
    first, last = _extent(lines, document, "flags", flag)
    if wanted is None:
        if environment is not None:
            raise Refused("not-in-file", f"{flag}: the file cannot remove a flag from {environment} only")
        del lines[first:last]
        return
    git = definition(source.model.flags[flag], environment)
    others = [one for one in source.model.environments if one != environment]
    scope = None if environment is None else _Scope(environment, others)
    lines[first:last] = [_edited_fragment("".join(lines[first:last]), flag, git, wanted, scope)]


class _Scope(NamedTuple):
    """The environment that an edit is for, and the others of the file."""

    environment: str
    others: Sequence[str]


def _edited_fragment(fragment: str, flag: str, git: Definition, wanted: Definition, scope: _Scope | None) -> str:
    margin = re.match(" *", fragment)
    indent = len(margin.group()) if margin else 0
    yaml = _yaml(fragment)
    loaded = yaml.load(
        "".join(line[indent:] if line.strip() else line for line in fragment.splitlines(keepends=True))
    )
    entry = loaded[flag]
    target = entry
    gone = [key for key in git if key not in wanted]
    changed = {key: value for key, value in wanted.items() if key not in git or not _same(git[key], value)}
    if scope is not None:
        target = _overlay(entry, scope.environment)
        if "guard" in gone and "guard" not in target:
            _move_guard(entry, git["guard"], scope.others)
            gone.remove("guard")
        names = ", ".join(key for key in gone if key not in target and key not in DESCRIBING)
        if names:
            raise Refused("not-in-file", f"{flag}: the file cannot remove {names} in {scope.environment} only")
    for key in gone:
        del (entry if key in DESCRIBING else target)[key]
    for key, value in changed.items():
        place = entry if key in DESCRIBING else target
        place[key] = _merged(place.get(key), _written(key, value))
    if scope is not None and not target:
        del entry["environments"][scope.environment]
        if not entry["environments"]:
            del entry["environments"]
    out = io.StringIO()
    yaml.dump(loaded, out)
    text = out.getvalue()
    return "".join(" " * indent + line if line.strip() else line for line in text.splitlines(keepends=True))


def _move_guard(entry: Any, guard: Any, environments: Sequence[str]) -> None:
    """Moves a flag's guard from all environments into some: it has ended in the others."""
    del entry["guard"]
    for environment in environments:
        target = _overlay(entry, environment)
        if "guard" not in target:
            target["guard"] = _quoted(guard)  # without its comments, which do not fit everywhere


def _overlay(entry: Any, environment: str) -> Any:
    environments = entry.get("environments")
    if environments is None:
        environments = entry["environments"] = {}
    if environments.get(environment) is None:
        environments[environment] = {}
    return environments[environment]


def _merged(old: Any, new: Any) -> Any:
    """The new value in the old one's style: mappings and lists keep the comments of unchanged entries."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [key for key in old if key not in new]:
            del old[key]
        for key, value in new.items():
            old[key] = _merged(old.get(key), value)
        if list(old) == list(new):
            return old
        return new
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, value in enumerate(new):
            old[index] = _merged(old[index], value)
        return old
    return old if _same(old, new) else new


def _same(one: Any, other: Any) -> bool:
    """Equality that includes the order of keys (which matters in a split) and the type of numbers.

    `one` may have times that the file has without quotes, which a definition has as strings.
    """
    if isinstance(one, datetime) and isinstance(other, str):
        with suppress(ValueError):
            return parse_time(other) == (one if one.tzinfo else one.replace(tzinfo=UTC)).timestamp()
        return False
    return json.dumps(one, default=str) == json.dumps(other)


def _written(key: str, value: Any) -> Any:
    from ruamel.yaml.scalarstring import PlainScalarString

    return PlainScalarString("on" if value else "off") if key == "status" else _quoted(value)


def _quoted(value: Any) -> Any:
    """A value with strings in double quotes where the writer of YAML does not quote what needs it."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, dict):
        return {_quoted(key): _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and _NEED_QUOTES.search(value) else value


def _new(wanted: Definition, environment: str | None) -> dict[str, Any]:
    keys = {key: _written(key, value) for key, value in wanted.items()}
    if environment is None:
        return keys
    describing = {key: value for key, value in keys.items() if key in DESCRIBING}
    return {**describing, "environments": {environment: {k: v for k, v in keys.items() if k not in DESCRIBING}}}


def _append(lines: list[str], document: Document, section: str, name: str, entry: dict[str, Any]) -> None:
    """Adds an entry after the last of its section in a file."""
    entries = document.value.get(section)
    if section not in document.value:
        _begin(lines, section, name, entry)
        return
    if not entries:
        raise Refused("not-in-file", f"{name}: {document.file} has no {section} to put it after")
    last = max(entries, key=lambda other: document.place((section, other), key=True).line)
    first, end = _extent(lines, document, section, last)
    margin = " " * (document.place((section, last), key=True).column - 1)
    yaml = _yaml("".join(lines[first:end]))
    out = io.StringIO()
    yaml.dump({name: entry}, out)
    if lines[end - 1][-1:] != "\n":
        lines[end - 1] += "\n"
    lines[end:end] = [margin + line for line in out.getvalue().splitlines(keepends=True)]


def _begin(lines: list[str], section: str, name: str, entry: dict[str, Any]) -> None:
    """Adds an entry to a section that a file did not have, at its end."""
    out = io.StringIO()
    _yaml("").dump({name: entry}, out)
    if lines and lines[-1][-1:] != "\n":
        lines[-1] += "\n"
    start = f"{section}:\n"
    if start not in lines:
        lines.append(start)
    first = lines.index(start) + 1
    lines[first:first] = [f"  {line}" for line in out.getvalue().splitlines(keepends=True)]


def _extent(lines: list[str], document: Document, section: str, name: str) -> tuple[int, int]:
    """The lines of an entry, first and one past the last; comments before the next entry belong to that."""
    start = document.place((section, name), key=True)
    if not re.match(r" *[^ #]", lines[start.line - 1]) or lines[start.line - 1][: start.column - 1].strip():
        kind = section.removesuffix("s")
        raise Refused("not-in-file", f"{name}: put the {kind} on its own lines, so that it can be edited")
    last = start.line
    for number, line in _following(lines, start.line):
        if len(line) - len(line.lstrip(" ")) < start.column:
            break
        last = number
    return start.line - 1, last


def _following(lines: list[str], line: int) -> Iterator[tuple[int, str]]:
    """Non-blank, non-comment lines after a line, with their numbers from 1."""
    for number, text in enumerate(lines[line:], line + 1):
        if text.strip() and not text.lstrip().startswith("#"):
            yield number, text


def _yaml(sample: str) -> Any:
    """A YAML writer that uses the sample's indentation."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    steps = [len(m.group(1)) for m in re.finditer(r"^( +)\S", sample, re.MULTILINE)]
    base = len(sample) - len(sample.lstrip(" "))
    deeper = [step - base for step in steps if step > base]
    mapping = min(deeper, default=2)
    dash = re.search(r"^( *)[^ #-][^\n]*:[ ]*(?:#[^\n]*)?\n(?:\s*#[^\n]*\n)*( *)- ", sample, re.MULTILINE)
    offset = len(dash.group(2)) - len(dash.group(1)) if dash else 2
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    return yaml
