"""Finds flag names in code: through the syntax tree for Python, by text for other languages."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CALLS = re.compile(r"get_(boolean|string|integer|float|object)_(value|details)(_async)?")
"""Calls whose first argument is a flag: those of OpenFeature's SDK for Python."""

ASKED = re.compile(
    r"""(?:\bget(?:Boolean|String|Number|Integer|Double|Float|Object)(?:Value|Details)(?:Async)?
          |\buse(?:Boolean|String|Number|Object)Flag(?:Value|Details))
        \s*(?:<[^<>()]*>)?\(\s*(?:[\w.]+\s*,\s*)?(["'`])(?P<call>[A-Za-z0-9][A-Za-z0-9._-]*)\1
      | /ofrep/v1/evaluate/flags/(?P<path>[A-Za-z0-9][A-Za-z0-9._-]*)""",
    re.VERBOSE,
)
"""The same calls in other languages, and OFREP's path. Go's SDKs take a context before the name."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Reference(NamedTuple):
    """A reference to a flag. `asked`: it is the argument of an evaluation call, so the flag must exist."""

    flag: str
    file: str
    line: int
    column: int
    asked: bool


class Pattern(NamedTuple):
    """A name that is built at run time, as far as it can be read."""

    expression: str
    file: str
    line: int
    column: int


def references(file: str, text: str, flags: Collection[str]) -> tuple[list[Reference], list[Pattern]]:
    """The references in a file: known flags anywhere, and any name that is evaluated."""
    if file.endswith((".py", ".pyi")):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return _in_text(file, text, flags), []
        return _in_python(file, tree, flags)
    return _in_text(file, text, flags), []


def _in_python(file: str, tree: ast.Module, flags: Collection[str]) -> tuple[list[Reference], list[Pattern]]:
    constants = dict(_constants(tree))
    documentation = set(_docstrings(tree))
    found: dict[tuple[int, int, str], Reference] = {}
    patterns = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            if node.value in flags:
                place = node.lineno, node.col_offset + 1, node.value
                found.setdefault(place, Reference(node.value, file, *place[:2], asked=False))
        elif isinstance(node, ast.Call) and (argument := _asked(node)) is not None:
            place = argument.lineno, argument.col_offset + 1, _text(argument, constants) or ""
            if place[2] and _WORD.fullmatch(place[2]):
                found[place] = Reference(place[2], file, *place[:2], asked=True)
            elif isinstance(argument, ast.JoinedStr):
                patterns.append(Pattern(_expression(argument), file, *place[:2]))
    return sorted(found.values(), key=lambda one: (one.line, one.column)), patterns


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names that a module binds to a string exactly once."""
    given: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    given.setdefault(target.id, []).append(node.value)
    for name, values in given.items():
        value = values[0]
        if len(values) == 1 and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield name, value.value


def _docstrings(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)


def _asked(call: ast.Call) -> ast.expr | None:
    """The argument with the flag's name, if a call evaluates one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if not CALLS.fullmatch(name):
        return None
    keyword = next((word.value for word in call.keywords if word.arg in {"flag_key", "flag"}), None)
    return keyword or (call.args[0] if call.args else None)


def _text(node: ast.expr, constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return constants.get(name)


def _expression(node: ast.JoinedStr) -> str:
    """A pattern of the names that an f-string can make."""
    parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values]
    return "".join(parts)


def _in_text(file: str, text: str, flags: Collection[str]) -> list[Reference]:
    found: dict[tuple[int, int], Reference] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for match in ASKED.finditer(line):
            group = "call" if match["call"] else "path"
            column = match.start(group) + 1
            found[number, column] = Reference(match[group].rstrip("."), file, number, column, asked=True)
        for match in _WORD.finditer(line):
            name = match.group() if match.group() in flags else match.group().rstrip(".-")
            place = number, match.start() + 1
            if name in flags and place not in found and _is_meant(line, match.start(), name):
                found[place] = Reference(name, file, *place, asked=False)
    return sorted(found.values(), key=lambda one: (one.line, one.column))


def _is_meant(line: str, start: int, name: str) -> bool:
    """Whether a word refers to the flag: quoted, or not an ordinary word."""
    quoted = start > 0 and line[start - 1] in "\"'`" and line[start + len(name) :][:1] == line[start - 1]
    return quoted or any(mark in name for mark in "_-.") or line[:start].endswith("/flags/")
