"""Arguments that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from burgee.times import parse_duration

FLAGS = "flags.yaml"

File: TypeAlias = Annotated[
    Path, typer.Option("--flags", metavar="PATH", exists=True, dir_okay=False, help="The flag file.")
]
StoreFile: TypeAlias = Annotated[
    Path,
    typer.Option("--flags", metavar="PATH", dir_okay=False, help="The flag file; a command on a --table needs none."),
]
Environment: TypeAlias = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="The environment to lay over; default none.", envvar="BURGEE_ENV"),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
State: TypeAlias = Annotated[
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
    str | None, typer.Option("--endpoint-url", metavar="URL", help="Where DynamoDB is, if not on AWS.")
]
Project: TypeAlias = Annotated[
    str, typer.Option("--project", metavar="NAME", help="The project, for a table that several share.")
]


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
    """The file that a command works on where none is named."""
    path = Path(FLAGS)
    if not path.is_file():
        raise typer.BadParameter(f"there is no {FLAGS} in this folder; name the file")
    return path


def moment(at: str | None, option: str = "--at") -> float | None:
    """Epoch seconds of an option, None where it is not given."""
    from burgee.times import parse_time

    try:
        return None if at is None else parse_time(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
