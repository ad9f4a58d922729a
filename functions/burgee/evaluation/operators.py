"""The operators of conditions: one table, `OPERATORS`, with everything that defines an operator.

A new operator is one entry of the table: its operands, the test it builds from one, its wording, and optionally the
same test as an expression for frequently evaluated rules. The grammar, the JSON Schema, the generated rules, reviews
and explanations read the table. A test requires its cases in `tests/cases/operators.yaml`; document it in
`docs/flag-file.md`.

An attribute that is missing, null or of the wrong type does not match and never raises: no test accepts None.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.semver import Verdicts, Version, in_caret, in_tilde, parse_version, parse_whole_version
from burgee.records import NamedTuple
from burgee.times import parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from burgee.times import Instant

    Test: TypeAlias = Callable[[Any], bool]

IGNORE_CASE = "ignore_case"
ANY_ITEM = "any_item"
ANY_VALUE = "any_value"


class OperandError(ValueError):
    """An operand that its operator cannot take; the message completes the sentence "… takes"."""


class Inline(NamedTuple):
    """A test as an expression of `value` and `{operand}`; `bind(operand)` is None if it does not apply."""

    expression: str
    bind: Callable[[Any], Any] = lambda operand: operand


class Operator(NamedTuple):
    """`build(operand, ignore_case)` returns the test of an attribute's value. `takes` describes the operand.

    Wording: `clause` formats an attribute and its operand, `wants` formats the operand as the values that pass, and
    `remark(value, operand)` returns a note on a value, or "".
    """

    build: Callable[[Any, bool], Test]
    takes: str
    clause: str
    wants: str
    remark: Callable[[Any, Any], str] = lambda _value, _operand: ""
    ignores_case: bool = False
    """Whether `ignore_case` may be set beside it."""
    inline: Inline | None = None


def check_operand(name: str, operand: Any, *, ignore_case: bool = False) -> None:
    """Raises OperandError if the operator cannot take the operand, KeyError if there is no such operator."""
    OPERATORS[name].build(operand, ignore_case)


def _kind(value: Any) -> str | None:
    """A key for comparing values: True is not a number, 1 equals 1.0, and lists and mappings are not scalars."""
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
            raise OperandError("a string, number or boolean, or a list of them")
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
        raise OperandError("a string or a list of strings")
    return tuple(item.casefold() for item in items) if ignore_case else tuple(items)


def _text_operator(method: str, words: str) -> Operator:
    check: Callable[[str, tuple[str, ...]], bool] = getattr(str, method)

    def build(operand: Any, ignore_case: bool) -> Test:
        texts = _texts(operand, ignore_case)
        if ignore_case:
            return lambda value: isinstance(value, str) and check(value.casefold(), texts)
        return lambda value: isinstance(value, str) and check(value, texts)

    inline = Inline(f"{_IS_TEXT}value.{method}({{operand}})", _only_texts)
    clause, wants = f"{{}} {words} {{}}", f"a string that {words} {{}}"
    return Operator(build, "a string or a list of strings", clause, wants, _string_remark, True, inline)


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


def _any_item(operand: Any, _ignore_case: bool) -> Test:
    check = _of_one(operand)
    return lambda value: isinstance(value, (list, tuple)) and any(map(check, value))


def _any_value(operand: Any, _ignore_case: bool) -> Test:
    check = _of_one(operand)
    return lambda value: check(value) or (isinstance(value, (list, tuple)) and any(map(check, value)))


def _of_one(operand: Any) -> Test:
    """The test of one value, which meets every operator."""
    tests = item_tests(operand)
    in_any_case = bool(tests.get(IGNORE_CASE, False))
    (check, *others) = [OPERATORS[name].build(one, in_any_case) for name, one in tests.items() if name != IGNORE_CASE]
    if not others:
        return check
    return lambda value: check(value) and all(other(value) for other in others)


def item_tests(operand: Any) -> Mapping[str, Any]:
    """The operators that one value must meet, with their operands: a plain value is `eq`, a list is `in`.

    Raises OperandError for those that an item of a list cannot have.
    """
    if not isinstance(operand, dict):
        return {"in" if isinstance(operand, list) else "eq": operand}
    names = [name for name in operand if name != IGNORE_CASE]
    if not names:
        raise OperandError("a value, a list of values, or operators that an item must meet")
    for name in names:
        if name not in OPERATORS or name in {ANY_ITEM, ANY_VALUE, "exists"}:
            raise OperandError(f"operators that an item must meet, and `{name}` is none")
        if operand.get(IGNORE_CASE) and not OPERATORS[name].ignores_case:
            raise OperandError(f"no `ignore_case` beside `{name}`")
        try:
            OPERATORS[name].build(operand[name], bool(operand.get(IGNORE_CASE)))
        except OperandError as error:
            raise OperandError(f"operators that an item must meet, and `{name}` takes {error}") from error
    if not isinstance(operand.get(IGNORE_CASE, False), bool):
        raise OperandError("`ignore_case` with true or false")
    return operand


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
            raise OperandError(f"an RE2 pattern, and {pattern!r} is not one: {detail}") from error

    def test(value: Any) -> bool:
        try:
            return isinstance(value, str) and any(pattern.search(value) is not None for pattern in patterns)
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and RE2 cannot
            return False

    return test


def _number_operator(compare: Callable[[float, float], bool], sign: str, wants: str) -> Operator:
    def build(operand: Any, _ignore_case: bool) -> Test:
        if _kind(operand) != "number":
            raise OperandError("a number")
        return lambda value: (
            isinstance(value, (int, float)) and value.__class__ is not bool and compare(value, operand)
        )

    def remark(value: Any, _operand: Any) -> str:
        return "" if _kind(value) == "number" else "no number"

    inline = Inline(f"{_IS_NUMBER}value {sign} {{operand}}")
    return Operator(build, "a number", f"{{}} {sign} {{}}", wants, remark, inline=inline)


def _string_remark(value: Any, _operand: Any) -> str:
    return "" if isinstance(value, str) else "no string"


def _scalar_remark(value: Any, operand: Any) -> str:
    """A remark on a value whose type none of the operands has."""
    kinds = {_kind(item) for item in (operand if isinstance(operand, list) else [operand])}
    kind = _kind(value)
    if kind in kinds:
        return ""
    return f"a {'string' if kind == 'text' else kind}" if kind else "no string, number or boolean"


def _list_remark(value: Any, _operand: Any) -> str:
    return "" if isinstance(value, (str, list, tuple)) else "no string or list"


def _items_remark(value: Any, _operand: Any) -> str:
    return "" if isinstance(value, (list, tuple)) else "no list"


def _time_remark(value: Any, _operand: Any) -> str:
    try:
        parse_instant(value)
    except (TypeError, ValueError):
        return "no RFC 3339 time"
    return ""


def _address_remark(value: Any, _operand: Any) -> str:
    from ipaddress import ip_address

    try:
        ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return "no IP address"
    return ""


def _time_test(compare: Callable[[Instant, Instant], bool]) -> Callable[[Any, bool], Test]:
    def build(operand: Any, _ignore_case: bool) -> Test:
        try:
            bound = parse_instant(operand)
        except (TypeError, ValueError) as error:
            raise OperandError("an RFC 3339 time such as 2027-03-01T09:00:00Z") from error

        def test(value: Any) -> bool:
            try:
                return isinstance(value, str) and compare(parse_instant(value), bound)
            except ValueError:
                return False

        return test

    return build


def _version(operand: Any) -> Version:
    version = parse_whole_version(operand) if isinstance(operand, str) else None
    if version is None:
        raise OperandError('a semantic version in quotes, such as "2.3.0"')
    return version


def _version_operator(check: Callable[[Version, Version], bool], clause: str, wants: str) -> Operator:
    def verdicts(operand: Any) -> Verdicts:
        return Verdicts(check, _version(operand))

    def build(operand: Any, _ignore_case: bool) -> Test:
        known = verdicts(operand)
        return lambda value: (value.__class__ is str or isinstance(value, str)) and known[value]

    inline = Inline(f"{_IS_TEXT}{{operand}}[value]", verdicts)
    return Operator(build, "a semantic version in quotes", clause, wants, _version_remark, inline=inline)


def _version_remark(value: Any, _operand: Any) -> str:
    if not isinstance(value, str):
        return "no version: only a string is one"
    version = parse_version(value)
    if version is None:
        return "no version"
    return "" if parse_whole_version(value) else f"read as {'.'.join(map(str, version[:3]))}"


def _cidr(operand: Any, _ignore_case: bool) -> Test:
    from ipaddress import ip_address

    try:
        networks = parse_networks(_texts(operand, ignore_case=False))
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


def parse_networks(texts: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """The networks of a `cidr` operand. Raises ValueError for an invalid network.

    RFC 4291, section 2.5.5.2: `::ffff:10.0.0.1` is the host 10.0.0.1, as a dual-stack server writes it, so an IPv4
    network also matches its mapped IPv6 addresses and the other way round.
    """
    from ipaddress import IPv4Network, IPv6Network, ip_network

    networks = [ip_network(text) for text in texts]
    mapped = 0xFFFF << 32
    for network in list(networks):
        first, length = int(network.network_address), network.prefixlen
        if isinstance(network, IPv4Network):
            networks.append(IPv6Network((mapped | first, 96 + length)))
        elif length >= 96 and first >> 32 == 0xFFFF:
            networks.append(IPv4Network((first ^ mapped, length - 96)))
    return networks


def _text_alone(operand: Any) -> str | None:
    return operand if isinstance(operand, str) else None


def _only_texts(operand: Any) -> tuple[str, ...] | None:
    items = operand if isinstance(operand, list) else [operand]
    return tuple(items) if all(isinstance(item, str) for item in items) else None


def _text_set(operand: Any) -> frozenset[str] | None:
    texts = _only_texts(operand)
    return None if texts is None else frozenset(texts)


_IS_TEXT = "(value.__class__ is str or isinstance(value, str)) and "
_IS_NUMBER = "(value.__class__ is int or isinstance(value, (int, float)) and value.__class__ is not bool) and "

_SCALAR = "a string, number or boolean"
_SCALARS = "a list of strings, numbers or booleans"
_MEMBERS = "a string or other scalar, or a list of them"
_ITEM = "a value, a list of values, or operators that one item of the list meets"
_VALUE = "a value, a list of values, or operators that the attribute or one item of it meets"
_TIME = "an RFC 3339 time"
_PATTERNS = "an RE2 pattern or a list of them"
_NETWORKS = "a network such as 10.0.0.0/8, or a list of them"
_EQUALS = Inline("value == {operand}", _text_alone)
_AMONG = Inline(f"{_IS_TEXT}value in {{operand}}", _text_set)

OPERATORS: dict[str, Operator] = {
    "eq": Operator(_equal, _SCALAR, "{} = {}", "{}", _scalar_remark, True, _EQUALS),
    "ne": Operator(_unequal, _SCALAR, "{} is not {}", "anything but {}", _scalar_remark, True),
    "in": Operator(_one_of, _SCALARS, "{} in {}", "one of {}", _scalar_remark, True, _AMONG),
    "not_in": Operator(_none_of, _SCALARS, "{} not in {}", "none of {}", _scalar_remark, True),
    "contains": Operator(_contains, _MEMBERS, "{} contains {}", "{} in it", _list_remark, True),
    "not_contains": Operator(_not_contains, _MEMBERS, "{} does not contain {}", "no {} in it", _list_remark, True),
    ANY_ITEM: Operator(_any_item, _ITEM, "{} has an item {}", "a list with an item {}", _items_remark),
    ANY_VALUE: Operator(_any_value, _VALUE, "{} is or has {}", "{}, or a list with it"),
    "starts_with": _text_operator("startswith", "starts with"),
    "ends_with": _text_operator("endswith", "ends with"),
    "matches": Operator(_matches, _PATTERNS, "{} matches {}", "a match of {}", _string_remark, True),
    "exists": Operator(_exists, "true or false", "{} is set: {}", "it set: {}"),
    "gt": _number_operator(operator.gt, ">", "more than {}"),
    "gte": _number_operator(operator.ge, ">=", "at least {}"),
    "lt": _number_operator(operator.lt, "<", "less than {}"),
    "lte": _number_operator(operator.le, "<=", "at most {}"),
    "before": Operator(_time_test(operator.lt), _TIME, "{} before {}", "a time before {}", _time_remark),
    "after": Operator(_time_test(operator.gt), _TIME, "{} after {}", "a time after {}", _time_remark),
    "semver_eq": _version_operator(operator.eq, "{} = {}", "version {}"),
    "semver_ne": _version_operator(operator.ne, "{} is not {}", "a version other than {}"),
    "semver_gt": _version_operator(operator.gt, "{} > {}", "a version above {}"),
    "semver_gte": _version_operator(operator.ge, "{} >= {}", "version {} or above"),
    "semver_lt": _version_operator(operator.lt, "{} < {}", "a version below {}"),
    "semver_lte": _version_operator(operator.le, "{} <= {}", "version {} or below"),
    "semver_tilde": _version_operator(in_tilde, "{} ~{}", "a version in ~{}"),
    "semver_caret": _version_operator(in_caret, "{} ^{}", "a version in ^{}"),
    "cidr": Operator(_cidr, _NETWORKS, "{} in network {}", "an address in {}", _address_remark),
}
