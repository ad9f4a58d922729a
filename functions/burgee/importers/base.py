"""Shared parts of the importers of other engines' files.

An importer converts every flag or reports why it has no equivalent; nothing is dropped silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import KEYWORDS
from burgee.model import Problem, Severity
from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from burgee.flagfile.yaml_reader import Document, KeyPath


class Generation(StrEnum):
    """How the version of flagd in use hashes a `fractional`."""

    CBOR = "cbor"
    TEXT = "text"


class NoEquivalent(Exception):  # noqa: N818 - named after the finding
    """Something that flags.yaml cannot express; the message completes "{flag} is left out: …"."""

    def __init__(self, message: str, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.path = path


@dataclass(slots=True)
class Imported:
    """The result of an import: flags and segments in the grammar of flags.yaml, and parts without an equivalent.

    An error is a flag left out; a warning is a part left out that does not change what users get.
    """

    document: Document
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    homes: dict[str, KeyPath] = field(default_factory=dict)
    """The place of each flag in the document."""

    def leave_out(self, name: str, path: KeyPath, why: str) -> None:
        """Reports a flag, or another part that decides what users get."""
        place = self.document.place(path, key=True)
        self.problems.append(Problem(place, "no-equivalent", f"{name} is left out: {why}"))

    def not_carried(self, name: str, path: KeyPath, what: str) -> None:
        """Reports a part that does not affect what users get."""
        place = self.document.place(path, key=True)
        message = f"{name}: {what} has no equivalent"
        self.problems.append(Problem(place, "not-carried", message, severity=Severity.WARNING))

    def differs(self, name: str, path: KeyPath, how: str) -> None:
        """Reports a rare context in which the answers differ."""
        place = self.document.place(path, key=True)
        self.problems.append(Problem(place, "differs", f"{name}: {how}", severity=Severity.WARNING))

    def described(self, name: str, metadata: Any, path: KeyPath) -> dict[str, Any]:
        """The metadata of a flag that can be kept: as description and owner, or as metadata."""
        kept: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for key, value in metadata.items() if isinstance(metadata, dict) else ():
            if isinstance(value, str) and len(value) <= {"description": 500, "owner": 255}.get(key, -1):
                kept[key] = value
            elif _is_metadata(key, value) and len(others) < _limits().MAX_METADATA:
                others[key] = value
            else:
                self.not_carried(name, (*path, key), f"metadata {key!r}")
        return {**kept, "metadata": others} if others else kept


def _limits() -> ModuleType:
    from burgee.flagfile import grammar  # every start of the command line would load it

    return grammar


def _is_metadata(key: str, value: Any) -> bool:
    scalar = isinstance(value, (str, bool)) or is_number(value)
    return scalar and key not in _limits().RESERVED_METADATA and 0 < len(key) <= 255


def attribute(name: str, path: KeyPath) -> str:
    """Checks that a condition can name an attribute."""
    if name in KEYWORDS:
        raise NoEquivalent(f"an attribute cannot be called {name!r} here", path)
    return name


def both(*parts: Mapping[str, Any] | bool) -> dict[str, Any] | bool:
    """The condition that all of these hold; True and False stand for always and never."""
    held: list[Mapping[str, Any]] = []
    for part in parts:
        if part is False:
            return False
        if part is not True and part not in held:
            held.append(part)
    merged: dict[str, Any] = {}
    for part in held:
        for key, value in part.items():
            if key in merged:
                joined = _joined(key, merged[key], value)
                if joined is None:
                    return {"all": [dict(one) for one in held]}
                merged[key] = joined
            else:
                merged[key] = value
    return merged or True


def _joined(key: str, one: Any, other: Any) -> dict[str, Any] | None:
    """Merges two mappings of operators of one attribute; None if they cannot be merged."""
    plain = isinstance(one, dict) and isinstance(other, dict) and key not in KEYWORDS
    if not plain or one.keys() & other.keys() or "ignore_case" in one or "ignore_case" in other:
        return None
    return {**one, **other}


def either(*parts: Mapping[str, Any] | bool) -> dict[str, Any] | bool:
    """The condition that at least one of these holds."""
    held: list[dict[str, Any]] = []
    for part in parts:
        if part is True:
            return True
        if part is not False:
            inner = dict(part)
            held += inner["any"] if list(inner) == ["any"] else [inner]
    if not held:
        return False
    return held[0] if len(held) == 1 else {"any": held}


def negated(part: Mapping[str, Any] | bool) -> dict[str, Any] | bool:
    """The condition that this does not hold."""
    if isinstance(part, bool):
        return not part
    return dict(part["not"]) if list(part) == ["not"] else {"not": dict(part)}
