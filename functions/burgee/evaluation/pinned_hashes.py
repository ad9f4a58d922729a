"""The hash strategies of other engines: each computes exactly what its engine computes, most with one hash for both
rollouts and arms.
"""

from __future__ import annotations

from hashlib import sha1
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import threshold_weight
from burgee.evaluation.context import ValueUnit
from burgee.evaluation.strategy import Arms, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    Word: TypeAlias = Callable[[str, str], int]
    """Hashes a unit and a salt."""

_WORD = 2**32
_LARGEST = 2**60 - 1
_WHOLE = threshold_weight(1)
WHOLE_SUM = "the hash `unleash` takes a remainder by the sum of the weights, which must be a whole number"


class _Pinned(Strategy):
    """A hash of salt and unit; weights count to three decimals."""

    def __init__(
        self, name: str, word: Word, shown: str, *, takes_values: bool = False, is_weak: bool = False
    ) -> None:
        self.name: str = name
        self.takes_values = takes_values
        self.is_weak = is_weak
        self.word = word
        self._shown = shown

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        bounds = list(accumulate(threshold_weight(weight) for weight in weights))
        return Arms(salt, bounds[-1], bounds, self)

    def hashed(self, unit: str, salt: str) -> str:
        return self._shown.format(unit=unit, salt=salt)


