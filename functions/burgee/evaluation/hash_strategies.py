"""Hash strategies by name: ours, and those of other engines, which a flag may pin so that a migration moves no user.

A strategy maps a unit to a place on a line. Ours is `burgee.evaluation.bucketing`; a pinned one computes exactly what
the other engine computes, with one hash for both rollouts and arms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import BUCKETS, bucket, split_bounds, split_salt, threshold_weight
from burgee.evaluation.context import ValueUnit
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_WORD = 2**32


class Arms(NamedTuple):
    """How a split is decided: arm i is the first with `place < bounds[i]`, on a line of `size` places."""

    salt: str
    size: int
    bounds: Sequence[int]
    strategy: Strategy

    def place(self, unit: str) -> int:
        """Where a unit falls among the arms."""
        return self.strategy.place(self.size)(unit, self.salt)


class Strategy(ABC):
    """A hash strategy; flags pin it by `name`. A line of `size` places may be divided further, into `resolution`."""

    name: str | None = None
    takes_values: bool = False
    """Whether it hashes only the unit's JSON value (no null, no list): 42 differs from "42", and the salt is ignored.
    """

    @abstractmethod
    def place(self, size: int) -> Callable[[str, str], int]:
        """Returns the function from a unit to its place, 0 to `size - 1`."""

    @abstractmethod
    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        """The line and the bounds of a split."""

    @abstractmethod
    def hashed(self, unit: str, salt: str) -> str:
        """A description of what is hashed, for people."""

    def resolution(self, size: int) -> int:
        """The finest number of places that a line of that size distinguishes."""
        return size

    def cut(self, bound: int, size: int) -> int:
        """Scales a bound from `size` places to `resolution(size)` places."""
        del size
        return bound

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        """The share of hashes from `low` to below `high` (places of the resolution), as numerator and denominator."""
        return high - low, size


class _Ours(Strategy):
    """SHA-256 of "{unit}:{salt}", with a second salt for arms: see `burgee.evaluation.bucketing`."""

    def place(self, size: int) -> Callable[[str, str], int]:
        del size  # both shares and arms have BUCKETS places
        return bucket

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        return Arms(split_salt(salt), BUCKETS, split_bounds(weights), self)

    def hashed(self, unit: str, salt: str) -> str:
        return f"{unit}:{salt}"


class _Pinned(Strategy):
    """A 32-bit hash of salt and unit, the same for shares and arms; weights count to three decimals."""

    def __init__(
        self,
        name: str,
        word: Callable[[bytes], int],
        message: Callable[[str, str], bytes],
        shown: str,
        *,
        takes_values: bool = False,
    ) -> None:
        self.name: str = name
        self.takes_values = takes_values
        self._word = word
        self._message = message
        self._shown = shown

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        bounds = list(accumulate(threshold_weight(weight) for weight in weights))
        return Arms(salt, bounds[-1], bounds, self)

    def hashed(self, unit: str, salt: str) -> str:
        return self._shown.format(unit=unit, salt=salt)


class _Scaled(_Pinned):
    """flagd's strategy: the hash is scaled to the line, `hash * size >> 32`, so lines of all sizes are consistent."""

    def place(self, size: int) -> Callable[[str, str], int]:
        word, message = self._word, self._message
        return lambda unit, salt: word(message(unit, salt)) * size >> 32

    def resolution(self, size: int) -> int:
        del size
        return _WORD

    def cut(self, bound: int, size: int) -> int:
        return -(-bound * _WORD // size)

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        del size
        return high - low, _WORD


class _Remainder(_Pinned):
    """GO Feature Flag's strategy: the remainder of the hash, `hash mod size`."""

    def place(self, size: int) -> Callable[[str, str], int]:
        word, message = self._word, self._message
        return lambda unit, salt: word(message(unit, salt)) % size

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        # 2^32 is rarely a multiple of the size: the first places then get one more hash value than the others.
        rounds, rest = divmod(_WORD, size)
        return (high - low) * rounds + min(high, rest) - min(low, rest), _WORD


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32-bit with seed 0."""
    state, whole = 0, len(data) & ~3
    for index in range(0, whole, 4):
        state ^= _murmur_block(int.from_bytes(data[index : index + 4], "little"))
        state = (state << 13 | state >> 19) & 0xFFFFFFFF
        state = (state * 5 + 0xE6546B64) & 0xFFFFFFFF
    if whole < len(data):
        state ^= _murmur_block(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    state = (state ^ state >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return state ^ state >> 16


def _murmur_block(block: int) -> int:
    block = block * 0xCC9E2D51 & 0xFFFFFFFF
    return (block << 15 | block >> 17) * 0x1B873593 & 0xFFFFFFFF


def fnv1a(data: bytes) -> int:
    """FNV-1a, 32-bit."""
    state = 0x811C9DC5
    for byte in data:
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return state


def _text(unit: str, salt: str) -> bytes:
    return f"{salt}{unit}".encode("utf-8", "surrogatepass")


def _cbor_pair(unit: str, salt: str) -> bytes:
    return _cbor([salt, unit])


def _cbor_joined(unit: str, salt: str) -> bytes:
    return _cbor(f"{salt}{unit}")


def _cbor_value(unit: str, _salt: str) -> bytes:
    return unit.cbor if isinstance(unit, ValueUnit) else _cbor(unit)


def _cbor(value: Any) -> bytes:
    from burgee.evaluation.cbor import encoded  # few flags pin a hash, and fewer use this one

    return encoded(value)


OURS = _Ours()
PINNED: dict[str, Strategy] = {
    pinned.name: pinned
    for pinned in (
        _Scaled("flagd-cbor", murmur3, _cbor_pair, 'CBOR of ["{salt}", "{unit}"]'),
        _Scaled("flagd-cbor-text", murmur3, _cbor_joined, 'CBOR of "{salt}{unit}"'),
        _Scaled("flagd-cbor-value", murmur3, _cbor_value, "CBOR of {unit}", takes_values=True),
        _Scaled("flagd-text", murmur3, _text, "{salt}{unit}"),
        _Remainder("goff", fnv1a, _text, "{salt}{unit}"),
    )
}


def strategy(name: str | None) -> Strategy:
    """The strategy of a flag's `hash`, ours by default. Raises KeyError for an unknown name."""
    return OURS if name is None else PINNED[name]
