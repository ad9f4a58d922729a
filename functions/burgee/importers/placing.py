"""Writes an import to its files: the main one and, where asked, one for each owner; again, as an update."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import FlagFileError, Refused
from burgee.files import write_file
from burgee.flagfile.checks import check
from burgee.flagfile.editor import edited_entries
from burgee.flagfile.formatter import formatted
from burgee.flagfile.grammar import FlagFile, Included
from burgee.flagfile.source import Source
from burgee.importers.report import Given, markdown, recorded, report
from burgee.importers.updating import update
from burgee.importers.writing import head, settle, yaml_text
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document
    from burgee.importers.base import Imported, ImportFinding


class Target(NamedTuple):
    """Where an import is written."""

    out: Path
    teams: Path | None = None
    """A folder below that of `out`, for a file of each owner's flags."""
    overwrite: bool = False

    @property
    def record(self) -> Path:
        """The record of the import, beside the file."""
        return self.out.with_suffix(".import.json")


class Placed(NamedTuple):
    """The report of what was written, what was kept, and the files that changed."""

    report: Mapping[str, Any]
    kept: Sequence[ImportFinding]
    files: Sequence[Path]


def require_free(target: Target, engine: str) -> None:
    """Raises Refused if a file would be replaced without a record of what the import wrote to it."""
    if target.teams is not None and not target.teams.resolve().is_relative_to(target.out.parent.resolve()):
        raise Refused("outside", f"{target.teams} is not below the folder of {target.out}")
    if target.out.exists() and not target.overwrite and recorded(target.record, engine) is None:
        message = f"{target.out} already exists; --out names another file, --overwrite replaces this one"
        raise Refused("exists", message)


def place(made: Imported, engine: str, given: Sequence[Given], target: Target) -> Placed:
    """Writes or updates the files and the record; all are checked, and restored if they have errors."""
    settle(made)
    kept: list[ImportFinding] = []
    if target.out.exists() and not target.overwrite:
        texts, kept = _updated(made, engine, target)
    else:
        texts = _first(made, given, target)
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    if not target.overwrite and not target.out.exists():
        for path, data in before.items():
            if data is not None:
                raise Refused("exists", f"{path} already exists; --overwrite replaces it")
    made_report = report(engine, given, made, kept)
    made_report["flags"] |= _still(made, target, engine)
    try:
        for path, text in texts.items():
            if path.parent == target.teams:
                path.parent.mkdir(exist_ok=True)
            write_file(path, text.encode())
        _require_whole(target.out, texts)
        write_file(target.record, (json.dumps(made_report, indent=1, ensure_ascii=True) + "\n").encode())
    except BaseException:
        for path, data in before.items():
            path.unlink(missing_ok=True) if data is None else write_file(path, data)
        raise
    changed = [path for path, text in texts.items() if before[path] != text.encode()]
    return Placed(made_report, kept, changed)


def write_markdown(path: Path, made_report: Mapping[str, Any]) -> None:
    """Writes the report for people. Raises Refused for a file that is something else."""
    from burgee.importers.report import MARK

    if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
        raise Refused("exists", f"{path} already exists and is not the report of an import")
    write_file(path, markdown(made_report).encode())


def _require_whole(out: Path, texts: Mapping[Path, str]) -> None:
    source = Source(out)
    errors = [problem for problem in check(source) if problem.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    read = {Path(document.file).resolve() for document in source.documents}
    for path in texts:
        if path.resolve() not in read:
            raise Refused("not-in-file", f"{out} does not include {path}")


def _still(made: Imported, target: Target, engine: str) -> Mapping[str, Any]:
    """What the last import wrote of flags that are left out now, which stay in the file."""
    record = None if target.overwrite else recorded(target.record, engine)
    return {name: one for name, one in (record or {"flags": {}})["flags"].items() if name in made.left_out}


def _first(made: Imported, given: Sequence[Given], target: Target) -> dict[Path, str]:
    """The files of a first import."""
    homes = {name: _home(flag, target) for name, flag in made.flags.items()}
    origin = ", ".join(repr(one.file.name) for one in given)
    texts: dict[Path, str] = {}
    first: dict[str, Any] = {"version": 1}
    if made.environments:
        first["environments"] = list(made.environments)
    others = {home for home in homes.values() if home != target.out}
    if others and target.teams is not None:
        first["include"] = [f"{target.teams.resolve().relative_to(target.out.parent.resolve()).as_posix()}/*.yaml"]
    if made.segments:
        first["segments"] = dict(made.segments)
    for home in (target.out, *sorted(others)):
        flags = {name: flag for name, flag in made.flags.items() if homes[name] == home}
        whole = {**first, "flags": flags} if home == target.out else {"version": 1, "flags": flags}
        grammar = FlagFile if home == target.out else Included
        texts[home] = formatted(head(origin, made) + yaml_text(whole), grammar)
    return texts


def _home(flag: Mapping[str, Any], target: Target) -> Path:
    """The file of a flag: that of its owner, or else the main one."""
    owner = flag.get("owner")
    if target.teams is None or not isinstance(owner, str):
        return target.out
    name = re.sub(r"[^a-z0-9._-]+", "-", owner.casefold()).strip(".-") or "others"
    return target.teams / f"{name}.yaml"


def _updated(made: Imported, engine: str, target: Target) -> tuple[dict[Path, str], list[ImportFinding]]:
    """The files that an update changes."""
    record = recorded(target.record, engine)
    if record is None:
        raise Refused("exists", f"{target.out} already exists")
    source = Source(target.out)
    errors = [problem for problem in source.problems if problem.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    missing = [name for name in made.environments if name not in source.model.environments]
    if missing:
        message = f"{target.out} does not have the environments {', '.join(missing)}: add them to the file"
        raise Refused("environments", message)
    found = update(made, record, source)
    documents = {Path(document.file).resolve(): document for document in source.documents}
    homes: dict[tuple[str, str], Document] = {}
    apart: dict[Path, dict[str, Any]] = {}
    wanted = dict(found.wanted)
    for (section, name), entry in found.wanted.items():
        home = _home(entry, target) if section == "flags" and entry is not None else target.out
        if (section, name) in source.homes or home == target.out or entry is None:
            continue
        if home.resolve() in documents:
            homes[section, name] = documents[home.resolve()]
        elif home.exists():
            raise Refused("not-in-file", f"{target.out} does not include {home}")
        else:
            del wanted[section, name]
            apart.setdefault(home, {})[name] = made.flags[name]
    texts = edited_entries(source, wanted, homes)
    main = source.documents[0].file
    made_texts = {path: formatted(text, FlagFile if str(path) == main else Included) for path, text in texts.items()}
    for home, flags in apart.items():
        made_texts[home] = formatted(yaml_text({"version": 1, "flags": flags}), Included)
    return made_texts, found.kept
