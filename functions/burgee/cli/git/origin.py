"""Who releases what, from Git and from the CI that runs us."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from burgee.cli.git.run import git_output
from burgee.stores import Origin

if TYPE_CHECKING:
    from pathlib import Path


def origin(folder: Path) -> Origin:
    """The commit of a folder, its author and its subject; GitHub's variables go before Git's."""
    commit = os.environ.get("GITHUB_SHA") or git_output(folder, "rev-parse", "HEAD") or None
    author = os.environ.get("GITHUB_ACTOR") or git_output(folder, "log", "-1", "--format=%an") or None
    subject = git_output(folder, "log", "-1", "--format=%s", *([commit] if commit else []))
    return Origin(commit, author, subject or None)


def whoami(folder: Path) -> str:
    """The person at the keyboard, or the one who started the CI run."""
    return os.environ.get("GITHUB_ACTOR") or git_output(folder, "config", "user.name") or getpass.getuser()
