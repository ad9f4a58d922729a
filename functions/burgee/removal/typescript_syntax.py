"""What the removal asks of TypeScript's syntax, whatever the flag: names, constants, effects, text of JSX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node


_EFFECTS = frozenset(
    {
        "await_expression",
        "yield_expression",
        "assignment_expression",
        "augmented_assignment_expression",
        "update_expression",
    }
)
FUNCTIONS = frozenset(
    {
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function",
        "generator_function_declaration",
    }
)
HOISTED_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration"})
"""What can be used before it, and so also after a statement that always leaves."""
NOTHING = object()


def node_text(node: Node) -> bytes:
    """A node's text in the source."""
    return node.text or b""


def text_of(node: Node) -> str:
    """The same as a string."""
    return node_text(node).decode()


def required_child(node: Node, field: str) -> Node:
    """A child that every node of this type has."""
    found = node.child_by_field_name(field)
    assert found is not None  # noqa: S101 - the grammar requires it
    return found


def nodes_in(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the source."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(one.children))


_NAMES = frozenset({"identifier", "type_identifier", "shorthand_property_identifier_pattern"})
USE_TYPES = frozenset({"identifier", "shorthand_property_identifier"})


def declared_names(statement: Node) -> Iterator[Node]:
    """The identifiers that a statement declares in its block, and those in its patterns."""
    if statement.type == "lexical_declaration":
        for declarator in statement.named_children:
            if (name := declarator.child_by_field_name("name")) is not None:
                yield from (one for one in nodes_in(name) if one.type in _NAMES)
    elif statement.type.endswith("_declaration") and (name := statement.child_by_field_name("name")) is not None:
        yield name


def var_names(node: Node) -> Iterator[Node]:
    """The identifiers that a statement declares by `var` for its whole function."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in FUNCTIONS:
            continue
        loop = one.type == "for_in_statement" and any(part.type == "var" for part in one.children)
        if one.type == "variable_declarator" and one.parent is not None and one.parent.type == "variable_declaration":
            yield from (part for part in nodes_in(required_child(one, "name")) if part.type in _NAMES)
        elif loop:
            yield from (part for part in nodes_in(required_child(one, "left")) if part.type in _NAMES)
        waiting.extend(one.children)


def is_imported(name: Node) -> bool:
    """Whether an identifier is the name in an import."""
    return name.parent is not None and name.parent.type == "import_specifier"


def has_effect(node: Node) -> bool:
    """Whether an expression does something beside giving a value, as far as its syntax shows."""
    return node.type in _EFFECTS or (node.type == "unary_expression" and node.children[0].type == "delete")


def joins_as_shown(before: Node | None, after: Node | None) -> bool:
    """Whether two texts of JSX show the same without what stands between them: spaces beside a line's end go."""
    if before is None or after is None or before.type != "jsx_text" or after.type != "jsx_text":
        return True
    return _shown(text_of(before)) + _shown(text_of(after)) == _shown(text_of(before) + text_of(after))


def _shown(text: str) -> str:
    """What JSX makes of text between elements."""
    lines = text.split("\n")
    last = len(lines) - 1
    kept = [line[len(line) - len(line.lstrip()) if number else 0 :] for number, line in enumerate(lines)]
    kept = [line if number == last else line.rstrip() for number, line in enumerate(kept)]
    return " ".join(line for line in kept if line)


def declarations(root: Node) -> dict[str, int]:
    """How often each name is declared or assigned anywhere in a file, in whatever way."""
    found: dict[str, int] = {}
    # With each child's parent at hand: a node finds its own by going down from the root.
    for parent, one in ((node, child) for node in nodes_in(root) for child in node.children):
        if one.type not in _NAMES:
            continue
        if parent.type == "import_specifier" and parent.child_by_field_name("alias") not in {None, one}:
            continue  # a name of the other module
        fields = (parent.child_by_field_name(field) for field in ("name", "pattern", "left", "parameter", "alias"))
        patterns = {"array_pattern", "object_pattern", "rest_pattern", "import_clause", "formal_parameters"}
        patterns |= {"assignment_pattern", "import_specifier", "namespace_import", "catch_clause"}
        patterns |= {"pair_pattern", "function_expression", "generator_function", "class"}
        declares = parent.type in patterns or parent.type.endswith(
            ("_declaration", "_declarator", "_parameter", "for_in_statement")
        )
        assigns = parent.type in {"assignment_expression", "augmented_assignment_expression", "update_expression"}
        binds = (declares or assigns or parent.type == "arrow_function") and (
            any(field == one for field in fields) or parent.type in patterns or parent.type == "update_expression"
        )
        if binds or one.type == "shorthand_property_identifier_pattern":
            found[text_of(one)] = found.get(text_of(one), 0) + 1
    return found


def plain_string(node: Node) -> str | None:
    """The text of a string that has no escapes and no parts."""
    if node.type == "string":
        return text_of(node)[1:-1]
    if node.type == "template_string" and not node.named_children:
        return text_of(node)[1:-1]
    if node.type == "template_string" and all(one.type == "string_fragment" for one in node.named_children):
        return text_of(node)[1:-1]
    return None


def may_be_flag(node: Node, flag: str) -> bool:
    """Whether an expression that is not a string may be the flag's name."""
    if node.type != "template_string":
        return True
    parts = [".*" if one.type == "template_substitution" else re.escape(text_of(one)) for one in node.named_children]
    return re.fullmatch("".join(parts), flag) is not None


def constant_value(node: Node) -> Any:
    """The value of a literal; `NOTHING` for anything else."""
    if node.type in {"true", "false"}:
        return node.type == "true"
    if node.type == "null":
        return None
    if node.type == "number":
        try:
            return float(text_of(node))
        except ValueError:
            return NOTHING
    text = plain_string(node)
    return NOTHING if text is None or "\\" in text else text


def is_truthy(value: Any) -> bool:
    """As JavaScript sees it: every object is true."""
    return True if isinstance(value, (dict, list)) else bool(value)


def kind_of(value: Any) -> str:
    """The type of a value, as JavaScript compares types."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def is_condition(node: Node) -> bool:
    """Whether only the truth of an expression counts."""
    parent = node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in {"if_statement", "while_statement", "ternary_expression", "do_statement"}:
        return parent.child_by_field_name("condition") == node
    return parent.type == "unary_expression" and parent.children[0].type == "!"
