"""The `burgee` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; every command pays for imports made here."""
    try:
        from burgee.cli.app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "burgee":
            raise
        sys.exit(f"burgee: the command line needs {error.name}: pip install burgee")
    run()
