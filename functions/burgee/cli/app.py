"""The commands. Each parses, makes one call and reports; exit 0 for success, 1 for a failed check, 2 for misuse."""

from __future__ import annotations

import errno
import os
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command_name

from burgee.cli.commands import (
    agents,
    code,
    deploy,
    diff,
    experiment,
    guard,
    importing,
    keys,
    lint,
    local,
    power,
    project,
    proposals,
    reconcile,
    shadow,
    upkeep,
    usage,
    webhooks,
)
from burgee.cli.render import output
from burgee.errors import BurgeeError, FlagFileError
from burgee.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.models import CommandInfo

app = typer.Typer(
    name="burgee",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 a problem, a failed test or a refusal, 2 misuse of the command line.",
)
project.register(app)
local.register(app)
diff.register(app)
lint.register(app)
deploy.register(app)
proposals.register(app)
reconcile.register(app)
upkeep.register(app)
usage.register(app)
experiment.register(app)
power.register(app)
guard.register(app)
code.register(app)
agents.register(app)
keys.register(app)
webhooks.register(app)
importing.register(app)
shadow.register(app)


_NO_ROOM = {getattr(errno, name, None) for name in ("ENOSPC", "EFBIG", "EDQUOT")} - {None}  # Windows lacks some


def run() -> None:
    """Runs the command line; Burgee's own exceptions are reported without a traceback."""
    # boto3 reads only AWS_DEFAULT_REGION, AWS's other tools AWS_REGION first.
    if "AWS_REGION" in os.environ:
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]
    for word in sys.argv[1:]:
        # Python passes such bytes on as surrogates, which tables, messages and pull requests cannot hold.
        if not _is_utf8(word) and not Path(word).exists():
            output.tell(f"burgee: an argument is not UTF-8: {word!a:.80}", typer.colors.RED)
            sys.exit(2)
    try:
        with_command(sys.argv[1:])()
    except FlagFileError as error:
        output.problems(error.problems)
        sys.exit(1)
    except BurgeeError as error:
        output.tell(f"burgee: {error}", typer.colors.RED)
        sys.exit(1)
    except OSError as error:
        # A file that cannot be read or written, or a full disk; anything else is a bug.
        if error.filename is None and error.errno not in _NO_ROOM:
            raise
        named = f"{error.filename}: " if error.filename is not None else ""
        output.tell(f"burgee: {named}{error.strerror}", typer.colors.RED)
        sys.exit(1)


def with_command(words: Sequence[str]) -> typer.Typer:
    """The application with the command alone that the first word names, as Typer builds all that it has.

    That takes longer than most commands do. All are there if the word names none: for help, and for what is misspelt.
    """
    lean = copy(app)
    lean.registered_commands = [one for one in app.registered_commands if _name(one) in words[:1]]
    lean.registered_groups = [one for one in app.registered_groups if one.name in words[:1]]
    return lean if lean.registered_commands or lean.registered_groups else app


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(command: CommandInfo) -> str | None:
    return command.name or (command.callback and get_command_name(command.callback.__name__))


def _version(value: bool) -> None:
    if value:
        output.say(f"burgee {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Feature flags and A/B tests as reviewed code."""
