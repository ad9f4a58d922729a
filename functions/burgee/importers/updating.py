"""Runs an import again: what the import wrote follows the other engine, what people changed since stays.

The record of the last import holds a digest of all it wrote. A part of the file with another digest was changed by
people; a part of the new import with another digest was changed in the other engine. If both changed, the file keeps
its own and the report says so.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.flagfile.fields import dump
from burgee.flagfile.flag_grammar import FlagSpec
from burgee.flagfile.grammar import Segment
from burgee.importers.base import KEPT, ImportFinding
from burgee.importers.overlays import DESCRIBING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.source import Source
    from burgee.importers.base import Imported

    Entries = Mapping[tuple[str, str], Mapping[str, Any]]
    Digests = Mapping[str, str]

ALONE = (*DESCRIBING, "client", "tests", "experiment", "schema", "guard")
"""Keys of a flag that people may change without a conflict in those that decide what is served."""
ANSWERS = "answers"
"""The part of a flag that decides what is served: all other keys together."""


class Update(NamedTuple):
    """The file afterwards: entries by section and name (None: removed), and what was kept."""

    wanted: Mapping[tuple[str, str], Mapping[str, Any] | None]
    kept: list[ImportFinding]


def entries(made: Imported) -> Entries:
    """Everything imported, in the form that releases hold."""
    flags = {("flags", name): dump(FlagSpec.model_validate(flag)) for name, flag in made.flags.items()}
    segments = {("segments", name): dump(Segment.model_validate(one)) for name, one in made.segments.items()}
    return {**flags, **segments}


def parts(section: str, entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """An entry in parts that change independently."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in entry.items():
        found.setdefault(key if section == "flags" and key in ALONE else ANSWERS, {})[key] = value
    return found


def digests(section: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each part; order counts within a key, as in a split."""
    return {part: _digest(keys) for part, keys in parts(section, entry).items()}


def _digest(keys: Mapping[str, Any]) -> str:
    text = json.dumps(dict(sorted(keys.items())), ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def update(made: Imported, record: Mapping[str, Mapping[str, Digests]], source: Source) -> Update:
    """Compares the new import, the record of the last one, and the file as it is."""
    new = entries(made)
    known = {(section, name): one for section in ("segments", "flags") for name, one in record[section].items()}
    wanted: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    kept: list[ImportFinding] = []
    for key in dict.fromkeys([*known, *new]):
        section, name = key
        subject = name if section == "flags" else f"segment {name}"
        place = made.homes.get(subject) or made.document.place(())
        here = dump(getattr(source.model, section)[name]) if key in source.homes else None
        merged, why = _merged(section, known.get(key), new.get(key), here, is_left_out=name in made.left_out)
        if why:
            kept.append(ImportFinding(subject, KEPT, why, source.place(section, name) if here else place))
        if merged != here:
            wanted[key] = merged
    return Update(wanted, kept)


def _merged(
    section: str,
    last: Digests | None,
    new: Mapping[str, Any] | None,
    here: Mapping[str, Any] | None,
    *,
    is_left_out: bool,
) -> tuple[Mapping[str, Any] | None, str]:
    """What an entry becomes, and why it does not follow the other engine, if it does not."""
    if here is None:
        changed = new is not None and last is not None and digests(section, new) != last
        if last is None:
            return new, ""
        return None, "it was removed from the file, and has changed in the other engine" if changed else ""
    if last is None:
        same = new is not None and digests(section, new) == digests(section, here)
        return here, "" if same else "the file already has one of this name, which stays as it is"
    own = digests(section, here)
    if new is None:
        if is_left_out:
            return here, "it stays as it was last imported, because it is left out now"
        if own == last:
            return None, ""
        return here, "it is gone from the other engine, but was changed in the file"
    return _joined(section, last, new, here)


def _joined(
    section: str, last: Digests, new: Mapping[str, Any], here: Mapping[str, Any]
) -> tuple[Mapping[str, Any], str]:
    """Each part from the side that changed it; if both did, the file's."""
    own, theirs = digests(section, here), digests(section, new)
    ours_by_part, new_by_part = parts(section, here), parts(section, new)
    made: dict[str, Any] = {}
    both_changed = []
    for part in dict.fromkeys([*own, *theirs, *last]):
        untouched = own.get(part) == last.get(part)
        if not untouched and theirs.get(part) not in {last.get(part), own.get(part)}:
            both_changed.append(part)
        made |= (new_by_part if untouched else ours_by_part).get(part, {})
    if both_changed:
        names = ", ".join("what it serves" if part == ANSWERS else f"`{part}`" for part in both_changed)
        return made, f"{names} changed in the file and in the other engine; the file keeps its own"
    return made, ""
