"""The type, values and default of each flag, as code that asks for it needs them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import off_variant, states, variants
from burgee.numeric import is_number
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from burgee.model import Definition


class FlagType(StrEnum):
    """The type of a flag's values, in the terms of OpenFeature's manifest."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


class Typed(NamedTuple):
    """A flag as code sees it: the values that it can have, and the one that is served while it is off."""

    name: str
    type: FlagType
    values: tuple[Any, ...]
    """Distinct, in declared order."""
    default: Any
    """None if the flag has no off variant: the code has to bring a default."""
    description: str | None
    schema: Mapping[str, Any] | None = None
    """The schema of the values, as in the file; None if there is none."""

    @property
    def choices(self) -> tuple[Any, ...] | None:
        """The only values of a string or number; None if it may have others, or is of another type."""
        if self.type not in {FlagType.STRING, FlagType.INTEGER, FlagType.FLOAT}:
            return None
        return self.values if self.schema is None else tuple(self.schema["enum"]) if "enum" in self.schema else None


class Untyped(NamedTuple):
    """A flag without a single type, and why."""

    name: str
    why: str


def flag_type(name: str, definitions: Iterable[Definition]) -> Typed | Untyped:
    """The type of a flag over all of its definitions (one for each environment) and their schedules.

    The first definition says what the default and the description are. The off variant's value is the first state's:
    a default must not change with the clock.
    """
    every = list(definitions)
    first = every[0]
    values = _distinct(
        value for one in every for state in states(one) for value in variants(state.definition).values()
    )
    found = {_type(value) for value in values}
    if found == {FlagType.INTEGER, FlagType.FLOAT}:
        found, values = {FlagType.FLOAT}, _distinct(map(float, values))
    if len(found) != 1:
        why = f"its variants are of several types: {', '.join(sorted(found))}" if found else "its only value is null"
        return Untyped(name, why)
    (kind,) = found
    off = off_variant(first)
    default = None if off is None else variants(first).get(off)
    default = float(default) if kind is FlagType.FLOAT and default is not None else default
    return Typed(name, kind, tuple(values), default, first.get("description"), first.get("schema"))


def _type(value: Any) -> FlagType:
    if isinstance(value, bool):
        return FlagType.BOOLEAN
    if isinstance(value, str):
        return FlagType.STRING
    if is_number(value):
        return FlagType.FLOAT if isinstance(value, float) else FlagType.INTEGER
    return FlagType.OBJECT


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The values without null and repetitions; `1`, `1.0` and `true` are three values, though Python calls them
    equal.
    """
    return list({f"{type(value).__name__} {value!r}": value for value in values if value is not None}.values())
