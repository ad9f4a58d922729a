"""Notes which moves concern users in a holdout, and which users outside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.diff.cells import cells
from burgee.evaluation.bucketing import holdout_salt, threshold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from burgee.diff.cells import Node
    from burgee.diff.hash_lines import Stretch
    from burgee.diff.outcomes import Pair
    from burgee.diff.symbolic import Side

POSITIONS = {
    (True, True): "in holdout {}",
    (False, True): "newly in holdout {}",
    (True, False): "no longer in holdout {}",
    (False, False): "outside holdout {}",
}


class Holdouts:
    """The holdouts of all flags in a decision, with the bucket where each ends on both sides: 0 if absent."""

    def __init__(self, families: Iterable[tuple[int, Side, str]]) -> None:
        self._ends: dict[str, list[int]] = {}
        for index, side, name in families:
            holdout = (side.state(name) or {}).get("holdout")
            if holdout is not None and holdout in side.holdouts:
                end = threshold(side.holdouts[holdout]["percentage"])
                self._ends.setdefault(holdout, [0, 0])[index] = end

    def note(self, node: Node, pair: Pair) -> str:
        """Whether the users of one move are in the holdouts, if that is the same for all of them."""
        if not self._ends:
            return ""
        found: dict[str, set[str]] = {name: set() for name in self._ends}
        for cell, reached in cells(node):
            if reached != pair:
                continue
            at = {line.salt: stretch for line, stretch in cell.items()}
            for name in self._ends:
                found[name].update(self._position(name, at.get(holdout_salt(name))))
        return ", ".join(phrase for phrases in found.values() if len(phrases) == 1 for phrase in phrases if phrase)

    def _position(self, name: str, stretch: Stretch | None) -> Iterator[str]:
        if stretch is None:
            yield ""
            return
        old, new = (stretch[1] <= end for end in self._ends[name])
        yield POSITIONS[old, new].format(name)
