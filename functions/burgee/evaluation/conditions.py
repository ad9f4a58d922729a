"""`when:` mappings to closures: a table of operators, and the three ways to combine them.

An attribute that is missing, null or of the wrong type does not match; it never errors: so no test passes None.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.semver import VERSION_CHECKS, Verdicts, Version, parse_version
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.model import Context

    Matcher: TypeAlias = Callable[[Context], bool]
    Test: TypeAlias = Callable[[Any], bool]
    Segments: TypeAlias = Callable[[str], Matcher]

IGNORE_CASE = "ignore_case"
COMBINED = frozenset({"any", "all", "not", "segment"})
"""How many versions a comparison remembers its verdict of: few are in use at a time."""


class OperandError(ValueError):
    """An operand that its operator cannot take; the message completes the sentence "… takes"."""


class Operator(NamedTuple):
    """`build(operand, ignore_case)` gives the test of one attribute; `text` tells if ignore_case may stand by."""

    build: Callable[[Any, bool], Test]
    takes: str
    text: bool = False


def compile_condition(when: Mapping[str, Any], segments: Segments) -> Matcher:
    """The closure that tells whether a context meets all that `when` says.

    `segments` gives the matcher of a segment by name. Raises OperandError for an operand out of its
    operator's reach, KeyError for an operator or segment that does not exist.
    """
    return _all([_clause(key, value, segments) for key, value in when.items()])


def compile_rule(when: Mapping[str, Any], segments: Segments) -> tuple[str | None, Test]:
    """The same as an attribute and its test, which saves a call, or as None and the test of a whole context."""
    if len(when) == 1:
        ((key, value),) = when.items()
        if key not in COMBINED and "." not in key:
            return key, _test(value)
    return None, compile_condition(when, segments)


def _clause(key: str, value: Any, segments: Segments) -> Matcher:
    if key == "any":
        return _any([compile_condition(part, segments) for part in value])
    if key == "all":
        return _all([compile_condition(part, segments) for part in value])
    if key == "not":
        inner = compile_condition(value, segments)
        return lambda context: not inner(context)
    if key == "segment":
        return _any([segments(name) for name in ([value] if isinstance(value, str) else value)])
    return _attribute(key, value)


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
    """All the tests of an attribute together, so that it is read once."""
    tests = tests_of(value)
    ignore_case = bool(tests.get(IGNORE_CASE, False))
    return _all(
        [OPERATORS[name].build(operand, ignore_case) for name, operand in tests.items() if name != IGNORE_CASE]
    )


def tests_of(value: Any) -> Mapping[str, Any]:
    """What `when` says of an attribute, as operands by operator: a plain value is `eq`, a list is `in`."""
    if isinstance(value, dict):
        return value
    return {"in": value} if isinstance(value, list) else {"eq": value}


def _attribute(path: str, value: Any) -> Matcher:
    test = _test(value)
    if "." in path:
        read = reader(path)
        return lambda context: test(read(context))
    return lambda context: test(context.get(path))


def reader(path: str) -> Callable[[Context], Any]:
    """Reads an attribute, None where missing; in `device.os` a key of that very name wins over nesting."""
    if "." not in path:
        return lambda context: context.get(path)
    steps = path.split(".")

    def read(context: Context) -> Any:
        found = context.get(path)
        if found is not None:
            return found
        found = context
        for step in steps:
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        return found

    return read


def _kind(value: Any) -> str | None:
    """What values are compared with: True is no number, 1 is 1.0, and a list or mapping is no scalar."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else None


def _exists(operand: Any, _ignore_case: bool) -> Test:
    if not isinstance(operand, bool):
        raise OperandError("true or false")
    return lambda value: (value is not None) is operand


def _scalars(operand: Any, ignore_case: bool) -> dict[str, frozenset[Any]]:
    items = operand if isinstance(operand, list) else [operand]
    kinds: dict[str, set[Any]] = {}
    for item in items:
        kind = _kind(item)
        if kind is None:
            raise OperandError("a text, number or boolean, or a list of them")
        kinds.setdefault(kind, set()).add(item.casefold() if ignore_case and kind == "text" else item)
    if not kinds:
        raise OperandError("at least one value")
    return {kind: frozenset(values) for kind, values in kinds.items()}


def _one_of(operand: Any, ignore_case: bool) -> Test:
    kinds = _scalars(operand, ignore_case)
    texts = kinds.get("text")
    if texts is not None and len(kinds) == 1:
        if ignore_case:
            return lambda value: isinstance(value, str) and value.casefold() in texts
        return lambda value: isinstance(value, str) and value in texts
    fold = _fold(ignore_case)

    def test(value: Any) -> bool:
        kind = _kind(value)
        return kind is not None and fold(value) in kinds.get(kind, ())

    return test


def _none_of(operand: Any, ignore_case: bool) -> Test:
    kinds = _scalars(operand, ignore_case)
    fold = _fold(ignore_case)

    def test(value: Any) -> bool:
        among = kinds.get(_kind(value) or "")
        return among is not None and fold(value) not in among

    return test


def _equal(operand: Any, ignore_case: bool) -> Test:
    if isinstance(operand, list):
        raise OperandError("one value; use `in` for a list")
    if isinstance(operand, str) and not ignore_case:
        return lambda value: value == operand
    return _one_of(operand, ignore_case)


def _unequal(operand: Any, ignore_case: bool) -> Test:
    if isinstance(operand, list):
        raise OperandError("one value; use `not_in` for a list")
    return _none_of(operand, ignore_case)


