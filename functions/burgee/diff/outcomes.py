"""What a flag serves, and what it serves before and after a change."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Outcome(NamedTuple):
    """What is served: a variant and its value as JSON; no variant if the caller's default is used.

    `is_error` marks an error, whatever the flag's variants are called.
    """

    variant: str | None
    value: str
    is_error: bool = False

    def __str__(self) -> str:
        return "no value" if self.variant is None else self.variant


ABSENT = Outcome("(absent)", "null", is_error=True)
BROKEN = Outcome("(error)", "null", is_error=True)
NO_UNIT = Outcome("(no unit)", "null", is_error=True)
OFF = Outcome("(off)", "null", is_error=True)
"""Stands for the off variant within a walk."""
NOTHING = frozenset({ABSENT, BROKEN, NO_UNIT, Outcome(None, "null")})
Pair: TypeAlias = tuple[Outcome, Outcome]
