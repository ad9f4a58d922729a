"""Enough of Gherkin to read the OpenFeature specification's features: backgrounds, outlines, tables and tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Table = list[list[str]]
KEYWORD = re.compile(r"(Feature|Background|Scenario Outline|Scenario|Examples):\s*(.*)")
STEP = re.compile(r"(?:Given|When|Then|And|But)\s+(.*)")


@dataclass(frozen=True, slots=True)
class Step:
    """One line, without its keyword, and the table under it."""

    text: str
    table: Table = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """A background, a scenario or an outline, as it is written."""

    name: str
    tags: frozenset[str]
    steps: list[Step] = field(default_factory=list)
    examples: list[tuple[frozenset[str], Table]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario ready to run: its background before it, its example filled in, and the tags that are on it."""

    name: str
    steps: list[Step]
    tags: frozenset[str]


def scenarios(text: str) -> Iterator[Scenario]:
    """Every scenario of a feature, each row of an outline's examples its own."""
    background: list[Step] = []
    for block in _blocks(text):
        if block.name == "":
            background = block.steps
        elif not block.examples:
            yield Scenario(block.name, background + block.steps, block.tags)
        for tags, table in block.examples:
            for row in table[1:]:
                values = dict(zip(table[0], row, strict=True))
                steps = [Step(_filled(step.text, values), _cells(step.table, values)) for step in block.steps]
                yield Scenario(f"{block.name} [{', '.join(row)}]", background + steps, block.tags | tags)


def _blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    rows: Table = []
    feature, tags = frozenset[str](), frozenset[str]()
    for line in map(str.strip, text.splitlines()):
        keyword, step = KEYWORD.match(line), STEP.match(line)
        if keyword:
            if keyword[1] == "Feature":
                feature = tags
            elif keyword[1] == "Examples":
                rows = []
                blocks[-1].examples.append((tags, rows))
            else:
                blocks.append(Block("" if keyword[1] == "Background" else keyword[2], feature | tags))
            tags = frozenset()
        elif line.startswith("@"):
            tags |= set(line.split())
        elif step:
            rows = []
            blocks[-1].steps.append(Step(step[1], rows))
        elif line.startswith("|"):
            rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return blocks


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"<([\w ]+)>", lambda match: values.get(match[1], match[0]), text)


def _cells(table: Table, values: dict[str, str]) -> Table:
    return [[_filled(cell, values) for cell in row] for row in table]
