"""YAML with another value: a printer writes comments at every place, and one change is made anywhere."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from burgee.errors import FlagFileError, Refused
from burgee.flagfile.yaml_patch import aligned, patched

Path = tuple[int, ...]


@dataclass
class Value:
    """A mapping, list or number; nodes are known by their identity, so that a comment knows what it is about."""

    kind: str
    number: int = 0
    entries: list[tuple[str, Value]] = field(default_factory=list)

    def plain(self) -> Any:
        if self.kind == "map":
            return {key: one.plain() for key, one in self.entries}
        return [one.plain() for _, one in self.entries] if self.kind == "list" else self.number

    def all(self) -> list[Value]:
        return [self, *(inner for _, one in self.entries for inner in one.all())]


class Printer:
    """Writes a value in random styles with a comment at each place; `about` has the node of each comment."""

    def __init__(self, chance: random.Random, newline: str) -> None:
        self.chance, self.newline, self.about, self.count = chance, newline, dict[str, Value](), 0
        self.step, self.offset = chance.choice([2, 4]), chance.choice([0, 2])

    def comment(self, node: Value) -> str:
        self.count += 1
        self.about[f"c{self.count}-"] = node
        return f"# c{self.count}- it's {{about}} this: [x]"

    def often(self) -> bool:
        return self.chance.random() < 0.6

    def above(self, node: Value, column: int) -> list[str]:
        blank = [""] if self.chance.random() < 0.2 else []
        return blank + ([" " * column + self.comment(node)] if self.often() else [])

    def trailing(self, node: Value) -> str:
        return " " * self.chance.choice([1, 2, 5]) + self.comment(node) if self.often() else ""

    def block(self, value: Value, column: int) -> list[str]:
        lines: list[str] = []
        for key, one in value.entries:
            lines += self.above(one, column)
            start = f"{' ' * column}{key}:" if value.kind == "map" else f"{' ' * column}-"
            if not one.entries or self.chance.random() < 0.4:
                begin, *rest = self.flow(one, column + 2)
                lines += [f"{start} {begin}", *rest]
                lines[-1] += self.trailing(one)
            elif value.kind == "map":
                lines.append(start + self.trailing(one))
                lines += self.block(one, column + (self.step if one.kind == "map" else self.offset))
            else:
                made = self.block(one, column + 2)
                first = next(index for index, line in enumerate(made) if line.lstrip()[:1] not in {"", "#"})
                if self.chance.random() < 0.3:
                    lines += [start + self.trailing(one), *made]
                else:
                    lines += [" " * column + line.lstrip() for line in made[:first]]
                    lines += [f"{start} {made[first].lstrip()}", *made[first + 1 :]]
        return lines

    def flow(self, value: Value, column: int) -> list[str]:
        if value.kind == "number":
            return [str(value.number)]
        begin, end = "{}" if value.kind == "map" else "[]"
        parts = []
        for key, one in value.entries:
            parts.append((one, self.flow(one, column + 2)))
            if value.kind == "map":
                parts[-1][1][0] = f"{key}: {parts[-1][1][0]}"
        if all(len(lines) == 1 for _, lines in parts) and self.chance.random() < 0.5:
            return [f"{begin}{', '.join(lines[0] for _, lines in parts)}{end}"]
        made = [begin + self.trailing(value)]
        for index, (one, lines) in enumerate(parts):
            made += [line for line in self.above(one, column) if line]
            comma = "," if index < len(parts) - 1 or self.chance.random() < 0.5 else ""
            made += [" " * column + lines[0], *lines[1:]]
            made[-1] += comma + self.trailing(one)
        if self.often():
            made.append(" " * column + self.comment(value))
        return [*made, " " * (column - 1) + end]

    def whole(self, value: Value) -> str:
        lines = [self.comment(value), *self.block(value, 0), self.comment(value)]
        return self.newline.join([*lines, ""])


def generated(chance: random.Random, depth: int = 0) -> Value:
    kind = "map" if not depth else chance.choice(["map", "list", "number"] if depth < 5 else ["number"])
    count = chance.randint(1 if depth else 2, 4)
    made = Value(kind, chance.randrange(10**6))
    if kind != "number":
        made.entries = [(f"k{index}", generated(chance, depth + 1)) for index in range(count)]
    return made


def changed(chance: random.Random, root: Value) -> None:
    """One change: a number, an entry added, removed, moved, or replaced by one of any kind."""
    node = chance.choice(root.all()[1:] if chance.random() < 0.5 else [one for one in root.all() if one.entries])
    if node.kind == "number":
        node.number = chance.randrange(10**6, 10**7)
        return
    place = chance.randrange(len(node.entries))
    what = chance.choice(["add", "remove", "move", "replace"])
    if what == "remove" and (node is not root or len(node.entries) > 1):
        del node.entries[place]
    elif what == "move":
        node.entries.insert(chance.randrange(len(node.entries)), node.entries.pop(place))
    elif what == "replace":
        node.entries[place] = (node.entries[place][0], generated(chance, chance.choice([3, 6])))
    else:
        node.entries.insert(place, ("new", generated(chance, chance.choice([3, 6]))))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@given(seed=st.integers(0, 2**32))
def test_comments_of_all_that_stays_are_kept(newline: str, seed: int) -> None:
    chance = random.Random(seed)
    before = generated(chance)
    printer = Printer(chance, newline)
    text = printer.whole(before)
    assert YAML(typ="safe").load(text) == before.plain(), "the printer is right"
    keys = {key: json.dumps(one.plain()) for key, one in before.entries}
    memo: dict[int, Any] = {}
    after = copy.deepcopy(before, memo)
    twins = {id(one): memo[id(one)] for one in before.all()}
    changed(chance, after)
    made = patched(text, after.plain())
    read = YAML(typ="safe").load(made)
    assert json.dumps(read) == json.dumps(after.plain())
    there = {id(one) for one in after.all()}
    for name, node in printer.about.items():
        if id(twins[id(node)]) in there:
            assert made.count(name) == 1, f"{name} in\n{text}\n{made}"
    same = [key for key, one in after.entries if keys.get(key) == json.dumps(one.plain())]
    for key in same:
        assert _lines(text, key) == _lines(made, key)
    assert patched(made, after.plain()) == made
    assert made.count("\n") == made.count(newline)


def _lines(text: str, key: str) -> str:
    """The lines of a key of the whole, without comments and blank lines around it."""
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(f"{key}:"))
    last = next((i for i in range(first + 1, len(lines)) if lines[i][:1].isalnum()), len(lines))
    found = lines[first:last]
    while found[-1].strip()[:1] in {"", "#"} and not found[-1].startswith("  "):
        found.pop()
    return "\n".join(found)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: {x: 1}\n", {"a": {"x": 2}}, "a: {x: 2}\n"),
        ("a: {x: 1, y}  # c\n", {"a": {"x": 1, "y": 2}}, "a: {x: 1, y: 2}  # c\n"),
        ("a:  # c\nb: 1\n", {"a": 2, "b": 1}, "a: 2  # c\nb: 1\n"),
        ("a: |  # c\n  x\n\n\nb: 1\n", {"a": "z", "b": 1}, "a: z  # c\n\n\nb: 1\n"),
        ("a:  # c\n  - 1  # one\nb: 1\n", {"a": [], "b": 1}, "a: []  # c\nb: 1\n"),
        ("a: []  # c\n", {"a": [{"x": 1}]}, "a:  # c\n  - x: 1\n"),
        ("a:\n- x: 1\n  y: 2\n", {"a": [{"y": 2}]}, "a:\n- y: 2\n"),
        ("a:\n- x: 1\n  # y\n  y: 2\n", {"a": [{"y": 2}]}, "a:\n# y\n- y: 2\n"),
        ("a: 'it''s'\nb: \"x\"\n", {"a": "that's", "b": "y"}, "a: 'that''s'\nb: \"y\"\n"),
        ("# c\n{a: 1, b: 2}\n", {"a": 1}, "# c\n{a: 1}\n"),
        ("a: 1\nb: 2", {"a": 3, "b": 2}, "a: 3\nb: 2"),
        ("a: 1\nb: |  # c\n  x\n  y", {"a": 3, "b": "x\ny"}, "a: 3\nb: |  # c\n  x\n  y"),
        ("b: |  # c\n  x", {"b": "x", "a": 3}, "b: x  # c\na: 3\n"),
        ("\ufeffa: 1\n", {"a": 2}, "\ufeffa: 2\n"),
        ("a: {\n  x: 1  # one\n}\n", {"a": {"x": 1, "z": 2}}, "a: {\n  x: 1,  # one\n  z: 2\n}\n"),
        ("a: [1, 2, 3]\n", {"a": [1, 3]}, "a: [1, 3]\n"),
        ("a:\n  # all\n  - 1\n  - 2\n", {"a": [2]}, "a:\n  # all\n  - 2\n"),
        (
            "a:\n  - 1\n\n  # part two\n\n  # two\n  - 2\n  - 3\n",
            {"a": [1, 3]},
            "a:\n  - 1\n\n  # part two\n\n  - 3\n",
        ),
    ],
)
def test_layouts_that_need_care(before: str, value: Any, after: str) -> None:
    assert patched(before, value) == after


@pytest.mark.parametrize("text", ["- 1\n", "", "? a\n: 1\nb: 2\n", "a: |+\n  x\n\nb: 1\n", "a: 1\u2028b: 2\n"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        patched(text, {"a": "x\n\n", "c": 1} if "|" in text else {"a": 2, "b": 2})


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "b: {a: 1, a: 2}\na: 1\n", "a: 1e999\n"])
def test_faults_are_not_edited_away(text: str) -> None:
    with pytest.raises(FlagFileError):
        patched(text, {"a": 1})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ([1, 2, 3], [1, 3], [0, 2]),
        ([1, 2, 3], [3, 1, 2], [2, 0, 1]),
        ([1, 2], [1, 5, 2], [0, None, 1]),
        ([1, 2], [1, 3], [0, 1]),
        ([{"name": "a", "x": 1}, {"name": "b", "x": 2}], [{"name": "b", "x": 3}], [1]),
        ([{"w": 1, "s": 1}, {"w": 2, "s": 2}], [{"w": 2, "s": 3}], [1]),
        ([1, 1, 2, 1], [1, 2, 1], [0, 2, 3]),
    ],
)
def test_items_are_found_again(old: list[Any], new: list[Any], found: list[int | None]) -> None:
    assert aligned(old, new) == found
