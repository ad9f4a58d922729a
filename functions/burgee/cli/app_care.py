"""The commands beside review: how the file is written, and what in it is ready to go."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated

import typer

from burgee.cli import output


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("fmt")(fmt)


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", exists=True, dir_okay=False, help="Flag files; default flags.yaml."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 where it would.")] = False,
) -> None:
    """Write flag files, with all that they include, in the one way: order, quotes and spacing; comments are kept."""
    from burgee.cli.app import default_file
    from burgee.formatting import format_file

    changed: dict[Path, str] = {}
    for path in paths or [default_file()]:
        texts = format_file(path)
        changed |= {file: made for file, (text, made) in texts.items() if made != text}
    for file, made in changed.items():
        if not check:
            file.write_bytes(made.encode())
        output.say(f"{file}: {'would be formatted' if check else 'formatted'}")
    raise typer.Exit(int(check and bool(changed)))
