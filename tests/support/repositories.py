"""A bare remote with a clone, as a pipeline and its people have them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """Runs Git under a name of its own, without anybody's configuration; what it prints."""
    identity = {f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    command = ["git", *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=check)
    return ran.stdout.strip()


class Clone:
    """A clone of a bare remote whose `main` has one flag file."""

    def __init__(self, folder: Path, text: str, flags: str = "flags.yaml") -> None:
        self.remote = folder / "remote.git"
        self.folder = folder / "clone"
        self.flags = self.folder / flags
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.remote))
        git(folder, "clone", "-q", str(self.remote), str(self.folder))
        git(self.folder, "checkout", "-qB", "main")
        self.commit(text)

    def commit(self, text: str, branch: str = "main", start: str = "origin/main") -> str:
        """A colleague's commit of the file on a branch, pushed."""
        if branch != "main":
            git(self.folder, "fetch", "-q", "origin")
            git(self.folder, "checkout", "-qB", branch, start)
        self.flags.parent.mkdir(parents=True, exist_ok=True)
        self.flags.write_text(text, encoding="utf-8")
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-qm", "Work", "--allow-empty")
        git(self.folder, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        commit = git(self.folder, "rev-parse", "HEAD")
        git(self.folder, "checkout", "-q", "main")
        return commit

    def merge(self, branch: str) -> None:
        """A colleague merges a branch of the remote into main."""
        git(self.folder, "fetch", "-q", "origin")
        git(self.folder, "merge", "-q", "--no-ff", "-m", "Merge", f"origin/{branch}")
        git(self.folder, "push", "-q", "origin", "main")

    def text(self, branch: str, name: str = "flags.yaml") -> str:
        """A file as it is on a branch of the remote, without the last line end."""
        return git(self.remote, "show", f"{branch}:{name}")

    def branches(self) -> list[str]:
        """The remote's branches, beside main."""
        listed = git(self.remote, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        return [name for name in listed if name != "main"]

    def tip(self, branch: str) -> str:
        """The commit of a branch of the remote."""
        return git(self.remote, "rev-parse", branch)
