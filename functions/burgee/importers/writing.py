"""Writes an import as a flags.yaml that has been read back, checked and found equal."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.errors import FlagFileError
from burgee.flagfile.checks import check
from burgee.flagfile.formatter import formatted
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document
from burgee.importers.overlays import used
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.importers.base import Imported

WIDTH = 118


def written(made: Imported, origin: str) -> str:
    """The text, as `burgee fmt` writes it. Flags that flags.yaml refuses are left out and reported."""
    settle(made)
    return formatted(f"# Imported from {origin!r} by `burgee import`.\n" + file_text(made))


def settle(made: Imported) -> None:
    """Leaves out flags that flags.yaml refuses, then those that need them, and segments that no flag uses."""
    refused = _faults(made)
    while refused:
        for (section, name), faults in refused.items():
            made.refuse(section, name, "; ".join(dict.fromkeys(faults)))
        refused = _faults(made)
    _drop_unused(made)


def _drop_unused(made: Imported) -> None:
    needed = set(used(made.flags))
    waiting = list(needed)
    while waiting:
        found = set(used(made.segments.get(waiting.pop(), {}))) - needed
        needed |= found
        waiting += found
    made.segments = {name: segment for name, segment in made.segments.items() if name in needed}


def _faults(made: Imported) -> dict[tuple[str, str], list[str]]:
    """The faults of flags and segments by section and name, by the same parsing and checks as for any file."""
    text = file_text(made).encode()
    document = Document("flags.yaml", text)
    found: dict[tuple[str, str], list[str]] = {}
    for section, entries in (("flags", made.flags), ("segments", made.segments)):
        for name, entry in entries.items():
            if document.value.get(section, {}).get(name) != entry:
                found[section, name] = ["the file cannot express one of its values"]
    lines = [(place.line, path) for path, place in document.keys.items() if len(path) == 2]
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        file = Path(folder) / "flags.yaml"
        file.write_bytes(text)
        for problem in check(Source(file)):
            if problem.severity is Severity.ERROR:
                before = [entry for entry in lines if entry[0] <= problem.place.line]
                if not before:  # the head, which the import alone makes
                    raise FlagFileError([problem])
                _, owner = max(before)
                found.setdefault((str(owner[0]), str(owner[1])), []).append(problem.message)
    return found


def file_text(made: Imported) -> str:
    """The file before it is formatted."""
    file: dict[str, Any] = {"version": 1}
    if made.environments:
        file["environments"] = list(made.environments)
    if made.segments:
        file["segments"] = dict(made.segments)
    return yaml_text({**file, "flags": dict(made.flags)})


def yaml_text(value: Mapping[str, Any]) -> str:
    """A mapping as block YAML."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _value: True
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(dict(value), stream)
    return stream.getvalue()
