"""Values to try before any automaton: those in the file, and simple ones derived from them.

For numbers, booleans and mappings these cover all distinguishable cases, so that trying them is a proof.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from burgee.evaluation.semver import parse_version
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.diff.satisfiability.atoms import Literals

FILLERS = ("other", "user", "any-other", "1", "~")
MAX_STRINGS = 200
_EXACT = 2**53
"""From here on, not all integers are floats."""
_FRACTIONS = 2**52
"""From here on, all floats are integers."""
_DAY = 86400


def numbers(literals: Literals) -> Iterator[float]:
    """Integers of any size and floats: each operand, and values between and around them, if there are any.

    For each interval one integer and one non-integral float, if it has any.
    """
    operands = {item for atom in literals for item in atom.items.numbers}
    ordered: Sequence[float] = sorted(operands)
    yield from ordered
    if not ordered:
        yield from (1, 0.5)
        return
    yield from _between(-math.inf, ordered[0])
    for low, high in pairwise(ordered):
        yield from _between(low, high)
    yield from _between(ordered[-1], math.inf)


def _between(low: float, high: float) -> Iterator[float]:
    """Values strictly between two numbers, simple ones first. There are none between the integers 2**53 and 2**53 +
    1.
    """
    if low == -math.inf:
        yield from (-one for one in _between(-high, math.inf))
        return
    near, integer = _next(low), math.floor(low) + 1
    plain = (integer, _middle(low, high)) if abs(low) < _EXACT else (_middle(low, high), near, integer)
    fraction = _next(max(low, -_FRACTIONS))  # it or the next float is not an integer, if any here is not
    for one in (*plain, near, fraction, _next(fraction)):
        if low < one < high and one not in {-math.inf, math.inf}:
            yield one


def _middle(low: float, high: float) -> float:
    try:
        return low / 2 + high / 2 if high < math.inf else low + 0.5
    except OverflowError:  # an integer that is larger than every float
        return math.inf


def _next(number: float) -> float:
    """The least float above a number; infinity where there is none."""
    try:
        near = float(number)
    except OverflowError:
        return math.inf if number > 0 else -sys.float_info.max
    return near if near > number else math.nextafter(near, math.inf)


def strings(literals: Literals) -> Iterator[str]:
    """A few strings that are likely to satisfy all literals."""
    return islice(_strings(literals), MAX_STRINGS)


def _strings(literals: Literals) -> Iterator[str]:
    wanted = [atom for atom, want in literals.items() if want is not atom.operator.startswith("not_")]
    own = [text for atom in wanted for text in atom.items.strings[:1]]
    begins = [text for atom in wanted if atom.operator == "starts_with" for text in atom.items.strings[:1]]
    ends = [text for atom in wanted if atom.operator == "ends_with" for text in atom.items.strings[:1]]
    inner = [atom.items.strings[0] for atom in wanted if atom.operator.endswith("contains") and atom.items.strings]
    begin, end = max(begins, key=len, default=""), max(ends, key=len, default="")
    made = [begin + filler + "".join(part + filler for part in inner) + end for filler in ("", *FILLERS)]
    plain = [text for atom in wanted for text in _beside(atom.operator, atom.items.strings)]
    for text in (*plain, *(made[1:] if end.startswith("@") or not end + begin else made), *own, *made, ""):
        yield text
        if any(atom.ignore_case for atom in literals):
            yield from (text.lower(), text.upper(), text.title(), text.swapcase())


def _beside(operator: str, operands: Sequence[str]) -> Iterator[str]:
    """Values next to a version, a time or a network."""
    if operator.startswith("semver_") and (version := parse_version(operands[0])) is not None:
        major, minor, patch, _ = version
        yield operands[0]
        yield f"{major}.{minor}.{patch + 1}"
        yield f"{major + 1}.0.0"
        yield from ([f"{major}.{minor}.{patch - 1}"] if patch else [f"{major}.{minor - 1}.0"] if minor else [])
    elif operator in {"before", "after"}:
        for away in (-_DAY, _DAY, 0):
            moment = parse_time(operands[0]) + away
            if abs(moment) < datetime(9000, 1, 1, tzinfo=UTC).timestamp() and moment > -62_000_000_000:
                yield format_time(moment)
    elif operator == "cidr":
        network = ip_network(operands[0])
        yield str(network[min(1, network.num_addresses - 1)])
