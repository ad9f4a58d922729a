"""What a review compares: the merge of a pull request with its base, and where the flag file is on both sides."""

from __future__ import annotations

import os
import subprocess
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from host import ActionError

if TYPE_CHECKING:
    from pathlib import Path

    from host import Change


class Merge(NamedTuple):
    """Two commits: the base, and what it becomes. With a `conflict`: where the branch left the base, and its tip."""

    base: str
    head: str
    conflict: bool = False


class Files(NamedTuple):
    """The flag file's path in the base and in the merge; None where it is not there."""

    base: str | None
    head: str | None

    @property
    def moved(self) -> bool:
        """Whether it has another path than before."""
        return self.base is not None and self.head is not None and self.base != self.head


def merge_of(change: Change, commit: str) -> Merge:
    """GitHub's own merge commit where this run has it, else the same merge made here."""
    if change.number is None:
        return Merge(change.base, change.head)
    if not (is_commit(change.base) and is_commit(change.head)):
        raise ActionError("the history is not here: give actions/checkout `fetch-depth: 0`")
    parents = git("rev-list", "--parents", "--max-count=1", commit).stdout.split()[1:] if is_commit(commit) else []
    if len(parents) == 2 and parents[1] == change.head:
        return Merge(parents[0], commit)
    tree = git("merge-tree", "--write-tree", change.base, change.head)
    if tree.returncode == 0:
        parents = ["-p", change.base, "-p", change.head]
        return Merge(change.base, git("commit-tree", tree.stdout.split()[0], *parents, "-m", "Merge").stdout.strip())
    fork_point = git("merge-base", change.base, change.head)
    if fork_point.returncode:
        raise ActionError("the history is not here: give actions/checkout `fetch-depth: 0`")
    return Merge(fork_point.stdout.strip(), change.head, conflict=True)


def files_of(merge: Merge, flags: str) -> Files:
    """Where the flag file is; a move is followed, by Git's likeness of files or by the file's own name."""
    base, head = (flags if is_in(commit, flags) else None for commit in (merge.base, merge.head))
    if base is not None and head is not None:
        return Files(base, head)
    changes = git("diff", "--name-status", "--find-renames", "-z", merge.base, merge.head).stdout.split("\0")
    renamed: dict[str, str] = {}
    added: list[str] = []
    deleted: list[str] = []
    fields = iter(changes)
    for status in fields:
        if status.startswith(("R", "C")):
            old, new = next(fields), next(fields)
            renamed[old] = new
        elif status:
            name = next(fields)
            if status in {"A", "D"} and PurePosixPath(name).name == PurePosixPath(flags).name:
                (added if status == "A" else deleted).append(name)
    if base is not None:
        return Files(base, renamed.get(flags) or next(iter(added), None))
    if head is not None:
        return Files(next((old for old, new in renamed.items() if new == flags), next(iter(deleted), None)), head)
    return Files(None, None)


def earlier_versions(commit: str, flags: str) -> list[str]:
    """Commits of a branch that changed the flag file's folder, newest first, without the newest; ten at most."""
    folder = str(PurePosixPath(flags).parent)
    log = git("log", "--first-parent", "--format=%H", "--max-count=11", commit, "--", folder)
    return log.stdout.split()[1:]


def check_out(commit: str, folder: Path) -> None:
    """Writes the files of a commit into a new folder."""
    ran = git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    if ran.returncode:
        raise ActionError(f"the merge cannot be checked out: {ran.stderr.strip()}")


def clear(folder: Path) -> None:
    """Forgets such a folder."""
    git("worktree", "remove", "--force", str(folder))


def is_checked_out(commit: str) -> bool:
    """Whether the files in the current folder are those of a commit."""
    return git("rev-parse", "HEAD").stdout.strip() == commit


def is_commit(commit: str) -> bool:
    """Whether the history here has it."""
    return git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def is_in(commit: str, path: str) -> bool:
    """Whether a commit has a file of that path, from the root of the repository."""
    return git("cat-file", "-e", f"{commit}:{PurePosixPath(path)}").returncode == 0


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Git in the repository, under a name of its own where it makes a commit."""
    identity = {f"GIT_{who}_{what}": "burgee" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity}
    command = ["git", *arguments]
    return subprocess.run(  # noqa: S603 - a list, no shell
        command, capture_output=True, text=True, check=False, env=environment
    )
