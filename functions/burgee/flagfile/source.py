"""flags.yaml and its includes, read into one model with every problem located."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from burgee.errors import FlagFileError
from burgee.evaluation.operators import OPERATORS
from burgee.flagfile.experiments import Experiment, Metric
from burgee.flagfile.file_set import Reader, included, matches
from burgee.flagfile.grammar import Flag, FlagFile, Included, Rule
from burgee.flagfile.yaml_reader import MAX_BYTES, Document
from burgee.model import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from burgee.flagfile.fields import Part
    from burgee.flagfile.grammar import Fault

SECTIONS = ("segments", "metrics", "flags", "holdouts")


class Source:
    """A file as read: the model of what is well-formed, where each thing stands, and what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.documents: list[Document] = []
        self.homes: dict[tuple[str, str], Document] = {}
        self.model = FlagFile(version=1)
        self._reader = Reader()
        main = self._document(path)
        if main is not None:
            self._merge(main, FlagFile)
            for path_included in self._includes(main):
                document = self._document(path_included)
                if document is not None:
                    self._merge(document, Included)

    @property
    def digests(self) -> Mapping[Path, bytes]:
        """The digest of every file, as it was read; see `burgee.flagfile.file_set`."""
        return self._reader.digests

    def place(self, section: str, name: str, *path: str | int, key: bool = False) -> Place:
        """Where something inside a flag, segment, metric or holdout stands."""
        document = self.homes[section, name]
        return document.place((section, name, *path), key=key or not path)

    def _document(self, path: Path) -> Document | None:
        try:
            data = self._reader.read(path)
        except OSError as error:
            place = Place(str(path), 1, 1)
            self.problems.append(Problem(place, "unreadable", f"cannot be read: {error.strerror}"))
            return None
        if self._reader.size > MAX_BYTES:
            place = Place(str(path), 1, 1)
            self.problems.append(Problem(place, "too-large", f"files over {MAX_BYTES:,} bytes in all are not read"))
            return None
        try:
            document = Document(str(path), data)
        except FlagFileError as error:
            self.problems.extend(error.problems)
            return None
        self.problems.extend(document.problems)
        self.problems += [_without_value(document, path) for path in document.blanks if path]
        self.documents.append(document)
        return document

    def _includes(self, main: Document) -> Sequence[Path]:
        for index, pattern in enumerate(self.model.include):
            place, found = main.place(("include", index)), matches(self.path, pattern)
            if found is None:
                message = f"{pattern!r} leaves the file's folder"
                self.problems.append(Problem(place, "include-outside", message, "use a path below this file"))
            elif not found:
                self.problems.append(Problem(place, "include-missing", f"{pattern!r} matches no file"))
        return included(self.path, self.model.include)

    def _merge(self, document: Document, grammar: type[Included]) -> None:
        """Validates the head and each entry apart, so that one fault hides no other."""
        value = document.value
        if not isinstance(value, dict):
            self.problems.append(Problem(document.place(()), "not-a-mapping", "a flag file is a mapping"))
            return
        head = {key: item for key, item in value.items() if key not in SECTIONS}
        parsed = self._validate(document, grammar, head, ())
        if isinstance(parsed, FlagFile):
            self.model = parsed
        for section in SECTIONS:
            self._section(document, section, value.get(section))

    def _section(self, document: Document, section: str, entries: Any) -> None:
        if section not in document.value or (section,) in document.blanks:
            return
        if entries is None:
            self.problems.append(_without_value(document, (section,)))
            return
        if not isinstance(entries, dict):
            self.problems.append(Problem(document.place((section,)), "wrong-type", f"{section} is a mapping by name"))
            return
        target: dict[str, Any] = getattr(self.model, section)
        for name, entry in entries.items():
            first = self.homes.get((section, name))
            if first is not None:
                message = f"{name!r} is defined already at {first.place((section, name), key=True)}"
                place = document.place((section, name), key=True)
                self.problems.append(Problem(place, "defined-twice", message, "keep one of them"))
                continue
            self.homes[section, name] = document
            holder = self._validate(document, Included, {section: {name: entry}}, ())
            if holder is not None:
                target[name] = getattr(holder, section)[name]

    def _validate(
        self, document: Document, grammar: type[Part], value: Any, base: tuple[str | int, ...]
    ) -> Part | None:
        try:
            return grammar.model_validate(value)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self.problems.extend(problems_of(document, detail, base))
            return None


