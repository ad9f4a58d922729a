"""Gives YAML text another value, and changes no more text than that takes.

Values are replaced where they stand; keys and items that stay keep their lines. So comments, quotes, styles, spaces
and blank lines of all that stays are kept, and whatever did not change is the same, byte for byte.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from burgee.errors import FlagFileError, Refused
from burgee.flagfile.formatter import scalar_text
from burgee.flagfile.yaml_reader import Document, events, scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SPACE = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_INDENT = re.compile(" *")
_COMMENT = re.compile(r"#[^\r\n]*")
_MAX_PAIRS = 10_000
"""Above this many pairs of items, those that changed are not compared with each other."""


@dataclass(slots=True)
class _Node:
    """A value and its extent. A block collection begins at its first key or dash and ends after its last line."""

    kind: str
    flow: bool
    start: int
    end: int = 0
    value: Any = None
    entries: list[_Entry] = field(default_factory=list)

    @property
    def block(self) -> bool:
        return self.kind != "scalar" and not self.flow


@dataclass(slots=True)
class _Entry:
    """A key or item: `start` is its key or dash, `after` is where its key or dash ends.

    `end` is one past its last line, or past its value in a flow collection.
    """

    key: str | None
    start: int
    after: int
    node: _Node
    end: int


@dataclass(slots=True)
class _Around:
    """The comments around an entry: lines above it, lines below that are indented deeper, one at its end."""

    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    trailing: str = ""


def patched(text: str, value: Mapping[str, Any]) -> str:
    """The text of a mapping with another value; comments of keys and items that stay are kept.

    An item of a list stays if an equal one is wanted, or else one in its place. Raises Refused if the text has a
    layout that cannot be edited, FlagFileError if it has faults: an edit would drop a key that is there twice.
    """
    problems = Document("", text.encode("utf-8", "surrogatepass")).problems
    if problems:
        raise FlagFileError(problems)
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    plain = text.removeprefix(mark)
    newline = "\r\n" if "\r\n" in plain else "\n"
    ended = plain if plain.endswith("\n") else plain + newline
    # A block scalar at the end has one newline more in `ended`: it keeps its text only while it stays last.
    for known in dict.fromkeys((plain, ended)):
        root = _parsed(ended, known)
        if root is None or root.kind != "map":
            raise Refused("not-in-file", "the file is not a mapping")
        made = _Writer(ended, root, newline).whole(value)
        if ended != plain and made.rpartition(newline)[0].endswith(plain[plain.rfind("\n") + 1 :]):
            made = made.removesuffix(newline)
        try:
            read = Document("", made.encode("utf-8", "surrogatepass"))
        except FlagFileError:
            continue
        if not read.problems and same(read.value, value):
            return mark + made
    raise Refused("not-in-file", "the file has a layout that cannot be edited: run `burgee fmt` first")


def same(one: Any, other: Any) -> bool:
    """Equality that includes the order of keys (which matters in a split) and the type of numbers."""
    return one is other or json.dumps(one) == json.dumps(other)


def aligned(old: Sequence[Any], new: Sequence[Any]) -> list[int | None]:
    """For each item of a list, the index of the item that it was before, if any.

    Equal items come first, then those with the same `name`. Of the rest, as many as before are taken in order; if
    their number changed, the most similar mappings are.
    """
    before, after = [json.dumps(one) for one in old], [json.dumps(one) for one in new]
    found: list[int | None] = [None] * len(new)
    first, least = 0, min(len(old), len(new))
    while first < least and before[first] == after[first]:
        found[first] = first
        first += 1
    last = 0
    while last < least - first and before[-1 - last] == after[-1 - last]:
        last += 1
        found[len(new) - last] = len(old) - last
    places: dict[str, deque[int]] = defaultdict(deque)
    for index in range(first, len(old) - last):
        places[before[index]].append(index)
    for index in range(first, len(new) - last):
        if places[after[index]]:
            found[index] = places[after[index]].popleft()
    _align_changed(old, new, found)
    return found


def _align_changed(old: Sequence[Any], new: Sequence[Any], found: list[int | None]) -> None:
    taken = set(found)
    left = [index for index in range(len(old)) if index not in taken]
    names = {name: index for index in reversed(left) if (name := _name(old[index])) is not None}
    for index, item in enumerate(new):
        name = _name(item)
        if found[index] is None and name is not None:
            found[index] = names.pop(name, None)
    taken = set(found)
    left = [index for index in left if index not in taken]
    made = [index for index, one in enumerate(found) if one is None]
    if len(left) == len(made):
        for index, one in zip(made, left, strict=True):
            found[index] = one
    elif len(left) * len(made) <= _MAX_PAIRS:
        for index in made:
            best = max(left, key=lambda one: _likeness(old[one], new[index]), default=None)
            if best is not None and _likeness(old[best], new[index]):
                found[index] = best
                left.remove(best)


def _name(item: Any) -> str | None:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _likeness(one: Any, other: Any) -> int:
    """How many keys of two mappings have the same value."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return 0
    return sum(key in other and same(value, other[key]) for key, value in one.items())


