"""A flag of a file in one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.flagfile.fields import dump
from burgee.flagfile.flag_grammar import DEFINITION_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.flag_grammar import FlagSpec


def definition(flag: FlagSpec, environment: str | None) -> dict[str, Any]:
    """A flag with one environment's keys applied, as releases hold it; None is the flag as written."""
    return laid_over(dump(flag), environment)


def laid_over(written: Mapping[str, Any], environment: str | None) -> dict[str, Any]:
    """The same for a flag's keys as JSON values."""
    laid = {**written, **written.get("environments", {}).get(environment, {})}
    # In the grammar's order, as the digest of a definition must not depend on which keys were overridden.
    return {key: laid[key] for key in DEFINITION_KEYS if key in laid}
