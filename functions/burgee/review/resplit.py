"""Finds the split that moves the fewest users: the minimum, and a layout of buckets that reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, TypeAlias

from burgee.evaluation.bucketing import split_bounds
from burgee.evaluation.definition import owners, pinned_hash, salt, unit_attributes, weights
from burgee.review.hash_inputs import described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.diff.symbolic import Side
    from burgee.evaluation.definition import Owner
    from burgee.model import Definition

Stretches: TypeAlias = "list[tuple[str, int, int]]"
MAX_ARMS = 6


@dataclass(frozen=True, slots=True)
class SplitChange:
    """A split on one line before and after: how many buckets move, the minimum, and its layout.

    `order` is the order of the same weights that moves fewest, None if there are too many to try.
    """

    owner: str
    moved: int
    least: int
    layout: Stretches
    order: Mapping[str, float] | None
    order_moved: int


def split_changes(old: Side, new: Side, flag: str) -> Iterator[SplitChange]:
    """Every split of a flag that uses the same, unpinned line before and after."""
    before, after = old.state(flag), new.state(flag)
    if before is None or after is None:
        return
    former = {described(owner): owner for owner in owners(before)}
    for owner in owners(after):
        known = former.get(described(owner))
        if known is None or not ("split" in owner.outcome and "split" in known.outcome):
            continue
        if pinned_hash(before, known.settings) or pinned_hash(after, owner.settings):
            continue
        if _hashed(flag, before, known) == _hashed(flag, after, owner):
            yield _change(described(owner), known.outcome["split"], owner.outcome["split"])


def _hashed(flag: str, state: Definition, owner: Owner) -> tuple[str, tuple[str, ...]]:
    return salt(flag, state, owner.settings), unit_attributes(state, owner.settings)


def _change(owner: str, old: Mapping[str, float], new: Mapping[str, float]) -> SplitChange:
    before, after = stretches(old), stretches(new)
    sizes = _sizes(after)
    least = sum(max(size - _sizes(before).get(arm, 0), 0) for arm, size in sizes.items())
    order, order_moved = None, 0
    if len(new) <= MAX_ARMS:
        tried = [dict(each) for each in permutations(new.items())]
        order = min(tried, key=lambda each: moved(before, stretches(each)))
        order_moved = moved(before, stretches(order))
    return SplitChange(owner, moved(before, after), least, layout(before, sizes), order, order_moved)


def stretches(split: Mapping[str, float]) -> Stretches:
    """The buckets of each arm, as in the engine."""
    arms = weights({"split": split})
    edges = [0, *split_bounds(arms.values())]
    return [(arm, low, high) for arm, (low, high) in zip(arms, pairwise(edges), strict=True)]


def _sizes(cut: Stretches) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for arm, low, high in cut:
        sizes[arm] = sizes.get(arm, 0) + high - low
    return sizes


def moved(before: Stretches, after: Stretches) -> int:
    """The number of buckets that change arms."""
    kept = sum(
        max(min(high, end) - max(low, start), 0)
        for arm, low, high in before
        for other, start, end in after
        if arm == other
    )
    return before[-1][2] - kept


def layout(before: Sequence[tuple[str, int, int]], sizes: Mapping[str, int]) -> Stretches:
    """Each arm keeps its first buckets up to its new size; freed buckets go to the arms that grow."""
    left = dict(sizes)
    cut: list[tuple[str | None, int, int]] = []
    for arm, low, high in before:
        kept = min(left.get(arm, 0), high - low)
        left[arm] = left.get(arm, 0) - kept
        cut += [(arm, low, low + kept), (None, low + kept, high)]
    found: Stretches = []
    for owner, low, high in cut:
        start = low
        while start < high:
            arm = owner or next(one for one, size in left.items() if size > 0)
            size = high - start if owner else min(left[arm], high - start)
            if owner is None:
                left[arm] -= size
            found.append((arm, start, start + size))
            start += size
    return _joined(found)


def _joined(cut: Stretches) -> Stretches:
    joined: Stretches = []
    for arm, low, high in cut:
        if joined and joined[-1][0] == arm and joined[-1][2] == low:
            joined[-1] = (arm, joined[-1][1], high)
        else:
            joined.append((arm, low, high))
    return joined
