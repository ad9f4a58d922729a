"""Findings for reviewers: stable codes, a severity, and an example user."""

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
    GUARD_ENDED = "guard-ended"


class CodeInfo(NamedTuple):
    """The severity of a code, and its meaning."""

    severity: Severity
    about: str


RULES: dict[Code, CodeInfo] = {
    Code.WITHDRAWN: CodeInfo(
        Severity.ERROR, "some users lose a variant although its share does not fall: a raise that takes away"
    ),
    Code.LOWERED: CodeInfo(Severity.NOTE, "a variant's share falls, so some of its users lose it"),
    Code.REBUCKETED: CodeInfo(Severity.WARNING, "more users move than the change in shares requires"),
    Code.RENAMED: CodeInfo(Severity.WARNING, "a flag was renamed, so its users are reassigned"),
    Code.SALTED: CodeInfo(Severity.WARNING, "a flag or rule hashes by something else, so its users are reassigned"),
    Code.CORRELATED: CodeInfo(Severity.WARNING, "two flags share a hash, so who gets one depends on the other"),
    Code.STARVED: CodeInfo(Severity.WARNING, "a rule that no user can reach"),
    Code.OVER_100: CodeInfo(Severity.WARNING, "percentages that add up to more than 100"),
    Code.RETIRED_NAME_REUSED: CodeInfo(Severity.ERROR, "a new flag reuses the name of a removed one"),
    Code.ORPHANED: CodeInfo(Severity.ERROR, "a flag, segment or holdout that is still needed is removed"),
    Code.STALE: CodeInfo(Severity.WARNING, "a flag that is past its time, or has no owner"),
    Code.TIME_BOMB: CodeInfo(Severity.WARNING, "a schedule or ramp in this change acts later, by itself"),
    Code.OVERSIZE: CodeInfo(Severity.WARNING, "the release nears a limit, or grows sharply"),
    Code.NOT_EXACT: CodeInfo(
        Severity.WARNING, "too many cases to compute exactly: the effect was sampled, with an error"
    ),
    Code.ON_TRIAL: CodeInfo(Severity.WARNING, "the live release is a canary: other users have the release before"),
    Code.GUARD_ENDED: CodeInfo(Severity.NOTE, "a flag with a guard changes, which ends the guard if it runs"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `example` is a context for which it is true; `details` are further lines."""

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
    """A finding with the severity of its code."""
    return Finding(code, RULES[code].severity, flag, message, example, tuple(details))


def blocking(found: Iterable[Finding], codes: Iterable[str]) -> list[Finding]:
    """The findings whose codes fail the check; `all` means every code except notes."""
    wanted = set(codes)
    return [one for one in found if one.code in wanted or ("all" in wanted and one.severity is not Severity.NOTE)]


def unknown_codes(codes: Iterable[str]) -> list[str]:
    """The codes that do not exist."""
    return [code for code in codes if code != "all" and code not in set(Code)]
