"""The commands for the code that asks for flags: its manifest, typed accessors, and the removal of settled flags."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FLAGS, Environment, File
from burgee.cli.render import output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.accessors.flag_types import Typed
    from burgee.flagfile.source import Source
    from burgee.review.stale import Settled


class Language(StrEnum):
    """The languages of generated modules."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"


class Sdk(StrEnum):
    """OpenFeature's SDKs for TypeScript."""

    SERVER = "server"
    WEB = "web"
    REACT = "react"


DAYS = Annotated[int, typer.Option(min=0, help="Days of one unchanged answer before a flag counts as settled.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (manifest, generate):
        app.command()(command)


def manifest(flags: File = Path(FLAGS), env: Environment = None) -> None:
    """Print the flag manifest of the OpenFeature CLI: types and defaults, for its generators."""
    from burgee.accessors.manifest import manifest as made
    from burgee.flagfile.compile import compile_file

    found = made(compile_file(flags, env)["flags"])
    output.as_json(found.file())
    for one in found.left_out:
        output.tell(f"{one.name} is left out: {one.why}")


def generate(
    language: Annotated[Language, typer.Argument(help="The language of the module.")],
    out: Annotated[
        Path | None, typer.Option(metavar="PATH", dir_okay=False, help="The module; default standard output.")
    ] = None,
    sdk: Annotated[Sdk, typer.Option(help="The OpenFeature SDK of a TypeScript module.")] = Sdk.SERVER,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if the module at --out would change.")
    ] = False,
    days: DAYS = 30,
    flags: File = Path(FLAGS),
    env: Environment = None,
) -> None:
    """Generate a module with a typed function for each flag, over OpenFeature's SDK."""
    from burgee.accessors.modules import deprecations, typed_flags
    from burgee.cli.source import releasable
    from burgee.files import write_file
    from burgee.flagfile.compile import compile_source

    if check and out is None:
        raise typer.BadParameter("it needs --out, the module to check", param_hint="--check")
    source, _ = releasable(flags, env)
    environments = dict.fromkeys([env, None, *source.model.environments])
    snapshots = [compile_source(source, one)["flags"] for one in environments]
    typed = typed_flags({name: [one[name] for one in snapshots] for name in source.model.flags})
    make = _generator(language, sdk)
    if check and out is not None:
        written = out.read_text(encoding="utf-8") if out.is_file() else None
        # Time alone makes flags settled, and a check must not begin to fail by that.
        stays = written is not None and written == make(typed, deprecations(written))
        output.say(f"{out}: {'up to date' if stays else 'would change'}")
        raise typer.Exit(int(not stays))
    made = make(typed, _deprecated(flags, source, days))
    if out is None:
        typer.echo(made, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, made.encode())
    output.say(f"{out}: {output.counted(len(typed), 'flag')}")


def _generator(language: Language, sdk: Sdk) -> Callable[[Sequence[Typed], Mapping[str, str]], str]:
    if language is Language.PYTHON:
        from burgee.accessors import python_module

        return python_module.generate
    from burgee.accessors import typescript_module

    return lambda typed, deprecated: typescript_module.generate(typed, deprecated, typescript_module.Sdk(sdk))


def _deprecated(flags: Path, source: Source, days: int) -> dict[str, str]:
    """The days since which settled flags give one answer; none where Git cannot say."""
    from burgee.errors import Refused
    from burgee.times import format_time

    try:
        found = _settled(flags, source, time.time(), days)
    except Refused as error:
        output.tell(f"no flag is marked deprecated: {error}")
        return {}
    return {name: format_time(one.since)[:10] for name, one in found.items()}


def _settled(flags: Path, source: Source, now: float, days: int) -> dict[str, Settled]:
    """The flags that give everyone the same one variant in every environment."""
    from burgee.cli.git.flag_history import versions
    from burgee.review.stale import settled_flags

    environments: list[str | None] = [*source.model.environments] or [None]
    found = [settled_flags(versions(flags, one, now), now, days) for one in environments]
    return {
        name: max((one[name] for one in found), key=lambda one: one.since)
        for name in found[0]
        if len({one[name].variant if name in one else None for one in found}) == 1
    }