def _parsed(text: str, known: str) -> _Node | None:
    """The nodes of `text`; `known` is the same, or lacks the newline at its end, and decides the values."""
    stream = (event for event in events(known) if not type(event).__name__.startswith(("Stream", "Document")))
    first = next(stream, None)
    return None if first is None else _node(text, first, stream)


def _node(text: str, event: Any, stream: Iterator[Any]) -> _Node:
    start = event.start_mark.index
    kind = type(event).__name__
    if kind == "ScalarEvent":
        value = scalar(event.value) if event.implicit[0] else event.value
        # The end mark of a block scalar is behind the blank lines that follow it.
        return _Node("scalar", False, start, start + len(text[start : event.end_mark.index].rstrip()), value)
    node = _Node("map" if kind == "MappingStartEvent" else "list", bool(event.flow_style), start)
    end = _entries(text, node, stream)
    node.end = end if node.flow else node.entries[-1].end
    if node.kind == "map":
        node.value = {entry.key: entry.node.value for entry in node.entries}
    else:
        node.value = [entry.node.value for entry in node.entries]
    return node


def _entries(text: str, node: _Node, stream: Iterator[Any]) -> int:
    reached = node.start
    for event in stream:
        if type(event).__name__ in {"MappingEndEvent", "SequenceEndEvent"}:
            return int(event.end_mark.index)
        key = None
        start = after = event.start_mark.index
        if node.kind == "map":
            key, after = event.value, event.end_mark.index
            event = next(stream)  # noqa: PLW2901  # the value's event follows the key's
        elif not node.flow:
            space = _SPACE.match(text, reached)
            start = space.end() if space else reached
            after = start + 1
        inner = _node(text, event, stream)
        reached = inner.end if node.flow or inner.block else text.find("\n", inner.end) + 1
        node.entries.append(_Entry(key, start, after, inner, reached))
    return reached


