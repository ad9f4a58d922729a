"""Options shared by several commands."""

from __future__ import annotations

import inspect
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from burgee.cli.completion import complete_environments, complete_flags
from burgee.errors import FlagFileError, Refused
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Options: TypeAlias = Mapping[str, tuple[Any, Any]]

FLAGS = "flags.yaml"

File: TypeAlias = Annotated[
    Path, typer.Option("--flags", metavar="PATH", exists=True, dir_okay=False, help="The flag file.")
]
StoreFile: TypeAlias = Annotated[
    Path,
    typer.Option("--flags", metavar="PATH", dir_okay=False, help="The flag file; not needed with --table."),
]
Environment: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="NAME",
        help="The environment to apply; default none.",
        envvar="BURGEE_ENV",
        autocompletion=complete_environments,
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="PATH",
        dir_okay=False,
        help="The embedded store; default .burgee/state.sqlite beside the flag file.",
    ),
]
Table: TypeAlias = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME", help="A DynamoDB table instead.", envvar="BURGEE_TABLE"),
]
Endpoint: TypeAlias = Annotated[
    str | None, typer.Option("--endpoint-url", metavar="URL", help="DynamoDB's address, if not on AWS.")
]
Project: TypeAlias = Annotated[
    str, typer.Option("--project", metavar="NAME", help="The project, for a table that several share.")
]


FlagName: TypeAlias = Annotated[str, typer.Argument(help="The flag's name.", autocompletion=complete_flags)]


REQUIRED: Any = inspect.Parameter.empty
"""The default of an option or argument that must be given."""


def with_options(
    command: Callable[..., None],
    argument: str,
    together: Callable[..., Any],
    options: Options,
    *,
    first: bool = False,
) -> Callable[..., None]:
    """Adds options that several commands have to one, and passes them as a single argument, made by `together`.

    `options` are types of Typer and defaults by name. They come after the command's own, or `first`.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [one.replace(kind=one.KEYWORD_ONLY) for one in signature.parameters.values() if one.name != argument]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]
    parameters = [*shared, *own] if first else [*own, *shared]

    @wraps(command)
    def run(**arguments: Any) -> None:
        given = together(**{name: arguments.pop(name) for name in options})
        command(**{argument: given}, **arguments)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by Typer
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def unknown_flag(flag: str, known: Iterable[str], also: str = "") -> Refused:
    """The error for an unknown flag, with the most similar name."""
    from burgee.flagfile.suggestions import near

    hint = near(flag, known)
    return Refused("unknown-flag", f"there is no flag {flag!r}{f' ({hint})' if hint else ''}{also}")


def not_blank(context: typer.Context, option: typer.CallbackParam, value: str) -> str:
    """Checks that a given reason is not blank."""
    source = context.get_parameter_source(option.name or "")
    if source is not None and source.name != "DEFAULT" and not value.strip():
        raise typer.BadParameter("a reason must not be blank")
    return value


ReasonOption: TypeAlias = Annotated[str, typer.Option("--reason", callback=not_blank, help="Why, for the audit log.")]


def duration(text: str, option: str) -> float:
    """Seconds of an option such as 30m."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


FailOn: TypeAlias = Annotated[
    str | None,
    typer.Option("--fail-on", metavar="CODE,...", help="Exit with 1 on these findings; `all` for all but notes."),
]


def require_file(path: Path) -> Path:
    """The flag file, or a usage error that names it."""
    if not path.is_file():
        raise typer.BadParameter(
            f"there is no {path}; name the flag file, or run `burgee init`", param_hint="--flags"
        )
    return path


def default_file() -> Path:
    """The default file of a command."""
    path = Path(FLAGS)
    if not path.is_file():
        raise typer.BadParameter(f"there is no {FLAGS} in this folder; name the file")
    return path


def moment(at: str | None, option: str = "--at") -> float | None:
    """Epoch seconds of an option; None if not given."""
    from burgee.times import parse_time

    try:
        return None if at is None else parse_time(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def definition_keys(pairs: list[str]) -> dict[str, Any]:
    """The keys of a flag from `KEY=VALUE` arguments, with values in YAML; None for a key to remove."""
    from burgee.flagfile.yaml_reader import Document

    changes = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE")
        document = Document(key, value.encode())
        if document.problems:
            raise FlagFileError(document.problems)
        if document.blanks or not document.places:
            raise typer.BadParameter(f"{pair!r} has no value; {key}=null removes the key")
        changes[key] = document.value
    return changes
