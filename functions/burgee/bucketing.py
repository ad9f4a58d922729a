"""Where a unit falls: the promise that never changes for a given salt.

    H      = SHA-256 of UTF-8 "{unit}:{salt}" as a 256-bit big-endian integer
    bucket = (H mod 100) * 1000 + (H div 100) mod 1000          0 .. 99,999

The hundreds are the assignment of the first version of this service, `H % 100`; the rest are three more digits.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS = 100_000
PER_PERCENT = BUCKETS // 100


def bucket(unit: str, salt: str) -> int:
    """The bucket of a unit, 0 to 99,999."""
    # H div 100 mod 1000 and H mod 100 both depend on H mod 100,000 alone: one division of the big integer.
    low = int.from_bytes(sha256(f"{unit}:{salt}".encode("utf-8", "surrogatepass")).digest()) % BUCKETS
    return low % 100 * 1000 + low // 100


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
    """The salt that says who gets a release first."""
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
