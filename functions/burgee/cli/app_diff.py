"""`burgee diff`: who will see what change, for a terminal, a pull request or a script."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli import output
from burgee.cli.options import FLAGS, Environment
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from burgee.effect import FlagEffect, Move, Outcome
    from burgee.model import Snapshot

COMMENT_LIMIT = 65_000
"""GitHub takes comments of 65,536 characters."""


class Format(StrEnum):
    """How the effect is told."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def diff(
    base: Annotated[str, typer.Argument(metavar="BASE", help="A Git revision, or a flag file.")],
    head: Annotated[str | None, typer.Argument(metavar="[HEAD]", help="The same; default the file as it is.")] = None,
    flags: Annotated[
        Path, typer.Option("--flags", metavar="PATH", help="The flag file, also inside a revision.")
    ] = Path(FLAGS),
    env: Environment = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When, in RFC 3339; default now.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to tell it.")] = Format.TEXT,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit with 1 if anybody loses something.")
    ] = False,
) -> None:
    """Tell exactly who will see what change between two states of a flag file."""
    from burgee.cli.app import moment
    from burgee.effect import effects

    with _snapshot(base, flags, env) as before, _snapshot(head or str(flags), flags, env) as after:
        found = effects(before, after, moment(at) or time.time())
    if form is Format.JSON:
        output.as_json(record(found))
    else:
        output.say(markdown(found) if form is Format.MARKDOWN else text(found))
    if fail_on_loss and any(effect.losing() for effect in found):
        raise typer.Exit(1)


@contextmanager
def _snapshot(named: str, flags: Path, environment: str | None) -> Iterator[Snapshot]:
    """A file's snapshot, or that of the flag file in a Git revision."""
    from burgee.compile import compile_file

    path = Path(named)
    if path.is_file():
        yield compile_file(path, environment)
        return
    with tempfile.TemporaryDirectory(prefix="burgee-") as folder:
        _checkout(named, flags.resolve().parent, Path(folder))
        inside = Path(folder) / flags.name
        if not inside.is_file():
            raise Refused("no-such-file", f"{flags.name} is not in {named}")
        yield compile_file(inside, environment)


def _checkout(revision: str, folder: Path, into: Path) -> None:
    """The files of a folder as they were in a revision, with what the flag file may include."""
    command = ["git", "archive", "--format=tar", "--", revision]
    # No shell, and `--` ends the options, so a revision is never more than a name.
    ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603
    if ran.returncode != 0:
        why = ran.stderr.decode(errors="replace").strip()
        raise Refused("no-such-revision", f"{revision} is neither a file nor a Git revision here: {why}")
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        archive.extractall(into, filter="data")


def text(found: Sequence[FlagEffect]) -> str:
    """The effect as lines for a terminal."""
    lines = []
    for effect in found:
        lines.append(f"{effect.flag}: {_verdict(effect)}")
        for region in effect.regions:
            told = "; ".join(f"{_percent(move.share)} {_arrow(move)}" for move in region.moves)
            lines.append(f"  {region.when}: {told}{_such(region.context, region.moves)}")
        lines += [f"  {user}, by name: {old} -> {new}" for user, (old, new) in effect.users.items()]
    return "\n".join(lines) if lines else "nobody sees a change"


def markdown(found: Sequence[FlagEffect]) -> str:
    """The effect as a comment on a pull request: what matters first, the details folded, cut where GitHub would."""
    if not found:
        return "**Nobody sees a change.**\n"
    losing = [effect for effect in found if effect.losing()]
    unknown = [effect for effect in found if effect.unknown]
    head = f"### {len(found)} flag{'s' if len(found) > 1 else ''} change what users see\n\n"
    if losing:
        head += f"⚠️ Somebody **loses** something in {', '.join(f'`{effect.flag}`' for effect in losing)}.\n\n"
    elif not unknown:
        head += "Nobody loses anything.\n\n"
    told, size = [head], len(head)
    for index, effect in enumerate(found):
        part = _folded(effect)
        if size + len(part) > COMMENT_LIMIT:
            told.append(f"\n… and {len(found) - index} more flags; `burgee diff` tells them all.\n")
            break
        told.append(part)
        size += len(part)
    return "".join(told)


def _folded(effect: FlagEffect) -> str:
    rows = [
        f"| {_cell(region.when)} | {_percent(move.share)} | {_cell(_arrow(move))} | {_cell(move.example or '')} |"
        for region in effect.regions
        for move in region.moves
    ]
    for user, (old, new) in effect.users.items():
        rows.append(f"| by name | | {_cell(f'{old} -> {new}')} | {_cell(user)} |")
    table = "| who | share | change | for example |\n|---|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    summary = f"<code>{effect.flag}</code>: {_cell(_verdict(effect))}"
    return f"<details><summary>{summary}</summary>\n\n{table}\n</details>\n\n"


def record(found: Sequence[FlagEffect]) -> dict[str, Any]:
    """The effect as JSON; percentages of a region's users."""
    return {
        "flags": [
            {
                "name": effect.flag,
                "unknown": effect.unknown,
                "users": {user: {"from": old, "to": new} for user, (old, new) in effect.users.items()},
                "regions": [
                    {
                        "when": region.when,
                        "context": dict(region.context),
                        "moves": [
                            {
                                "from": move.before.variant,
                                "to": move.after.variant,
                                "percent": float(move.share * 100),
                                "example": move.example,
                                "loses": move.loses,
                            }
                            for move in region.moves
                        ],
                    }
                    for region in effect.regions
                ],
            }
            for effect in found
        ]
    }


def _verdict(effect: FlagEffect) -> str:
    if effect.unknown:
        return f"the effect is not known, because {effect.unknown}"
    return "somebody loses it" if effect.losing() else "nobody loses it"


def _arrow(move: Move) -> str:
    told = f"{move.before} -> {move.after}"
    if move.before.variant == move.after.variant:
        told += f" ({_value(move.before)} -> {_value(move.after)})"
    return told


def _value(outcome: Outcome) -> str:
    return outcome.value if len(outcome.value) <= 40 else outcome.value[:37] + "..."


def _percent(share: Fraction) -> str:
    """Three decimals as far as they are exact; more digits where the share has them."""
    percent = share * 100
    return f"{float(percent):.3f} %" if (percent * 1000).denominator == 1 else f"{float(percent):.6f} %"


def _such(context: Any, moves: Sequence[Move]) -> str:
    example = next((move.example for move in moves if move.example), None)
    told = [f"{name} = {value!r}" for name, value in context.items()] + ([example] if example else [])
    return f"  (such as {', '.join(told)})" if told else ""


def _cell(told: str) -> str:
    """Text that stays in its table cell and is not read as markup."""
    for mark in "\\`*_|<>[]":
        told = told.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return told.replace("\n", " ")
