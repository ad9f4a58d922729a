"""Formats a flag file: keys in a fixed order, quotes where needed, comments kept.

The output is read back and must mean exactly the same, including the order of variants and shares.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from burgee.errors import BurgeeError, FlagFileError, Refused
from burgee.flagfile.fields import dump
from burgee.flagfile.grammar import FlagFile, Included
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document, scalar
from burgee.flagfile.yaml_tree import comments, read
from burgee.model import Severity
from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.flagfile.fields import Part
    from burgee.flagfile.yaml_tree import TreeEntry, TreeNode

WIDTH = 120
STEP = 2
FIRST = (
    *("name", "description", "owner", "tags", "expires", "permanent", "status", "client"),
    *("user", "context", "at", "environment", "expect", "when", "rollout_percentage", "schema"),
    *("variants", "off_variant", "bucket_by", "without_unit", "salt", "hash"),
    *("layer", "holdout", "targets", "requires", "rules", "serve", "split", "ranges", "default"),
)
LAST = ("schedule", "environments", "tests")
FIRST_OF_FILE = ("version", "environments", "include")
LAST_OF_FILE = ("holdouts", "segments", "flags")
"""Keys that are written first and last; all others stand between them, in the grammar's order."""

# Strings that YAML 1.1, which many tools use, reads as other types. `on` and `off` are keywords of the grammar.
_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "~"}
_PLAIN = re.compile(r"[^\W\d_][^\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]*")
_ESCAPED = re.compile(r"[\x7f-\xa0\u2028\u2029\ufeff]")


class NodeKind(NamedTuple):
    """The kind of a node in the grammar: a model with keys, or a mapping or list of models."""

    part: type[Part] | None = None
    items: NodeKind | None = None
    status: bool = False


