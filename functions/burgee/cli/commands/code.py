"""The commands for the code that asks for flags: its manifest, typed accessors, and the removal of settled flags."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FLAGS, Environment, File, FlagName, unknown_flag
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, on_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.accessors.flag_types import Typed
    from burgee.flagfile.source import Source
    from burgee.removal.rewriting import Rewritten


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
    for command in (manifest, generate, remove):
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
    typed, left_out = typed_flags({name: [one[name] for one in snapshots] for name in source.model.flags})
    make = _generator(language, sdk)
    if check and out is not None:
        written = out.read_text(encoding="utf-8") if out.is_file() else None
        # Time alone makes flags settled, and a check must not begin to fail by that.
        stays = written is not None and written == make(typed, deprecations(written))
        if stays:
            output.say(f"{out}: up to date")
        else:
            found = "is missing" if written is None else "would change"
            output.say(f"{out}: {found}: run the command without --check")
        raise typer.Exit(int(not stays))
    made = make(typed, _deprecated(flags, source, days))
    for one in left_out:
        output.tell(f"{one.name} is left out: {one.why}")
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
    from burgee.cli.removing import settled_everywhere
    from burgee.errors import Refused
    from burgee.times import format_time

    try:
        found = settled_everywhere(flags, source, time.time(), days)
    except Refused as error:
        output.tell(f"no flag is marked deprecated: {error}")
        return {}
    return {name: format_time(one.since)[:10] for name, one in found.items()}


@on_store
def remove(
    where: StoreOptions,
    flag: FlagName,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", exists=True, help="Files and folders with code; default here."),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Rewrite the code; the flag stays in the file.")] = False,
    branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Create this branch with two commits: the code, then the flag file."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND", help="Run this in the shell on the rewritten code; nothing is committed if it fails."
        ),
    ] = None,
    days: DAYS = 30,
) -> None:
    """Put the one answer of a settled flag into the code. Shows the change, unless --write or --branch is given."""
    from burgee.cli import removing
    from burgee.cli.source import releasable
    from burgee.files import write_file
    from burgee.flagfile.editor import write_back

    if write and branch is not None:
        raise typer.BadParameter("give --write or --branch, not both")
    if test is not None and not write and branch is None:
        raise typer.BadParameter("it needs --write or --branch", param_hint="--test")
    source, snapshot = releasable(where.flags, where.environment)
    if flag not in snapshot["flags"]:
        raise unknown_flag(flag, snapshot["flags"])
    proof = removing.Settlement.of(where, source, time.time(), days).proof(flag)
    own = frozenset(Path(document.file).resolve() for document in source.documents)
    places = paths or [Path()]
    modules = removing.generated(places, flag)
    found = list(removing.rewritten(places, proof.answer, modules, own))
    _require_sure(found)
    folder = where.flags.resolve().parent
    if branch is not None:
        removing.require_clean(folder)
        removing.branch_off(folder, branch)
    for file, before, made in found:
        if write or branch is not None:
            write_file(file, made.text.encode())
        else:
            output.say(removing.diff(file, before, made.text).rstrip("\n"))
    if test is not None and not removing.tests_pass(test):
        back = "" if branch is None else f" on the branch {branch}; `git switch --force -` leaves it"
        output.tell(f"the command failed: nothing was committed, and the code is rewritten{back}", typer.colors.RED)
        raise typer.Exit(1)
    title = f"Remove {flag}, which is {proof.answer.variant} for everyone"
    body = "\n".join([title, "", *proof.lines, f"- **Code**: {_uses(found)}."])
    if branch is not None:
        message = "\n".join([f"Put the answer of {flag} into the code", "", *proof.lines])
        removing.commit(folder, [file for file, _, _ in found], message)
        write_back(where.flags, None, {flag: None})
        removing.commit(folder, own, body)
    for file in modules:
        output.tell(f"{file}: generate it again; what still calls {flag} is then an error")
    output.say(body)


def _require_sure(found: list[tuple[Path, str, Rewritten]]) -> None:
    """Names every use that cannot be rewritten, and exits if there is one."""
    refused = [(file, one) for file, _, made in found for one in made.refusals]
    for file, one in refused:
        output.tell(f"{file}:{one.line}:{one.column}: {one.why}", typer.colors.RED)
    if refused:
        count = output.counted(len(refused), "use")
        output.tell(
            f"nothing was written: {count} cannot be rewritten; change the code, or name only folders of code"
        )
        raise typer.Exit(1)


def _uses(found: list[tuple[Path, str, Rewritten]]) -> str:
    uses, files = sum(made.uses for _, _, made in found), len(found)
    return f"{output.counted(uses, 'use')} in {output.counted(files, 'file')}" if uses else "no code asks for it"
