"""`cidr` as automata: IPv4 and IPv6 addresses as `ipaddress` reads them, inside one network."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.satisfiability.machines import DEAD, MachineOutcome, MachineState, Some
from burgee.evaluation.operators import parse_networks

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Sequence

    from burgee.diff.satisfiability.machines import Machine

_HEX = frozenset("0123456789abcdef")
_GROUPS = 8
_EMBEDDED = 6
"""The first of the two groups that an embedded IPv4 address replaces."""


def networks(names: Iterable[str]) -> Machine:
    """True for addresses in one of several networks."""
    machines = [_network(network) for network in parse_networks(names)]
    return machines[0] if len(machines) == 1 else Some(machines)


def _network(network: IPv4Network | IPv6Network) -> Machine:
    return InIPv4(network) if isinstance(network, IPv4Network) else InIPv6(network)


class Octets(NamedTuple):
    """In one of four numbers: the ways to complete it inside the network."""

    octet: int
    endings: frozenset[str]


class InIPv4:
    """True for IPv4 addresses in a network."""

    def __init__(self, network: IPv4Network) -> None:
        low, high = network.network_address.packed, network.broadcast_address.packed
        self._endings = [frozenset(map(str, range(a, b + 1))) for a, b in zip(low, high, strict=True)]
        self.start: MachineState = Octets(0, self._endings[0])

    def step(self, state: MachineState, char: str) -> MachineState:
        if state == DEAD:
            return DEAD
        if char == ".":
            octet = state.octet + 1
            return Octets(octet, self._endings[octet]) if octet < 4 and "" in state.endings else DEAD
        endings = frozenset(ending[1:] for ending in state.endings if ending[:1] == char)
        return Octets(state.octet, endings) if endings else DEAD

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        return (state != DEAD and state.octet == 3 and "" in state.endings,)

    def kind(self, char: str) -> Hashable:
        return char if char in "0123456789." else None

    def edges(self) -> Iterable[int]:
        return ()


class Group(NamedTuple):
    """Up to four hexadecimal digits: how many, their value if it matters, and by the number of further digits whether
    the group is inside its bounds (None if that depends on them).
    """

    digits: int
    value: int | None
    inside: tuple[bool | None, ...]


class Head(NamedTuple):
    """Before any `::`: in which group, and the same digits as the first of an embedded IPv4 address."""

    place: int
    group: Group
    tail: MachineState


class Colon(NamedTuple):
    """After a first `:`, which must be followed by another."""


class Rest(NamedTuple):
    """After `::`: groups completed, this group by how many there may be in total, and as in Head."""

    finished: int
    groups: frozenset[tuple[int, Group]]
    tail: MachineState
    digits: int


class Tail(NamedTuple):
    """In an embedded IPv4 address that is inside if `tail` is."""

    tail: MachineState


class ScopeSuffix(NamedTuple):
    """Within the scope after `%`, of an address in the network; `named` is whether the scope has a character yet."""

    named: bool


class InIPv6:
    """True for IPv6 addresses in a network, with an embedded IPv4 address or a scope too."""

    def __init__(self, network: IPv6Network) -> None:
        low, high = network.network_address.packed, network.broadcast_address.packed
        self._bounds = [_pair(low, high, index) for index in range(_GROUPS)]
        last = int.from_bytes(low[12:], "big")
        self._tail = InIPv4(IPv4Network((IPv4Address(last), max(0, network.prefixlen - 96))))
        self.start: MachineState = Head(0, self._group(0), self._tail.start)

    def _group(self, index: int) -> Group:
        return _group(0, 0, *self._bounds[index])

    def _more(self, group: Group, char: str, index: int, tail: MachineState) -> Group | None:
        """A group with one more digit; None if neither any completion nor the embedded address is inside."""
        if group.digits == 4:
            return None
        digits = group.digits + 1
        if group.value is None:
            group = Group(digits, None, group.inside[1:])
        else:
            group = _group(digits, group.value * 16 + int(char, 16), *self._bounds[index])
        hopeless = all(one is False for one in group.inside) and (index != _EMBEDDED or tail == DEAD)
        return None if hopeless else group

    def step(self, state: MachineState, char: str) -> MachineState:
        char = char.lower() if char.isascii() else char
        if isinstance(state, Head):
            return self._head(state, char)
        if isinstance(state, Rest):
            return self._rest(state, char)
        if isinstance(state, Colon):
            return self._compressed(0) if char == ":" else DEAD
        if isinstance(state, Tail):
            if char == "%" and True in self.outcomes(state):
                return ScopeSuffix(named=False)
            tail = self._tail.step(state.tail, char)
            return DEAD if tail == DEAD else Tail(tail)
        if isinstance(state, ScopeSuffix):
            return DEAD if char in "%/" else ScopeSuffix(named=True)
        return DEAD

    def _head(self, state: Head, char: str) -> MachineState:
        index, group, tail = state
        if char in _HEX:
            tail = self._tail.step(tail, char)
            more = self._more(group, char, index, tail)
            return DEAD if more is None else Head(index, more, tail)
        if char == ".":
            tail = self._tail.step(tail, char)
            return Tail(tail) if index == _EMBEDDED and tail != DEAD else DEAD
        if char == "%":
            return ScopeSuffix(named=False) if True in self.outcomes(state) else DEAD
        if char != ":":
            return DEAD
        if not group.digits:
            return self._compressed(index) if index else Colon()
        if index == _GROUPS - 1 or not group.inside[0]:
            return DEAD
        return Head(index + 1, self._group(index + 1), self._tail.start)

    def _compressed(self, before: int) -> MachineState:
        """After `::`, with a number of groups before it: zeros up to each possible number of groups."""
        groups = {
            (total, self._group(_GROUPS - total) if total else _group(0, 0, 0, 0))
            for total in range(_GROUPS - before)
            if all(low == 0 for low, _ in self._bounds[before : _GROUPS - total])
        }
        return Rest(0, frozenset(groups), self._tail.start, 0) if groups else DEAD

    def _rest(self, state: Rest, char: str) -> MachineState:
        finished, groups, tail, digits = state
        if char in _HEX:
            tail = self._tail.step(tail, char)
            further = {
                (total, more)
                for total, group in groups
                if total and (more := self._more(group, char, _GROUPS - total + finished, tail)) is not None
            }
            return Rest(finished, frozenset(further), tail, digits + 1) if further else DEAD
        if char == ".":
            tail = self._tail.step(tail, char)
            return Tail(tail) if tail != DEAD and any(total == finished + 2 for total, _ in groups) else DEAD
        if char == "%":
            return ScopeSuffix(named=False) if True in self.outcomes(state) else DEAD
        if char != ":" or not digits:
            return DEAD
        following = {
            (total, self._group(_GROUPS - total + finished + 1))
            for total, group in groups
            if total > finished + 1 and group.inside[0]
        }
        return Rest(finished + 1, frozenset(following), self._tail.start, 0) if following else DEAD

    def outcomes(self, state: MachineState) -> Collection[MachineOutcome]:
        if isinstance(state, Head):
            return (state.place == _GROUPS - 1 and state.group.digits > 0 and state.group.inside[0] is True,)
        if isinstance(state, Rest):
            if not state.digits:
                return (not state.finished and any(total == 0 for total, _ in state.groups),)
            return (any(total == state.finished + 1 and group.inside[0] for total, group in state.groups),)
        if isinstance(state, Tail):
            return self._tail.outcomes(state.tail)
        return (isinstance(state, ScopeSuffix) and state.named,)

    def kind(self, char: str) -> Hashable:
        lower = char.lower() if char.isascii() else char
        return lower if lower in _HEX or lower in ":.%/" else None

    def edges(self) -> Iterable[int]:
        return ()


def _pair(low: Sequence[int], high: Sequence[int], index: int) -> tuple[int, int]:
    return low[2 * index] * 256 + low[2 * index + 1], high[2 * index] * 256 + high[2 * index + 1]


@lru_cache(maxsize=4096)
def _group(digits: int, value: int, low: int, high: int) -> Group:
    inside: list[bool | None] = []
    for further in range(5 - digits):
        first = value << 4 * further
        last = first + (1 << 4 * further) - 1
        outside = last < low or first > high
        inside.append(False if outside else True if low <= first and last <= high else None)
    return Group(digits, value if None in inside else None, tuple(inside))