class _Writer:
    """Writes a tree of nodes with another value."""

    def __init__(self, text: str, root: _Node, newline: str) -> None:
        self.text = text
        self.root = root
        self.newline = newline
        self.lines = [0, *(found.end() for found in re.finditer("\n", text))]
        steps: dict[str, Counter[int]] = {"map": Counter({2: 0}), "list": Counter({2: 0})}
        self._measure(root, steps)
        self.step = steps["map"].most_common(1)[0][0]
        self.offset = steps["list"].most_common(1)[0][0]

    def _measure(self, node: _Node, steps: dict[str, Counter[int]]) -> None:
        """Counts by how much mappings and lists in block style are indented below their keys."""
        for entry in node.entries:
            if entry.node.block:
                if entry.key is not None:
                    steps[entry.node.kind][self._column(entry.node.start) - self._column(node.start)] += 1
                self._measure(entry.node, steps)

    def whole(self, value: Mapping[str, Any]) -> str:
        """The whole text."""
        root = self.root
        if root.flow:
            return self.text[: root.start] + self._flow(root, value) + self.text[root.end :]
        start = self._line(root.start)
        _, made = self._block(root, value, start) if value else ([], "{}" + self.newline)
        return self.text[:start] + made + self.text[root.end :]

    def _line(self, place: int) -> int:
        """Where the line of a place begins."""
        return self.lines[bisect_right(self.lines, place) - 1]

    def _column(self, place: int) -> int:
        return place - self._line(place)

    # Collections in block style.

    def _block(self, node: _Node, value: Any, start: int) -> tuple[list[str], str]:
        """The lines of a collection from `start`, and comments that have to go above the dash it follows."""
        margin = " " * self._column(node.start)
        behind_dash = not self._starts_line(node.start)
        around = self._around(node, start)
        entries = _plan(node, value)
        tail = _carry(around, {index for index, _, _ in entries})
        parts: list[str] = []
        lifted: list[str] = []
        for place, (index, key, wanted) in enumerate(entries):
            entry = None if index is None else node.entries[index]
            comments = _Around() if index is None else around[index]
            above = list(comments.above)
            more, body = self._new_entry(key, wanted, len(margin)) if entry is None else self._entry(entry, wanted)
            above += [f"{margin}{one}{self.newline}" for one in more]
            while not place and index and above and not above[0].strip():
                above.pop(0)
            if not place and behind_dash:
                lifted = [line.strip() for line in above if line.strip()]
                parts.append(body)
            else:
                parts += [*above, margin + body]
            parts += comments.below
        return lifted, "".join([*parts, *tail])

    def _around(self, node: _Node, start: int) -> list[_Around]:
        """The comments around each entry of a block, from its first to its last."""
        column, reached = self._column(node.start), start
        around = [_Around() for _ in node.entries]
        for index, entry in enumerate(node.entries):
            lines = self.text[reached : max(self._line(entry.start), reached)].splitlines(keepends=True)
            if index:
                deep = [one for one, line in enumerate(lines) if line.strip()]
                own = next((one for one in deep if len(lines[one]) - len(lines[one].lstrip()) <= column), None)
                last = max((one for one in deep if own is None or one < own), default=-1)
                around[index - 1].below, lines = lines[: last + 1], lines[last + 1 :]
            around[index].above = lines
            reached = entry.end
        return around

    def _entry(self, entry: _Entry, value: Any) -> tuple[list[str], str]:
        """The lines of an entry from its column, and comments that have to go above it."""
        node, text = entry.node, self.text
        if same(node.value, value):
            return [], text[entry.start : entry.end]
        if node.block:
            start = node.start if self._line(node.start) == self._line(entry.start) else self._next_line(entry.after)
            if value and _kind(value) == node.kind:
                lifted, made = self._block(node, value, start)
                return lifted, text[entry.start : start] + made
            return self._refilled(entry, value, _COMMENT.findall(text[entry.after : start]))
        flow = node.flow and bool(node.entries)
        if value and _kind(value) != "scalar" and not flow:
            return self._refilled(entry, value, self._comments(entry))
        if text[node.start : node.start + 1] in {"|", ">"}:
            return self._refilled(entry, value, self._comments(entry))
        made = self._inline(node, value)
        head, tail = text[entry.start : node.start], text[node.end : entry.end]
        if not head[-1:].isspace():
            head += " "
        grown = len(head) + len(made) - (node.end - entry.start)
        space = re.match(" +(?=#)", tail)
        if space and "\n" not in made:
            wide = len(space.group())
            tail = " " * max(min(wide, 2), wide - grown) + tail[wide:]
        return [], head + made + tail

    def _next_line(self, place: int) -> int:
        return self.text.find("\n", place) + 1

    def _comments(self, entry: _Entry) -> list[str]:
        """The comments of an entry whose value is a scalar or an empty collection; a block scalar's is in it."""
        node, text = entry.node, self.text
        found = _COMMENT.findall(text[entry.after : node.start])
        if text[node.start : node.start + 1] in {"|", ">"}:
            header = _COMMENT.search(text, node.start, self._next_line(node.start))
            return [*found, header.group().rstrip()] if header else found
        inside = _COMMENT.findall(text[node.start : node.end]) if node.flow else []
        return [*found, *inside, *_COMMENT.findall(text[node.end : entry.end])]

    def _refilled(self, entry: _Entry, value: Any, comments: list[str]) -> tuple[list[str], str]:
        """An entry with a value of another layout: its comments stay at its key, or go above its dash."""
        column = self._column(entry.start)
        if entry.key is None:
            return comments, self._item(value, column)
        made = self._pair(self.text[entry.start : entry.after], value, column)
        if not comments:
            return [], made
        first, end, rest = made.partition(self.newline)
        return comments[1:], f"{first}  {comments[0]}{end}{rest}"

    # New text in block style.

    def _new_entry(self, key: str | None, value: Any, column: int) -> tuple[list[str], str]:
        if key is None:
            return [], self._item(value, column)
        return [], self._pair(scalar_text(key, flow=False), value, column)

    def _pair(self, key: str, value: Any, column: int) -> str:
        if not value or _kind(value) == "scalar":
            return f"{key}: {_one_line(value, flow=False)}{self.newline}"
        inner = column + (self.step if _kind(value) == "map" else self.offset)
        return f"{key}:{self.newline}{' ' * inner}{self._lines(value, inner)}"

    def _item(self, value: Any, column: int) -> str:
        if not value or _kind(value) == "scalar":
            return f"- {_one_line(value, flow=False)}{self.newline}"
        return f"- {self._lines(value, column + 2)}"

    def _lines(self, value: Any, column: int) -> str:
        items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
        return (" " * column).join(self._new_entry(key, item, column)[1] for key, item in items)

    # Values on a line, and collections in flow style.

    def _inline(self, node: _Node, value: Any, *, flow: bool = False) -> str:
        if same(node.value, value):
            return self.text[node.start : node.end]
        if _kind(value) == node.kind and node.entries and self.text[node.start] in "{[":
            return self._flow(node, value)
        quote = self.text[node.start : node.start + 1]
        if isinstance(value, str) and quote in {"'", '"'} and value.isprintable():
            return f"'{value.replace(quote, quote * 2)}'" if quote == "'" else json.dumps(value, ensure_ascii=False)
        return _one_line(value, flow=flow)

    def _flow(self, node: _Node, value: Any) -> str:
        """A collection in flow style: new items go on lines of their own if the old ones are."""
        entries, text = node.entries, self.text
        ends = [node.start + 1, *(entry.end for entry in entries)]
        starts = [*(entry.start for entry in entries), node.end - 1]
        gaps = [text[end:start] for end, start in zip(ends, starts, strict=True)]
        around, opening, closing = _flow_comments(gaps)
        plan = _plan(node, value)
        closing = _carry(around, {index for index, _, _ in plan}) + closing
        broken = any("\n" in gap for gap in gaps)
        margin = next((self._indent(entry.start) for entry in entries if self._starts_line(entry.start)), None)
        layout = _FlowLayout(gaps, around, self.newline, self._indent(node.start) + self.step, broken)
        if margin is not None:
            layout.column = margin
        outer = self._indent(node.end - 1) if self._starts_line(node.end - 1) else self._indent(node.start)
        if not plan:
            return text[node.start] + layout.emptied(opening, closing, outer) + text[node.end - 1]
        made = [text[node.start], layout.opened(opening, plan[0][0])]
        for place, (index, key, wanted) in enumerate(plan):
            if place:
                made.append(layout.between(plan[place - 1][0], index))
            made.append(self._flow_entry(None if index is None else entries[index], key, wanted))
        made += [layout.closed(closing, plan[-1][0], outer), text[node.end - 1]]
        return "".join(made)

    def _flow_entry(self, entry: _Entry | None, key: str | None, value: Any) -> str:
        if entry is None:
            start = "" if key is None else f"{scalar_text(key, flow=True)}: "
            return start + _one_line(value, flow=True)
        if same(entry.node.value, value):
            return self.text[entry.start : entry.end]
        head = self.text[entry.start : entry.node.start]
        if key is not None:
            after = self.text[entry.after : entry.node.start]
            head += "" if after[-1:].isspace() else " " if ":" in after else ": "
        return head + self._inline(entry.node, value, flow=True)

    def _starts_line(self, place: int) -> bool:
        return self._indent(place) == self._column(place)

    def _indent(self, place: int) -> int:
        """By how many spaces the line of a place is indented."""
        line = self._line(place)
        found = _INDENT.match(self.text, line, place)
        return found.end() - line if found else 0


