"""`semver_*` as automata. `burgee.evaluation.semver` defines versions; this module only orders them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from burgee.diff.satisfiability.machines import Every, LongerThan, Machine, MachineOutcome, MachineState
from burgee.diff.satisfiability.patterns import whole
from burgee.evaluation.semver import GRAMMAR, MAX_LENGTH, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

    from burgee.diff.satisfiability.orders import Interval

_NUMERIC = 0  # what a pre-release identifier's sort key begins with if it is a number
_RELEASE = 2  # and what stands for a version without a pre-release


class Core(NamedTuple):
    """In one of the three numbers: its digits so far, and their order against as many of the bound's digits."""

    part: int
    digits: int
    order: int


class PreRelease(NamedTuple):
    """In an identifier of the pre-release: its characters so far, their order, and whether all are digits."""

    at: int
    length: int
    order: int
    numeric: bool


_Ordered = TypeVar("_Ordered", str, int)
Settled: TypeAlias = int
"""The final order, which later characters cannot change."""


class VersionOrder:
    """-1, 0 or 1: a version's order against a bound. Its result for other strings is undefined."""

    start: MachineState = Core(0, 0, 0)

    def __init__(self, bound: Version) -> None:
        self._core = [str(number) for number in bound[:3]]
        self._released = bound[3][:1] == ((_RELEASE, 0, ""),)
        self._numeric = [kind == _NUMERIC for kind, _, _ in bound[3]]
        self._identifiers = [] if self._released else [text or str(number) for _, number, text in bound[3]]
        self._cuts = sorted({char for text in self._identifiers for char in text if char.isalpha()})

    def step(self, state: MachineState, char: str) -> MachineState:
        if isinstance(state, Core):
            return self._core_step(state, char)
        if isinstance(state, PreRelease):
            return self._pre_release_step(state, char)
        return state

    def _core_step(self, state: Core, char: str) -> MachineState:
        if "0" <= char <= "9":
            bound = self._core[state.part]
            order = state.order or (_compare(char, bound[state.digits]) if state.digits < len(bound) else 0)
            return Core(state.part, min(state.digits + 1, len(bound) + 1), order)
        if not state.digits:
            return state
        order = self._number(state)
        if char == "." and state.part < 2:
            return order or Core(state.part + 1, 0, 0)
        if char == "-" and not order and not self._released:
            return PreRelease(0, 0, 0, numeric=True) if self._identifiers else 1
        if char == "-":
            return order or -1
        return self._release(order)

    def _number(self, state: Core) -> int:
        return _compare(state.digits, len(self._core[state.part])) or state.order

    def _release(self, order: int) -> Settled:
        return order or (0 if self._released else 1)

    def _pre_release_step(self, state: PreRelease, char: str) -> MachineState:
        if char == "+":
            return self._pre_release(state)
        bound = self._identifiers[state.at]
        if char == ".":
            order = self._identifier(state)
            last = state.at + 1 == len(self._identifiers)
            return order or (1 if last else PreRelease(state.at + 1, 0, 0, numeric=True))
        order = state.order or (_compare(char, bound[state.length]) if state.length < len(bound) else 0)
        numeric = state.numeric and "0" <= char <= "9"
        return PreRelease(state.at, min(state.length + 1, len(bound) + 1), order, numeric)

    def _identifier(self, state: PreRelease) -> int:
        """Numbers come before words, by size; words are compared character by character."""
        bound = self._identifiers[state.at]
        longer = _compare(state.length, len(bound))
        if state.numeric != self._numeric[state.at]:
            return -1 if state.numeric else 1
        return longer or state.order if state.numeric else state.order or longer

    def _pre_release(self, state: PreRelease) -> Settled:
        return self._identifier(state) or (-1 if state.at + 1 < len(self._identifiers) else 0)

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        if isinstance(state, Core):
            missing = -1 if any(number != "0" for number in self._core[state.part + 1 :]) else 0
            return (self._release(self._number(state) or missing),)
        return (self._pre_release(state) if isinstance(state, PreRelease) else state,)

    def kind(self, char: str) -> Hashable:
        if not char.isascii() or not (char.isalnum() or char in ".+-"):
            return None
        return ("letter", bisect_left(self._cuts, char), char in self._cuts) if char.isalpha() else char

    def edges(self) -> Iterable[int]:
        return ()


def _compare(left: _Ordered, right: _Ordered) -> int:
    return (left > right) - (left < right)


def version_interval(interval: Interval[Version]) -> Machine:
    """True for versions in an interval. A version that is too long may count as either."""
    return Every([(whole(GRAMMAR), bool), *interval.parts(VersionOrder)])


def pre_releases() -> Machine:
    """True for versions that are pre-releases. Its result for other strings is undefined."""
    return whole("[^+-]*-.*")


def longer_than_versions() -> Machine:
    """True for strings that are too long to be versions."""
    return LongerThan(MAX_LENGTH)
