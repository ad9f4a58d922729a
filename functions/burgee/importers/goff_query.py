"""GO Feature Flag's rule language (`country eq "DE" and age gt 18`) as `when:` mappings.

`and` and `or` have the same precedence there, from left to right. Strings compare case-insensitively, except in
lists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.importers.base import NoEquivalent, both, either, negated
from burgee.importers.base import attribute as named
from burgee.numeric import is_number, whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.importers.jsonlogic import When

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*")|(?P<version>\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<mark>[()\[\],]|==|!=|>=|<=|>|<)|(?P<word>[A-Za-z][A-Za-z0-9_:.-]*))""",
    re.VERBOSE,
)
_OPERATORS = {"==": "eq", "!=": "ne", ">": "gt", "<": "lt", ">=": "ge", "<=": "le"}
_SIZES = {"gt": "gt", "lt": "lt", "ge": "gte", "le": "lte"}
_TEXTS = {"eq": "eq", "ne": "ne", "co": "contains", "sw": "starts_with", "ew": "ends_with"}
USER = {"key", "targetingKey"}


class Token(NamedTuple):
    """A token of a query."""

    kind: str
    text: str


class Query:
    """Parses one query to `when`."""

    def __init__(self, text: str, path: KeyPath) -> None:
        self.path = path
        self.tokens = self._tokens(text)
        self.at = 0
        self.when = self._expression()
        if self.at < len(self.tokens):
            raise self._fault()

    def _tokens(self, text: str) -> list[Token]:
        found, position, text = [], 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise NoEquivalent(f"the query cannot be parsed at {text[position:]!r:.40}", self.path)
            found.append(Token(match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return found

    def _fault(self) -> NoEquivalent:
        rest = " ".join(token.text for token in self.tokens[self.at :]) or "its end"
        return NoEquivalent(f"the query cannot be parsed at {rest!r:.40}", self.path)

    def _peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _take(self, *kinds: str) -> Token:
        if self.at >= len(self.tokens) or (kinds and self.tokens[self.at].kind not in kinds):
            raise self._fault()
        self.at += 1
        return self.tokens[self.at - 1]

    def _expression(self) -> When:
        held = self._primary()
        while self._peek() in {"and", "or"}:
            combine = both if self._take().text == "and" else either
            held = combine(held, self._primary())
        return held

    def _primary(self) -> When:
        inverted = self._peek() in {"not", "NOT"}
        if inverted:
            self._take()
        if self._peek() == "(":
            self._take()
            held = self._expression()
            if self._take().text != ")":
                raise self._fault()
            return negated(held) if inverted else held
        if inverted:
            raise self._fault()
        return self._comparison()

    def _comparison(self) -> When:
        attribute = named(self._take("word").text, self.path)
        operator = self._take("word", "mark").text
        operator = _OPERATORS.get(operator, operator.lower())
        if operator == "pr":
            return attribute in USER or attribute == "anonymous" or {attribute: {"exists": True}}
        value = self._value()
        if attribute == "anonymous":
            return self._anonymous(operator, value)
        held = self._test("targetingKey" if attribute in USER else attribute, operator, value)
        if attribute in USER and isinstance(value, str) and _holds_for_empty(operator, value):
            return either(held, {"targetingKey": {"exists": False}})
        return held

    def _value(self) -> Any:
        token = self._take()
        if token.text == "[":
            values = [self._scalar(self._take("text", "number"))]
            while self._take("mark").text == ",":
                values.append(self._scalar(self._take("text", "number")))
            if len({type(value) for value in values}) > 1:
                raise NoEquivalent("a list of mixed types is not a valid query there", self.path)
            return values
        return self._scalar(token)

    def _scalar(self, token: Token) -> Any:
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "version":
            return _Version(token.text)
        if token.kind == "number":
            return self._number(token.text)
        words: Mapping[str, Any] = {"true": True, "false": False, "null": None}
        if token.text not in words:
            raise NoEquivalent(f"the query cannot be parsed at {token.text!r}", self.path)
        return words[token.text]

    def _number(self, text: str) -> int | float:
        number = float(text) if any(mark in text for mark in ".eE") else whole_number(text)
        if not is_number(number):
            raise NoEquivalent(f"the number {text:.40} is out of range", self.path)
        return number

    def _anonymous(self, operator: str, value: Any) -> When:
        """`anonymous` is false if it is missing or not a boolean."""
        if not isinstance(value, bool) or operator not in {"eq", "ne"}:
            raise NoEquivalent("`anonymous` can be compared with true or false only", self.path)
        held = {"anonymous": True}
        return held if value is (operator == "eq") else negated(held)

    def _test(self, attribute: str, operator: str, value: Any) -> When:
        if value is None and operator in {"eq", "ne"}:
            return {attribute: {"exists": operator == "ne"}}
        if isinstance(value, list) and operator == "in":
            return {attribute: value}
        if isinstance(value, _Version) and operator in {"eq", "ne", *_SIZES}:
            return {attribute: {f"semver_{_SIZES.get(operator, operator)}": value.text}}
        if isinstance(value, bool) and operator in {"eq", "ne"}:
            return {attribute: value if operator == "eq" else {"ne": value}}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if operator in _SIZES:
                return {attribute: {_SIZES[operator]: value}}
            if operator in {"eq", "ne"}:
                return {attribute: value if operator == "eq" else {"ne": value}}
        if isinstance(value, str) and operator in _TEXTS:
            cased = value.casefold() != value or value.upper() != value
            if operator == "eq" and not cased:
                return {attribute: value}
            return {attribute: {_TEXTS[operator]: value, **({"ignore_case": True} if cased else {})}}
        raise NoEquivalent(f"`{attribute} {operator}` with {_shown(value)} has no equivalent", self.path)


class _Version(NamedTuple):
    text: str


def _shown(value: Any) -> str:
    return value.text if isinstance(value, _Version) else repr(value)


def _holds_for_empty(operator: str, value: str) -> bool:
    """Whether a comparison holds for the empty string, which stands for a missing user there."""
    if operator in {"eq", "ne"}:
        return (value == "") is (operator == "eq")
    return value == "" and operator in {"co", "sw", "ew"}
