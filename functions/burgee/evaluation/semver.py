"""Semantic Versioning 2.0.0 as sort keys, npm's tilde and caret ranges, and what operators make of both."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

GRAMMAR = re.compile(
    r"v?(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
MAX_LENGTH = 256
VERDICTS = 64

Version: TypeAlias = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
"""Major, minor, patch, and the pre-release identifiers; compares as the specification orders versions."""

_RELEASED = ((2, 0, ""),)  # sorts after every pre-release identifier


def parse_version(text: str) -> Version | None:
    """The sort key of a version, a leading `v` allowed; None if it is none. Build metadata does not count."""
    return known_version(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=1024)  # an application has few versions, and parsing one costs more than all else in a rule
def known_version(text: str) -> Version | None:
    """The same for a text of at most `MAX_LENGTH`, remembered."""
    match = GRAMMAR.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre = match.groups()
    return int(major), int(minor), int(patch), _RELEASED if pre is None else _identifiers(pre)


def _identifiers(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def tilde(base: Version) -> tuple[Version, Version]:
    """`~1.2.3`: from there to below the next minor version."""
    major, minor, _, _ = base
    return base, (major, minor + 1, 0, ())


def caret(base: Version) -> tuple[Version, Version]:
    """`^1.2.3`: from there to below the next change of the leftmost number that is not zero."""
    major, minor, patch, _ = base
    if major:
        return base, (major + 1, 0, 0, ())
    if minor:
        return base, (0, minor + 1, 0, ())
    return base, (0, 0, patch + 1, ())


def in_tilde(version: Version, base: Version) -> bool:
    """Whether a version is in `~base`."""
    low, high = tilde(base)
    return low <= version < high


def in_caret(version: Version, base: Version) -> bool:
    """Whether a version is in `^base`."""
    low, high = caret(base)
    return low <= version < high


class Verdicts(dict[str, bool]):
    """Whether versions pass: of those that were asked about, a bounded number; others are found out when asked."""

    def __init__(self, check: Callable[[Version, Version], bool], operand: Version) -> None:
        super().__init__()
        self._check = check
        self._operand = operand

    def __missing__(self, text: str) -> bool:
        if len(text) > MAX_LENGTH:
            return False
        version = known_version(text)
        if len(self) >= VERDICTS:
            self.clear()
        verdict = self[text] = version is not None and self._check(version, self._operand)
        return verdict
