"""Parses RE2 patterns to trees: only their structure; RE2 itself is asked which characters a class contains.

Unsupported syntax raises Unparsed; the pattern's truth is then unknown. https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import re2

from burgee.diff.satisfiability.machines import ASCII, SURROGATES

MAX_DEPTH = 100
Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Sorted code points, first and last of each run."""


class Unparsed(Exception):  # noqa: N818 - a result: this pattern is not analysed
    """A pattern, or a part of one, that is not supported."""


class Char(NamedTuple):
    """One character of a set."""

    ranges: Ranges


class Anchor(NamedTuple):
    """An anchor: the start or end of the string or of a line, or a word boundary or its opposite."""

    place: Literal["start", "end", "line start", "line end", "boundary", "inside"]


class Sequence(NamedTuple):
    """One part after the other; nothing is an empty sequence."""

    parts: tuple[PatternNode, ...]


class Choice(NamedTuple):
    """One of several."""

    options: tuple[PatternNode, ...]


class Repeat(NamedTuple):
    """A part `low` to `high` times, `high` None for any number."""

    part: PatternNode
    low: int
    high: int | None


PatternNode: TypeAlias = "Char | Anchor | Sequence | Choice | Repeat"

_QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,)?(\d+)?\})\??", re.ASCII)
_GROUP = re.compile(r"\?P?<\w+>|\?([a-zA-Z-]*)([:)])")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{\^?\w+\}|\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:[pP](?:\{\^?\w+\}|\w)|x(?:\{[0-9a-fA-F]+\}|[0-9a-fA-F]{2})|[0-7]{1,3}|.)", re.DOTALL | re.ASCII
)
_BEYOND_ASCII = re.compile(r"\\[pPx0-7]")
_LOOKS: dict[str, Anchor] = {
    "^": Anchor("start"),
    "$": Anchor("end"),
    r"\A": Anchor("start"),
    r"\z": Anchor("end"),
    r"\b": Anchor("boundary"),
    r"\B": Anchor("inside"),
}
_LINES = {"^": Anchor("line start"), "$": Anchor("line end")}


def parse_pattern(pattern: str, *, ignore_case: bool = False) -> PatternNode:
    """The tree of a pattern that RE2 accepts. Raises Unparsed if it is not supported."""
    parser = _Parser(pattern, frozenset("i" if ignore_case else ""))
    tree = parser.choice()
    if parser.at < len(pattern):
        raise Unparsed(pattern)
    return tree


