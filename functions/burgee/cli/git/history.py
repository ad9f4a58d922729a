"""Flag files in Git: at a revision, when a name was last in one, and when each flag was last edited."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from burgee.cli.git.run import git, git_output
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.flagfile.source import Source


class NotInRevision(Refused):
    """The revision exists, but the flag file is not in it."""


@contextmanager
def checkout(revision: str, flags: Path) -> Iterator[Path]:
    """The flag file of a revision, with possible includes beside it. Raises NotInRevision, or Refused."""
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        _unpack(revision, flags, Path(folder))
        yield Path(folder) / flags.name


def _unpack(revision: str, flags: Path, into: Path) -> None:
    path = flags.resolve()
    folder = next(
        parent for parent in path.parents if parent.is_dir()
    )  # the file's own folder may have been removed since
    top = git_output(folder, "rev-parse", "--show-toplevel")
    # `--end-of-options`: a revision is never read as an option.
    tree = top and _resolved(folder, f"{revision}^{{tree}}")
    if not tree:
        raise Refused("no-such-revision", f"{revision} is neither a file nor a Git revision here")
    inside = path.relative_to(Path(top).resolve())
    if not _resolved(folder, f"{tree}:{inside.as_posix()}"):
        raise NotInRevision("no-such-file", f"{flags.name} is not in {revision}")
    # The folder's tree, from the root: Git looks for the current folder inside the given tree.
    ran = git(Path(top), "archive", "--format=tar", _resolved(folder, f"{tree}:{_folder_of(inside)}"))
    if ran.returncode != 0:
        why = ran.stderr.decode(errors="replace").strip()
        raise Refused("no-such-revision", f"{revision} cannot be read: {why}")
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        archive.extractall(into, filter="data")


def _folder_of(path: Path) -> str:
    return "" if path.parent == Path() else path.parent.as_posix()


def _resolved(folder: Path, name: str) -> str:
    """The object id of a name; empty if there is none."""
    return git_output(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", name)


def last_seen(name: str, revision: str, flags: Path) -> str | None:
    """When a flag with that name was removed from the file, in a revision's history."""
    from burgee.flagfile.source import Source

    folder = flags.resolve().parent
    line = f"^ *[\"']?{re.escape(name)}[\"']? *:"
    found = git_output(folder, "log", "-1", "--format=%H %cs", "-G", line, "--end-of-options", revision, "--", ".")
    commit, _, day = found.partition(" ")
    if not commit:
        return None
    try:
        with checkout(f"{commit}^", flags) as inside:
            return f"on {day}, in {commit[:10]}" if name in Source(inside).model.flags else None
    except Refused:
        return None


def edited(source: Source) -> dict[str, float]:
    """When each flag's lines were last committed (epoch seconds), by Git's blame; empty without Git history."""
    found: dict[str, float] = {}
    for document in source.documents:
        own = sorted(
            (source.place("flags", name, key=True).line, name)
            for (section, name), home in source.homes.items()
            if home is document and section == "flags"
        )
        times = _blame(Path(document.file)) if own else []
        for index, (line, name) in enumerate(own):
            end = own[index + 1][0] - 1 if index + 1 < len(own) else len(times)
            stretch = times[line - 1 : max(line, end)]  # flags may share a line
            if stretch:
                found[name] = max(stretch)
    return found


def _blame(path: Path) -> list[float]:
    """The commit time of each line; now for uncommitted lines."""
    blamed = git_output(path.resolve().parent, "blame", "--line-porcelain", "--", path.name)
    return [float(found) for found in re.findall(r"^committer-time (\d+)$", blamed, re.MULTILINE)]
