"""What importers of files with several environments share: where things are, and the flags of one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from burgee.importers.base import NOT_CARRIED, Imported, NoEquivalent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.flagfile.yaml_reader import Document, KeyPath
    from burgee.model import Place

NAMELESS = ""
"""The environment of a file that does not name one."""


class Documents:
    """Several documents as one: the first step of a path is the number of the document."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """The place of a path, or of its nearest parent in the file."""
        if path and isinstance(path[0], int):
            return self._documents[path[0]].place(path[1:], key=key)
        return self._documents[0].place((), key=key)


class EnvironmentEntries:
    """What files have of one environment beside its flags: what is not imported, and what cannot be read."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.archived: dict[str, KeyPath] = {}
        self.unread: list[tuple[KeyPath, str]] = []
        """Paths, each with the reason."""

    def imported(self) -> Imported:
        """An import that reports these, with no flags yet."""
        made = Imported(self.documents)
        for path, why in self.unread:
            made.leave_out("the file", path, why)
        for name, path in self.archived.items():
            made.found(name, NOT_CARRIED, "it is archived there, so it is not imported", path)
        return made


class Located(Protocol):
    """A flag as a file has it."""

    @property
    def path(self) -> KeyPath: ...


Found = TypeVar("Found", bound=Located)


def convert_flags(
    made: Imported, flags: Mapping[str, Found], definition: Callable[[str, Found], dict[str, Any]]
) -> None:
    """Converts each flag by name, and leaves out those that raise NoEquivalent."""
    for name, flag in flags.items():
        made.place_flag(name, flag.path)
        try:
            made.flags[name] = definition(name, flag)
        except NoEquivalent as found:
            made.leave_out(name, found.path or flag.path, str(found))
