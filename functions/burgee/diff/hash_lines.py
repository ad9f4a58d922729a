"""Hash lines: where a unit stands on each, and the shares of stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.diff.satisfiability.atoms import MISSING, Atom, has_unit
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import ValueUnit, value_unit
from burgee.evaluation.hash_strategies import strategy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from burgee.evaluation.strategy import Strategy


class Line(NamedTuple):
    """A hash line: the unit's attribute, the salt, the hash if pinned, and the number of places."""

    unit: str
    salt: str
    hash: str | None = None
    size: int = BUCKETS

    def bucket(self, unit: str) -> int:
        """The place of a unit on it."""
        return strategy(self.hash).place(self.size)(unit, self.salt)

    @property
    def has_unit(self) -> Atom:
        """The atom for whether a context has a unit for it."""
        return has_unit(self.unit, of_value=self.takes_values)

    @property
    def takes_values(self) -> bool:
        """Whether any value is a unit for it."""
        return strategy(self.hash).takes_values

    def share(self, low: int, high: int) -> tuple[int, int]:
        """The share of units in a stretch, as numerator and denominator."""
        return strategy(self.hash).share(low, high, self.size)


def line(unit: str, salt: str, way: Strategy, size: int = BUCKETS) -> Line:
    """The line on which a strategy places units, at its finest resolution."""
    return Line(unit, "" if way.takes_values else salt, way.name, way.resolution(size))


Stretch: TypeAlias = tuple[int, int]


def unit_of(value: Any) -> str | None:
    """The unit of an attribute's value for a hash of JSON values; None if it cannot be bucketed."""
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, str) else value_unit(value)


def is_unit(unit: str) -> bool:
    """Whether it is a unit for every hash: a non-empty string, or a whole number."""
    return unit.is_whole if isinstance(unit, ValueUnit) else unit != ""


class Dependent(Exception):  # noqa: N818 - a result: the shares cannot be computed
    """A decision uses lines that depend on each other."""

    def __init__(self) -> None:
        super().__init__("it uses a pinned hash twice, and the results depend on each other: shares are not computed")


def require_independent(lines: Iterable[Line]) -> None:
    """Raises Dependent if shares of these lines must not be multiplied: places of a weak hash, or of one hash of one
    input on lines of two sizes.
    """
    seen: set[tuple[str, ...]] = set()
    for line in lines:
        key = ("weak",) if strategy(line.hash).is_weak else (line.hash or "", line.unit, line.salt)
        if key in seen:
            raise Dependent
        seen.add(key)
