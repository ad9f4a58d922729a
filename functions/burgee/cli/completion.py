"""Shell completion of flags and environments. Never raises, whatever the file contains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the annotations

if TYPE_CHECKING:
    from burgee.flagfile.grammar import FlagFile


def complete_flags(context: typer.Context, incomplete: str) -> list[str]:
    """The flags with this prefix."""
    model = _model(context)
    return [name for name in model.flags if name.startswith(incomplete)] if model else []


def complete_environments(context: typer.Context, incomplete: str) -> list[str]:
    """The environments with this prefix."""
    model = _model(context)
    return [name for name in model.environments if name.startswith(incomplete)] if model else []


def _model(context: typer.Context) -> FlagFile | None:
    from burgee.flagfile.source import Source

    try:
        return Source(Path(context.params.get("flags") or "flags.yaml")).model
    except Exception:  # noqa: BLE001 - a traceback would appear in the middle of the user's input
        return None
