"""Feature flags and A/B tests as reviewed code.

`load` reads a flags.yaml into a `Ruleset`, which returns `Evaluation`s. Modules are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from burgee.evaluation.ruleset import Ruleset
    from burgee.model import ErrorCode, Evaluation, Reason

__all__ = ["ErrorCode", "Evaluation", "Reason", "Ruleset", "__version__", "load"]


def load(path: str | PathLike[str], environment: str | None = None) -> Ruleset:
    """Loads the flags of a file in one environment. Raises `burgee.errors.FlagFileError` with every problem found."""
    from pathlib import Path

    from burgee.evaluation.ruleset import Ruleset
    from burgee.flagfile.compile import compile_file

    return Ruleset(compile_file(Path(path), environment))


def __getattr__(name: str) -> Any:
    if name == "Ruleset":
        from burgee.evaluation.ruleset import Ruleset

        return Ruleset
    if name in {"ErrorCode", "Evaluation", "Reason"}:
        from burgee import model

        return getattr(model, name)
    message = f"module 'burgee' has no attribute {name!r}"
    raise AttributeError(message)
