"""The branches of pull requests: one commit on the base branch, never overwriting other people's commits."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from burgee.cli.git.run import git
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "burgee/"
MARK = "Burgee-Branch: "
"""The trailer of our commits, which identifies branches with other people's commits."""
IDENTITY = {"NAME": "burgee", "EMAIL": "burgee@users.noreply.github.com"}
DEEPEST = 20
"""Maximum merges of the base into one of our branches that are followed."""


class Edited(NamedTuple):
    """A commit with an edit, its tree, and the folder of its files until the next edit."""

    commit: str
    tree: str


class Repository:
    """A clone, and the remote that its branches are pushed to."""

    def __init__(self, folder: Path, remote: str, base: str, configuration: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._remote = remote
        self._base = base
        self._environment = {**os.environ, **(configuration or {}), "GIT_TERMINAL_PROMPT": "0"}
        self._environment |= {
            f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in IDENTITY.items()
        }
        self._tips: dict[str, str] = {}
        self.base = ""
        """The commit of the base branch, after fetching."""

    def fetch(self) -> None:
        """Reads the base branch and our branches from the remote. Raises Refused if that fails or the clone is
        shallow.
        """
        if self._git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
            raise Refused(
                "shallow", "the history is not here: give actions/checkout `fetch-depth: 0`, or GIT_DEPTH: 0"
            )
        seen = f"refs/burgee/{self._remote}"
        wanted = [f"+refs/heads/{self._base}:{seen}/base", f"+refs/heads/{PREFIX}*:{seen}/heads/*"]
        ran = self._git("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", self._remote, *wanted)
        if ran.returncode:
            raise Refused("not-fetched", f"{self._remote} cannot be read: {ran.stderr.strip()}")
        self.base = self._git("rev-parse", f"{seen}/base").stdout.strip()
        listed = self._git("for-each-ref", "--format=%(objectname) %(refname)", f"{seen}/heads/").stdout
        for line in listed.splitlines():
            commit, _, name = line.partition(" ")
            self._tips[PREFIX + name.removeprefix(f"{seen}/heads/")] = commit

    def tip(self, branch: str) -> str | None:
        """The commit of one of our branches on the remote; None if it does not exist."""
        return self._tips.get(branch)

    def branches(self) -> list[str]:
        """Our branches on the remote."""
        return sorted(self._tips)

    @contextmanager
    def checked_out(self) -> Iterator[Path]:
        """A folder with the base's files, for editing."""
        with tempfile.TemporaryDirectory(prefix="burgee-") as scratch:
            folder = Path(scratch) / "base"
            ran = self._git("worktree", "add", "--quiet", "--detach", str(folder), self.base)
            if ran.returncode:
                raise Refused("not-checked-out", f"the base cannot be checked out: {ran.stderr.strip()}")
            try:
                yield folder
            finally:
                self._git("worktree", "remove", "--force", str(folder))

    def commit(self, folder: Path, branch: str, message: str) -> Edited | None:
        """Commits the edits in a folder and resets the folder; None if there were none."""
        self._run("add", "--update", folder=folder)
        tree = self._run("write-tree", folder=folder)
        self._run("reset", "--quiet", "--hard", self.base, folder=folder)
        if tree == self._run("rev-parse", f"{self.base}^{{tree}}"):
            return None
        text = f"{message}\n\n{MARK}{branch}\n"
        return Edited(self._run("commit-tree", tree, "-p", self.base, "-m", text), tree)

    def is_ours(self, branch: str) -> bool:
        """Whether only we have committed to a branch, apart from clean merges of the base."""
        tip = self._tips[branch]
        for _ in range(DEEPEST):
            parents = self._run("rev-list", "--parents", "--max-count=1", tip).split()[1:]
            if len(parents) == 2 and self._is_in_base(parents[1]):
                if self.merged(*parents) != self._run("rev-parse", f"{tip}^{{tree}}"):
                    return False
                tip = parents[0]
                continue
            marked = f"{MARK}{branch}" in self._run("log", "--max-count=1", "--format=%B", tip).splitlines()
            return marked and len(parents) == 1 and self._is_in_base(parents[0])
        return False

    def _is_in_base(self, commit: str) -> bool:
        return self._git("merge-base", "--is-ancestor", commit, self.base).returncode == 0

    def merged(self, one: str, other: str) -> str | None:
        """The tree of a merge; None if there is a conflict."""
        ran = self._git("merge-tree", "--write-tree", one, other)
        return ran.stdout.split()[0] if ran.returncode == 0 else None

    def says(self, branch: str, edited: Edited) -> bool:
        """Whether merging a branch as it is gives the same as the edit."""
        return self.merged(self.base, self._tips[branch]) == edited.tree

    def push(self, branch: str, commit: str) -> None:
        """Moves a branch, if it has not moved since it was read. Raises Refused with the remote's message."""
        self._pushed(branch, f"{commit}:refs/heads/{branch}")
        self._tips[branch] = commit

    def delete(self, branch: str) -> None:
        """Deletes a branch, if it has not moved since."""
        self._pushed(branch, f":refs/heads/{branch}")
        del self._tips[branch]

    def _pushed(self, branch: str, what: str) -> None:
        lease = f"--force-with-lease=refs/heads/{branch}:{self._tips.get(branch, '')}"
        ran = self._git("push", "--quiet", "--no-verify", lease, self._remote, what)
        if ran.returncode:
            raise Refused(
                "not-pushed",
                f"{branch} cannot be pushed; a rule of the repository may have to let the pipeline push `{PREFIX}*`, "
                f"and its job needs `contents: write`: {ran.stderr.strip()[:500]}",
            )

    def _run(self, *arguments: str, folder: Path | None = None) -> str:
        ran = self._git(*arguments, folder=folder)
        if ran.returncode:
            raise Refused("git-failed", f"git {arguments[0]}: {ran.stderr.strip()[:500]}")
        return ran.stdout.strip()

    def _git(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        ran = git(folder or self._folder, *arguments, environment=self._environment)
        out, err = (text.decode(errors="replace") for text in (ran.stdout, ran.stderr))
        return subprocess.CompletedProcess(ran.args, ran.returncode, out, err)
