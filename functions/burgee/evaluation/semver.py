"""Semantic Versioning 2.0.0 as sort keys, npm's tilde and caret ranges, and a cache of comparisons."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = r"[0-9a-zA-Z-]+"
GRAMMAR = rf"[vV]?{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?(?:\+{_BUILD}(?:\.{_BUILD})*)?)?)?"
MAX_LENGTH = 256
VERDICTS = 64

Version: TypeAlias = tuple[int, int, int, tuple[tuple[int, int, str], ...]]
"""Major, minor, patch, and the pre-release identifiers; compares as the specification orders versions."""

_RELEASED = ((2, 0, ""),)  # sorts after every pre-release identifier


def parse_version(text: str) -> Version | None:
    """The sort key of a version; None if it is invalid.

    A leading `v` is allowed, and minor or patch may be missing: `2` and `2.3` are 2.0.0 and 2.3.0. Build metadata
    does not count. At most `MAX_LENGTH` characters.
    """
    return known_version(text) if len(text) <= MAX_LENGTH else None


def parse_whole_version(text: str) -> Version | None:
    """The same, but all three numbers are required: bounds need them, as `~2` means different things elsewhere."""
    version = parse_version(text)
    return version if version is not None and text.partition("-")[0].partition("+")[0].count(".") == 2 else None


@lru_cache(maxsize=1024)  # an application has few versions, and parsing one costs more than the rest of a rule
def known_version(text: str) -> Version | None:
    """`parse_version` of at most `MAX_LENGTH` characters, cached."""
    match = _grammar().fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre = match.groups("")
    return int(major), int(minor or 0), int(patch or 0), _identifiers(pre) if pre else _RELEASED


@cache  # compiled when first used
def _grammar() -> re.Pattern[str]:
    return re.compile(GRAMMAR, re.ASCII)


def _identifiers(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def release_of(version: Version) -> Version:
    """The release that a pre-release precedes."""
    return (*version[:3], _RELEASED)


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
    """Whether a version is in npm's range `~base`."""
    return _in_range(version, *tilde(base))


def in_caret(version: Version, base: Version) -> bool:
    """Whether a version is in npm's range `^base`."""
    return _in_range(version, *caret(base))


def _in_range(version: Version, low: Version, high: Version) -> bool:
    """A range includes only pre-releases with the same three numbers as its lower bound."""
    return low <= version < high and (version[3] == _RELEASED or version[:3] == low[:3])


class Verdicts(dict[str, bool]):
    """Whether versions pass, by string: a bounded cache of past results."""

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
