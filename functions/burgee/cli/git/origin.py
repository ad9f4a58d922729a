"""Who releases what, from Git and from the CI that runs us."""

from __future__ import annotations

import getpass
import os
import subprocess
from typing import TYPE_CHECKING

from burgee.stores import Origin

if TYPE_CHECKING:
    from pathlib import Path


def origin(folder: Path) -> Origin:
    """The commit of a folder, its author and its subject; GitHub's variables go before Git's."""
    commit = os.environ.get("GITHUB_SHA") or _git(folder, "rev-parse", "HEAD")
    author = os.environ.get("GITHUB_ACTOR") or _git(folder, "log", "-1", "--format=%an")
    return Origin(commit, author, _git(folder, "log", "-1", "--format=%s", *([commit] if commit else [])))


def whoami(folder: Path) -> str:
    """The person at the keyboard, or the one who started the CI run."""
    return os.environ.get("GITHUB_ACTOR") or _git(folder, "config", "user.name") or getpass.getuser()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        ran = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - the git on PATH is the user's own
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return ran.stdout.strip() or None if ran.returncode == 0 else None
