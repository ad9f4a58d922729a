"""The types that all layers share: answers, problems and overrides. Plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from burgee.records import NamedTuple, dataclass, field
from burgee.times import parse_time

Context: TypeAlias = Mapping[str, Any]
"""OpenFeature's evaluation context: attributes by name, with the unit under `targetingKey`."""

Definition: TypeAlias = Mapping[str, Any]
"""One flag in the grammar of flags.yaml, with the environment's settings applied, as JSON values."""

Snapshot: TypeAlias = Mapping[str, Any]
"""A compiled file for one environment: `flags`, `segments` and `holdouts` by name, as JSON values."""

NO_METADATA: Mapping[str, str | int | float | bool] = MappingProxyType({})


class Reason(StrEnum):
    """The reason of an answer, in OpenFeature's terms."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class ErrorCode(StrEnum):
    """The error code of an answer, in OpenFeature's terms."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An answer. `variant is None` means that the flag gives no value: use the caller's default."""

    value: Any
    variant: str | None
    reason: Reason
    error_code: ErrorCode | None = None
    error_message: str | None = None
    metadata: Mapping[str, str | int | float | bool] = field(default_factory=lambda: NO_METADATA)


class Fault(NamedTuple):
    """A fault in a value that is not in a file. `code` is stable; `hint` says what to write instead.

    `path` is the keys and indexes to it; `at_key` says that the last key itself is at fault, not its value.
    """

    path: tuple[str | int, ...]
    code: str
    message: str
    hint: str | None = None
    at_key: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path[1:]))}: {self.code}: {self.text}"

    @property
    def text(self) -> str:
        """The message with its hint."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, counted from 1 as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """An error blocks, a warning does not, a note is for information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in a file. `code` is stable; `hint` says what to write instead."""

    place: Place
    code: str
    message: str
    hint: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.severity} {self.code}: {self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's override of one flag, which takes precedence over the release.

    With `definition` None the flag is absent. `base_digest` is the digest of the definition in Git that it overrides,
    None if Git had none. Times are RFC 3339 in UTC.
    """

    flag: str
    definition: Definition | None
    author: str
    reason: str
    created_at: str
    updated_at: str
    expires_at: str | None = None
    base_digest: str | None = None

    @property
    def until(self) -> float:
        """When it expires, in epoch seconds; infinity if it does not."""
        return float("inf") if self.expires_at is None else parse_time(self.expires_at)

    def in_force(self, now: float) -> bool:
        """Whether it is in force at a time in epoch seconds."""
        return now < self.until
