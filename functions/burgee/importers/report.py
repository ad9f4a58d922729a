"""What an import carried, what differs in which contexts, and what was not carried: as JSON and as Markdown.

The JSON is also the record beside the file: with its digests the next import knows what people changed since.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import Refused
from burgee.importers.base import DIFFERS, KEPT, LEFT_OUT, NOT_CARRIED
from burgee.importers.updating import digests, entries
from burgee.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from burgee.importers.base import Imported, ImportFinding

FORMAT = 1
MARK = "# What the import carried"
_SECTIONS = {
    LEFT_OUT: (
        "left_out",
        "Left out",
        "These would decide what users get, and have no equivalent: write them by hand.",
    ),
    DIFFERS: ("differs", "Carried, with a difference", "In the contexts named here the answers differ."),
    KEPT: ("kept", "Kept as in the file", "The file was changed since the last import."),
    NOT_CARRIED: ("not_carried", "Not carried", "These do not affect what users get."),
}


class Given(NamedTuple):
    """A file that was imported, and the environment that it was named for."""

    file: Path
    environment: str | None


def report(engine: str, given: Sequence[Given], made: Imported, kept: Iterable[ImportFinding] = ()) -> dict[str, Any]:
    """The report as JSON values."""
    found = [*made.findings, *kept]
    written = entries(made)
    return {
        "version": FORMAT,
        "engine": engine,
        "files": [
            {
                "file": one.file.name,
                "environment": one.environment,
                "sha256": sha256(one.file.read_bytes()).hexdigest(),
            }
            for one in given
        ],
        **{
            key: [_record(finding) for finding in found if finding.code == code]
            for code, (key, _, _) in _SECTIONS.items()
        },
        **{
            wanted: {name: digests(section, entry) for (section, name), entry in written.items() if section == wanted}
            for wanted in ("segments", "flags")
        },
    }


def _record(finding: ImportFinding) -> dict[str, Any]:
    place = {"file": finding.place.file.rpartition("/")[2], "line": finding.place.line}
    environments = {"environments": list(finding.environments)} if finding.environments else {}
    return {"subject": finding.subject, "text": finding.text, **environments, **place}


def recorded(path: Path, engine: str) -> Mapping[str, Any] | None:
    """The record of the last import; None if there is none. Raises Refused for a broken one or another engine's."""
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole = record["version"] == FORMAT and all(isinstance(record[key], dict) for key in ("flags", "segments"))
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise Refused("import-record", f"{path} is not the record of an import; move it away to import again")
    if record["engine"] != engine:
        raise Refused("import-record", f"{path} is the record of an import from {record['engine']}")
    return dict(record)


def markdown(made: Mapping[str, Any]) -> str:
    """The report for people."""
    files = ", ".join(f"`{one['file']}`" for one in made["files"])
    counts = f"{counted(len(made['flags']), 'flag')} and {counted(len(made['segments']), 'segment')}"
    lines = [MARK, "", f"From {files} ({made['engine']}): {counts}.", ""]
    for key, title, about in _SECTIONS.values():
        if not made[key]:
            continue
        lines += [f"## {title}", "", about, "", "| what | where | why |", "|---|---|---|"]
        for one in made[key]:
            where = f"{one['file']}:{one['line']}" + "".join(f", {name}" for name in one.get("environments", ()))
            lines.append(f"| {_cell(one['subject'])} | {_cell(where)} | {_cell(one['text'])} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
