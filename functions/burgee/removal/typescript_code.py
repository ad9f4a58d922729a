"""Rewrites TypeScript and JavaScript code, with and without JSX, by its syntax tree (tree-sitter).

The same as for Python: calls become the flag's value, and what that decides is decided. Layout stays.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import tree_sitter_typescript
from tree_sitter import Language, Parser

from burgee.accessors.literals import typescript_literal
from burgee.errors import Refused
from burgee.removal.rewriting import (
    BROKEN,
    Refusal,
    Rewritten,
)
from burgee.removal.typescript_syntax import (
    FUNCTIONS,
    HOISTED_DECLARATIONS,
    NOTHING,
    USE_TYPES,
    constant_value,
    declared_names,
    is_condition,
    is_truthy,
    joins_as_shown,
    kind_of,
    node_text,
    nodes_in,
    required_child,
    text_of,
)
from burgee.removal.typescript_uses import FlagImports, TypeScriptUses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node

    from burgee.removal.rewriting import Accessor, Answer


_BLOCKS = frozenset({"statement_block", "program", "switch_case", "switch_default"})
_TERMINAL = frozenset({"return_statement", "throw_statement", "continue_statement", "break_statement"})
_JSX = frozenset({"jsx_element", "jsx_self_closing_element", "jsx_fragment"})
_GOES_ON = b"([`+-/*.,"
"""How a line begins that goes on with the statement before it, unless a semicolon ends that."""
_NO_STATEMENT = re.compile(rb"\{|(?:async\s+)?function\b|class\b|let\b")
"""How an expression begins that would be something else at the beginning of a statement."""
_NO_PARENTHESES = frozenset(
    {"arguments", "variable_declarator", "pair", "return_statement", "array", "ternary_expression"}
)
_ASYNC = re.compile(r"['\"]@openfeature/server-sdk['\"]")


def rewrite(
    text: str, answer: Answer, accessors: Sequence[Accessor] = (), *, jsx: bool, folder: str = ""
) -> Rewritten:
    """The code without the flag. What is refused stands as it was; then nothing of the file should be written.

    `folder` is the file's, by which relative imports find the modules of `accessors`.

    Raises Refused for a file that does not parse.
    """
    tree = _parser(jsx=jsx).parse(text.encode())
    if tree.root_node.has_error:
        raise Refused("not-parsed", "it does not parse")
    imports = FlagImports(tree.root_node, accessors, folder)
    plan = TypeScriptUses(tree.root_node, answer, imports, asynchronous=_ASYNC.search(text) is not None)
    rewriter = _Rewriter(plan, text.encode())
    made = rewriter.text(tree.root_node)
    plan.require_declared(rewriter.dropped)
    if not plan.refusals and _parser(jsx=jsx).parse(made).root_node.has_error:
        plan.refusals.append(Refusal(1, 1, BROKEN))
    return Rewritten(made.decode(), plan.uses, sorted(plan.refusals))


@cache
def _parser(*, jsx: bool) -> Parser:
    language = tree_sitter_typescript.language_tsx() if jsx else tree_sitter_typescript.language_typescript()
    return Parser(Language(language))


class _Rewriter:
    """Rewrites the code, from the innermost node outwards."""

    def __init__(self, plan: TypeScriptUses, source: bytes) -> None:
        self._plan = plan
        self._source = source
        self._decided: dict[int, Any] = {}
        self.dropped: list[Node] = []
        """Statements and branches that went."""

    def text(self, node: Node) -> bytes:
        """A node's text after the rewriting."""
        if node.id in self._plan.promises:
            return f"Promise.resolve({typescript_literal(self._plan.promises[node.id])})".encode()
        if node.type == "shorthand_property_identifier" and node.id in self._plan.values:
            return node_text(node) + b": " + self._literal(self._plan.values[node.id], node)
        value = self.value(node)
        if value is not NOTHING and node.type != "parenthesized_expression":
            return self._literal(value, node)
        make = getattr(self, f"_{node.type}", None)
        made = make(node) if make is not None else None
        if made is not None:
            return bytes(made)
        return self._block(node) if node.type in _BLOCKS else self._joined(node, node.children)

    def value(self, node: Node) -> Any:
        """The value of an expression that depends on the flag alone; worked out once."""
        if node.id not in self._decided:
            self._decided[node.id] = self._decide(node)
        return self._decided[node.id]

    def _decide(self, node: Node) -> Any:
        if node.id in self._plan.values:
            return self._plan.values[node.id]
        if node.type == "parenthesized_expression" and len(node.named_children) == 1:
            return self.value(node.named_children[0])
        if node.type == "unary_expression" and node.children[0].type == "!":
            inner = self.value(node.children[1])
            return inner if inner is NOTHING else not is_truthy(inner)
        if node.type == "binary_expression":
            return self._compared(node)
        if node.type == "ternary_expression":
            branch = self._branch(node)
            return NOTHING if branch is None else self.value(branch)
        return NOTHING

    def _compared(self, node: Node) -> Any:
        left, operator, right = node.children[0], text_of(node.children[1]), node.children[-1]
        known, other = self.value(left), self.value(right)
        if operator in {"&&", "||", "??"}:
            if known is NOTHING:
                return NOTHING
            goes_on = known is None if operator == "??" else is_truthy(known) is (operator == "&&")
            return other if goes_on else known
        if known is NOTHING and other is NOTHING:
            return NOTHING
        known = constant_value(left) if known is NOTHING else known
        other = constant_value(right) if other is NOTHING else other
        if NOTHING in (known, other) or isinstance(known, (dict, list)) or isinstance(other, (dict, list)):
            return NOTHING
        same = isinstance(known, bool) is isinstance(other, bool) and known == other
        if operator in {"===", "=="} and (operator == "===" or kind_of(known) == kind_of(other)):
            return same
        if operator in {"!==", "!="} and (operator == "!==" or kind_of(known) == kind_of(other)):
            return not same
        return NOTHING

    def _branch(self, node: Node) -> Node | None:
        condition = node.child_by_field_name("condition")
        value = NOTHING if condition is None else self.value(condition)
        if value is NOTHING:
            return None
        return node.child_by_field_name("consequence" if is_truthy(value) else "alternative")

    def _ternary_expression(self, node: Node) -> bytes | None:
        branch = self._branch(node)
        return None if branch is None else self._instead(node, branch)

    def _instead(self, node: Node, chosen: Node) -> bytes:
        """A part of an expression in its place, in parentheses where it would begin a block or a function instead."""
        made = self.text(chosen)
        if not _NO_STATEMENT.match(made):
            return made
        while node.parent is not None and node.parent.start_byte == node.start_byte:
            node = node.parent
            if node.type in {"expression_statement", "export_statement"}:
                return b"(" + made + b")"
        outer = node.parent
        if outer is not None and outer.type == "arrow_function" and outer.child_by_field_name("body") == node:
            return b"(" + made + b")"
        return made

    def _stands_for(self, node: Node) -> Node:
        """The part of an expression that is left of it."""
        while node.type in {"binary_expression", "ternary_expression", "parenthesized_expression"}:
            if self.value(node) is not NOTHING:
                break
            if node.type == "parenthesized_expression":
                node = node.named_children[-1]
            elif node.type == "ternary_expression" and (branch := self._branch(node)) is not None:
                node = branch
            elif node.type == "binary_expression" and self.value(node.children[0]) is not NOTHING:
                node = node.children[-1]
            else:
                break
        return node

    def _parenthesized_expression(self, node: Node) -> bytes | None:
        """A method that was called without its object, as in `(flag ? a.b : c)()`, still is; so with `delete`."""
        parent, inner = node.parent, node.named_children[-1]
        called = parent is not None and parent.child_by_field_name("function") == node
        deleted = parent is not None and parent.type == "unary_expression" and parent.children[0].type == "delete"
        if (not called and not deleted) or inner.type not in {"binary_expression", "ternary_expression"}:
            return None
        if self._stands_for(inner).type not in {"member_expression", "subscript_expression"}:
            return None
        return b"(0, " + self.text(inner) + b")"

    def _binary_expression(self, node: Node) -> bytes | None:
        if text_of(node.children[1]) not in {"&&", "||", "??"} or self.value(node.children[0]) is NOTHING:
            return self._condition_without(node)
        return self._instead(node, node.children[-1])  # the left side decides nothing, or the whole would be known

    def _condition_without(self, node: Node) -> bytes | None:
        """`x && true` is x where it is a condition."""
        right = self.value(node.children[-1])
        operator = text_of(node.children[1])
        if operator not in {"&&", "||"} or right is NOTHING or is_truthy(right) is not (operator == "&&"):
            return None
        return self.text(node.children[0]) if is_condition(node) else None

    def _jsx_expression(self, node: Node) -> bytes | None:
        """An element stands for itself among the children of another; what shows nothing goes."""
        inner = node.named_children[0] if len(node.named_children) == 1 else None
        if inner is None or node.parent is None or node.parent.type not in _JSX:
            return None
        value = self.value(inner)
        if value is None or isinstance(value, bool):
            return b"" if joins_as_shown(node.prev_sibling, node.next_sibling) else None
        left = self._stands_for(inner)
        return self.text(left) if left.type in _JSX and left is not inner else None

    def _named_imports(self, node: Node) -> bytes | None:
        """The names of an import that stay."""
        kept = [one for one in node.named_children if one.id not in self._plan.gone]
        if len(kept) == len(node.named_children):
            return None
        return b"{ " + b", ".join(map(node_text, kept)) + b" }" if kept else b"{}"

    def _else_clause(self, node: Node) -> bytes | None:
        inner = node.named_children[-1]
        if inner.type != "if_statement" or (value := self._test(inner)) is NOTHING:
            return None
        self._drop_branch(inner, value)
        if is_truthy(value):
            return b"else " + self.text(required_child(inner, "consequence"))
        rest = inner.child_by_field_name("alternative")
        return b"" if rest is None else self.text(rest)

    def _if_statement(self, node: Node) -> bytes | None:
        value = self._test(node)
        if value is NOTHING:
            return None
        self._drop_branch(node, value)
        chosen = node.child_by_field_name("consequence" if is_truthy(value) else "alternative")
        if chosen is not None and chosen.type == "else_clause":
            chosen = chosen.named_children[-1]
        spread = node.parent is not None and node.parent.type in _BLOCKS
        if chosen is None:
            return b"" if spread else b"{}"
        if not spread or chosen.type != "statement_block" or self._collides(chosen, node):
            return self.text(chosen)
        return self._spread(chosen, node)

    def _while_statement(self, node: Node) -> bytes | None:
        value = self._test(node)
        if value is NOTHING or is_truthy(value):
            return None
        self.dropped.append(node)
        return b"" if node.parent is not None and node.parent.type in _BLOCKS else b"{}"

    def _drop_branch(self, node: Node, value: Any) -> None:
        """Keeps the branch of a statement that goes."""
        gone = node.child_by_field_name("alternative" if is_truthy(value) else "consequence")
        if gone is not None:
            self.dropped.append(gone)

    def _test(self, node: Node) -> Any:
        condition = node.child_by_field_name("condition")
        return NOTHING if condition is None else self.value(condition)

    def _collides(self, block: Node, statement: Node) -> bool:
        """Whether what a block declares would meet other uses of that name outside of it."""
        names = {text_of(name) for one in block.named_children for name in declared_names(one)}
        outer: Node | None = statement
        while outer is not None and outer.parent is not None and outer.type not in FUNCTIONS:
            outer = outer.parent
        inside = {one.id for one in nodes_in(block)}
        return bool(names) and any(
            one.type in USE_TYPES and text_of(one) in names and one.id not in inside
            for one in nodes_in(outer or statement)
        )

    def _spread(self, block: Node, statement: Node) -> bytes:
        """The statements of a block, without its braces, as deep as what held it."""
        made = self._block(block)
        braces = [one for one in block.children if one.type in {"{", "}"}]
        tail = self._source[braces[-1].end_byte : block.end_byte]  # a comment behind it belongs to the block
        body = made[1 : len(made) - len(tail) - 1]
        lines = body.strip().split(b"\n")
        lines[-1] += tail
        if any(one.type == "template_string" and one.start_point[0] != one.end_point[0] for one in nodes_in(block)):
            return b"\n".join(lines)
        own = statement.start_point[1]
        below = [one for one in block.named_children if one.start_point[0] > block.start_point[0]]
        first = below[0].start_point[1] if below else own
        deep = max(first - own, 0) if block.start_point[0] != block.end_point[0] else 0
        kept = [lines[0]]
        for line in lines[1:]:
            margin = len(line) - len(line.lstrip(b" "))
            kept.append(line[min(deep, margin) :])
        return b"\n".join(kept)

    def _block(self, node: Node) -> bytes:
        """A list of statements: without those that go, and without those that can no longer be reached."""
        kept: list[Node] = []
        ended = False
        for child in node.children:
            if ended and child.is_named and child.type not in HOISTED_DECLARATIONS:
                self.dropped.append(child)
                continue
            if child.id in self._plan.gone:
                continue
            kept.append(child)
            ended = ended or self._always_leaves(child)
        return self._joined(node, kept)

    def _always_leaves(self, node: Node) -> bool:
        """Whether a statement was a branch that leaves its block, and is now all that there is."""
        if node.type != "if_statement" or (value := self._test(node)) is NOTHING:
            return False
        chosen = node.child_by_field_name("consequence" if is_truthy(value) else "alternative")
        if chosen is not None and chosen.type == "else_clause":
            chosen = chosen.named_children[-1]
        if chosen is None:
            return False
        if chosen.type == "if_statement":
            return self._always_leaves(chosen)
        last = [one for one in chosen.named_children if one.type != "comment"] if chosen.type in _BLOCKS else [chosen]
        return bool(last) and (last[-1].type in _TERMINAL or any(map(self._always_leaves, last)))

    def _joined(self, node: Node, children: list[Node]) -> bytes:
        """The texts of children, with what stands between them; what became empty takes its line with it."""
        if not node.children:
            return self._source[node.start_byte : node.end_byte]
        parts: list[bytes] = []
        at, dropped = node.start_byte, False
        wanted = {child.id for child in children}
        unended = altered = False
        for child in node.children:
            gap = self._source[at : child.start_byte]
            at = child.end_byte
            made = self.text(child) if child.id in wanted else b""
            if not made and child.start_byte != child.end_byte:
                dropped = True
                continue
            if dropped and not parts:
                gap = b""
            if node.type in _BLOCKS and child.is_named:
                new = made[:1] != self._source[child.start_byte : child.start_byte + 1]
                if unended and (
                    (dropped and b"\n" not in gap) or ((dropped or new or altered) and made[:1] in _GOES_ON)
                ):
                    gap = b";" + gap
                if child.type != "comment":
                    unended, altered = made[-1:] != b";", made != node_text(child)
            parts += [gap, made]
            dropped = False
        return b"".join([*parts, self._source[at : node.end_byte]])

    def _literal(self, value: Any, node: Node) -> bytes:
        text = typescript_literal(value)
        parent = node.parent.type if node.parent is not None else ""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        signed = {"binary_expression", "unary_expression"}
        tight = number and (parent == "member_expression" or (value < 0 and parent in signed))
        if tight or (isinstance(value, dict) and parent not in _NO_PARENTHESES):
            text = f"({text})"
        return text.encode()
