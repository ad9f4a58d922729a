"""Writes generated files into a repository: existing files are not overwritten, edits are merged three-way."""

from __future__ import annotations

import difflib
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from burgee.cli.git.run import NOT_RUN, git
from burgee.cli.project.generated import MARKER, body, digest, marked
from burgee.errors import Refused
from burgee.files import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.cli.project.generated import GeneratedFile

BASES = "infra/.generated"
"""The generated originals, so that a later version can distinguish users' edits from its own."""
OWN = frozenset({"flags.yaml", ".gitignore", ".github/CODEOWNERS", ".gitlab-ci.yml", "infra/samconfig.toml"})
"""Files that belong to the team from the start: an existing one is always kept."""


class Fate(StrEnum):
    """The result for a file."""

    WRITTEN = "written"
    KEPT = "kept"
    DIFFERS = "differs"
    MERGED = "merged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file's result; `diff` is the change that was made, or not made if the file differs."""

    file: GeneratedFile
    fate: Fate
    diff: str = ""


def write_new(repository: Path, files: Sequence[GeneratedFile]) -> list[WrittenFile]:
    """Writes missing files; an existing file that differs is reported and left unchanged."""
    done = []
    for file in files:
        path = repository / file.path
        if not path.exists():
            _write(path, file.text)
            if file.kept_current:
                _write(repository / BASES / file.path, file.text)
            done.append(WrittenFile(file, Fate.WRITTEN))
            continue
        stands = path.read_text(encoding="utf-8")
        if file.path in OWN or body(stands) == body(file.text) or _is_edited_copy(repository, file, stands):
            done.append(WrittenFile(file, Fate.KEPT))
        else:
            done.append(WrittenFile(file, Fate.DIFFERS, _diff(file.path, stands, file.text)))
    return done


def merge_newer(repository: Path, files: Sequence[GeneratedFile], *, check: bool = False) -> list[WrittenFile]:
    """Updates existing generated files to this version and keeps users' edits; with `check` nothing is written.

    If both sides changed the same lines, the file is left unchanged; the merge with conflict markers is written to
    `PATH.conflict`.
    """
    standing = [file for file in files if file.kept_current and (repository / file.path).exists()]
    return [_merged(repository, file, check=check) for file in standing]


def _merged(repository: Path, file: GeneratedFile, *, check: bool) -> WrittenFile:
    path, base_path = repository / file.path, repository / BASES / file.path
    stands = path.read_text(encoding="utf-8")
    marker = MARKER.match(stands)
    if marker is None:
        return WrittenFile(file, Fate.DIFFERS, _diff(file.path, stands, file.text))
    new = body(file.text)
    if marker[2] == digest(new):
        return WrittenFile(file, Fate.KEPT)
    if marker[2] == digest(body(stands)):
        return _put(repository, file, file.text, check=check)
    base = body(base_path.read_text(encoding="utf-8")) if base_path.exists() else None
    if base is None or digest(base) != marker[2]:
        return WrittenFile(file, Fate.DIFFERS, _diff(file.path, stands, file.text))
    merged, conflicts = three_way(body(stands), base, new)
    if not conflicts:
        return _put(repository, file, marked(merged, of=new), check=check)
    if not check:
        _write(repository / f"{file.path}.conflict", merged)
    return WrittenFile(file, Fate.CONFLICT, _diff(file.path, stands, merged))


def three_way(ours: str, base: str, theirs: str) -> tuple[str, bool]:
    """A three-way merge by Git, and whether it has conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("yours", "generated-before", "generated-now")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text, encoding="utf-8")
        labels = [part for name in ("yours", "generated before", "generated now") for part in ("-L", name)]
        ran = git(Path(folder), "merge-file", "-p", "--diff3", *labels, *map(str, paths))
    if ran.returncode == NOT_RUN:
        raise Refused("no-git", "merging needs git on the PATH")
    if ran.returncode not in range(128):
        raise Refused("merge-failed", ran.stderr.decode(errors="replace").strip())
    return ran.stdout.decode(), ran.returncode != 0


def _put(repository: Path, file: GeneratedFile, text: str, *, check: bool) -> WrittenFile:
    path = repository / file.path
    stands = path.read_text(encoding="utf-8")
    if not check:
        _write(path, text)
        _write(repository / BASES / file.path, file.text)
    return WrittenFile(file, Fate.MERGED, _diff(file.path, stands, text))


def _is_edited_copy(repository: Path, file: GeneratedFile, stands: str) -> bool:
    """Whether a file was written by an earlier `init` and edited since; `burgee upgrade` handles those."""
    return file.kept_current and MARKER.match(stands) is not None and (repository / BASES / file.path).exists()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def _diff(path: str, stands: str, text: str) -> str:
    lines = difflib.unified_diff(
        stands.splitlines(keepends=True), text.splitlines(keepends=True), f"{path} (yours)", f"{path} (generated)"
    )
    return "".join(lines)
