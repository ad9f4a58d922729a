"""Lazy automata over the characters of a string, and the distance of each state from a verdict.

A machine creates its states when they are reached. Its outcome at a state is a verdict (True or False), or an order
against a bound (-1, 0, 1, None if not comparable); several outcomes mean that the state does not determine which.
"""

from __future__ import annotations

import sys
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

MachineState: TypeAlias = Any
MachineOutcome: TypeAlias = "bool | int | None"
DEAD = "dead"
"""The dead state."""

ASCII = range(128)
SURROGATES = range(0xD800, 0xE000)
MAX_EXPLORED = 4_000
"""Maximum states of one machine that are explored in advance."""


class Machine(Protocol):
    """A deterministic automaton. Characters of one kind are equivalent in every state."""

    @property
    def start(self) -> MachineState: ...

    def step(self, state: MachineState, char: str, /) -> MachineState: ...

    def outcomes(self, state: MachineState, /) -> Collection[MachineOutcome]: ...

    def kind(self, char: str, /) -> Hashable: ...

    def edges(self) -> Iterable[int]:
        """Code points above ASCII where a run of characters of one kind begins."""
        ...


class _Combined:
    """Several machines side by side."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.machines = tuple(machines)
        self.start: MachineState = tuple(machine.start for machine in machines)
        self._steps: dict[tuple[int, MachineState, str], MachineState] = {}

    def _step(self, index: int, state: MachineState, char: str) -> MachineState:
        key = index, state, char
        if key not in self._steps:
            self._steps[key] = self.machines[index].step(state, char)
        return self._steps[key]

    def kind(self, char: str) -> Hashable:
        return tuple(machine.kind(char) for machine in self.machines)

    def edges(self) -> Iterable[int]:
        return chain.from_iterable(machine.edges() for machine in self.machines)


class Every(_Combined):
    """True if each machine has one of its accepted outcomes."""

    def __init__(self, parts: Sequence[tuple[Machine, Callable[[MachineOutcome], bool]]]) -> None:
        super().__init__([machine for machine, _ in parts])
        self._accepts = [accepts for _, accepts in parts]

    def step(self, state: MachineState, char: str) -> MachineState:
        if state == DEAD:
            return DEAD
        following = tuple([self._step(index, one, char) for index, one in enumerate(state)])
        return DEAD if DEAD in following else following

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        if state == DEAD:
            return (False,)
        verdicts = [
            {accepts(outcome) for outcome in machine.outcomes(one)}
            for machine, accepts, one in zip(self.machines, self._accepts, state, strict=True)
        ]
        can_hold = all(True in one for one in verdicts)
        can_fail = any(False in one for one in verdicts)
        return (True, False) if can_hold and can_fail else (can_hold,)


class Some(_Combined):
    """True if one of several machines with verdicts is."""

    def step(self, state: MachineState, char: str) -> MachineState:
        return tuple([self._step(index, one, char) for index, one in enumerate(state)])

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        verdicts = [machine.outcomes(one) for machine, one in zip(self.machines, state, strict=True)]
        can_hold = any(True in one for one in verdicts)
        can_fail = all(False in one for one in verdicts)
        return (True, False) if can_hold and can_fail else (can_hold,)


class LongerThan:
    """True for strings longer than a number of characters."""

    start: MachineState = 0

    def __init__(self, length: int) -> None:
        self._length = length

    def step(self, state: MachineState, _char: str) -> MachineState:
        return min(state + 1, self._length + 1)

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        return (state > self._length,)

    def kind(self, _char: str) -> Hashable:
        return None

    def edges(self) -> Iterable[int]:
        return ()


class Automaton:
    """A machine with verdicts, its states numbered from 0 (the start) in the order of exploration."""

    def __init__(self, machine: Machine) -> None:
        self.edges = frozenset(code for code in machine.edges() if code <= sys.maxunicode)
        self._machine = machine
        self._kinds: dict[Hashable, int] = {}
        self._representatives: list[str] = []
        self._kind_of: dict[str, int] = {}
        self._numbers: dict[MachineState, int] = {machine.start: 0}
        self._states: list[MachineState] = [machine.start]
        self._steps: list[dict[int, int]] = [{}]
        self._distances: dict[bool, list[int | None]] | None = None

    def kind(self, char: str) -> int:
        """The number of a character's kind."""
        found = self._kind_of.get(char)
        if found is None:
            kind = self._machine.kind(char)
            found = self._kinds.setdefault(kind, len(self._kinds))
            if found == len(self._representatives):
                self._representatives.append(char)
            self._kind_of[char] = found
        return found

    def row(self, state: int, kinds: Iterable[int]) -> list[int]:
        """The state after characters of these kinds."""
        steps = self._steps[state]
        return [steps[kind] if kind in steps else self._step(state, kind) for kind in kinds]

    def _step(self, state: int, kind: int) -> int:
        following = self._machine.step(self._states[state], self._representatives[kind])
        number = self._numbers.setdefault(following, len(self._states))
        if number == len(self._states):
            self._states.append(following)
            self._steps.append({})
        self._steps[state][kind] = number
        return number

    def outcomes(self, state: int) -> Collection[MachineOutcome]:
        """The possible verdicts of a string that ends here."""
        return self._machine.outcomes(self._states[state])

    def distance(self, verdict: bool) -> list[int | None] | None:
        """By state, the fewest characters to that verdict, None if unreachable.

        None in total if the machine has too many states to explore.
        """
        if self._distances is None:
            self._distances = self._explore()
        return self._distances.get(verdict)

    def _explore(self) -> dict[bool, list[int | None]]:
        for char in map(chr, sorted(self.edges.union(ASCII, (0x80,)))):
            self.kind(char)
        kinds = range(len(self._representatives))
        before: list[set[int]] = [set()]
        state = 0
        while state < len(self._states):
            if len(self._states) > MAX_EXPLORED:
                return {}
            for following in self.row(state, kinds):
                while following >= len(before):
                    before.append(set())
                before[following].add(state)
            state += 1
        return {verdict: self._backwards(before, verdict) for verdict in (True, False)}

    def _backwards(self, before: list[set[int]], verdict: bool) -> list[int | None]:
        ends = [state for state in range(len(before)) if verdict in self.outcomes(state)]
        found: list[int | None] = [None] * len(before)
        waiting = deque((state, 0) for state in ends)
        for state in ends:
            found[state] = 0
        while waiting:
            state, distance = waiting.popleft()
            for earlier in before[state]:
                if found[earlier] is None:
                    found[earlier] = distance + 1
                    waiting.append((earlier, distance + 1))
        return found
