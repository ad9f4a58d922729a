"""A pull request's flags: lint and their tests, who will see what change, and what would change on what is live."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from host import ActionError
from inputs import burgee
from merge import check_out, clear, earlier_versions, files_of, is_checked_out, merge_of

from burgee.cli.render.markdown import cut, fenced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from host import Change, Host
    from inputs import Inputs
    from merge import Files, Merge

COMMENT_LIMIT = 65_000
"""GitHub takes comments of 65,536 characters."""
CONFLICT = (
    "⚠️ The branch conflicts with its base, so there is no merge to review: this compares the branch with the commit "
    "where it left the base.\n"
)


class Part(NamedTuple):
    """A section of the comment; whether it changes anything, and whether it fails the check."""

    text: str
    changes: bool = True
    fails: bool = False


def review(host: Host, inputs: Inputs) -> int:
    """Shows it beside the code, in the job's summary and in one comment; 1 where the check fails."""
    change = host.change()
    merge = merge_of(change, host.commit)
    files = files_of(merge, inputs.flags)
    with _files_of(merge) as folder:
        parts = [Part(CONFLICT, changes=False)] if merge.conflict else []
        parts += _moved(inputs, files)
        if files.head is None:
            parts += [_deleted(files), _effect(inputs, merge, files, folder)]
        else:
            lint = _lint(host, inputs, files.head, folder)
            parts.append(lint)
            if not lint.fails:
                parts.append(_effect(inputs, merge, files, folder))
                parts += _live(inputs, change, merge, files, folder)
    _publish(host, inputs, change, parts)
    return int(any(part.fails for part in parts))


def _publish(host: Host, inputs: Inputs, change: Change, parts: list[Part]) -> None:
    body = "\n".join(part.text for part in parts if part.text)
    changes = any(part.changes for part in parts)
    host.summarise(body if changes else "Nothing about flags changes.")
    if change.fork:
        host.annotate("notice", "a fork's pull request may not be commented on; what changes is in the job's summary")
    elif change.number is not None and host.token:
        try:
            comment = _within(parts) if changes else None
            host.comment(change.number, f"<!-- burgee: {_name(inputs.flags)} -->", comment)
        except ActionError as error:
            host.annotate("warning", f"the comment is not up to date: {error}")
    host.put_out("changes", "true" if changes else "false")


@contextmanager
def _files_of(merge: Merge) -> Iterator[Path]:
    """A folder with the files that are reviewed: this one where it has them, as after actions/checkout."""
    if is_checked_out(merge.head):
        yield Path()
        return
    with tempfile.TemporaryDirectory(prefix="burgee-") as scratch:
        folder = Path(scratch) / "merge"
        check_out(merge.head, folder)
        try:
            yield folder
        finally:
            clear(folder)


def _name(flags: str) -> str:
    """The file's name for the marker, which must not end it."""
    return flags.replace("--", "__").replace(">", "_")


def _within(parts: list[Part]) -> str:
    """The comment: whole sections as long as they fit, the one that does not fit cut, the rest named."""
    kept, room = [], COMMENT_LIMIT - 200
    for part in parts:
        if not part.text:
            continue
        if len(part.text) > room:
            kept.append(cut(part.text, max(room, 200)))
            kept.append("\nThe rest is in the job's summary.")
            break
        kept.append(part.text)
        room -= len(part.text) + 1
    return "\n".join(kept)


def _moved(inputs: Inputs, files: Files) -> list[Part]:
    """That the file is elsewhere; a failure where the workflow still names its old path."""
    if not files.moved:
        return []
    if files.head == inputs.flags:
        return [Part(f"{_path(files.base)} moved to {_path(files.head)}; the flags are compared across the move.\n")]
    text = (
        f"### ❌ {_path(files.base)} moved to {_path(files.head)}, and the workflow names the old path\n\n"
        f"Write `flags: {_plain(files.head or '')}` in the workflow of this branch, or nothing is released after the "
        "merge. The flags are compared across the move.\n"
    )
    return [Part(text, fails=True)]


def _deleted(files: Files) -> Part:
    if files.base is None:
        raise ActionError("the flag file is neither in the base nor in the merge: `flags` names another path")
    text = (
        f"### ❌ {_path(files.base)} is deleted\n\nAfter the merge there is nothing to release, and what is live "
        "stays live. This is what users would see without it.\n"
    )
    return Part(text, fails=True)


def _path(path: str | None) -> str:
    return f"`{_plain(path or '')}`"


def _plain(path: str) -> str:
    """A path as code: nothing in it ends the code."""
    return path.replace("`", "'").replace("\n", " ")


def _argument(path: str) -> str:
    """A path that is not an option, whatever it begins with."""
    return f"./{path}" if path.startswith("-") else path


