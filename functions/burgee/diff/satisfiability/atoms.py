"""Atoms, the single clauses of conditions, and questions about several atoms of one attribute."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.context import unit_reader, value_reader
from burgee.evaluation.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MISSING = object()
"""Stands for a value: the attribute is missing or null."""

HAS_UNIT = "has unit"
"""Not an operator of conditions: whether an attribute can be bucketed by. Its operand: whether by its JSON value."""


class Atom(NamedTuple):
    """One clause: hashable, with its operand as JSON."""

    path: str
    operator: str
    operand: str
    ignore_case: bool

    def test(self) -> Callable[[Any], bool]:
        """Evaluates the operator for a value of the attribute; MISSING for none."""
        if self.operator == HAS_UNIT:
            read = (value_reader if self.operand == _OF_VALUE else unit_reader)("value")
            return lambda value: value is not MISSING and read({"value": value}) is not None
        test = OPERATORS[self.operator].build(json.loads(self.operand), self.ignore_case)
        return lambda value: test(None if value is MISSING else value)

    @property
    def items(self) -> Items:
        """The operand's items; a single operand is one item."""
        return _items(self.operand)


class Items(NamedTuple):
    """An operand's items, by type, and the characters of its strings."""

    every: tuple[Any, ...]
    strings: tuple[str, ...]
    numbers: tuple[float, ...]
    characters: frozenset[str]


@lru_cache(maxsize=4096)
def _items(operand: str) -> Items:
    value = json.loads(operand)
    every = tuple(value) if isinstance(value, list) else (value,)
    strings = tuple(item for item in every if isinstance(item, str))
    numbers = tuple(item for item in every if isinstance(item, (int, float)) and not isinstance(item, bool))
    return Items(every, strings, numbers, frozenset().union(*strings))


_OF_TEXT, _OF_VALUE = "false", "true"


@lru_cache(maxsize=4096)
def has_unit(path: str, *, of_value: bool = False) -> Atom:
    """The atom for whether an attribute can be bucketed by: a non-empty string, or an integer.

    `of_value` is for a hash of any JSON value except null and lists.
    """
    return Atom(path, HAS_UNIT, _OF_VALUE if of_value else _OF_TEXT, ignore_case=False)


Literals: TypeAlias = "Mapping[Atom, bool]"
"""Atoms of one attribute, each with its truth."""


class Possibility(Enum):
    """IMPOSSIBLE is proved, POSSIBLE has an example; UNKNOWN must be treated as possible."""

    IMPOSSIBLE = "impossible"
    POSSIBLE = "possible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an attribute can have the given truths; `example` has them if the verdict is POSSIBLE."""

    verdict: Possibility
    example: Any = None

    def __bool__(self) -> bool:
        """False only if it is proved that no value has them."""
        return self.verdict is not Possibility.IMPOSSIBLE


IMPOSSIBLE = Answer(Possibility.IMPOSSIBLE)
UNKNOWN = Answer(Possibility.UNKNOWN)


def possible(example: Any) -> Answer:
    """The answer with an example; MISSING if the example is the attribute's absence."""
    return Answer(Possibility.POSSIBLE, example)
