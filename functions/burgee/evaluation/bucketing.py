"""The bucket of a unit: for a given salt, it never changes.

    H      = SHA-256 of UTF-8 "{unit}:{salt}" as a 256-bit big-endian integer
    bucket = (H mod 100) * 1000 + (H div 100) mod 1000          0 .. 99,999

The thousands are the bucket of the first version of this service, `H % 100`; the rest are three more digits.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from burgee.model import ErrorCode, Evaluation, Reason
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

BUCKETS = 100_000
PER_PERCENT = BUCKETS // 100


@lru_cache(maxsize=256)
def unit_missing(*attributes: str) -> Evaluation:
    """The error for a context without the attributes that users are bucketed by; one shared object for each."""
    message = f"users are divided by {' or '.join(map(repr, attributes))}, which the context does not have"
    return Evaluation(None, None, Reason.ERROR, ErrorCode.TARGETING_KEY_MISSING, message)


_number = int.from_bytes


def bucket(unit: str, salt: str) -> int:
    """The bucket of a unit, 0 to 99,999."""
    # H div 100 mod 1000 and H mod 100 both depend on H mod 100,000 alone: one division of the big integer.
    low = _number(sha256(f"{unit}:{salt}".encode("utf-8", "surrogatepass")).digest()) % BUCKETS
    return low % 100 * 1000 + low // 100


def hash_line(salt: str) -> Callable[[str], int]:
    """The buckets of one salt, for all flags that share it; the last unit is cached, so it is hashed once."""
    last = ("", 0)

    def place(unit: str) -> int:
        nonlocal last
        known = last
        if known[0] != unit:
            known = last = (unit, bucket(unit, salt))
        return known[1]

    return place


class Draw(NamedTuple):
    """Chooses an answer: `run(context, now)` hashes the unit and `suffix`, and looks up `by_percent[H mod 100]`."""

    run: Callable[[Any, float], Any]
    attribute: str
    suffix: bytes
    by_percent: Sequence[Any]


class Unit(NamedTuple):
    """How a unit is read: `read(context)` is called if it is not a plain string under `attribute`. `missing` is the
    answer of contexts without one.
    """

    attribute: str
    read: Callable[[Any], str | None]
    missing: Any


def draw(unit: Unit, salt: str, bounds: Sequence[int], answers: Sequence[Any]) -> Draw:
    """Returns the answer with the first bound above the unit's bucket, as fast as Python hashes."""
    attribute, unit_of, missing = unit
    suffix = f":{salt}".encode("utf-8", "surrogatepass")
    by_percent = _by_percent(bounds, answers)

    def run(context: Any, _now: float) -> Any:
        try:
            unit = context[attribute]
            answer = by_percent[_number(sha256(unit.encode() + suffix).digest()) % 100]
        except (KeyError, TypeError, AttributeError, UnicodeEncodeError):
            answer = DIVIDED
        if answer is DIVIDED or not unit:
            unit = unit_of(context)
            return missing if unit is None else answers[bisect_right(bounds, bucket(unit, salt))]
        return answer

    return Draw(run, attribute, suffix, by_percent)


DIVIDED: Any = object()
"""Marks a percent whose thousandths get different answers."""


def _by_percent(bounds: Sequence[int], answers: Sequence[Any]) -> list[Any]:
    """The answers by `H mod 100`, the thousands of a bucket."""
    found: list[Any] = []
    for bound, answer in zip(bounds, answers, strict=True):
        whole, part = divmod(bound, PER_PERCENT)
        found += [answer] * (whole - len(found))
        if part and len(found) == whole:
            found.append(DIVIDED)
    return found


def threshold(percentage: float) -> int:
    """How many buckets a percentage takes; digits past the third decimal are cut off."""
    # Adding a thousandth of a bucket undoes the binary rounding of decimals such as 0.29.
    return min(max(int(percentage * PER_PERCENT + 0.001), 0), BUCKETS)


def split_salt(salt: str) -> str:
    """The salt of the second hash, which chooses the arm."""
    return f"{salt}:split"


def layer_salt(name: str) -> str:
    """The salt that all flags of a layer share."""
    return f"layer:{name}"


def holdout_salt(name: str) -> str:
    """The salt that all flags of a holdout share."""
    return f"holdout:{name}"


def canary_salt(version: int) -> str:
    """The salt that chooses who gets a canary release."""
    return f"canary:{version}"


def split_bounds(weights: Iterable[float]) -> list[int]:
    """Upper bucket bounds, exclusive, of each arm in declared order; weights count to three decimals.

    Arm i is the first with `bucket * total < cumulative_i * 100,000`, so its bound is that quotient rounded up.
    """
    cumulative = list(accumulate(threshold_weight(weight) for weight in weights))
    total = cumulative[-1]
    return [-(-part * BUCKETS // total) for part in cumulative]


def threshold_weight(weight: float) -> int:
    """A weight in thousandths, as an exact integer."""
    return round(weight * 1000)
