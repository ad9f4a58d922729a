"""What the composite action runs: `review` on a pull request, `release` after the merge, `reconcile` by the clock.

Everything comes in by environment variables and the event's file; commands are lists, never a line for a shell.
"""

from __future__ import annotations

import os
import sys

from host import ActionError, Host
from inputs import Inputs
from reconcile import reconcile
from release import release

from review import review

COMMANDS = {"review": review, "release": release, "reconcile": reconcile}


def main() -> int:
    """Runs the command that the workflow names."""
    command = COMMANDS.get(os.environ.get("INPUT_COMMAND", ""))
    if command is None:
        print(f"::error::command is one of {', '.join(COMMANDS)}")  # noqa: T201 - the runner reads commands there
        return 1
    try:
        return command(Host.of(os.environ), Inputs.of(os.environ))
    except ActionError as error:
        message = str(error).replace("%", "%25").replace("\n", "%0A")
        print(f"::error::{message}", flush=True)  # noqa: T201 - as above
        return 1


if __name__ == "__main__":
    sys.exit(main())
