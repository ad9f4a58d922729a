"""Writes an import as a flags.yaml that has been read back, checked and found equal."""

from __future__ import annotations

import io
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.errors import FlagFileError
from burgee.flagfile.checks import check
from burgee.flagfile.formatter import formatted
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.importers.base import Imported

WIDTH = 118
LINE = 100
"""Maximum length of a line that holds a whole mapping or list."""
_DEPTHS = {"flags": 0, "segments": 0, "rules": 0, "environments": 1, "variants": 1, "when": 3}
"""How many levels a mapping or list below a key may have to be written on one line; 2 below others."""
_NOTES = {
    "hash": "`hash` and `salt` keep the variant of every user; remove them when a rollout is over.",
    "any_value": "`any_value` tests a value or each item of a list; `--lists` of the import names what is a list.",
    "without_unit": "`without_unit` is what contexts without the attribute of `bucket_by` get.",
}
"""Explanations of keys that an import writes and people rarely do."""


def written(made: Imported, origin: str) -> str:
    """The text, as `burgee fmt` writes it. Flags that flags.yaml refuses are left out and reported."""
    settle(made)
    return formatted(head(repr(origin), made) + file_text(made))


def head(origin: str, made: Imported) -> str:
    """The comment at the top of an imported file: where it is from, and keys that need an explanation."""
    keys = set(_keys(made.flags)) | set(_keys(made.segments))
    notes = [note for key, note in _NOTES.items() if key in keys]
    if any(flag.get("rollout_percentage") == 0 for flag in made.flags.values()):
        notes.append("`rollout_percentage: 0` of a flag: callers get their own default where no rule decides.")
    return "".join(f"# {line}\n" for line in [f"Imported from {origin} by `burgee import`.", *notes])


def _keys(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(key, str):
            yield key
        yield from _keys(value)


def settle(made: Imported) -> None:
    """Leaves out flags that flags.yaml refuses, then those that need them, and segments that no flag uses."""
    refused = _faults(made)
    while refused:
        for (section, name), faults in refused.items():
            made.refuse(section, name, "; ".join(dict.fromkeys(faults)))
        refused = _faults(made)
    made.drop_unused_segments()


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
    """A file as YAML: a blank line before each entry, and what is short on one line."""
    lines = _dumped(_styled(value, 0, ())).splitlines(keepends=True)
    made: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        is_section, is_entry = re.match(r"[a-z]", line), re.match(r"  [^ -]", line)
        if (is_section and line.rstrip() in {"segments:", "flags:"}) or (is_entry and before.startswith("    ")):
            made.append("\n")
        made.append(line)
    return "".join(made)


def _styled(value: Any, indent: int, path: tuple[str, ...]) -> Any:
    """The same value, with a mark on each mapping and list that is written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, (dict, list)):
        return value
    made: Any
    if isinstance(value, dict):
        made = CommentedMap((key, _styled(one, indent + 2, (*path, str(key)))) for key, one in value.items())
    else:
        made = CommentedSeq(_styled(one, indent + 2, (*path, "")) for one in value)
    key, above = path[-1] if path else "flags", path[-2] if len(path) > 1 else ""
    is_entry = path[:1] in {("flags",), ("segments",)} and len(path) == 2
    if not is_entry and above != "rules" and _depth(value) <= _DEPTHS.get(key, 2):
        text = json.dumps(value, ensure_ascii=False)
        if indent + len(key) + len(text) <= LINE and "\\n" not in text:
            made.fa.set_flow_style()
    return made


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(one) for one in inner if isinstance(one, (dict, list))), default=0)


def _dumped(value: Any) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = WIDTH
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _value: True
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()
