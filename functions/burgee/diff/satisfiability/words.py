"""`eq`, `in`, `starts_with`, `ends_with` and `contains` as automata: a trie, or Aho and Corasick's automaton.

Case is ignored by folding each character separately, as `str.casefold` does: "ß" becomes the two letters "ss".
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from burgee.diff.satisfiability.machines import DEAD, MachineOutcome, MachineState

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping

WordPosition: TypeAlias = Literal["whole", "start", "end", "anywhere"]
FOUND = "found"
FOLDING = range(0x20000)
"""No character above this is changed by folding."""


@lru_cache(maxsize=1)
def folded_from() -> Mapping[str, frozenset[str]]:
    """By folded character, the other characters whose folding contains it."""
    found: dict[str, set[str]] = defaultdict(set)
    for char in map(chr, FOLDING):
        folded = char.casefold()
        if folded != char:
            for part in folded:
                found[part].add(char)
    return {part: frozenset(chars) for part, chars in found.items()}


class Words:
    """True for strings that have one of several words in a position."""

    def __init__(self, where: WordPosition, words: Iterable[str], ignore_case: bool = False) -> None:
        self._where = where
        self._ignore_case = ignore_case
        self._next: list[dict[str, int]] = [{}]
        self._ends: list[bool] = [False]
        for word in words:
            self._add(word.casefold() if ignore_case else word)
        self._chars = frozenset(char for row in self._next for char in row)
        self._anchored = where in {"whole", "start"}
        self._shorter = [0] * len(self._next)
        if not self._anchored:
            self._link()
        self.start: MachineState = self._settled(0)

    def _add(self, word: str) -> None:
        node = 0
        for char in word:
            if char not in self._next[node]:
                self._next[node][char] = len(self._next)
                self._next.append({})
                self._ends.append(False)
            node = self._next[node][char]
        self._ends[node] = True

    def _link(self) -> None:
        """The longest proper suffix of a node's string that begins a word; its outputs are the node's, too."""
        waiting = deque(self._next[0].values())
        while waiting:
            node = waiting.popleft()
            self._ends[node] = self._ends[node] or self._ends[self._shorter[node]]
            for char, child in self._next[node].items():
                self._shorter[child] = self._follow(self._shorter[node], char)
                waiting.append(child)

    def _follow(self, node: int, char: str) -> int:
        while node and char not in self._next[node]:
            node = self._shorter[node]
        return self._next[node].get(char, 0)

    def _settled(self, node: int) -> MachineState:
        return FOUND if self._ends[node] and self._where in {"start", "anywhere"} else node

    def step(self, state: MachineState, char: str) -> MachineState:
        for part in char.casefold() if self._ignore_case else char:
            if state in (DEAD, FOUND):
                return state
            if not self._anchored:
                state = self._settled(self._follow(state, part))
            elif part in self._next[state]:
                state = self._settled(self._next[state][part])
            else:
                return DEAD
        return state

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        return (state == FOUND or (state != DEAD and self._ends[state]),)

    def kind(self, char: str) -> Hashable:
        parts = char.casefold() if self._ignore_case else char
        return tuple(part if part in self._chars else None for part in parts)

    def edges(self) -> Iterable[int]:
        chars = set(self._chars)
        if self._ignore_case:
            chars.update(*(folded_from().get(char, ()) for char in self._chars))
        for char in chars:
            yield ord(char)
            yield ord(char) + 1
