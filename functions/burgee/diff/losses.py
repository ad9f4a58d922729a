"""Defines a loss, for headlines, findings and `--fail-on-loss`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.diff.outcomes import NOTHING

if TYPE_CHECKING:
    from burgee.diff.outcomes import Outcome, Pair


class MoveKind(StrEnum):
    """The kinds of change for users, worst first."""

    LOSS = "loss"
    SWITCH = "switch"
    GAIN = "gain"
    NEITHER = "neither"


def move_kind(before: Outcome, after: Outcome, off: Pair) -> MoveKind:
    """The kind of one move; `off` is what the flag gives on each side when it is off.

    A user who had something and has nothing loses. So does a user who gets a value of another type: code that expects
    the old type gets its own default. Values count, not names: a move to another variant with the same value is not a
    loss, and a changed value under the same name may be one.
    """
    had, has = _has_something(before, off[0]), _has_something(after, off[1])
    answered = before not in NOTHING and after not in NOTHING
    if had and not (answered and before.value == after.value) and (not has or _type(before) != _type(after)):
        return MoveKind.LOSS
    if had or (answered and not has):
        return MoveKind.SWITCH
    return MoveKind.GAIN if has else MoveKind.NEITHER


def _has_something(outcome: Outcome, off: Outcome) -> bool:
    """A boolean is something if it is true; any other value if it differs from the off variant's."""
    if outcome in NOTHING:
        return False
    return outcome.value == "true" if _type(outcome) == "boolean" else outcome.value != off.value


def _type(outcome: Outcome) -> str:
    """The JSON type of a value, by the first character that its JSON has."""
    return {'"': "string", "{": "object", "[": "array", "t": "boolean", "f": "boolean", "n": "null"}.get(
        outcome.value[:1], "number"
    )