def problems_of(document: Document, detail: ErrorDetails, base: tuple[str | int, ...]) -> list[Problem]:
    """Located problems in our words for one of pydantic's; a condition may have several, and a blank has its own."""
    start = (*base, *_real(detail["loc"]))
    if detail["type"] == "condition":
        faults = [fault for fault in detail["ctx"]["faults"] if (*start, *fault.path) not in document.blanks]
        return [_fault_of(document, fault, start) for fault in faults]
    path = (*start, *detail.get("ctx", {}).get("path", ()))
    if path in document.blanks:
        return []
    return [_without_value(document, path) if detail["type"] == "no-value" else _problem_of(document, detail, base)]


def _without_value(document: Document, path: tuple[str | int, ...]) -> Problem:
    message = "this item has no value" if isinstance(path[-1], int) else f"{path[-1]!r} has no value"
    return Problem(document.place(path, key=True), "no-value", message, "give it one, or leave it out")


def _fault_of(document: Document, fault: Fault, start: tuple[str | int, ...]) -> Problem:
    named = fault.code == "unknown-operator"
    place = document.place((*start, *fault.path), key=named)
    return Problem(place, fault.code, fault.message, near(fault.path[-1], OPERATORS) if named else None)


def _problem_of(document: Document, detail: ErrorDetails, base: tuple[str | int, ...]) -> Problem:
    context = detail.get("ctx", {})
    location = (*_real(detail["loc"]), *context.get("path", ()))
    path = (*base, *location)
    kind = detail["type"]
    key = path[-1] if path else ""
    if kind == "extra_forbidden":
        known = sorted(_siblings(location))
        return Problem(
            document.place(path, key=True), "unknown-key", f"there is no key {key!r} here", near(key, known)
        )
    if kind == "missing":
        return Problem(document.place(path[:-1], key=True), "missing-key", f"{_field(detail)!r} is needed here")
    named = "[key]" in detail["loc"]
    if kind == "string_pattern_mismatch":
        message = f"{detail['input']!r} is not a name"
        hint = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
        return Problem(document.place(path, key=named), "invalid-name", message, hint)
    code, message = _PLAIN.get(kind, (kind if "-" in kind else "wrong-type", detail["msg"]))
    return Problem(
        document.place(path, key=named), code, message.format(found=repr(detail["input"])[:80], **_words(context))
    )


_PLAIN = {
    "bool_type": ("wrong-type", "true or false is needed here, not {found}"),
    "bool_parsing": ("wrong-type", "`on` or `off` is needed here, not {found}"),
    "dict_type": ("wrong-type", "a mapping is needed here, not {found}"),
    "model_type": ("wrong-type", "a mapping is needed here, not {found}"),
    "list_type": ("wrong-type", "a list is needed here, not {found}"),
    "tuple_type": ("wrong-type", "a list of two percentages is needed here, not {found}"),
    "string_type": ("wrong-type", "a text is needed here, not {found}; quote it if it is one"),
    "string_too_long": ("too-long", "at most {max_length} characters, please"),
    "string_too_short": ("empty", "this must not be empty"),
    "too_short": ("empty", "this must not be empty"),
    "enum": ("wrong-value", "{expected} is needed here, not {found}"),
    "literal_error": ("wrong-value", "{expected} is needed here, not {found}"),
}


def _words(context: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if key in {"max_length", "expected"}}


def _field(detail: ErrorDetails) -> str:
    return str(detail["loc"][-1])


def _real(location: Iterable[str | int]) -> tuple[str | int, ...]:
    """A location without the tags that pydantic puts in for unions and keys."""
    return tuple(step for step in location if not (isinstance(step, str) and step[:1] in "([" and step[-1:] in ")]"))


def _siblings(location: tuple[str | int, ...]) -> set[str]:
    """The keys that may stand where the last of a location does: an approximation good enough for a hint."""
    part: type[Part] = FlagFile
    if len(location) > 2 and location[0] in {"flags", "metrics"}:
        inside = next((key for key in ("rules", "experiment") if key in location[2:-1]), location[0])
        part = _PARTS[inside]
    return {field.alias or name for name, field in part.model_fields.items()}


_PARTS: dict[str | int, type[Part]] = {"rules": Rule, "experiment": Experiment, "flags": Flag, "metrics": Metric}


def near(name: str | int, known: Iterable[str]) -> str | None:
    """A hint where another known name is close to what was written."""
    close = get_close_matches(str(name), [one for one in known if one != name], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None
