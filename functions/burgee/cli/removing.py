"""What `burgee remove` needs: the proof that a flag is settled, the code without it, and the branch with both."""

from __future__ import annotations

import difflib
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from burgee.accessors.modules import functions, is_generated
from burgee.cli.git.files import contents
from burgee.cli.git.run import git, git_output
from burgee.cli.stores import default_state_path, described, opened
from burgee.errors import Refused
from burgee.evaluation.definition import required, variants
from burgee.flagfile.compile import compile_source
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from burgee.cli.stores import StoreOptions
    from burgee.flagfile.source import Source
    from burgee.model import Definition
    from burgee.removal.rewriting import Accessor, Answer, Rewritten
    from burgee.review.stale import Settled

PYTHON = frozenset({".py", ".pyi"})
JSX = {
    ".tsx": True,
    ".jsx": True,
    ".js": True,
    ".mjs": False,
    ".cjs": False,
    ".ts": False,
    ".mts": False,
    ".cts": False,
}
"""The files of TypeScript and JavaScript, and whether they may have JSX."""


_CALL = re.compile(r"get_\w+_(?:value|details)|(?:get|use)\w+(?:Value|Details)|useFlag")
"""A file without any of these, and without the flag's name and functions, does not ask for it."""


class Proof(NamedTuple):
    """That a flag gives everyone one value, and how that is known, in lines for the pull request."""

    answer: Answer
    lines: Sequence[str]


def settled_everywhere(flags: Path, source: Source, now: float, days: int) -> dict[str, Settled]:
    """The flags that give everyone the same one variant in every environment, since the last of them does."""
    return _everywhere([*settled_by_environment(flags, source, now, days).values()])


def settled_by_environment(
    flags: Path, source: Source, now: float, days: int
) -> dict[str | None, dict[str, Settled]]:
    """The flags that give everyone one variant, by environment; None if the file has no environments."""
    from burgee.cli.git.flag_history import versions
    from burgee.review.stale import settled_flags

    environments: list[str | None] = [*source.model.environments] or [None]
    return {one: settled_flags(versions(flags, one, now), now, days) for one in environments}


def _everywhere(found: Sequence[Mapping[str, Settled]]) -> dict[str, Settled]:
    return {
        name: max((one[name] for one in found), key=lambda one: one.since)
        for name in found[0]
        if len({one[name].variant if name in one else None for one in found}) == 1
    }


def unsettled(found: Mapping[str | None, Mapping[str, Settled]], flag: str, days: int) -> str | None:
    """Why a flag that is settled in one environment is not in all of them; None if it is."""
    missing = [str(name) for name, one in found.items() if flag not in one]
    if missing:
        return f"in {' and '.join(missing)} it has not given everyone one answer for {days} days"
    variants_held = {str(name): one[flag].variant for name, one in found.items()}
    if len(set(variants_held.values())) == 1:
        return None
    return f"everyone gets {', '.join(f'{variant} in {name}' for name, variant in variants_held.items())}"


@dataclass(frozen=True, slots=True)
class Settlement:
    """Which flags of a file are settled in all its environments, read once for all of them.

    `found` are those of each environment, and `snapshots` its flags; `needing` has the flags that require a flag, by
    its name.
    """

    where: StoreOptions
    source: Source
    days: int
    now: float
    settled: Mapping[str, Settled]
    found: Mapping[str | None, Mapping[str, Settled]]
    snapshots: Sequence[Mapping[str, Definition]]
    needing: Mapping[str, Collection[str]]

    @classmethod
    def of(cls, where: StoreOptions, source: Source, now: float, days: int) -> Settlement:
        """Reads Git's history and compiles each environment."""
        environments: list[str | None] = [*source.model.environments] or [None]
        snapshots = [compile_source(source, one)["flags"] for one in environments]
        needing: dict[str, dict[str, None]] = {}
        for one in snapshots:
            for name, definition in one.items():
                for needed in required(definition):
                    needing.setdefault(needed, {})[name] = None
        found = settled_by_environment(where.flags, source, now, days)
        return cls(where, source, days, now, _everywhere([*found.values()]), found, snapshots, needing)

    def proof(self, flag: str) -> Proof:
        """Raises Refused with the reason if the flag may give someone another value, now or later."""
        from burgee.accessors.flag_types import Typed, flag_type
        from burgee.removal.rewriting import Answer

        held = self.settled.get(flag)
        if held is None:
            days = f"{flag} has not given everyone one answer for {self.days} days, or is permanent"
            raise Refused("not-settled", f"{days}: see `burgee stale`")
        needing = sorted(self.needing.get(flag, ()))
        if needing:
            need = "requires" if len(needing) == 1 else "require"
            raise Refused("needed", f"{', '.join(needing)} {need} {flag}: remove that from the file first")
        made = flag_type(flag, [one[flag] for one in self.snapshots])
        values = [variants(one[flag])[held.variant] for one in self.snapshots]
        if not isinstance(made, Typed) or any(value != values[0] for value in values):
            raise Refused("several-values", f"{held.variant} of {flag} has another value in another environment")
        among = f" in {', '.join(self.source.model.environments)}" if self.source.model.environments else ""
        lines = [
            f"- **Git**: {held.variant} for everyone{among} since {format_time(held.since)[:10]}; nothing scheduled.",
            "- **Prerequisites**: no flag requires it.",
            f"- **Overrides**: {_overrides(self.where, flag, self.now)}",
        ]
        return Proof(Answer(flag, made.type, held.variant, values[0]), lines)


