"""The `burgee` command."""

from __future__ import annotations


def main() -> None:
    """Runs the command line; what is imported here is paid by every command."""
    from burgee.cli.app import run

    run()
