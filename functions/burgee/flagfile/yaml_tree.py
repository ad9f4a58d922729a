"""Parses YAML to a tree that keeps its layout: styles, comments and blank lines, besides the values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from burgee.flagfile.yaml_reader import events

_FRAME = {"StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"}


@dataclass(slots=True)
class TreeNode:
    """A value: `text` of a scalar, `entries` of a mapping or list; `raw` is its source, line by line."""

    kind: str
    flow: bool
    column: int
    raw: list[str]
    last: int = 0
    text: str = ""
    plain: bool = True
    entries: list[TreeEntry] = field(default_factory=list)

    @property
    def verbatim(self) -> bool:
        """Whether it spans lines and is not a block collection."""
        return len(self.raw) > 1 and (self.flow or self.kind == "scalar")


@dataclass(slots=True)
class TreeEntry:
    """An entry of a mapping or list. `lead` holds comments and blank lines above it, `foot` comments below it,
    indented deeper than what follows; `trailing` is the comment at the end of its line, with its column.
    """

    key: TreeNode | None
    value: TreeNode
    column: int
    lead: list[str] = field(default_factory=list)
    foot: list[str] = field(default_factory=list)
    trailing: tuple[int, str] | None = None


@dataclass(slots=True)
class Tree:
    """A file: the lines above its first key, the tree, and the comments at its end."""

    head: list[str]
    root: TreeNode | None
    tail: list[str]


def read(text: str) -> Tree:
    """Parses YAML without aliases and tags."""
    return _Reader(text).tree()


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")[:-1]
        self.stream = [event for event in events(text) if type(event).__name__ not in _FRAME]
        self.position = 0
        self.masks: dict[int, list[tuple[int, int]]] = {}
        self.claimed: set[int] = set()
        self.seen: list[TreeEntry] = []
        self._mask()

    def _mask(self) -> None:
        """Records the extent of scalars: a `#` inside one does not begin a comment."""
        for event in self.stream:
            if type(event).__name__ != "ScalarEvent":
                continue
            first, last = event.start_mark, event.end_mark
            for line in range(first.line, last.line + 1):
                low = first.column if line == first.line else 0
                high = last.column if line == last.line else len(self.lines[line])
                self.masks.setdefault(line, []).append((low, high))
            self.claimed.update(range(first.line + 1, last.line + (event.style not in {"|", ">"})))

    def comment(self, line: int) -> tuple[int, str] | None:
        """The comment of a line, with its column."""
        if line >= len(self.lines):
            return None
        text, start = self.lines[line], 0
        while (start := text.find("#", start)) >= 0:
            free = not any(low <= start < high for low, high in self.masks.get(line, ()))
            if free and (start == 0 or text[start - 1] in " \t"):
                return start, text[start:].rstrip()
            start += 1
        return None

    def own(self, line: int) -> bool:
        """Whether a line is blank or a comment, and not yet assigned."""
        text = self.lines[line].strip()
        return line not in self.claimed and (not text or text.startswith("#"))

    def above(self, line: int, column: int) -> list[str]:
        """The unassigned lines above an entry; comments indented deeper belong to the previous entry."""
        first = line
        while first > 0 and self.own(first - 1):
            first -= 1
        run = list(range(first, line))
        self.claimed.update(run)
        return self._shared(run, column)

    def _shared(self, run: list[int], column: int) -> list[str]:
        for index, number in enumerate(run):
            text = self.lines[number]
            deep = len(text) - len(text.lstrip())
            owner = next((entry for entry in reversed(self.seen) if entry.column <= deep), None)
            if text.strip() and (deep <= column or owner is None):
                start = index
                while start > 0 and not self.lines[run[start - 1]].strip():
                    start -= 1
                return [self.lines[one].strip() for one in run[start:]]
            if text.strip() and owner is not None:
                owner.foot.append(text.strip())
        blank = [number for number in run if not self.lines[number].strip()]
        return [""] if blank and run and not self.lines[run[-1]].strip() else []

    def tree(self) -> Tree:
        if not self.stream:
            return Tree([line.strip() for line in self.lines], None, [])
        first = self.stream[0].start_mark.line
        head = [self.lines[number].strip() for number in range(first) if self.own(number)]
        self.claimed.update(range(first))
        root = self._node()
        last = max((number for number in range(len(self.lines)) if not self.own(number)), default=0)
        tail = self._shared(list(range(last + 1, len(self.lines))), 0)
        return Tree(head, root, tail)

    def _next(self) -> Any:
        self.position += 1
        return self.stream[self.position - 1]

    def _node(self) -> TreeNode:
        event = self._next()
        name = type(event).__name__
        if name == "ScalarEvent":
            return TreeNode(
                "scalar",
                flow=False,
                column=event.start_mark.column,
                raw=self._raw(event.start_mark, event.end_mark),
                last=self._last_line(event.start_mark, event.end_mark),
                text=event.value,
                plain=event.implicit[0],
            )
        kind = "map" if name == "MappingStartEvent" else "list"
        node = TreeNode(kind, bool(event.flow_style), event.start_mark.column, [])
        fill = self._flow if node.flow else self._block
        end = fill(node, event)
        if node.flow:
            node.raw, node.last = self._raw(event.start_mark, end), end.line
            self.claimed.update(range(event.start_mark.line + 1, end.line + 1))
        return node

    def _flow(self, node: TreeNode, event: Any) -> Any:
        while not type(self.stream[self.position]).__name__.endswith("EndEvent"):
            key = self._node() if node.kind == "map" else None
            node.entries.append(TreeEntry(key, self._node(), event.start_mark.column))
        return self._next().end_mark

    def _block(self, node: TreeNode, event: Any) -> Any:
        column = event.start_mark.column
        while not type(self.stream[self.position]).__name__.endswith("EndEvent"):
            begin = self.stream[self.position].start_mark
            line = begin.line
            while node.kind == "list" and line > 0 and self.lines[line][column : column + 1] != "-":
                line -= 1
            entry = TreeEntry(None, node, column, self.above(line, column))
            self.seen.append(entry)
            node.entries.append(entry)
            if node.kind == "map":
                entry.key = self._node()
            inner = self.stream[self.position]
            self._between(entry, line, inner)
            entry.value = self._node()
            if entry.value.flow or entry.value.kind == "scalar":
                entry.trailing = self._last(entry, line) or entry.trailing
        return self._next().end_mark

    def _between(self, entry: TreeEntry, line: int, inner: Any) -> None:
        """Comments after a key or dash whose value begins on a later line: the first stays, others move above."""
        block = type(inner).__name__ != "ScalarEvent" and not inner.flow_style
        if inner.start_mark.line == line and not block:
            return
        found = self.comment(line)
        if found is not None and inner.start_mark.line > line:
            entry.trailing = found
        if not block:
            for number in range(line + 1, inner.start_mark.line):
                if self.own(number) and self.lines[number].strip():
                    entry.lead.append(self.lines[number].strip())
                self.claimed.add(number)

    def _last(self, entry: TreeEntry, line: int) -> tuple[int, str] | None:
        """The comment on the last line of a scalar or flow collection."""
        if entry.value.raw[0][:1] in {"|", ">"}:
            return None
        found = self.comment(entry.value.last)
        if found is not None and entry.trailing is not None and entry.value.last != line:
            entry.lead.append(entry.trailing[1])
        return found

    def _last_line(self, start: Any, end: Any) -> int:
        """The last line of a value; the end mark of a block scalar is at the beginning of the next line."""
        return int(end.line - 1 if end.column == 0 and end.line > start.line else end.line)

    def _raw(self, start: Any, end: Any) -> list[str]:
        last = self._last_line(start, end)
        if last >= len(self.lines):
            return [""]
        ended = end.column if last == end.line else len(self.lines[last])
        if start.line == last:
            return [self.lines[last][start.column : ended]]
        inner = self.lines[start.line + 1 : last]
        return [self.lines[start.line][start.column :], *inner, self.lines[last][:ended]]


def comments(text: str) -> list[str]:
    """Every comment of a file, sorted."""
    reader = _Reader(text)
    found = (reader.comment(line) for line in range(len(reader.lines)))
    return sorted(comment[1] for comment in found if comment is not None)
