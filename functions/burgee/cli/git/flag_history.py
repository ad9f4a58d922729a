"""A flag file through Git's history, with its includes at each commit."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from burgee.cli.git.run import git, git_output
from burgee.errors import Refused
from burgee.flagfile.compile import compile_source
from burgee.flagfile.source import Source
from burgee.review.stale import FileVersion

if TYPE_CHECKING:
    from collections.abc import Iterator


def versions(path: Path, environment: str | None, now: float) -> Iterator[FileVersion]:
    """Versions of the file, newest first: the working copy, if it differs from the last commit, then every commit."""
    folder = path.resolve().parent
    source = Source(path)
    patterns = [path.name, *source.model.include]
    specs = [f":(glob){pattern}" for pattern in patterns]
    log = git_output(folder, "log", "--format=%H %ct", "--", *specs)
    if not log:
        raise Refused("no-history", f"{path} is not in Git, whose history is needed for the age of flags")
    if git_output(folder, "status", "--porcelain", "--", *specs):
        yield _version(source, environment, now)
    for line in log.splitlines():
        commit, _, moment = line.partition(" ")
        with tempfile.TemporaryDirectory(prefix="burgee-") as scratch:
            inside = Path(scratch) / path.name
            if not _show(folder, commit, path.name, inside):
                return  # the commit that removed the file: earlier versions belong to another file
            main = Source(inside).model
            names = git_output(folder, "ls-tree", "-r", "--name-only", commit).splitlines() if main.include else []
            for name in names:
                if any(PurePosixPath(name).match(pattern) for pattern in main.include):
                    _show(folder, commit, name, Path(scratch) / name)
            yield _version(Source(inside), environment, float(moment))


def _version(source: Source, environment: str | None, since: float) -> FileVersion:
    return FileVersion(since, compile_source(source, environment))


def _show(folder: Path, commit: str, name: str, into: Path) -> bool:
    ran = git(folder, "show", f"{commit}:./{name}")
    if ran.returncode:
        return False
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(ran.stdout)
    return True