def format_file(path: Path) -> dict[Path, tuple[str, str]]:
    """The contents of a flag file and its includes, before and after. Raises FlagFileError if it has errors."""
    source = Source(path)
    errors = [problem for problem in source.problems if problem.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    found = {}
    for index, document in enumerate(source.documents):
        file = Path(document.file)
        text = file.read_bytes().decode("utf-8")
        try:
            found[file] = text, formatted(text, Included if index else FlagFile)
        except Refused as error:
            raise Refused(error.code, f"{file}: {error}") from error
    return found


def formatted(text: str, grammar: type[Included] = FlagFile) -> str:
    """Formats a flag file's text. Raises Refused if that would change its meaning."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if re.search(r"[\r\x85\u2028\u2029]", plain):
        raise Refused("not-formattable", "it has line breaks that editors treat differently")
    plain = plain if plain.endswith("\n") else f"{plain}\n"
    tree = read(plain)
    lines = list(tree.head)
    if tree.root is not None:
        lines += _block(tree.root, 0, NodeKind(grammar))
    lines += tree.tail
    made = "\n".join(_spaced(lines)) + "\n"
    if not _same(plain, made, grammar):
        raise Refused("not-formattable", "it cannot be formatted without changing its meaning")
    return made


def _same(text: str, made: str, grammar: type[Included]) -> bool:
    before = _meaning(text, grammar)
    try:
        return before == _meaning(made, grammar) and comments(text) == comments(made)
    except BurgeeError:
        return False


def _meaning(text: str, grammar: type[Included]) -> str:
    """The full meaning of a file's contents, including order."""
    value = Document("", text.encode()).value
    try:
        return json.dumps(dump(grammar.model_validate(value or {})))
    except ValidationError as error:
        raise Refused("not-formattable", "it does not follow the grammar: run `burgee lint`") from error


def _spaced(lines: list[str]) -> list[str]:
    """Collapses blank lines to one, and removes those at either end."""
    parts = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    while parts and not parts[-1]:
        parts.pop()
    return parts[1:] if parts and not parts[0] else parts


def _block(node: TreeNode, indent: int, kind: NodeKind) -> list[str]:
    lines: list[str] = []
    for index, entry in enumerate(_ordered(node, kind)):
        lead = list(entry.lead)
        while lead and not lead[0] and not index:
            lead.pop(0)
        margin = " " * indent
        lines += [margin + line if line else "" for line in lead]
        lines += _entry(entry, indent, _inner(kind, entry, node))
        lines += [margin + line for line in entry.foot]
    return lines


def _ordered(node: TreeNode, kind: NodeKind) -> list[TreeEntry]:
    """Sorts keys of the grammar in its order; user-chosen names keep their order."""
    if node.kind != "map" or kind.part is None:
        return node.entries
    ranks = _ranks(kind.part)
    return sorted(node.entries, key=lambda entry: ranks.get(entry.key.text if entry.key else "", len(ranks)))


@cache
def _ranks(part: type[Part]) -> dict[str, int]:
    known = [field.alias or name for name, field in part.model_fields.items()]
    first, last = (FIRST_OF_FILE, LAST_OF_FILE) if issubclass(part, Included) else (FIRST, LAST)
    between = [key for key in known if key not in first and key not in last]
    return {key: rank for rank, key in enumerate([*first, *between, *last])}


def _inner(kind: NodeKind, entry: TreeEntry, node: TreeNode) -> NodeKind:
    """The kind of an entry's value."""
    if kind.items is not None:
        return kind.items
    if kind.part is None or node.kind != "map" or entry.key is None:
        return NodeKind()
    fields = {field.alias or name: field for name, field in kind.part.model_fields.items()}
    field = fields.get(entry.key.text)
    found = _kind(field.annotation) if field is not None else NodeKind()
    return found._replace(status=True) if entry.key.text == "status" else found


def _kind(annotation: Any) -> NodeKind:
    """The model that an annotation refers to, by name, in a list, or directly."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return NodeKind(part=annotation)  # type: ignore[arg-type]  # the grammar has no other models
    arguments = get_args(annotation)
    if get_origin(annotation) in {dict, list}:
        inner = _kind(arguments[-1])
        return NodeKind(items=inner) if inner != NodeKind() else NodeKind()
    return next((found for one in arguments if (found := _kind(one)) != NodeKind()), NodeKind())


def _entry(entry: TreeEntry, indent: int, kind: NodeKind) -> list[str]:
    margin, value = " " * indent, entry.value
    start = margin + ("- " if entry.key is None else f"{scalar_text(entry.key.text, flow=False)}: ")
    nested = value.kind != "scalar" and not value.flow
    if nested and entry.key is not None:
        return [_commented(start.rstrip(), entry.trailing), *_block(value, indent + STEP, kind)]
    if nested:
        above = [] if entry.trailing is None else [margin + entry.trailing[1]]
        return above + _dashed(_block(value, indent + STEP, kind), indent)
    if value.verbatim:
        joined = start + _inline(value, kind, flow=False) if value.flow and entry.trailing is None else ""
        if not joined or len(joined) > WIDTH or any("#" in line for line in value.raw):
            return _verbatim(start, value, indent - entry.column, entry.trailing)
        return [joined]
    return [_commented((start + _inline(value, kind, flow=False)).rstrip(), entry.trailing)]


def _dashed(lines: list[str], indent: int) -> list[str]:
    """A nested block as a list item: the dash before its first line of content, leading comments above the dash."""
    margin = " " * indent
    first = next(index for index, line in enumerate(lines) if line and not line.lstrip().startswith("#"))
    above = [margin + line.strip() for line in lines[:first] if line]
    return [*above, f"{margin}- {lines[first].lstrip()}", *lines[first + 1 :]]


def _verbatim(start: str, value: TreeNode, shift: int, trailing: tuple[int, str] | None) -> list[str]:
    """A multi-line value: reindented with its key, otherwise unchanged."""
    moved = []
    for line in value.raw[1:]:
        deep = len(line) - len(line.lstrip(" "))
        moved.append(" " * max(deep + shift, 0) + line.lstrip(" ").rstrip() if line.strip() else "")
    return [(start + value.raw[0]).rstrip(), *moved[:-1], _commented(moved[-1], trailing)]


def _commented(line: str, trailing: tuple[int, str] | None) -> str:
    """A line with its comment, in its old column if there is room."""
    if trailing is None:
        return line
    column, comment = trailing
    return line + " " * max(2, column - len(line)) + comment


def _inline(node: TreeNode, kind: NodeKind, *, flow: bool) -> str:
    """A scalar or flow collection on one line."""
    if node.kind == "list":
        return f"[{', '.join(_inline(entry.value, kind.items or NodeKind(), flow=True) for entry in node.entries)}]"
    if node.kind == "map":
        parts = []
        for entry in _ordered(node, kind):
            key = scalar_text(entry.key.text if entry.key else "", flow=True)
            parts.append(f"{key}: {_inline(entry.value, _inner(kind, entry, node), flow=True)}")
        return f"{{{', '.join(parts)}}}"
    if not node.plain:
        escaped = len(node.raw) == 1 and node.raw[0].startswith('"') and "\\" in node.raw[0]
        return node.raw[0] if escaped else scalar_text(node.text, flow=flow)
    meant = scalar(node.text)
    if isinstance(meant, str):
        return scalar_text(node.text, flow=flow)
    if isinstance(meant, bool):
        return ("on" if meant else "off") if kind.status else ("true" if meant else "false")
    return node.text if meant is not None else "null"


def scalar_text(text: str, *, flow: bool) -> str:
    """A string without quotes if every YAML reader reads it as such, else in double quotes."""
    if _is_plain(text, flow=flow):
        return text
    if ("\\" in text or '"' in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    parts = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", parts)


def _is_plain(text: str, *, flow: bool) -> bool:
    if text in {"on", "off"}:
        return True
    if text.lower() in _WORDS or text != text.strip():
        return False
    if not _PLAIN.fullmatch(text):
        return _is_time(text)
    marks = ": ", " #", *((",", "[", "]", "{", "}") if flow else ())
    return not text.endswith(":") and not any(mark in text for mark in marks)


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return " " not in text
