"""`matches` as an automaton: Thompson's construction for unanchored patterns, made deterministic lazily."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from burgee.diff.satisfiability.machines import DEAD, SURROGATES, MachineOutcome, MachineState
from burgee.diff.satisfiability.pattern_syntax import (
    Anchor,
    Char,
    Choice,
    PatternNode,
    Ranges,
    Repeat,
    Sequence,
    Unparsed,
    parse_pattern,
)
from burgee.diff.satisfiability.words import FOUND

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

MAX_NODES = 20_000
Beside: TypeAlias = Literal["edge", "newline", "word", "other"]
"""What stands beside a place: an end of the string, or a character as `^`, `$` and `\\b` see it."""


class Position(NamedTuple):
    """What precedes the current position, and the nodes that wait for the next character."""

    before: Beside
    nodes: frozenset[int]


class Patterns:
    """True for strings in which one of several patterns is found. Raises Unparsed if one is not supported."""

    def __init__(self, patterns: Iterable[str], ignore_case: bool = False) -> None:
        self._free: list[list[int]] = []  # by node, the nodes reachable without a character
        self._chars: dict[int, tuple[Ranges, int]] = {}
        self._looks: dict[int, tuple[Anchor, int]] = {}
        self._end = self._node()
        self._starts = [
            self._build(parse_pattern(one, ignore_case=ignore_case), self._end) for one in patterns
        ]  # a part is built before the node that follows it
        places = {look.place for look, _ in self._looks.values()}
        self._words = bool(places & {"boundary", "inside"})
        self._lines = bool(places & {"line start", "line end"})
        self._sets = sorted({ranges for ranges, _ in self._chars.values()})
        self._restarts = bool(self._words or self._lines or self._reach(self._starts, "other"))
        self.start: MachineState = self._settled("edge", self._reach(self._starts, "edge"))

    def _node(self, *free: int) -> int:
        if len(self._free) >= MAX_NODES:
            raise Unparsed
        self._free.append(list(free))
        return len(self._free) - 1

    def _build(self, tree: PatternNode, after: int) -> int:
        if isinstance(tree, Char):
            node = self._node()
            self._chars[node] = (tree.ranges, after)
            return node
        if isinstance(tree, Anchor):
            node = self._node()
            self._looks[node] = (tree, after)
            return node
        if isinstance(tree, Sequence):
            for part in reversed(tree.parts):
                after = self._build(part, after)
            return after
        if isinstance(tree, Choice):
            return self._node(*[self._build(option, after) for option in tree.options])
        return self._repeated(tree, after)

    def _repeated(self, tree: Repeat, after: int) -> int:
        if tree.high is None:
            loop = self._node(after)
            self._free[loop].append(self._build(tree.part, loop))
            after = loop
        else:
            done = after
            for _ in range(tree.high - tree.low):
                after = self._node(done, self._build(tree.part, after))
        for _ in range(tree.low):
            after = self._build(tree.part, after)
        return after

    def step(self, state: MachineState, char: str) -> MachineState:
        if state in (DEAD, FOUND):
            return state
        beside = _beside(char)
        here = self._reach(state.nodes, state.before, beside)
        if self._end in here:
            return FOUND
        moved = [
            self._chars[node][1] for node in here if node in self._chars and inside(self._chars[node][0], ord(char))
        ]
        return self._settled(beside, self._reach([*moved, *self._starts], beside))

    def _reach(self, nodes: Iterable[int], before: Beside, after: Beside | None = None) -> frozenset[int]:
        """The nodes reachable without a character; `after` is None if the next character is unknown."""
        seen = set(nodes)
        waiting = list(seen)
        while waiting:
            node = waiting.pop()
            following = self._free[node]
            if node in self._looks:
                look, behind = self._looks[node]
                following = [behind] if _holds(look, before, after) else []
            for one in following:
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
        return frozenset(node for node in seen if self._waits(node, before, after))

    def _waits(self, node: int, before: Beside, after: Beside | None) -> bool:
        if node in self._looks:
            return after is None and _holds(self._looks[node][0], before, None) is None
        return node in self._chars or node == self._end

    def _settled(self, before: Beside, nodes: frozenset[int]) -> MachineState:
        if self._end in nodes:
            return FOUND
        if not nodes and not self._restarts:
            return DEAD
        if not self._words and before != "edge" and not (self._lines and before == "newline"):
            before = "other"
        return Position(before, nodes)

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        if state in (DEAD, FOUND):
            return (state == FOUND,)
        return (self._end in self._reach(state.nodes, state.before, "edge"),)

    def kind(self, char: str) -> Hashable:
        return _beside(char), tuple(inside(ranges, ord(char)) for ranges in self._sets)

    def edges(self) -> Iterable[int]:
        for ranges in self._sets:
            for first, last in ranges:
                yield first
                yield SURROGATES.stop if last + 1 in SURROGATES else last + 1


def inside(ranges: Ranges, code: int) -> bool:
    """Whether a code point is in one of the ranges."""
    index = bisect_right(ranges, (code, 0x110000)) - 1
    return index >= 0 and code <= ranges[index][1]


def _beside(char: str) -> Beside:
    if char.isascii() and (char.isalnum() or char == "_"):
        return "word"
    return "newline" if char == "\n" else "other"


def _holds(look: Anchor, before: Beside, after: Beside | None) -> bool | None:
    """Whether an anchor matches here; None if that depends on the next character."""
    if look.place == "start":
        return before == "edge"
    if look.place == "line start":
        return before in {"edge", "newline"}
    if after is None:
        return None
    if look.place == "end":
        return after == "edge"
    if look.place == "line end":
        return after in {"edge", "newline"}
    return ((before == "word") != (after == "word")) == (look.place == "boundary")


@lru_cache(maxsize=64)
def whole(pattern: str) -> Patterns:
    """True for strings that a pattern matches entirely."""
    return Patterns([rf"\A(?:{pattern})\z"])
