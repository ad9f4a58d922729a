"""What a loss is: the one definition, which headlines, findings and `--fail-on-loss` share."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.diff.symbolic import NOTHING

if TYPE_CHECKING:
    from burgee.diff.symbolic import Outcome, Pair


class MoveKind(StrEnum):
    """What a change of answers means to the users who see it, the worst first."""

    LOSS = "loss"
    SWITCH = "switch"
    GAIN = "gain"
    NEITHER = "neither"


def move_kind(before: Outcome, after: Outcome, off: Pair) -> MoveKind:
    """The kind of one move; `off` is what the flag gives on each side when it is off.

    Whoever had something and has nothing loses. So does whoever gets a value of another type: code that asks for the
    old type gets its own default. Values count, not names: a move to another variant with the same value takes
    nothing away, and a value that changes under one name may.
    """
    had, has = _has_something(before, off[0]), _has_something(after, off[1])
    answered = before not in NOTHING and after not in NOTHING
    if had and not (answered and before.value == after.value) and (not has or _type(before) != _type(after)):
        return MoveKind.LOSS
    if had or (answered and not has):
        return MoveKind.SWITCH
    return MoveKind.GAIN if has else MoveKind.NEITHER


def _has_something(outcome: Outcome, off: Outcome) -> bool:
    """A boolean is something when it is true; any other value when it is not the off variant's."""
    if outcome in NOTHING:
        return False
    return outcome.value == "true" if _type(outcome) == "boolean" else outcome.value != off.value


def _type(outcome: Outcome) -> str:
    """The JSON type of a value, by the first character that its JSON has."""
    return {'"': "string", "{": "object", "[": "array", "t": "boolean", "f": "boolean", "n": "null"}.get(
        outcome.value[:1], "number"
    )
