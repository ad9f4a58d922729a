"""`burgee import`: converts another engine's file to a flags.yaml, and reports parts without an equivalent.

Run again it updates what it wrote, and keeps what people changed since.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from burgee.cli.options import REQUIRED, Json, with_options
from burgee.cli.render import output
from burgee.importers.base import Generation, Sdk
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.cli.options import Options
    from burgee.flagfile.yaml_reader import Document
    from burgee.importers.base import Imported
    from burgee.importers.report import Given

    Convert: TypeAlias = Callable[[Sequence[tuple[str | None, Document]]], Imported]

import_app = typer.Typer(no_args_is_help=True, help="Convert another engine's file to a flags.yaml.")

Theirs: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="[ENV=]FILE...", help="The files, each with its environment if it holds one alone."),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PATH", dir_okay=False, help="Where to write it, or update it; default standard output."
    ),
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out if there is one.")]
Teams: TypeAlias = Annotated[
    Path | None,
    typer.Option("--teams", metavar="FOLDER", file_okay=False, help="Write each owner's flags to a file of its own."),
]
Lists: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--lists",
        metavar="NAME",
        help="An attribute that may hold a list; may be repeated. Default: all of your own.",
    ),
]
Report: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="PATH", dir_okay=False, help="Write what was carried, and what not, as Markdown."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(import_app, name="import")


class _Run:
    """One import: the files given, where it goes, and what is written beside it."""

    def __init__(
        self, files: list[str], out: Path | None, teams: Path | None, report: Path | None, **given: bool
    ) -> None:
        if teams is not None and out is None:
            raise typer.BadParameter("--teams needs --out, the file that includes theirs", param_hint="--teams")
        self.given = [_given(text) for text in files]
        self.out, self.teams, self.report = out, teams, report
        self.overwrite, self.json = given["overwrite"], given["json"]

    def finish(self, engine: str, convert: Convert) -> None:
        """Converts the files, writes the result and says what was found."""
        from burgee.importers.placing import Target, place, require_free, write_markdown
        from burgee.importers.reading import read
        from burgee.importers.report import report as reported
        from burgee.importers.writing import written

        target = None if self.out is None else Target(self.out, self.teams, self.overwrite)
        if target is not None:
            require_free(target, engine)
        made = convert([(one.environment, read(one.file)) for one in self.given])
        problems = []
        if target is None:
            whole: Mapping[str, Any]
            text = written(made, ", ".join(one.file.name for one in self.given))
            whole = reported(engine, self.given, made)
            said = [text.rstrip("\n")]
        else:
            placed = place(made, engine, self.given, target)
            whole = placed.report
            problems += [finding.problem for finding in placed.kept]
            count = output.counted(len(made.flags), "flag")
            said = [f"{target.out}: {count}" + ("" if placed.files else ", unchanged")]
        if self.report is not None:
            write_markdown(self.report, whole)
        problems += made.problems
        output.problems(sorted(problems, key=lambda problem: problem.place))
        if self.json:
            output.as_json(whole)
        else:
            output.say("\n".join(said))
        raise typer.Exit(int(any(problem.severity is Severity.ERROR for problem in problems)))


def _importer(command: Callable[..., None]) -> Callable[..., None]:
    """Adds a command of `burgee import`, with the options of all; they come as its argument `run`."""
    return import_app.command()(with_options(command, "run", _Run, _OPTIONS, first=True))


_OPTIONS: Options = {
    "files": (Theirs, REQUIRED),
    "out": (Out, None),
    "overwrite": (Overwrite, False),
    "teams": (Teams, None),
    "report": (Report, None),
    "json": (Json, False),
}


@_importer
def flagd(
    run: _Run,
    generation: Annotated[
        Generation, typer.Option("--hash", help="How your flagd hashes: `cbor`, or `text` as the daemon does.")
    ] = Generation.CBOR,
) -> None:
    """Convert flagd's flag definitions to a flags.yaml."""
    from burgee.importers.flagd import import_flagd
    from burgee.importers.overlays import each_environment

    run.finish("flagd", each_environment(lambda document: import_flagd(document, generation)))


@_importer
def goff(run: _Run) -> None:
    """Convert a GO Feature Flag configuration to a flags.yaml."""
    from burgee.importers.goff import import_goff
    from burgee.importers.overlays import each_environment

    run.finish("goff", each_environment(import_goff))


@_importer
def launchdarkly(run: _Run, lists: Lists = None) -> None:
    """Convert LaunchDarkly's flags and segments, from its API or an SDK's file, to a flags.yaml."""
    from burgee.importers.launchdarkly import import_launchdarkly

    run.finish("launchdarkly", lambda documents: import_launchdarkly(documents, lists or None))


@_importer
def unleash(run: _Run) -> None:
    """Convert Unleash's features, from an export or as its clients receive them, to a flags.yaml."""
    from burgee.importers.unleash import import_unleash

    run.finish("unleash", import_unleash)


@_importer
def growthbook(
    run: _Run,
    sdk: Annotated[
        Sdk,
        typer.Option("--sdk", help="Whose answers count: `javascript` and most others, or `python` since its 4.0."),
    ] = Sdk.JAVASCRIPT,
    lists: Lists = None,
) -> None:
    """Convert GrowthBook's features and saved groups, from its API or an SDK's file, to a flags.yaml."""
    from burgee.importers.growthbook import import_growthbook

    run.finish("growthbook", lambda documents: import_growthbook(documents, sdk, lists or None))


@_importer
def appconfig(run: _Run) -> None:
    """Convert AWS AppConfig's feature flags, with or without variants, to a flags.yaml."""
    from burgee.importers.appconfig import import_appconfig
    from burgee.importers.overlays import each_environment

    run.finish("appconfig", each_environment(import_appconfig))


def _given(text: str) -> Given:
    """A file, or ENV=FILE."""
    from burgee.importers.report import Given

    environment, equals, name = text.partition("=")
    file = Path(text) if not equals or Path(text).is_file() else Path(name)
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {str(file)!r}", param_hint="FILE")
    return Given(file, environment if equals and file == Path(name) else None)
