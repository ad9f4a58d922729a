"""Runs Git for the command line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOT_RUN = 1_000
"""The exit code if Git is not installed or the folder is missing: no process has it."""


def git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs `git` in a folder, in this environment or the process's; a failure sets the exit code and never raises."""
    command = ["git", *arguments]
    try:
        # No shell; the git on PATH is the user's own.
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)  # noqa: S603
    except OSError as error:
        return subprocess.CompletedProcess(command, NOT_RUN, b"", str(error).encode())


def git_output(folder: Path, *arguments: str) -> str:
    """The stripped output of `git`; empty if it fails."""
    ran = git(folder, *arguments)
    return ran.stdout.decode(errors="replace").strip() if ran.returncode == 0 else ""
