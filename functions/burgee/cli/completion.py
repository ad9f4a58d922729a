"""What the shell offers on Tab: flags and environments of the flag file. Never an error, whatever the file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the annotations

if TYPE_CHECKING:
    from burgee.flagfile.grammar import FlagFile


def complete_flags(context: typer.Context, incomplete: str) -> list[str]:
    """The flags whose names begin so."""
    model = _model(context)
    return [name for name in model.flags if name.startswith(incomplete)] if model else []


def complete_environments(context: typer.Context, incomplete: str) -> list[str]:
    """The environments whose names begin so."""
    model = _model(context)
    return [name for name in model.environments if name.startswith(incomplete)] if model else []


def _model(context: typer.Context) -> FlagFile | None:
    from burgee.flagfile.source import Source

    try:
        return Source(Path(context.params.get("flags") or "flags.yaml")).model
    except Exception:  # noqa: BLE001 - a traceback would land in the middle of what a person types
        return None
