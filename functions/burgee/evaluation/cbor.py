"""JSON values as canonical CBOR (RFC 8949, 4.2.1, keys as in RFC 7049, 3.9): what flagd hashes."""

from __future__ import annotations

import struct
from typing import Any

_INTEGER, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAPPING, _TAG = range(7)


def encoded(value: Any) -> bytes:
    """The encoding of a JSON value; TypeError for any other. Floats take the shortest form that keeps them.

    Whole floats that 64 bits can hold become integers first, at every depth, as flagd's specification says.
    """
    if value is None or isinstance(value, bool):
        return b"\xf6" if value is None else b"\xf5" if value else b"\xf4"
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value <= 2**64 - 1:
        value = int(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        return _head(_TEXT, len(data)) + data
    if isinstance(value, (list, tuple)):
        return _head(_LIST, len(value)) + b"".join(map(encoded, value))
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        pairs = sorted(((encoded(key), encoded(item)) for key, item in value.items()), key=_by_length)
        return _head(_MAPPING, len(value)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"a {type(value).__name__} is not a JSON value")


def _by_length(pair: tuple[bytes, bytes]) -> tuple[int, bytes]:
    return len(pair[0]), pair[0]


def _head(kind: int, number: int) -> bytes:
    """A CBOR head: the major type with its argument, in the fewest bytes."""
    if number < 24:
        return bytes([kind << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 256**size)
    return bytes([kind << 5 | 23 + size.bit_length()]) + number.to_bytes(size)


def _integer(value: int) -> bytes:
    kind, number = (_INTEGER, value) if value >= 0 else (_NEGATIVE, -1 - value)
    if number < 2**64:
        return _head(kind, number)
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return bytes([_TAG << 5 | 2 + kind]) + _head(_BYTES, len(data)) + data


def _float(value: float) -> bytes:
    if value != value:  # noqa: PLR0124 - only NaN is not itself
        return b"\xf9\x7e\x00"
    for mark, form in ((b"\xf9", ">e"), (b"\xfa", ">f")):
        try:
            data = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, data)[0] == value:
            return mark + data
    return b"\xfb" + struct.pack(">d", value)
