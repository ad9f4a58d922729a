"""Shared parts of the importers of other engines' files.

An importer converts every flag or reports why it has no equivalent; nothing is dropped silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from burgee.evaluation.definition import KEYWORDS
from burgee.model import Problem, Severity
from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from burgee.flagfile.yaml_reader import KeyPath
    from burgee.model import Place

    When: TypeAlias = dict[str, Any] | bool


class Generation(StrEnum):
    """How the version of flagd in use hashes a `fractional`."""

    CBOR = "cbor"
    TEXT = "text"


class Sdk(StrEnum):
    """Which of GrowthBook's SDKs asks. They differ at the edge of a coverage, and where a number is missing.

    JavaScript's, and those that follow it, take in users whose place is exactly the coverage, and compare a missing
    number as 0 and a missing version as below all others. Python's since 4.0 does neither.
    """

    JAVASCRIPT = "javascript"
    PYTHON = "python"


class NoEquivalent(Exception):  # noqa: N818 - named after the finding
    """Something that flags.yaml cannot express; the message completes "{flag} is left out: …"."""

    def __init__(self, message: str, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.path = path


class ImportFinding(NamedTuple):
    """A part of a file that was not carried as it is: of a flag, a segment or the file."""

    subject: str
    code: str
    """`no-equivalent` for what is left out, `differs`, `not-carried` for parts that do not affect answers, or `kept`
    for what people changed in the file.
    """
    text: str
    place: Place
    environments: tuple[str, ...] = ()
    """The environments that it concerns; empty for all."""

    @property
    def problem(self) -> Problem:
        """The finding as commands print it."""
        where = f"in {', '.join(self.environments)}, " if self.environments else ""
        if self.code == LEFT_OUT:
            return Problem(self.place, self.code, f"{self.subject} is left out: {where}{self.text}")
        if self.code == KEPT:
            return Problem(self.place, self.code, f"{self.subject}: {self.text}")
        return Problem(self.place, self.code, f"{self.subject}: {where}{self.text}", severity=Severity.WARNING)


LEFT_OUT = "no-equivalent"
NOT_CARRIED = "not-carried"
DIFFERS = "differs"
KEPT = "kept"
UNUSED = "no flag uses it, so it is not imported"


class Places(Protocol):
    """One or several documents, by path."""

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """The place of a path, or of its nearest parent in the file."""


@dataclass(slots=True)
class Imported:
    """The result of an import: flags and segments in the grammar of flags.yaml, and findings.

    Left out is what would decide what users get and cannot be expressed; not carried is what does not affect answers.
    """

    document: Places
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: list[str] = field(default_factory=list)
    findings: list[ImportFinding] = field(default_factory=list)
    homes: dict[str, Place] = field(default_factory=dict)
    """The place of each flag, and of each segment as `segment NAME`."""

    @property
    def problems(self) -> list[Problem]:
        """The findings as commands print them."""
        return [finding.problem for finding in self.findings]

    @property
    def left_out(self) -> set[str]:
        """Flags, and other parts, that are left out."""
        return {finding.subject for finding in self.findings if finding.code == LEFT_OUT}

    def leave_out(self, name: str, path: KeyPath, why: str) -> None:
        """Reports a flag, or another part that decides what users get."""
        self.found(name, LEFT_OUT, why, path)

    def not_carried(self, name: str, path: KeyPath, what: str) -> None:
        """Reports a part that does not affect what users get."""
        self.found(name, NOT_CARRIED, f"{what} has no equivalent", path)

    def differs(self, name: str, path: KeyPath, how: str) -> None:
        """Reports contexts in which the answers differ."""
        self.found(name, DIFFERS, how, path)

    def found(self, subject: str, code: str, text: str, path: KeyPath) -> None:
        """Reports anything else."""
        finding = ImportFinding(subject, code, text, self.document.place(path, key=True))
        if finding not in self.findings[-10:]:
            self.findings.append(finding)

    def place_flag(self, name: str, path: KeyPath) -> None:
        """Remembers where a flag is, or a segment as `segment NAME`, for what is found later."""
        self.homes[name] = self.document.place(path, key=True)

    def drop_unused_segments(self) -> None:
        """Drops the segments that no flag uses, and reports each."""
        needed = set(segments_used(self.flags))
        waiting = list(needed)
        while waiting:
            found = set(segments_used(self.segments.get(waiting.pop(), {}))) - needed
            needed |= found
            waiting += found
        for name in [name for name in self.segments if name not in needed]:
            del self.segments[name]
            subject = f"segment {name}"
            place = self.homes.get(subject, self.document.place(("segments", name), key=True))
            self.findings.append(ImportFinding(subject, NOT_CARRIED, UNUSED, place))

    def refuse(self, section: str, name: str, why: str) -> None:
        """Leaves out a flag or a segment that flags.yaml refuses."""
        (self.flags if section == "flags" else self.segments).pop(name, None)
        subject = name if section == "flags" else f"segment {name}"
        place = self.homes.get(subject, self.document.place((section, name), key=True))
        self.findings.append(ImportFinding(subject, LEFT_OUT, why, place))

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
    from burgee.flagfile import flag_grammar  # every start of the command line would load it

    return flag_grammar


def _is_metadata(key: str, value: Any) -> bool:
    scalar = isinstance(value, (str, bool)) or is_number(value)
    return scalar and key not in _limits().RESERVED_METADATA and 0 < len(key) <= 255


def segments_used(node: Any) -> Iterator[str]:
    """The segments that conditions refer to."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "segment":
            yield from [value] if isinstance(value, str) else value
        else:
            yield from segments_used(value)


