"""Writes an import as a flags.yaml that has been read back, checked and found equal."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.flagfile.checks import check
from burgee.flagfile.formatter import formatted
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.importers.base import Imported

WIDTH = 118


def written(made: Imported, origin: str) -> str:
    """The text, as `burgee fmt` writes it. Flags that flags.yaml refuses are left out and reported."""
    refused = list(made.flags) if _faults(made.flags, made.segments) else []
    for name in refused:
        faults = _faults({name: made.flags[name]}, made.segments)
        if faults:
            del made.flags[name]
            made.leave_out(name, made.homes.get(name, (name,)), "; ".join(faults))
    return formatted(f"# Imported from {origin!r} by `burgee import`.\n" + _text(made.flags, made.segments))


def _faults(flags: Mapping[str, Any], segments: Mapping[str, Any]) -> list[str]:
    """The faults of flags, by the same parsing and checks as for any file."""
    text = _text(flags, segments).encode()
    if Document("flags.yaml", text).value["flags"] != flags:
        return ["the file cannot express one of its values"]
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        path = Path(folder) / "flags.yaml"
        path.write_bytes(text)
        return [problem.message for problem in check(Source(path)) if problem.severity is Severity.ERROR]


def _text(flags: Mapping[str, Any], segments: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _value: True
    yaml.indent(mapping=2, sequence=4, offset=2)
    file: dict[str, Any] = {"version": 1}
    if segments:
        file["segments"] = dict(segments)
    stream = io.StringIO()
    yaml.dump({**file, "flags": dict(flags)}, stream)
    return stream.getvalue()
