"""The commands. Each parses, makes one call and reports; exit 0 for success, 1 for a failed check, 2 for misuse."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from burgee.cli.commands import (
    agents,
    code,
    deploy,
    diff,
    experiment,
    importing,
    keys,
    lint,
    local,
    power,
    project,
    proposals,
    reconcile,
    upkeep,
    webhooks,
)
from burgee.cli.render import output
from burgee.errors import BurgeeError, FlagFileError
from burgee.version import __version__

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
experiment.register(app)
power.register(app)
code.register(app)
agents.register(app)
keys.register(app)
webhooks.register(app)
importing.register(app)


_NO_ROOM = {getattr(errno, name, None) for name in ("ENOSPC", "EFBIG", "EDQUOT")} - {None}  # Windows lacks some


def run() -> None:
    """Runs the command line; Burgee's own exceptions are reported without a traceback."""
    # boto3 reads only AWS_DEFAULT_REGION, AWS's other tools AWS_REGION first.
    if "AWS_REGION" in os.environ:
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]
    try:
        app()
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
