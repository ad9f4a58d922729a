"""The commands for the code that asks for flags: its manifest, typed accessors, and the removal of settled flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from burgee.cli.options import FLAGS, Environment, File
from burgee.cli.render import output

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(manifest)


def manifest(flags: File = Path(FLAGS), env: Environment = None) -> None:
    """Print the flag manifest of the OpenFeature CLI: types and defaults, for its generators."""
    from burgee.accessors.manifest import manifest as made
    from burgee.flagfile.compile import compile_file

    found = made(compile_file(flags, env)["flags"])
    output.as_json(found.file())
    for one in found.left_out:
        output.tell(f"{one.name} is left out: {one.why}")
