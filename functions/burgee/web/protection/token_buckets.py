"""Token buckets: how many requests a second each holder may send."""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING

from burgee.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` requests a second in the long run, and `burst` at once."""

    name: str
    per_second: float
    burst: int


class Buckets:
    """A bucket per holder. The least recently used is evicted first; it is full again by then."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, holder: str) -> tuple[bool, float]:
        """Whether another request is allowed, and how many are left."""
        rate, now = self.rate, self._clock()
        level, at = self._levels.pop(holder, (float(rate.burst), now))
        level = min(rate.burst, level + (now - at) * rate.per_second)
        through = level >= 1
        level -= 1 if through else 0
        self._levels[holder] = (level, now)
        if len(self._levels) > LIMIT:
            self._levels.pop(next(iter(self._levels)))
        return through, level

    def wait(self, level: float) -> int:
        """Whole seconds until another request is allowed."""
        return max(ceil((1 - level) / self.rate.per_second), 1)