class _Scaled(_Pinned):
    """flagd's strategy: the hash is scaled to the line, `hash * size >> 32`, so lines of all sizes are consistent."""

    def place(self, size: int) -> Callable[[str, str], int]:
        word = self.word
        return lambda unit, salt: word(unit, salt) * size >> 32

    def resolution(self, size: int) -> int:
        del size
        return _WORD

    def cut(self, bound: int, size: int) -> int:
        return -(-bound * _WORD // size)

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        del size
        return high - low, _WORD


class _Fraction(_Pinned):
    """LaunchDarkly's strategy: the hash, 60 bits, as a fraction of the largest."""

    def place(self, size: int) -> Callable[[str, str], int]:
        word = self.word
        # The largest hash is the fraction 1, past the end of the line: it counts as the last place.
        return lambda unit, salt: min(word(unit, salt) * size // _LARGEST, size - 1)

    def resolution(self, size: int) -> int:
        del size
        return _LARGEST + 1

    def cut(self, bound: int, size: int) -> int:
        return -(-bound * _LARGEST // size) if bound < size else _LARGEST + 1

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        del size
        return high - low, _LARGEST + 1


class _Remainder(_Pinned):
    """GO Feature Flag's strategy: the remainder of a 32-bit hash, `hash mod size`."""

    def place(self, size: int) -> Callable[[str, str], int]:
        word = self.word
        return lambda unit, salt: word(unit, salt) % size

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        # 2^32 is rarely a multiple of the size: the first places then get one more hash value than the others.
        rounds, rest = divmod(_WORD, size)
        return (high - low) * rounds + min(high, rest) - min(low, rest), _WORD


class _Modulus(_Remainder):
    """GrowthBook's strategies: the remainder by one number, whatever the line; a longer line stretches its places."""

    def __init__(self, name: str, word: Word, shown: str, modulus: int, *, is_weak: bool = False) -> None:
        super().__init__(name, word, shown, is_weak=is_weak)
        self._modulus = modulus

    def place(self, size: int) -> Callable[[str, str], int]:
        native, modulus = super().place(self._modulus), self._modulus
        return lambda unit, salt: native(unit, salt) * size // modulus

    def resolution(self, size: int) -> int:
        del size
        return self._modulus

    def cut(self, bound: int, size: int) -> int:
        return -(-bound * self._modulus // size)


class _Unleash(_Modulus):
    """Unleash's strategy: the remainder by 100, and for arms a second hash."""

    has_two_lines = True

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        return _UNLEASH_ARMS.arms(salt, weights)


class _UnleashArms(_Remainder):
    """The remainder by the sum of the weights, which is whole."""

    def arms(self, salt: str, weights: Iterable[float]) -> Arms:
        arms = super().arms(salt, weights)
        if arms.size % _WHOLE:
            raise ValueError(WHOLE_SUM)
        return arms

    def place(self, size: int) -> Callable[[str, str], int]:
        native = super().place(size // _WHOLE)
        return lambda unit, salt: native(unit, salt) * _WHOLE

    def cut(self, bound: int, size: int) -> int:
        del size
        return _whole(bound) * _WHOLE

    def share(self, low: int, high: int, size: int) -> tuple[int, int]:
        return super().share(_whole(low), _whole(high), size // _WHOLE)


def _whole(weight: int) -> int:
    """A weight in thousandths as a whole number, rounded up."""
    return -(-weight // _WHOLE)


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3 x86, 32-bit."""
    state, whole = seed, len(data) & ~3
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


def fnv1a(data: Iterable[int]) -> int:
    """FNV-1a, 32-bit, of bytes or, as in JavaScript, of the larger code units of UTF-16."""
    state = 0x811C9DC5
    for byte in data:
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return state


def _code_units(text: str) -> Sequence[int]:
    """The code units of UTF-16, which JavaScript's `charCodeAt` gives."""
    if text.isascii():
        return text.encode()
    data = text.encode("utf-16-le", "surrogatepass")
    return [low | high << 8 for low, high in zip(data[::2], data[1::2], strict=True)]


def _fnv1a_twice(text: str) -> int:
    return fnv1a(str(fnv1a(_code_units(text))).encode())


def _sha1_60(data: bytes) -> int:
    """The first 60 of SHA-1's 160 bits."""
    return int.from_bytes(sha1(data, usedforsecurity=False).digest()[:8]) >> 4


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _cbor_value(unit: str) -> bytes:
    return unit.cbor if isinstance(unit, ValueUnit) else _cbor(unit)


def _cbor(value: Any) -> bytes:
    from burgee.evaluation.cbor import encoded  # few flags pin a hash, and fewer use this one

    return encoded(value)


_UNLEASH_ARMS = _UnleashArms(
    "unleash-arms", lambda unit, salt: murmur3(_utf8(f"{salt}:{unit}"), 86_028_157), "{salt}:{unit}"
)
PINNED: dict[str, Strategy] = {
    pinned.name: pinned
    for pinned in (
        _Scaled("flagd-cbor", lambda unit, salt: murmur3(_cbor([salt, unit])), 'CBOR of ["{salt}", "{unit}"]'),
        _Scaled("flagd-cbor-text", lambda unit, salt: murmur3(_cbor(f"{salt}{unit}")), 'CBOR of "{salt}{unit}"'),
        _Scaled("flagd-cbor-value", lambda unit, _: murmur3(_cbor_value(unit)), "CBOR of {unit}", takes_values=True),
        _Scaled("flagd-text", lambda unit, salt: murmur3(_utf8(f"{salt}{unit}")), "{salt}{unit}"),
        # The last bits of FNV-1a depend on the last bits of the input alone.
        _Remainder("goff", lambda unit, salt: fnv1a(_utf8(f"{salt}{unit}")), "{salt}{unit}", is_weak=True),
        _Modulus(
            "growthbook-v1", lambda unit, salt: fnv1a(_code_units(unit + salt)), "{unit}{salt}", 1_000, is_weak=True
        ),
        _Modulus("growthbook-v2", lambda unit, salt: _fnv1a_twice(salt + unit), "{salt}{unit}", 10_000),
        _Fraction("launchdarkly", lambda unit, salt: _sha1_60(_utf8(f"{salt}.{unit}")), "{salt}.{unit}"),
        _Unleash("unleash", lambda unit, salt: murmur3(_utf8(f"{salt}:{unit}")), "{salt}:{unit}", 100),
    )
}
LINES: dict[str, Strategy] = {**PINNED, _UNLEASH_ARMS.name: _UNLEASH_ARMS}
"""All of them by name, with those of lines that no flag names."""
