"""Findings, which warn a reviewer: stable codes, how much each matters, and an example user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Code(StrEnum):
    """What was found."""

    WITHDRAWN = "withdrawn"
    LOWERED = "lowered"
    REBUCKETED = "rebucketed"
    RENAMED = "renamed"
    SALTED = "salted"
    CORRELATED = "correlated"
    STARVED = "starved"
    OVER_100 = "over-100"
    RETIRED_NAME_REUSED = "retired-name-reused"
    ORPHANED = "orphaned"
    STALE = "stale"
    TIME_BOMB = "time-bomb"
    OVERSIZE = "oversize"
    NOT_EXACT = "not-exact"
    ON_TRIAL = "on-trial"


class Rule(NamedTuple):
    """How much a finding matters, whether it takes a state to compare with, and what it means."""

    severity: Severity
    needs_base: bool
    about: str


RULES: dict[Code, Rule] = {
    Code.WITHDRAWN: Rule(
        Severity.ERROR, True, "somebody loses a variant although its share does not fall: a raise that takes away"
    ),
    Code.LOWERED: Rule(Severity.NOTE, True, "a variant's share falls, so some of those who had it lose it"),
    Code.REBUCKETED: Rule(Severity.WARNING, True, "more users move than the change of shares needs"),
    Code.RENAMED: Rule(Severity.WARNING, True, "a flag goes on under another name, so its users are drawn anew"),
    Code.SALTED: Rule(Severity.WARNING, True, "a flag or rule hashes something else, so its users are drawn anew"),
    Code.CORRELATED: Rule(Severity.WARNING, False, "two flags share a hash, so who gets one depends on the other"),
    Code.STARVED: Rule(Severity.WARNING, False, "a rule that nobody can reach"),
    Code.OVER_100: Rule(Severity.WARNING, False, "percentages that add up to more than 100"),
    Code.RETIRED_NAME_REUSED: Rule(Severity.ERROR, True, "a new flag takes the name of one that was given up"),
    Code.ORPHANED: Rule(Severity.ERROR, True, "a flag, segment or holdout goes that something still needs"),
    Code.STALE: Rule(Severity.WARNING, False, "a flag that has had its time, or that nobody answers for"),
    Code.TIME_BOMB: Rule(Severity.WARNING, True, "a schedule or ramp of this change acts later, by itself"),
    Code.OVERSIZE: Rule(Severity.WARNING, False, "the release nears a limit, or grows at a jump"),
    Code.NOT_EXACT: Rule(
        Severity.WARNING, False, "too many cases to compute: the effect was sampled, with its error"
    ),
    Code.ON_TRIAL: Rule(Severity.WARNING, True, "what is live is a canary: others have the release before"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `example` is a context for which it is true; `details` are lines that say more."""

    code: Code
    severity: Severity
    flag: str | None
    message: str
    example: Mapping[str, Any] | None = None
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.message}"


def finding(
    code: Code,
    flag: str | None,
    message: str,
    example: Mapping[str, Any] | None = None,
    details: Iterable[str] = (),
) -> Finding:
    """A finding with its code's own severity."""
    return Finding(code, RULES[code].severity, flag, message, example, tuple(details))


def blocking(found: Iterable[Finding], codes: Iterable[str]) -> list[Finding]:
    """The findings that fail a check which fails on these codes; `all` stands for every code but notes."""
    wanted = set(codes)
    return [one for one in found if one.code in wanted or ("all" in wanted and one.severity is not Severity.NOTE)]


def unknown_codes(codes: Iterable[str]) -> list[str]:
    """Those that name no finding."""
    return [code for code in codes if code != "all" and code not in set(Code)]