def _overrides(where: StoreOptions, flag: str, now: float) -> str:
    """That no override is in force, as far as a store can be asked."""
    if where.table is None and not (where.state or default_state_path(where.flags)).is_file():
        return "not checked, as no store was named (`--table`)."
    with opened(where) as store:
        override = store.state().overrides.get(flag)
    if override is not None and override.in_force(now):
        raise Refused("overridden", f"{flag} has an override by {override.author}: clear it first")
    return f"none ({described(where)})."


def rewritten(
    paths: Sequence[Path], answer: Answer, modules: Mapping[Path, str], skip: frozenset[Path]
) -> Iterator[tuple[Path, str, Rewritten]]:
    """The files that ask for the flag, by name or by a generated function, each with its text now and after."""
    accessors = {python: _accessors(modules, answer.flag, python=python) for python in (True, False)}
    names = {answer.flag, *(one.function for both in accessors.values() for one in both)}
    for path in paths:
        for file, text in contents(path):
            if file.resolve() in skip or is_generated(text):
                continue
            if _CALL.search(text) or any(name in text for name in names):
                made = _of_file(file, text, answer, accessors[file.suffix in PYTHON])
                if made is not None and (made.refusals or made.text != text):
                    yield file, text, made


def _accessors(modules: Mapping[Path, str], flag: str, *, python: bool) -> list[Accessor]:
    """The flag's functions in generated modules of a language."""
    from burgee.removal.rewriting import Accessor

    return [
        Accessor(
            functions(text)[flag],
            file.resolve().with_suffix("").as_posix(),
            "@openfeature/server-sdk" in text,
        )
        for file, text in modules.items()
        if (file.suffix in PYTHON) is python
    ]


def generated(paths: Iterable[Path], flag: str) -> dict[Path, str]:
    """The modules of `burgee generate` that have the flag, with their texts."""
    found = (one for path in paths for one in contents(path))
    return {file: text for file, text in found if is_generated(text) and flag in functions(text)}


def _of_file(file: Path, text: str, answer: Answer, accessors: Sequence[Accessor]) -> Rewritten | None:
    from burgee.removal.rewriting import Refusal, Rewritten

    try:
        if file.suffix in PYTHON:
            from burgee.removal.python_code import rewrite as rewrite_python

            return rewrite_python(text, answer, accessors)
        if file.suffix in JSX:
            from burgee.removal.typescript_code import rewrite as rewrite_typescript

            folder = file.resolve().parent.as_posix()
            return rewrite_typescript(text, answer, accessors, jsx=JSX[file.suffix], folder=folder)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"libcst", "tree_sitter", "tree_sitter_typescript"}:
            raise
        raise Refused("no-removal", f"{error.name} is missing: install burgee[removal]") from error
    except RecursionError:
        return Rewritten(text, 0, [Refusal(1, 1, "the file is nested too deeply")])
    except Refused:
        return Rewritten(text, 0, [Refusal(1, 1, "the file does not parse")])
    from burgee.review.code_references import references

    found, _ = references(str(file), text, {answer.flag})
    asked = [one for one in found if one.asked and one.flag == answer.flag]
    why = "its language is not rewritten"
    return Rewritten(text, 0, [Refusal(one.line, one.column, why) for one in asked])


def diff(file: Path, before: str, after: str) -> str:
    """A change as a unified diff."""
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{file}", f"b/{file}")
    return "".join(lines)


def require_clean(folder: Path) -> None:
    """Raises Refused where a branch would take along other changes."""
    if git(folder, "rev-parse", "--is-inside-work-tree").returncode:
        raise Refused("no-repository", f"{folder} is not in a Git repository")
    if git_output(folder, "status", "--porcelain", "--untracked-files=no"):
        raise Refused("not-clean", "the work tree has changes of its own: commit them first")


def commit(folder: Path, paths: Collection[Path], message: str) -> None:
    """Commits some files, if there are any. Raises Refused if Git cannot."""
    if not paths:
        return
    ran = git(folder, "commit", "-m", message, "--", *(str(path.resolve()) for path in paths))
    if ran.returncode:
        raise Refused("no-commit", f"git commit: {ran.stderr.decode(errors='replace').strip()}")


def branch_off(folder: Path, name: str) -> None:
    """Creates a branch and goes there. Raises Refused if Git cannot."""
    ran = git(folder, "switch", "--create", name)
    if ran.returncode:
        raise Refused("no-branch", f"git switch: {ran.stderr.decode(errors='replace').strip()}")


def tests_pass(command: str) -> bool:
    """Whether a command of the user succeeds, in the shell, as in `git rebase --exec`; it prints as it runs."""
    return subprocess.run(command, shell=True, check=False).returncode == 0  # noqa: S602 - the user's own command
