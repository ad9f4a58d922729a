"""The one way in which the command line runs Git."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NOT_RUN = 1_000
"""The exit code where Git is not installed or the folder is missing: one that no process has."""


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs `git` in a folder; a failure is in the exit code, never raised."""
    command = ["git", *arguments]
    try:
        # No shell; the git on PATH is the user's own.
        return subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603
    except OSError as error:
        return subprocess.CompletedProcess(command, NOT_RUN, b"", str(error).encode())


def git_output(folder: Path, *arguments: str) -> str:
    """What `git` prints, stripped; empty where it fails."""
    ran = git(folder, *arguments)
    return ran.stdout.decode(errors="replace").strip() if ran.returncode == 0 else ""
