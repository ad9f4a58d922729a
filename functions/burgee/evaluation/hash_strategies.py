"""Hash strategies by name: ours, and those of other engines, which a flag may pin so that a migration moves no user.

Ours is `burgee.evaluation.bucketing`; `burgee.evaluation.pinned_hashes` has the others, and is imported when a flag
pins one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.evaluation.bucketing import BUCKETS, bucket, split_bounds, split_salt
from burgee.evaluation.strategy import Arms, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _Ours(Strategy):
    """SHA-256 of "{unit}:{salt}", with a second salt for arms: see `burgee.evaluation.bucketing`."""

    has_two_lines = True

    def place(self, size: int) -> Callable[[str, str], int]:
        del size  # both shares and arms have BUCKETS places
        return bucket

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        return Arms(split_salt(salt), BUCKETS, split_bounds(weights), self)

    def hashed(self, unit: str, salt: str) -> str:
        return f"{unit}:{salt}"


OURS = _Ours()


def strategy(name: str | None) -> Strategy:
    """The strategy of a flag's `hash` or of a line, ours by default. Raises KeyError for an unknown name."""
    if name is None:
        return OURS
    from burgee.evaluation.pinned_hashes import LINES  # few flags pin a hash

    return LINES[name]