def attribute(name: str, path: KeyPath) -> str:
    """Checks that a condition can name an attribute."""
    if name in KEYWORDS or not 0 < len(name) <= 255:
        raise NoEquivalent(f"an attribute cannot be called {name!r:.80} here", path)
    return name


def both(*parts: Mapping[str, Any] | bool) -> dict[str, Any] | bool:
    """The condition that all of these hold; True and False stand for always and never.

    An attribute that is to be one of several values twice is one of those in common.
    """
    distinct: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        if part is False:
            return False
        if part is not True:
            distinct.setdefault(repr(part), part)  # as values, false and 0 would be equal
    held = [*distinct.values()]
    merged: dict[str, Any] = {}
    for part in held:
        for key, value in part.items():
            if (
                key in merged
                and key not in KEYWORDS
                and not isinstance(merged[key], dict)
                and not isinstance(value, dict)
            ):
                common = _common(merged[key], value)
                if not common:
                    return False
                merged[key] = common[0] if len(common) == 1 else common
            elif key in merged:
                joined = _joined(key, merged[key], value)
                if joined is None:
                    return {"all": [dict(one) for one in held]}
                merged[key] = joined
            else:
                merged[key] = value
    return merged or True


def _common(one: Any, other: Any) -> list[Any]:
    """The values of both, in the order of the first; true is not 1."""
    ones, others = (given if isinstance(given, list) else [given] for given in (one, other))
    found = {(isinstance(value, bool), value) for value in others}
    return [value for value in ones if (isinstance(value, bool), value) in found]


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
    if list(part) == ["not"]:
        return dict(part["not"])
    if len(part) == 1 and next(iter(part.values())) in ({"exists": True}, {"exists": False}):
        return {key: {"exists": not test["exists"]} for key, test in part.items()}
    return {"not": dict(part)}


def ensures(
    when: Mapping[str, Any] | bool,
    attribute: str,
    is_enough: Callable[[Any], bool],
    segments: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Whether whatever meets a condition has an attribute with a test that `is_enough`.

    False where that is not seen at once: a condition that is negated ensures nothing.
    """
    known: dict[str, bool] = {}

    def of_segment(name: str) -> bool:
        if name not in known:
            known[name] = False
            known[name] = of(segments.get(name, {}).get("when", {}))
        return known[name]

    def of(part: Mapping[str, Any] | bool) -> bool:
        for key, value in part.items() if not isinstance(part, bool) else ():
            if key == "all" or (key == "any" and value):
                found = (any if key == "all" else all)(map(of, value))
            elif key == "segment":
                found = isinstance(value, str) and of_segment(value)
            else:
                found = key == attribute and is_enough(value)
            if found:
                return True
        return False

    return of(when)


def ensures_presence(test: Any) -> bool:
    """Whether a test of an attribute fails where it is missing: all do, except that it does not exist."""
    return bool(test != {"exists": False})


def ensures_text(test: Any) -> bool:
    """Whether a test of an attribute holds for strings alone, and not for the empty one."""
    if isinstance(test, dict):
        return any(
            name.startswith("semver_") or (name in {"starts_with", "ends_with"} and ensures_text(operand))
            for name, operand in test.items()
        )
    return all(isinstance(one, str) and one for one in (test if isinstance(test, list) else [test]))


NEVER: Mapping[str, Any] = {"not": {}}
"""The condition that no context meets."""


def condition(part: Mapping[str, Any] | bool) -> dict[str, Any]:
    """A condition as `when` takes it: an empty one holds always."""
    return dict(NEVER) if part is False else {} if part is True else dict(part)


def require_name(name: Any, path: KeyPath, what: str = "key") -> str:
    """Checks that a flag or segment can be called that here."""
    from burgee.flagfile.fields import NAME_PATTERN

    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name) or len(name) > 255:
        raise NoEquivalent(f"its {what} is not a valid name: use letters, digits, `.`, `_` and `-`", path)
    return name


def variant_names(values: Sequence[Any], given: Sequence[Any] | None = None) -> list[str]:
    """A name for each value: the given ones if they are distinct, else the values themselves where they are short."""
    if sorted(map(str, values)) == ["False", "True"] and all(isinstance(value, bool) for value in values):
        return ["on" if value else "off" for value in values]
    named = [name if isinstance(name, str) and 0 < len(name) <= 255 else "" for name in given or ()]
    if all(named) and len(set(named)) == len(values):
        return named
    shown = [_shown(value) for value in values]
    if all(shown) and len(set(shown)) == len(values):
        return [str(name) for name in shown]
    return [f"variation-{index + 1}" for index in range(len(values))]


def _shown(value: Any) -> str | None:
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z0-9][\w .-]{0,39}", value) else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if is_number(value) else None


def joined_text(texts: Sequence[str]) -> str:
    """A name and a description as one text."""
    return ". ".join([*(text.rstrip(".") for text in texts[:-1]), *texts[-1:]])


def scalar_list(values: Sequence[Any]) -> Any:
    """A single value as it is, several as a list."""
    return values[0] if len(values) == 1 else list(values)


def kind_of(value: Any) -> str:
    """The JSON type of a value, for comparing the types of variants."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if is_number(value) else type(value).__name__


def one_type(values: Iterable[Any], path: KeyPath) -> None:
    """Checks that a flag's values have one type, as flags here do."""
    kinds = {kind_of(value) for value in values}
    if "NoneType" in kinds:
        raise NoEquivalent("one of its values is null", path)
    if len(kinds) > 1:
        raise NoEquivalent("its values have several types", path)