class _Parser:
    def __init__(self, pattern: str, flags: frozenset[str]) -> None:
        self.pattern = pattern
        self.at = 0
        self._flags = flags
        self._depth = 0

    def choice(self) -> PatternNode:
        options = [self._sequence()]
        while self.pattern.startswith("|", self.at):
            self.at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> PatternNode:
        parts: list[PatternNode] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            part = self._part()
            while quantifier := _QUANTIFIER.match(self.pattern, self.at):
                self.at = quantifier.end()
                part = Repeat(part, *_times(quantifier))
            parts.append(part)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self) -> PatternNode:
        char = self.pattern[self.at]
        if char == "(":
            return self._group()
        if char == "[":
            return self._char(_CLASS)
        if char == "\\":
            return self._escape()
        self.at += 1
        if char in "^$":
            return (_LINES if "m" in self._flags else _LOOKS)[char]
        if char in "*+?":
            raise Unparsed(self.pattern)
        return self._set(char) if char == "." else self._literal(char)

    def _group(self) -> PatternNode:
        self.at += 1
        before = self._flags
        group = _GROUP.match(self.pattern, self.at)
        if group is None and self.pattern.startswith("?", self.at):
            raise Unparsed(self.pattern)
        if group is not None:
            self.at = group.end()
            if group[1] is not None:
                self._flags = self._changed(group[1])
                if group[2] == ")":
                    return Sequence(())
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unparsed(self.pattern)
        inner = self.choice()
        if not self.pattern.startswith(")", self.at):
            raise Unparsed(self.pattern)
        self.at += 1
        self._depth -= 1
        self._flags = before
        return inner

    def _changed(self, flags: str) -> frozenset[str]:
        on, _, off = flags.partition("-")
        if not set(on + off) <= set("imsU"):
            raise Unparsed(self.pattern)
        return (self._flags | set(on)) - set(off)

    def _escape(self) -> PatternNode:
        name = self.pattern[self.at : self.at + 2]
        if name in _LOOKS:
            self.at += 2
            return _LOOKS[name]
        if name == r"\Q":
            quoted = self.pattern[self.at + 2 :].partition(r"\E")[0]
            self.at = min(len(self.pattern), self.at + len(quoted) + 4)
            if _QUANTIFIER.match(self.pattern, self.at):  # only the last character is repeated
                raise Unparsed(self.pattern)
            return Sequence(tuple(self._literal(char) for char in quoted))
        if name in {r"\C", r"\E"}:  # one byte, which is not a character
            raise Unparsed(self.pattern)
        return self._char(_ESCAPE)

    def _char(self, form: re.Pattern[str]) -> PatternNode:
        found = form.match(self.pattern, self.at)
        if found is None:
            raise Unparsed(self.pattern)
        self.at = found.end()
        return self._set(found[0])

    def _literal(self, char: str) -> PatternNode:
        return self._set(re2.escape(char)) if "i" in self._flags else Char(((ord(char), ord(char)),))

    def _set(self, text: str) -> PatternNode:
        return Char(characters(text, "".join(sorted(self._flags & {"i", "s"}))))


def _times(quantifier: re.Match[str]) -> tuple[int, int | None]:
    simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if quantifier[1] in simple:
        return simple[quantifier[1]]
    low = int(quantifier[2])
    if quantifier[4]:
        return low, int(quantifier[4])
    return low, None if quantifier[3] else low


@lru_cache(maxsize=4096)
def characters(text: str, flags: str) -> Ranges:
    """The characters that RE2 matches with a one-character pattern, such as `[a-z]`, under the flags `i` and `s`."""
    prefix = f"(?{flags})" if flags else ""
    try:
        if not text.isascii() or _BEYOND_ASCII.search(text):
            return _scan(prefix + f"(?:{text})+")
        pattern = re2.compile(prefix + text)
    except re2.error as error:
        raise Unparsed(text) from error
    # Above ASCII such a class matches all or nothing, except the two characters whose other case is in ASCII.
    special = sorted({*ASCII, 0x80, 0x17F, 0x180, 0x212A, 0x212B})
    found: list[tuple[int, int]] = []
    for first, following in zip(special, [*special[1:], 0x110000], strict=True):
        if pattern.fullmatch(chr(first)) is not None:
            found += _without_surrogates(first, following - 1)
    return _joined(found)


def _scan(runs: str) -> Ranges:
    """The same by testing every character with RE2, in blocks."""
    pattern = re2.compile(runs.encode())
    found: list[tuple[int, int]] = []
    for chunk in _chunks():
        for match in pattern.finditer(chunk):
            run = match[0].decode()
            found += _without_surrogates(ord(run[0]), ord(run[-1]))
    return _joined(found)


@lru_cache(maxsize=1)
def _chunks() -> tuple[bytes, ...]:
    starts = range(0, 0x110000, 0x10000)
    every = ("".join(chr(one) for one in range(first, first + 0x10000) if one not in SURROGATES) for first in starts)
    return tuple(chunk.encode() for chunk in every)


def _without_surrogates(first: int, last: int) -> list[tuple[int, int]]:
    if first < SURROGATES.start and last >= SURROGATES.stop:
        return [(first, SURROGATES.start - 1), (SURROGATES.stop, last)]
    return [(first, last)]


def _joined(ranges: list[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if found and found[-1][1] + 1 == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)