def _fold(ignore_case: bool) -> Callable[[Any], Any]:
    if not ignore_case:
        return lambda value: value
    return lambda value: value.casefold() if isinstance(value, str) else value


def _texts(operand: Any, ignore_case: bool) -> tuple[str, ...]:
    items = operand if isinstance(operand, list) else [operand]
    if not items or not all(isinstance(item, str) for item in items):
        raise OperandError("a text or a list of texts")
    return tuple(item.casefold() for item in items) if ignore_case else tuple(items)


def _text_test(check: Callable[[str, tuple[str, ...]], bool]) -> Callable[[Any, bool], Test]:
    def build(operand: Any, ignore_case: bool) -> Test:
        texts = _texts(operand, ignore_case)
        if ignore_case:
            return lambda value: isinstance(value, str) and check(value.casefold(), texts)
        return lambda value: isinstance(value, str) and check(value, texts)

    return build


def _contains(operand: Any, ignore_case: bool) -> Test:
    kinds = _scalars(operand, ignore_case)
    texts = tuple(kinds.get("text", ()))
    member = _one_of(operand, ignore_case)
    fold = _fold(ignore_case)

    def test(value: Any) -> bool:
        if isinstance(value, str):
            folded = fold(value)
            return any(text in folded for text in texts)
        return isinstance(value, (list, tuple)) and any(member(item) for item in value)

    return test


def _not_contains(operand: Any, ignore_case: bool) -> Test:
    contains = _contains(operand, ignore_case)
    return lambda value: isinstance(value, (str, list, tuple)) and not contains(value)


def _matches(operand: Any, ignore_case: bool) -> Test:
    import re2

    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    patterns = []
    for pattern in _texts(operand, ignore_case=False):
        try:
            patterns.append(re2.compile(pattern, options))
        except re2.error as error:
            detail = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            raise OperandError(f"an RE2 pattern, and {pattern!r} is none: {detail}") from error

    def test(value: Any) -> bool:
        try:
            return isinstance(value, str) and any(pattern.search(value) is not None for pattern in patterns)
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and RE2 cannot
            return False

    return test


def _number_test(compare: Callable[[float, float], bool]) -> Callable[[Any, bool], Test]:
    def build(operand: Any, _ignore_case: bool) -> Test:
        if _kind(operand) != "number":
            raise OperandError("a number")
        return lambda value: (
            isinstance(value, (int, float)) and value.__class__ is not bool and compare(value, operand)
        )

    return build


def _time_test(compare: Callable[[float, float], bool]) -> Callable[[Any, bool], Test]:
    def build(operand: Any, _ignore_case: bool) -> Test:
        try:
            bound = parse_time(operand)
        except (TypeError, ValueError) as error:
            raise OperandError("an RFC 3339 time such as 2027-03-01T09:00:00Z") from error

        def test(value: Any) -> bool:
            try:
                return isinstance(value, str) and compare(parse_time(value), bound)
            except ValueError:
                return False

        return test

    return build


def _version(operand: Any) -> Version:
    version = parse_version(operand) if isinstance(operand, str) else None
    if version is None:
        raise OperandError('a semantic version in quotes, such as "2.3.0"')
    return version


def _version_test(check: Callable[[Version, Version], bool]) -> Callable[[Any, bool], Test]:
    def build(operand: Any, _ignore_case: bool) -> Test:
        verdicts = Verdicts(check, _version(operand))
        return lambda value: (value.__class__ is str or isinstance(value, str)) and verdicts[value]

    return build


def _cidr(operand: Any, _ignore_case: bool) -> Test:
    from ipaddress import ip_address, ip_network

    try:
        networks = [ip_network(text) for text in _texts(operand, ignore_case=False)]
    except ValueError as error:
        raise OperandError(f"a network such as 10.0.0.0/8: {error}") from error

    def test(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


_TEXTS = "a text or a list of texts"
_SCALARS = "a list of texts, numbers or booleans"
_VERSION = "a semantic version in quotes"

OPERATORS: dict[str, Operator] = {
    "eq": Operator(_equal, "a text, number or boolean", text=True),
    "ne": Operator(_unequal, "a text, number or boolean", text=True),
    "in": Operator(_one_of, _SCALARS, text=True),
    "not_in": Operator(_none_of, _SCALARS, text=True),
    "contains": Operator(_contains, "a text or other scalar, or a list of them", text=True),
    "not_contains": Operator(_not_contains, "a text or other scalar, or a list of them", text=True),
    "starts_with": Operator(_text_test(str.startswith), _TEXTS, text=True),
    "ends_with": Operator(_text_test(str.endswith), _TEXTS, text=True),
    "matches": Operator(_matches, "an RE2 pattern or a list of them", text=True),
    "exists": Operator(_exists, "true or false"),
    "gt": Operator(_number_test(operator.gt), "a number"),
    "gte": Operator(_number_test(operator.ge), "a number"),
    "lt": Operator(_number_test(operator.lt), "a number"),
    "lte": Operator(_number_test(operator.le), "a number"),
    "before": Operator(_time_test(operator.lt), "an RFC 3339 time"),
    "after": Operator(_time_test(operator.gt), "an RFC 3339 time"),
    **{name: Operator(_version_test(check), _VERSION) for name, check in VERSION_CHECKS.items()},
    "cidr": Operator(_cidr, "a network such as 10.0.0.0/8, or a list of them"),
}


def check_operand(name: str, operand: Any, *, ignore_case: bool = False) -> None:
    """Raises OperandError if the operator cannot take the operand; KeyError if there is no such operator."""
    OPERATORS[name].build(operand, ignore_case)
