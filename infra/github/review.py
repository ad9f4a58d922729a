"""A pull request's flags: lint and their tests, who will see what change, and what would change on what is live."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from host import ActionError, cut, fenced
from inputs import burgee

if TYPE_CHECKING:
    from host import Change, Host
    from inputs import Inputs

NOBODY = "**Nobody sees a change.**"
COMMENT_LIMIT = 65_000
"""GitHub takes comments of 65,536 characters."""


class Part(NamedTuple):
    """A section of the comment; whether it changes anything, and whether it fails the check."""

    text: str
    changes: bool = True
    fails: bool = False


def review(host: Host, inputs: Inputs) -> int:
    """Tells it beside the code, in the job's summary and in one comment; 1 where the check fails."""
    change = host.change()
    parts = [_lint(host, inputs)]
    if not parts[0].fails:
        effects = _effects(inputs, change)
        parts += _grouped(effects)
        parts += _live(inputs, change, effects)
    body = "\n".join(part.text for part in parts if part.text)
    changes = any(part.changes for part in parts)
    host.summarise(body if changes else "Nothing about flags changes.")
    if change.fork:
        host.annotate("notice", "a fork's pull request may not be commented on; what changes is in the job's summary")
    elif change.number is not None and host.token:
        try:
            told = _within(parts) if changes else None
            host.comment(change.number, f"<!-- burgee: {_name(inputs.flags)} -->", told)
        except ActionError as error:
            host.annotate("warning", f"the comment is not up to date: {error}")
    host.put_out("changes", "true" if changes else "false")
    return int(any(part.fails for part in parts))


def _name(flags: str) -> str:
    """The file's name for the marker, which must not end it."""
    return flags.replace("--", "__").replace(">", "_")


def _within(parts: list[Part]) -> str:
    """The comment: whole sections as long as they fit, the one that does not fit cut, the rest named."""
    told, room = [], COMMENT_LIMIT - 200
    for part in parts:
        if not part.text:
            continue
        if len(part.text) > room:
            told.append(cut(part.text, max(room, 200)))
            told.append("\nThe rest is in the job's summary.")
            break
        told.append(part.text)
        room -= len(part.text) + 1
    return "\n".join(told)


def _lint(host: Host, inputs: Inputs) -> Part:
    """Problems, each beside its line; a failed test of a flag is one."""
    ran = burgee("lint", inputs.flags, "--json", *inputs.failing())
    try:
        found = json.loads(ran.stdout)
    except ValueError as error:
        host.log_text(ran.stderr)
        raise ActionError(f"burgee lint failed: {ran.stderr.strip() or ran.returncode}") from error
    lines = []
    for problem in found["problems"]:
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        told = f"{problem['message']}{hint}"
        where = {"file": problem["file"], "line": problem["line"], "col": problem["column"]}
        level = problem["severity"] if problem["severity"] in {"error", "warning"} else "notice"
        host.annotate(level, told, **where, title=f"burgee {problem['code']}")
        lines.append(f"{problem['file']}:{problem['line']}: {problem['severity']} {problem['code']}: {told}")
    if not ran.returncode:
        return Part("", changes=False)
    number = sum(problem["severity"] == "error" for problem in found["problems"])
    head = f"### ❌ {number} problem{'' if number == 1 else 's'} in the flag file\n\n"
    return Part(head + fenced(cut("\n".join(lines), 20_000)), fails=True)


def _effects(inputs: Inputs, change: Change) -> dict[str | None, Part]:
    """Who will see what change, against the merge base, by environment."""
    base = _merge_base(change)
    return {environment: _effect(inputs, base, change.head, environment) for environment in inputs.environments}


def _grouped(effects: dict[str | None, Part]) -> list[Part]:
    """Environments in which it is the same are told once."""
    told: dict[str, list[str]] = {}
    for environment, part in effects.items():
        told.setdefault(_substance(part.text), []).append(environment or "")
    parts = []
    for environments in told.values():
        part = effects[environments[0] or None]
        names = ", ".join(f"`{name}`" for name in environments if name)
        parts.append(part._replace(text=f"## {names}\n\n{part.text}") if names else part)
    return parts


def _substance(text: str) -> str:
    """What is told without the sizes of the releases, which differ by the environment's name alone."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("<sub>"))


def _effect(inputs: Inputs, base: str, head: str, environment: str | None) -> Part:
    options = [*inputs.file(environment), "--format", "markdown", *inputs.failing()]
    if inputs.fail_on_loss:
        options.append("--fail-on-loss")
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        if not _is_in(base, inputs.flags):
            base = str(_empty(Path(folder), environment))
        ran = burgee("diff", base, head, *options)
    if not ran.stdout:
        told = f"⚠️ The effect could not be told:\n\n{fenced(cut(ran.stderr, 5_000))}"
        return Part(told, changes=True, fails=True)
    return Part(ran.stdout, changes=NOBODY not in ran.stdout, fails=bool(ran.returncode))


def _merge_base(change: Change) -> str:
    ran = _git("merge-base", change.base, change.head)
    if ran.returncode:
        raise ActionError("the history is not here: give actions/checkout `fetch-depth: 0`")
    return ran.stdout.strip()


def _is_in(commit: str, path: str) -> bool:
    return _git("cat-file", "-e", f"{commit}:./{path}").returncode == 0


def _empty(folder: Path, environment: str | None) -> Path:
    """The file before there was one."""
    path = folder / "flags.yaml"
    names = f"environments: [{json.dumps(environment)}]\n" if environment else ""
    path.write_text(f"version: 1\n{names}", encoding="utf-8")
    return path


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell


def _live(inputs: Inputs, change: Change, effects: dict[str | None, Part]) -> list[Part]:
    """What a release of the merged file would change on what is live, overrides included."""
    if not inputs.table:
        return []
    if change.fork:
        return [Part("What is live is not compared with: a fork gets no credentials.", changes=False)]
    return [_against_live(inputs, environment, effects[environment]) for environment in inputs.environments]


def _against_live(inputs: Inputs, environment: str | None, effect: Part) -> Part:
    ran = burgee("plan", *inputs.store(environment))
    mark = ""
    if ran.returncode:
        mark = ": ⚠️ a release would be refused" if ran.stdout else ": ⚠️ it could not be read"
    told = fenced(cut(ran.stdout + ran.stderr, 10_000))
    if ran.stdout:
        live = burgee("diff", f"live:{environment or ''}", *inputs.store(environment), "--format", "markdown")
        text = live.stdout
        same = _substance(text) == _substance(effect.text)
        told += "\nUsers see what is told above, and nothing else.\n" if same else f"\n{cut(text, 30_000)}"
    where = f"Against what is live{f' in {environment}' if environment else ''}"
    return Part(f"<details><summary>{where}{mark}</summary>\n\n{told}\n</details>\n", changes=bool(mark))