@dataclass(slots=True)
class _FlowLayout:
    """The text between the entries of a flow collection; it stays between entries that were neighbours before."""

    gaps: list[str]
    around: list[_Around]
    newline: str
    column: int
    broken: bool

    def opened(self, comment: str, first: int | None) -> str:
        if first == 0:
            return self.gaps[0]
        above = [] if first is None else self.around[first].above
        if not comment and not above and "\n" not in self.gaps[0]:
            return self.gaps[0]
        return (f"  {comment}" if comment else "") + self._lines(above, self.column)

    def emptied(self, opening: str, closing: list[str], column: int) -> str:
        if not opening and not closing:
            return ""
        inner = self.newline.join(["", *(" " * self.column + one for one in closing)])
        return (f"  {opening}" if opening else "") + inner + self._lines([], column)

    def between(self, before: int | None, after: int | None) -> str:
        if before is not None and after == before + 1 and self._is_as_it_was(after):
            return self.gaps[after]
        trailing = "" if before is None else self.around[before].trailing
        above = [] if after is None else self.around[after].above
        own_line = self.broken if after is None or not after else "\n" in self.gaps[after]
        if not trailing and not above and not own_line:
            return ", "
        return "," + (f"  {trailing}" if trailing else "") + self._lines(above, self.column)

    def closed(self, comments: list[str], last: int | None, column: int) -> str:
        gap = self.gaps[-1]
        if last == len(self.around) - 1 and len(comments) == len(_COMMENT.findall(gap.partition("\n")[2])):
            return gap
        trailing = "" if last is None else self.around[last].trailing
        if not trailing and not comments and "\n" not in gap:
            return gap.replace(",", "")
        inner = self.newline.join(["", *(" " * self.column + one for one in comments)])
        return (f"  {trailing}" if trailing else "") + inner + self._lines([], column)

    def _is_as_it_was(self, after: int) -> bool:
        """Whether no comment of a removed entry was carried here."""
        return len(_COMMENT.findall(self.gaps[after].partition("\n")[2])) == len(self.around[after].above)

    def _lines(self, comments: list[str], column: int) -> str:
        return "".join(f"{self.newline}{' ' * column}{one}" for one in [*comments, ""])


