"""What a hash strategy is: it maps a unit to a place on a line, on which rollouts and arms have their bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from burgee.evaluation.bucketing import BUCKETS
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Arms(NamedTuple):
    """How a split is decided: arm i is the first with `place < bounds[i]`, on a line of `size` places."""

    salt: str
    size: int
    bounds: Sequence[int]
    strategy: Strategy

    def place(self, unit: str) -> int:
        """Where a unit falls among the arms."""
        return self.strategy.place(self.size)(unit, self.salt)


class Strategy(ABC):
    """A hash strategy; flags pin it by `name`. A line of `size` places may be divided further, into `resolution`."""

    name: str | None = None
    takes_values: bool = False
    """Whether it hashes only the unit's JSON value (no null, no list): 42 differs from "42", and the salt is ignored.
    """
    has_two_lines: bool = False
    """Whether arms have a line of their own, so that a rollout of a split contains users of every arm."""
    is_weak: bool = False
    """Whether places on two of its lines depend on each other, although their salts differ."""

    @abstractmethod
    def place(self, size: int) -> Callable[[str, str], int]:
        """Returns the function from a unit to its place, 0 to `size - 1`."""

    @abstractmethod
    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        """The line and the bounds of a split."""

    def ranges(self, salt: str, bounds: Sequence[int]) -> Arms:
        """The same line with bounds in buckets, so that arms keep their places."""
        line = self.arms(salt, (1,))
        return Arms(line.salt, BUCKETS, bounds, line.strategy)

    @abstractmethod
    def hashed(self, unit: str, salt: str) -> str:
        """A description of what is hashed, for people."""

    def resolution(self, size: int) -> int:
        """The finest number of places that a line of that size distinguishes."""
        return size

    def cut(self, bound: int, size: int) -> int:
        """Scales a bound from `size` places to `resolution(size)` places."""
        del size
        return bound

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        """The share of hashes from `low` to below `high` (places of the resolution), as numerator and denominator."""
        return high - low, size
