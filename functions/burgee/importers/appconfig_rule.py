"""The rules of AppConfig's variants, `(and (eq $plan "pro") (split by::$userId pct::20))`, to conditions.

A `split` becomes a share of ours: AWS does not publish its hash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.evaluation.operators import OperandError, check_operand
from burgee.importers.base import NoEquivalent, attribute, both, either, negated, scalar_list
from burgee.numeric import is_number, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.importers.base import When

MAX_NESTING = 16
_TOKEN = re.compile(
    r'\s*(?:([()\[\]])|,|"((?:[^"\\]|\\.)*)"|([A-Za-z_]+::)|(\$[^\s()\[\]",]+)|([^\s()\[\]",:]+(?::[^\s()\[\]",:]+)*))',
    re.DOTALL,
)
_TIME = re.compile(r"\d{4}-\d\d(?:-\d\d(?:T\S+)?)?")
_SIZES = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
_AFFIXES = {"begins_with": "starts_with", "ends_with": "ends_with", "contains": "contains"}


class Attribute(NamedTuple):
    """A value of the context."""

    name: str


class Time(NamedTuple):
    """A moment, with its month or day alone completed."""

    text: str


class Split(NamedTuple):
    """A share of users by an attribute."""

    by: str
    percentage: float
    seed: str | None
    """The salt; without one, each flag chooses its own users, and all splits of a flag the same."""


class Call(NamedTuple):
    """An operator with its arguments, in order and by name."""

    operator: str
    arguments: Sequence[Any]
    named: Mapping[str, Any]


def parse_rule(text: Any, path: KeyPath) -> Call:
    """The expression of a rule."""
    if not isinstance(text, str):
        raise NoEquivalent("its rule is not a string", path)
    tokens = _Tokens(text, path)
    found = tokens.expression(0)
    if not isinstance(found, Call) or tokens.peek() is not None:
        raise NoEquivalent(f"its rule cannot be parsed: {text!r:.80}", path)
    return found


class _Tokens:
    """The tokens of a rule, read from left to right."""

    def __init__(self, text: str, path: KeyPath) -> None:
        self.text, self.path, self.place = text.strip(), path, 0

    def fail(self) -> NoEquivalent:
        return NoEquivalent(f"its rule cannot be parsed at {self.text[self.place :][:40]!r}", self.path)

    def peek(self) -> re.Match[str] | None:
        """The next token; None at the end."""
        if self.place >= len(self.text):
            return None
        found = _TOKEN.match(self.text, self.place)
        if found is None:
            raise self.fail()
        return found

    def take(self) -> re.Match[str]:
        found = self.peek()
        while found is not None and found[0].strip() == ",":
            self.place = found.end()
            found = self.peek()
        if found is None:
            raise self.fail()
        self.place = found.end()
        return found

    def expression(self, depth: int) -> Any:
        """A value, a list or a call."""
        if depth > MAX_NESTING:
            raise NoEquivalent(f"its rule nests deeper than {MAX_NESTING} levels", self.path)
        found = self.take()
        bracket, quoted, _, variable, word = found.groups()
        if bracket == "(":
            return self.call(depth)
        if bracket == "[":
            return [one for _, one in self.until("]", depth)]
        if variable:
            return Attribute(variable[1:])
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted)
        if word:
            return _literal(word)
        raise self.fail()

    def call(self, depth: int) -> Call:
        operator = self.take()[5]
        if not operator:
            raise self.fail()
        arguments = self.until(")", depth)
        named = {name: one for name, one in arguments if name}
        return Call(operator, [one for name, one in arguments if not name], named)

    def until(self, end: str, depth: int) -> list[tuple[str, Any]]:
        """Expressions up to a bracket, each with its name if it has one."""
        found: list[tuple[str, Any]] = []
        while True:
            before = self.place
            token = self.take()
            if token[1] == end:
                return found
            if token[3]:
                found.append((token[3][:-2], self.expression(depth + 1)))
            else:
                self.place = before
                found.append(("", self.expression(depth + 1)))


def _literal(word: str) -> Any:
    if word in {"true", "false"}:
        return word == "true"
    number = parse_number(word)
    if number is not None:
        return number
    if _TIME.fullmatch(word):
        return Time(f"{word}-01" if len(word) == len("2024-01") else word)
    return word


class RuleReader:
    """Converts rules; `segment` names a segment that holds a share, for a split that is not alone."""

    def __init__(self, segment: Callable[[Split], str]) -> None:
        self.segment = segment
        self.splits: list[Split] = []

    def rule(self, call: Call, path: KeyPath) -> tuple[When, Split | None]:
        """The condition of a rule, and the split that is one of its parts."""
        parts = list(call.arguments) if call.operator == "and" and not call.named else [call]
        splits = [part for part in parts if isinstance(part, Call) and part.operator == "split"]
        if len(splits) != 1:
            return self.when(call, path), None
        rest = [self.when(part, path) for part in parts if part is not splits[0]]
        return both(*rest), self.split(splits[0], path)

    def when(self, node: Any, path: KeyPath) -> When:
        """The condition that an expression is true."""
        if isinstance(node, bool):
            return node
        if not isinstance(node, Call):
            raise NoEquivalent("a value that is not a condition has no equivalent", path)
        if node.operator in {"and", "or", "not"}:
            held = [self.when(one, path) for one in node.arguments]
            if node.operator == "not":
                if len(held) != 1:
                    raise NoEquivalent("`not` takes one condition", path)
                return negated(held[0])
            return both(*held) if node.operator == "and" else either(*held)
        if node.operator == "split":
            return {"segment": self.segment(self.split(node, path))}
        if node.operator == "exists":
            key = [*node.named.values(), *node.arguments, None][0]
            return {self.name(key.name if isinstance(key, Attribute) else key, path): {"exists": True}}
        return self.comparison(node, path)

    def comparison(self, call: Call, path: KeyPath) -> When:
        one, operand = self.operands(call, path)
        name = self.name(one.name, path)
        if call.operator == "in":
            if not isinstance(operand, list) or not operand or not all(map(_is_scalar, operand)):
                raise NoEquivalent("`in` takes a list of values", path)
            return {name: scalar_list(operand)}
        if isinstance(operand, Time):
            return self.moment(name, call.operator, operand, path)
        if call.operator == "eq" and _is_scalar(operand):
            return {name: operand}
        if call.operator in _SIZES and is_number(operand):
            return {name: {_SIZES[call.operator]: operand}}
        if call.operator in _AFFIXES and isinstance(operand, str):
            return {name: {_AFFIXES[call.operator]: operand}}
        if call.operator == "matches":
            return {name: {"matches": self.pattern(operand, path)}}
        raise NoEquivalent(f"`{call.operator}` with {operand!r:.80} has no equivalent", path)

    def operands(self, call: Call, path: KeyPath) -> tuple[Attribute, Any]:
        """The attribute, and what it is compared with."""
        given = [*call.arguments]
        named = dict(call.named)
        if call.operator == "matches":
            given = [
                *([named.pop("in")] if "in" in named else []),
                *given,
                *([named.pop("pattern")] if "pattern" in named else []),
            ]
        elif call.operator == "in" and "in" in named:
            given.append(named.pop("in"))
        if (
            len(given) == 2
            and not named
            and isinstance(given[0], Attribute)
            and not isinstance(given[1], (Attribute, Call))
        ):
            return given[0], given[1]
        raise NoEquivalent(f"`{call.operator}` has an equivalent for an attribute and a value only", path)

    def moment(self, name: str, operator: str, moment: Time, path: KeyPath) -> When:
        before: dict[str, Any] = {name: {"before": moment.text}}
        after: dict[str, Any] = {name: {"after": moment.text}}
        found: dict[str, Any] | None = {
            "lt": before,
            "gt": after,
            "lte": {"not": after, name: {"before": "9999-12-31"}},
            "gte": {"not": before, name: {"after": "0001-01-01"}},
        }.get(operator)
        try:
            check_operand("before", moment.text)
        except OperandError as error:
            raise NoEquivalent(f"the time {moment.text!r} has no equivalent", path) from error
        if found is None:
            raise NoEquivalent(f"`{operator}` with a time has no equivalent", path)
        return found

    def pattern(self, pattern: Any, path: KeyPath) -> str:
        """A pattern that has to match the whole value: AWS does not say whether others have to."""
        if not isinstance(pattern, str) or not _matches_whole(pattern):
            raise NoEquivalent(
                "AWS does not say whether a pattern has to match the whole value: anchor it with ^ and $, or .*", path
            )
        try:
            check_operand("matches", pattern)
        except OperandError as error:
            raise NoEquivalent(f"the pattern {pattern!r:.80} has no equivalent in RE2", path) from error
        return pattern

    def split(self, call: Call, path: KeyPath) -> Split:
        by: Any = call.named.get("by")
        percentage: Any = call.named.get("pct")
        seed = call.named.get("seed")
        fits = isinstance(by, Attribute) and is_number(percentage) and 0 <= percentage <= 100
        if not fits or call.arguments or call.named.keys() - {"by", "pct", "seed"}:
            raise NoEquivalent("`split` takes an attribute and a percentage", path)
        found = Split(self.name(by.name, path), percentage, None if seed is None else str(seed))
        self.splits.append(found)
        return found

    def name(self, name: Any, path: KeyPath) -> str:
        if not isinstance(name, str) or not name:
            raise NoEquivalent("an operator names no attribute", path)
        return attribute(name, path)


def _matches_whole(pattern: str) -> bool:
    """Whether a pattern matches a part of a value only if it matches the whole (of a single line)."""
    rest = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)
    while rest != (rest := re.sub(r"\([^()]*\)", "x", rest)):
        pass
    return "|" not in rest and pattern.startswith(("^", ".*")) and rest.endswith(("$", ".*"))


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool)) or is_number(value)