def _lint(host: Host, inputs: Inputs, flags: str, folder: Path) -> Part:
    """Problems, each beside its line; a failed test of a flag is one."""
    ran = burgee("lint", _argument(flags), "--json", *inputs.failing(), folder=folder)
    try:
        found = json.loads(ran.stdout)
    except ValueError as error:
        host.log_text(ran.stderr)
        raise ActionError(f"burgee lint failed: {ran.stderr.strip() or ran.returncode}") from error
    lines = []
    for problem in found["problems"]:
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        message = f"{problem['message']}{hint}"
        where = {"file": problem["file"], "line": problem["line"], "col": problem["column"]}
        level = problem["severity"] if problem["severity"] in {"error", "warning"} else "notice"
        host.annotate(level, message, **where, title=f"burgee {problem['code']}")
        lines.append(f"{problem['file']}:{problem['line']}: {problem['severity']} {problem['code']}: {message}")
    if not ran.returncode:
        return Part("", changes=False)
    number = sum(problem["severity"] == "error" for problem in found["problems"])
    head = f"### ❌ {number} problem{'' if number == 1 else 's'} in the flag file\n\n"
    return Part(head + fenced(cut("\n".join(lines), 20_000)), fails=True)


def _effect(inputs: Inputs, merge: Merge, files: Files, folder: Path) -> Part:
    """Who will see what change; where the base is broken, since its last version that was not."""
    options = [*inputs.failing(), *(["--fail-on-loss"] if inputs.fail_on_loss else [])]
    environments = [environment for environment in inputs.environments if environment]
    ran = _diff(merge.base, merge, files, folder, environments, *options)
    if ran.stdout:
        return Part(ran.stdout, changes="### " in ran.stdout, fails=bool(ran.returncode))
    for commit in earlier_versions(merge.base, files.base or inputs.flags):
        earlier = _diff(commit, merge, files, folder, environments, *options)
        if earlier.stdout:
            note = (
                f"⚠️ {_path(files.base)} is broken in the base, and cannot be released from there. The flags are "
                f"compared with `{commit[:10]}`, the last commit in which it could be read.\n\n"
            )
            return Part(note + earlier.stdout, fails=bool(earlier.returncode))
    reason = fenced(cut(ran.stderr, 5_000))
    if files.head is None:
        return Part(f"⚠️ The effect cannot be shown:\n\n{reason}", fails=True)
    return Part(f"⚠️ The base cannot be compared with, because its flag file is broken:\n\n{reason}")


def _diff(
    base: str, merge: Merge, files: Files, folder: Path, environments: list[str], *options: str
) -> CompletedProcess[str]:
    chosen = [option for environment in environments for option in ("--env", environment)]
    form = [] if "--format" in options else ["--format", "markdown"]
    if not files.moved:
        flags = files.head or files.base or ""
        return burgee("diff", base, merge.head, "--flags", flags, *chosen, *form, *options, folder=folder)
    with tempfile.TemporaryDirectory(prefix="burgee-") as scratch:
        before = Path(scratch) / "base"
        check_out(base, before)
        try:
            sides = [str(before / (files.base or "")), _argument(files.head or "")]
            return burgee("diff", *sides, *chosen, *form, *options, folder=folder)
        finally:
            clear(before)


def _live(inputs: Inputs, change: Change, merge: Merge, files: Files, folder: Path) -> list[Part]:
    """What a release of the merged file would change on what is live, overrides included."""
    if not inputs.tables:
        return []
    if change.fork:
        return [Part("What is live is not compared with: a fork gets no credentials.", changes=False)]
    return [_against_live(inputs, environment, merge, files, folder) for environment in inputs.environments]


def _against_live(inputs: Inputs, environment: str | None, merge: Merge, files: Files, folder: Path) -> Part:
    store = inputs.store(files.head or inputs.flags, environment)
    ran = burgee("plan", *store, folder=folder)
    mark = ""
    if ran.returncode:
        mark = ": ⚠️ a release would be refused" if ran.stdout else ": ⚠️ it could not be read"
    text = fenced(cut(ran.stdout + ran.stderr, 10_000))
    if ran.stdout:
        live = ["diff", f"live:{environment or ''}", *store]
        environments = [environment] if environment else []
        reviewed = _diff(merge.base, merge, files, folder, environments, "--format", "json").stdout
        if _flags_of(burgee(*live, "--format", "json", folder=folder).stdout) == _flags_of(reviewed):
            text += "\nUsers see what is shown above, and nothing else.\n"
        else:
            text += f"\n{cut(burgee(*live, '--format', 'markdown', folder=folder).stdout, 30_000)}"
    where = f"Against what is live{f' in {environment}' if environment else ''}"
    return Part(f"<details><summary>{where}{mark}</summary>\n\n{text}\n</details>\n", changes=bool(mark))


def _flags_of(report: str) -> object:
    """The effects in a report; a report of several environments equals no other."""
    return json.loads(report).get("flags", report) if report else None