def _flow_comments(gaps: list[str]) -> tuple[list[_Around], str, list[str]]:
    """The comments around each entry of a flow collection, the one at its opening bracket, those before its end."""
    around = [_Around() for _ in gaps[1:]]
    opening, closing = "", []
    for index, gap in enumerate(gaps):
        first, _, rest = gap.partition("\n")
        found, own = "".join(_COMMENT.findall(first)), _COMMENT.findall(rest)
        if index:
            around[index - 1].trailing = found
        else:
            opening = found
        if index < len(around):
            around[index].above = own
        else:
            closing = own
    return around, opening, closing


def _plan(node: _Node, value: Any) -> list[tuple[int | None, str | None, Any]]:
    """The entries wanted: the index of the old entry that each was, its key and its value."""
    if isinstance(value, dict):
        places = {entry.key: index for index, entry in enumerate(node.entries)}
        return [(places.get(key), key, inner) for key, inner in value.items()]
    found = aligned([entry.node.value for entry in node.entries], value)
    return [(index, None, inner) for index, inner in zip(found, value, strict=True)]


def _carry(around: list[_Around], kept: set[int | None]) -> list[str]:
    """Gives comments that stay, although their entry goes, to the next entry that stays; or returns them.

    Those above the first entry stay, as they may be about all; above others, those with a blank line below them.
    """
    carried: list[str] = []
    for index, one in enumerate(around):
        if index in kept:
            one.above, carried = carried + one.above, []
        else:
            carried += _detached(one.above) if index else one.above
    return carried


def _detached(lines: list[str]) -> list[str]:
    """The lines above an entry up to the last blank line, if they have comments: they are not about it alone."""
    last = max((index for index, line in enumerate(lines) if not line.strip()), default=-1)
    found = lines[: last + 1]
    return found if any(line.strip() for line in found) else []


def _kind(value: Any) -> str:
    return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"


def _one_line(value: Any, *, flow: bool) -> str:
    if isinstance(value, dict):
        pairs = (f"{scalar_text(key, flow=True)}: {_one_line(inner, flow=True)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_one_line(inner, flow=True) for inner in value)}]"
    return scalar_text(value, flow=flow) if isinstance(value, str) else json.dumps(value)
