"""Reads flags.yaml and its includes into one model, and locates every problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from burgee.errors import FlagFileError
from burgee.flagfile.faults import faults_of, without_value
from burgee.flagfile.file_set import FileReader, included, matches
from burgee.flagfile.grammar import FlagFile, Included
from burgee.flagfile.yaml_reader import MAX_BYTES, Document
from burgee.model import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from burgee.flagfile.fields import Part
    from burgee.model import Fault

SECTIONS = ("segments", "metrics", "sources", "flags", "holdouts")


class Source:
    """A file as read: the model of its valid parts, the place of each, and the problems."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.documents: list[Document] = []
        self.homes: dict[tuple[str, str], Document] = {}
        self.model = FlagFile(version=1)
        self._reader = FileReader()
        main = self._document(path)
        if main is not None:
            self._merge(main, FlagFile)
            for path_included in self._includes(main):
                document = self._document(path_included)
                if document is not None:
                    self._merge(document, Included)

    @property
    def digests(self) -> Mapping[Path, bytes]:
        """The digest of every file as read; see `burgee.flagfile.file_set`."""
        return self._reader.digests

    def place(self, section: str, name: str, *path: str | int, key: bool = False) -> Place:
        """The place of a value inside a flag, segment, metric or holdout."""
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
        self.problems += [placed(document, without_value(path)) for path in document.blanks if path]
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
        """Validates the head and each entry separately, so that one fault does not hide others."""
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
            self.problems.append(placed(document, without_value((section,))))
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
            faults = faults_of(error.errors(include_url=False), base)
            # A blank is reported once, as a missing value, not as the null that YAML reads.
            self.problems += [placed(document, fault) for fault in faults if fault.path not in document.blanks]
            return None


def placed(document: Document, fault: Fault) -> Problem:
    """Locates a fault in a document."""
    return Problem(document.place(fault.path, key=fault.at_key), fault.code, fault.message, fault.hint)
