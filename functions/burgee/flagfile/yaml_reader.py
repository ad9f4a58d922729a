"""Reads YAML to plain values and the place of each, in one pass over the parser's events.

Stricter than YAML on purpose: YAML 1.2 scalars, no aliases, tags or merge keys, bounded depth and size. Parsing stops
at the first such event, so hostile input stays cheap and constructs no objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from burgee.errors import FlagFileError
from burgee.flagfile.nesting import MAX_DEPTH
from burgee.model import Place, Problem
from burgee.numeric import LARGEST, misfit, parse_number

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 4 * 1024 * 1024

KeyPath: TypeAlias = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


def events(text: str) -> Iterator[Any]:
    """The parser's events, with their marks: for callers that need the layout of a file, not its value."""
    return iter(yaml.parse(text, Loader=_LOADER))


def scalar(text: str) -> Any:
    """The value of a plain scalar. Numbers are JSON's: 0123 and 1_000 stay strings, so that no identifier changes."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    number = parse_number(text)
    return text if number is None else number


def written(definition: dict[str, Any]) -> str:
    """One flag in YAML, as a person would begin to edit it; the reader gives the same definition back."""
    text = yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=100)
    for value, word in (("true", "on"), ("false", "off")):
        text = "\n".join(f"status: {word}" if line == f"status: {value}" else line for line in text.split("\n"))
    return text


class Document:
    """The value of a file, and the place of each part: `places` of values, `keys` of mapping keys."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self.blanks: set[KeyPath] = set()
        """Marks a missing value, which YAML reads as null."""
        self.value = self._read(data)

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """The place of a path, or of its nearest parent in the file."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1, 1))

    def _fail(self, code: str, message: str, hint: str | None = None, mark: Any = None) -> FlagFileError:
        place = self._at(mark) if mark is not None else Place(self.file, 1, 1)
        return FlagFileError([*self.problems, Problem(place, code, message, hint)])

    def _at(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _read(self, data: bytes) -> Any:
        if len(data) > MAX_BYTES:
            raise self._fail("too-large", f"the file has {len(data):,} bytes, the limit is {MAX_BYTES:,}")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            line, column = before.count(b"\n"), len(before) - (before.rfind(b"\n") + 1)
            problem = Problem(
                Place(self.file, line + 1, column + 1), "invalid-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8"
            )
            raise FlagFileError([problem]) from error
        try:
            return self._document(yaml.parse(text, Loader=_LOADER))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._fail("yaml-syntax", error.problem or "this is not YAML", mark=mark) from error
        except yaml.YAMLError as error:
            raise self._fail("yaml-syntax", str(error).splitlines()[0]) from error

    def _document(self, events: Iterator[Any]) -> Any:
        value = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._fail(
                        "many-documents", "a flag file is one document", "remove `---`", event.start_mark
                    )
            elif isinstance(event, (yaml.StreamStartEvent, yaml.DocumentEndEvent, yaml.StreamEndEvent)):
                continue
            else:
                value = self._node(event, events, ())
        return value

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._fail("alias", "anchors and aliases are not allowed", "write the value out", mark)
        if event.tag is not None:
            raise self._fail("tag", f"the tag {event.tag} is not allowed", "quote it as a string instead", mark)
        if len(path) > MAX_DEPTH:
            raise self._fail("too-deep", f"nesting is deeper than {MAX_DEPTH} levels", mark=mark)
        self.places[path] = self._at(mark)
        if isinstance(event, yaml.ScalarEvent):
            if not event.value and event.implicit[0]:
                self.blanks.add(path)
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _sequence(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise self._fail("key-not-scalar", "a key must be a string", mark=event.start_mark)
            key, here = event.value, self._at(event.start_mark)
            if key == "<<" and event.implicit[0]:
                raise self._fail("alias", "merge keys are not allowed", "write the keys out", event.start_mark)
            inner = (*path, key)
            if key in mapping:
                first = self.keys[inner]
                self.problems.append(
                    Problem(here, "duplicate-key", f"{key!r} is already on line {first.line}", "keep one of them")
                )
                # The value is still checked for problems; the places stay those of the first.
                places, keys, self.places, self.keys = self.places, self.keys, {}, {}
                self._node(next(events), events, inner)
                self.places, self.keys = places, keys
                continue
            self.keys[inner] = here
            mapping[key] = self._node(next(events), events, inner)
        return mapping

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        value = scalar(text)
        if misfit(value) is not None:
            message = f"{text:.80} is out of range: numbers go up to {LARGEST:.3e}"
            self.problems.append(Problem(self._at(event.start_mark), "number-range", message, "quote it as a string"))
            return 0  # still a number, so that no other fault is reported
        return value
