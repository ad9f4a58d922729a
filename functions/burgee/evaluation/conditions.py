"""Compiles `when:` mappings to closures: attributes with their operators, and the combinators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import reader, unit_reader, value_reader
from burgee.evaluation.decisions import member
from burgee.evaluation.definition import KEYWORDS, fold, operands
from burgee.evaluation.operators import IGNORE_CASE, OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.decisions import Member
    from burgee.evaluation.operators import Test
    from burgee.model import Context

    Matcher: TypeAlias = Callable[[Context], bool]
    Segments: TypeAlias = Callable[[str], Matcher]


def compile_condition(when: Mapping[str, Any], segments: Segments) -> Matcher:
    """Compiles `when` to a closure that returns whether a context meets all of it.

    `segments` returns the matcher of a segment by name. Raises OperandError for an operand that its operator cannot
    take, KeyError for an operator or segment that does not exist.
    """
    return fold(when, _Matching(segments))


def compile_rule(when: Mapping[str, Any], segments: Segments) -> tuple[str | None, Test]:
    """The same as an attribute and its test, which saves a call; or as None and a test of the whole context."""
    if len(when) == 1:
        ((key, value),) = when.items()
        if key not in KEYWORDS and "." not in key:
            return key, _test(value)
    return None, compile_condition(when, segments)


class _Matching:
    """The parts of a condition as matchers."""

    def __init__(self, segments: Segments) -> None:
        self.segment = segments

    def attribute(self, path: str, value: Any) -> Matcher:
        return _attribute(path, value)

    def share(self, settings: Mapping[str, Any]) -> Matcher:
        return is_member(member(settings))

    def every(self, parts: Sequence[Matcher]) -> Matcher:
        return _all(parts)

    def some(self, parts: Sequence[Matcher]) -> Matcher:
        return _any(parts)

    def negated(self, part: Matcher) -> Matcher:
        return lambda context: not part(context)


def is_member(share: Member) -> Matcher:
    """Returns whether a context's unit is in a segment's share; without a unit it is not, unless the share is all."""
    high, way = share.high, share.strategy
    if high in {0, BUCKETS}:
        return lambda _context: high == BUCKETS
    unit_of = value_reader(*share.units) if way.takes_values else unit_reader(*share.units)
    place, salt = way.place(BUCKETS), share.salt

    def test(context: Context) -> bool:
        unit = unit_of(context)
        return unit is not None and place(unit, salt) < high

    return test


def _all(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]

    def every(context: Context) -> bool:
        for matcher in matchers:
            if not matcher(context):
                return False
        return True

    return every


def _any(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]

    def some(context: Context) -> bool:
        for matcher in matchers:
            if matcher(context):
                return True
        return False

    return some


def _test(value: Any) -> Test:
    """Combines all tests of an attribute, so that it is read once."""
    tests = operands(value)
    ignore_case = bool(tests.get(IGNORE_CASE, False))
    return _all(
        [OPERATORS[name].build(operand, ignore_case) for name, operand in tests.items() if name != IGNORE_CASE]
    )


def _attribute(path: str, value: Any) -> Matcher:
    test = _test(value)
    if "." in path:
        read = reader(path)
        return lambda context: test(read(context))
    return lambda context: test(context.get(path))
