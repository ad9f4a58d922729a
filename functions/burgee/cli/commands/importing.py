"""`burgee import`: converts another engine's file to a flags.yaml, and reports parts without an equivalent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from burgee.cli.render import output
from burgee.errors import Refused
from burgee.importers.base import Generation
from burgee.model import Severity

if TYPE_CHECKING:
    from burgee.importers.base import Imported

import_app = typer.Typer(no_args_is_help=True, help="Convert another engine's file to a flags.yaml.")

Theirs: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The file.")]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="PATH", dir_okay=False, help="Where to write it; default standard output."),
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out if there is one.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(import_app, name="import")


@import_app.command()
def flagd(
    file: Theirs,
    out: Out = None,
    overwrite: Overwrite = False,
    generation: Annotated[
        Generation, typer.Option("--hash", help="How your flagd hashes: `cbor`, or `text` as the daemon does.")
    ] = Generation.CBOR,
) -> None:
    """Convert flagd's flag definitions to a flags.yaml."""
    from burgee.importers.flagd import import_flagd
    from burgee.importers.reading import read

    _free(out, overwrite=overwrite)
    _report(import_flagd(read(file), generation), file, out)


@import_app.command()
def goff(file: Theirs, out: Out = None, overwrite: Overwrite = False) -> None:
    """Convert a GO Feature Flag configuration to a flags.yaml."""
    from burgee.importers.goff import import_goff
    from burgee.importers.reading import read

    _free(out, overwrite=overwrite)
    _report(import_goff(read(file)), file, out)


def _free(out: Path | None, *, overwrite: bool) -> None:
    if out is not None and out.exists() and not overwrite:
        raise Refused("exists", f"{out} already exists; --out names another file, --overwrite replaces this one")


def _report(made: Imported, file: Path, out: Path | None) -> None:
    from burgee.files import write_file
    from burgee.importers.writing import written

    text = written(made, file.name)
    output.problems(sorted(made.problems, key=lambda problem: problem.place))
    if out is None:
        output.say(text.rstrip("\n"))
    else:
        write_file(out, text.encode())
        output.say(f"{out}: {len(made.flags):,} flag{'' if len(made.flags) == 1 else 's'}")
    raise typer.Exit(int(any(problem.severity is Severity.ERROR for problem in made.problems)))
