"""The `burgee` command."""

from __future__ import annotations

import gc
import sys

_COLLECTED_AFTER = 50_000
"""New objects. Nearly all that a command imports stays: to look through it after every 700 takes a tenth of its time.
"""


def main() -> None:
    """Runs the command line; every command pays for imports made here."""
    gc.set_threshold(_COLLECTED_AFTER, 20, 20)
    try:
        from burgee.cli.app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "burgee":
            raise
        sys.exit(f"burgee: the command line needs {error.name}: pip install burgee")
    run()
