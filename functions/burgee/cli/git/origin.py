"""The author and commit of a release, from Git and from the CI environment."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from burgee.cli.git.run import git_output
from burgee.errors import Refused
from burgee.stores import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


DIRTY = "-dirty"


def origin(folder: Path, files: Iterable[Path] = ()) -> Origin:
    """The commit of a folder, its author and its subject; GitHub's variables take precedence over Git's.

    If one of `files` differs from its commit, the commit's name ends in `-dirty`.
    """
    commit = os.environ.get("GITHUB_SHA") or git_output(folder, "rev-parse", "HEAD") or None
    author = os.environ.get("GITHUB_ACTOR") or git_output(folder, "log", "-1", "--format=%an") or None
    subject = git_output(folder, "log", "-1", "--format=%s", *([commit] if commit else []))
    names = [str(path.resolve()) for path in files]
    dirty = commit is not None and names and git_output(folder, "status", "--porcelain", "--", *names)
    return Origin(f"{commit}{DIRTY}" if dirty else commit, author, subject or None)


def require_committed(made: Origin) -> None:
    """Raises Refused in CI if files differ from their commit, as nobody edits there."""
    if os.environ.get("CI") and made.commit is not None and made.commit.endswith(DIRTY):
        raise Refused("uncommitted", "the flag file differs from its commit: commit it, CI releases only commits")


def whoami(folder: Path) -> str:
    """The local user, or the one who started the CI run."""
    name = os.environ.get("GITHUB_ACTOR") or git_output(folder, "config", "user.name") or getpass.getuser()
    return name.encode("utf-8", "replace").decode()  # which may have bytes that are not UTF-8
