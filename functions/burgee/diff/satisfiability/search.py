"""Finds a string for which several automata all give the wanted verdict, or proves that there is none.

The states of the product are explored best first, by the characters that its parts still need, so a string is usually
found long before all states are explored; if none is left, there is no such string.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from burgee.diff.satisfiability.atoms import IMPOSSIBLE, UNKNOWN, Answer, possible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from burgee.diff.satisfiability.machines import Automaton

_SAFE = -1  # instead of a state: the wanted verdict is certain, whatever follows
_OUT = -2  # the wanted verdict is impossible
MAX_UNCERTAIN = 100
"""Maximum strings tried if the automata do not determine their verdict."""


class Search:
    """One search. `states` is the number explored so far."""

    def __init__(self, parts: Sequence[tuple[Automaton, bool]], verify: Callable[[str], bool]) -> None:
        self.parts = parts
        self._parts = [_Part(automaton, want) for automaton, want in parts]
        self._automata = [automaton for automaton, _ in parts]
        self._verify = verify
        self.states = 0

    def alphabet(self, chars: Iterable[str]) -> list[str]:
        """One character for each kind that the automata together distinguish, the simplest of each."""
        kinds: dict[tuple[int, ...], str] = {}
        for char in sorted(chars, key=_plainness):
            kinds.setdefault(tuple([automaton.kind(char) for automaton in self._automata]), char)
        return list(kinds.values())

    def run(self, letters: Sequence[str], limit: int) -> Answer:
        """Searches strings of these letters; UNKNOWN beyond the limit of states, or if no string was certain."""
        for part in self._parts:
            part.read(letters)
        start = tuple([part.start for part in self._parts])
        if _OUT in start:
            return IMPOSSIBLE
        waiting = [(self._needed(start), 0, start, "")]
        met = {start}
        uncertain = 0
        while waiting:
            needed, _, state, text = heapq.heappop(waiting)
            if needed == 0 and self._accepted(state):
                if self._verify(text):
                    self.states += len(met)
                    return possible(text)
                uncertain += 1
            if len(met) > limit or uncertain > MAX_UNCERTAIN:
                self.states += len(met)
                return UNKNOWN
            rows = [part.row(one) for part, one in zip(self._parts, state, strict=True)]
            for letter, following in zip(letters, zip(*rows, strict=True), strict=False):
                if _OUT not in following and following not in met:
                    met.add(following)
                    heapq.heappush(waiting, (self._needed(following), len(met), following, text + letter))
        self.states += len(met)
        return UNKNOWN if uncertain else IMPOSSIBLE

    def _needed(self, state: tuple[int, ...]) -> int:
        return sum([part.needed(one) for part, one in zip(self._parts, state, strict=True)])

    def _accepted(self, state: tuple[int, ...]) -> bool:
        return all(part.accepted(one) for part, one in zip(self._parts, state, strict=True))


class _Part:
    """An automaton with its wanted verdict."""

    def __init__(self, automaton: Automaton, want: bool) -> None:
        self._automaton = automaton
        self._want = want
        self._wanted = automaton.distance(want)
        self._other = automaton.distance(not want)
        self.start = self._settled(0)
        self.read(())

    def read(self, letters: Sequence[str]) -> None:
        """Restricts the alphabet to these letters."""
        self._kinds = [self._automaton.kind(letter) for letter in letters]
        self._rows: dict[int, tuple[int, ...]] = {_SAFE: (_SAFE,) * len(letters)}

    def _settled(self, state: int) -> int:
        if self._wanted is None or self._other is None:
            return state
        if self._wanted[state] is None:
            return _OUT
        return _SAFE if self._other[state] is None else state

    def row(self, state: int) -> tuple[int, ...]:
        row = self._rows.get(state)
        if row is None:
            row = self._rows[state] = tuple(map(self._settled, self._automaton.row(state, self._kinds)))
        return row

    def needed(self, state: int) -> int:
        if state == _SAFE or self._wanted is None:
            return 0
        return self._wanted[state] or 0

    def accepted(self, state: int) -> bool:
        return state == _SAFE or self._want in self._automaton.outcomes(state)


def _plainness(char: str) -> tuple[bool, bool, bool, bool, str]:
    return not char.isascii(), not char.isprintable(), not char.isalnum(), not char.islower(), char
