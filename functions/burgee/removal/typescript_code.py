"""Rewrites TypeScript and JavaScript code, with and without JSX, by its syntax tree (tree-sitter).

The same as for Python: calls become the flag's value, and what that decides is decided. Layout stays.
"""

from __future__ import annotations

import re
from functools import cache
from posixpath import normpath
from typing import TYPE_CHECKING, Any

import tree_sitter_typescript
from tree_sitter import Language, Parser

from burgee.accessors.literals import typescript_literal
from burgee.errors import Refused
from burgee.records import NamedTuple
from burgee.removal.rewriting import (
    AMBIGUOUS,
    BROKEN,
    DETAILS,
    DYNAMIC,
    EFFECTS,
    HOISTED,
    MENTION,
    OPTIONAL,
    Refusal,
    Rewritten,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

    from burgee.removal.rewriting import Accessor, Answer

CALL = re.compile(r"(?:get|use)(Boolean|String|Number|Object)(?:Flag)?(Value|Details)")
_WHOLE = re.compile(r"use(?:Suspense)?Flag")
"""A hook of the SDK for React that returns details alone."""
_BLOCKS = frozenset({"statement_block", "program", "switch_case", "switch_default"})
_TERMINAL = frozenset({"return_statement", "throw_statement", "continue_statement", "break_statement"})
_EFFECTS = frozenset(
    {
        "await_expression",
        "yield_expression",
        "assignment_expression",
        "augmented_assignment_expression",
        "update_expression",
    }
)
_JSX = frozenset({"jsx_element", "jsx_self_closing_element", "jsx_fragment"})
_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function",
        "generator_function_declaration",
    }
)
_HOISTED = frozenset({"function_declaration", "generator_function_declaration"})
"""What can be used before it, and so also after a statement that always leaves."""
_PROMISE = (".then", ".catch", ".finally")
_GOES_ON = b"([`+-/*.,"
"""How a line begins that goes on with the statement before it, unless a semicolon ends that."""
_NO_STATEMENT = re.compile(rb"\{|(?:async\s+)?function\b|class\b|let\b")
"""How an expression begins that would be something else at the beginning of a statement."""
_NO_PARENTHESES = frozenset(
    {"arguments", "variable_declarator", "pair", "return_statement", "array", "ternary_expression"}
)
_ASYNC = re.compile(r"['\"]@openfeature/server-sdk['\"]")
_ENDING = re.compile(r"(?:\.d)?\.[cm]?[jt]sx?$")
_NOTHING = object()


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
    imports = _Imports(tree.root_node, accessors, folder)
    plan = _Plan(tree.root_node, answer, imports, asynchronous=_ASYNC.search(text) is not None)
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


class _Imported(NamedTuple):
    """The flag's function by its imported name: the import, and what it may be."""

    specifier: Node
    accessors: Sequence[Accessor]


class _Imports:
    """What a file calls generated modules with the flag's functions, those functions, and hooks of the SDK."""

    def __init__(self, root: Node, accessors: Sequence[Accessor], folder: str) -> None:
        self.modules: dict[str, dict[str, Sequence[Accessor]]] = {}
        self.functions: dict[str, _Imported] = {}
        self.hooks: dict[str, Node] = {}
        for statement in root.named_children:
            source = statement.child_by_field_name("source") if statement.type == "import_statement" else None
            if source is None:
                continue
            path = _string(source) or ""
            found = _named(path, folder, accessors)
            by_function: dict[str, Sequence[Accessor]] = {
                one.function: [same for same in found if same.function == one.function] for one in found
            }
            for one in _walk(statement):
                if one.type == "namespace_import" and by_function:
                    self.modules[_text(one.named_children[0])] = by_function
                if one.type != "import_specifier":
                    continue
                name, called = _text(one.children[0]), _text(one.child_by_field_name("alias") or one.children[0])
                if name in by_function:
                    self.functions[called] = _Imported(one, by_function[name])
                elif path.startswith("@openfeature/") and name == called and CALL.fullmatch(name):
                    self.hooks[called] = one


def _named(source: str, folder: str, accessors: Sequence[Accessor]) -> list[Accessor]:
    """The accessors of the module that an import names: exactly for a relative path, else by the module's name."""
    path = _ENDING.sub("", source)
    if path.startswith("."):
        path = normpath(f"{folder}/{path}")
        exact = [one for one in accessors if one.module in {path, f"{path}/index"}]
        if exact:
            return exact
    return [one for one in accessors if one.module_name == path.rpartition("/")[2]]


class _Plan:
    """What is to be replaced, found in the code as it is."""

    def __init__(self, root: Node, answer: Answer, imports: _Imports, *, asynchronous: bool) -> None:
        self.answer = answer
        self._imports = imports
        self.refusals: list[Refusal] = []
        self.uses = 0
        self.values: dict[int, Any] = {}
        """Calls, and identifiers of variables that hold them, with their values."""
        self.promises: dict[int, Any] = {}
        """Calls that nobody awaits."""
        self.gone: set[int] = set()
        self._asked: set[int] = set()
        """What was called to evaluate the flag, in calls that go."""
        self._asynchronous = asynchronous
        self._declared = _declared(root)
        self._constants = self._flag_constants(root)
        self._understood: set[int] = set()
        for node in _walk(root):
            if node.type == "call_expression":
                self._call(node)
        for name, declaration in self._constants.items():
            used = [one for one in _walk(root) if one.type == "identifier" and _text(one) == name]
            rest = [one for one in used if one.id not in self._understood]
            if len(used) > 1 and len(rest) == 1:  # its declaration
                self.gone.add(declaration.id)
                self._understood |= {one.id for one in _walk(declaration)}
        for node in _walk(root):
            if node.id not in self._understood and (_string(node) == answer.flag or self._accessor_name(node)):
                self._refuse(node, MENTION)
        hooks = [one for name, one in imports.hooks.items() if self._is_unused(root, name)]
        self._drop_imports([*(one.specifier for one in imports.functions.values()), *hooks])

    def require_declared(self, dropped: Sequence[Node]) -> None:
        """Refuses where code that goes declares a `var` that its function uses elsewhere: such names are hoisted."""
        gone = {one.id for node in dropped for one in _walk(node)}
        for node in dropped:
            names = {_text(name): name for name in _variables(node)}
            if not names:
                continue
            outer = node
            while outer.parent is not None and outer.type not in _FUNCTIONS:
                outer = outer.parent
            used = {_text(one) for one in _walk(outer) if one.type in _USES and one.id not in gone}
            for name in names.keys() & used:
                self._refuse(names[name], HOISTED)

    def _refuse(self, node: Node, why: str) -> None:
        self.refusals.append(Refusal(node.start_point[0] + 1, node.start_point[1] + 1, why))

    def _is_unused(self, root: Node, name: str) -> bool:
        """Whether every use of an imported name was in a call that goes, and there was one."""
        used = [
            one
            for one in _walk(root)
            if one.type in {"identifier", "type_identifier", "shorthand_property_identifier"}
            and _text(one) == name
            and not _is_imported(one)
        ]
        return bool(used) and all(one.id in self._asked for one in used)

    def _drop_imports(self, specifiers: Sequence[Node]) -> None:
        """Names of imports go, and with the last of them the import."""
        gone = {one.id for one in specifiers}
        for specifier in specifiers:
            named = specifier.parent
            assert named is not None  # noqa: S101 - specifiers stand in braces
            statement = named.parent.parent if named.parent is not None else None
            alone = named.parent is not None and len(named.parent.named_children) == 1
            whole = alone and all(one.id in gone for one in named.named_children)
            self.gone.add(statement.id if whole and statement is not None else specifier.id)

    def _accessor_name(self, node: Node) -> str | None:
        """The imported name by which an expression may be the flag's function of a generated module."""
        if node.type == "identifier":
            return _text(node) if _text(node) in self._imports.functions and not _is_imported(node) else None
        if node.type != "member_expression":
            return None
        of, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if of is None or name is None or _text(name) not in self._imports.modules.get(_text(of), {}):
            return None
        return _text(of)

    def _accessor(self, node: Node) -> Sequence[Accessor]:
        """The flag's function that an expression is, by a name that the file binds once; several if it may be any."""
        name = self._accessor_name(node)
        if name is None or self._declared.get(name) != 1:
            return ()
        if node.type == "identifier":
            return self._imports.functions[name].accessors
        return self._imports.modules[name][_text(_required(node, "property"))]

    def _flag_constants(self, root: Node) -> dict[str, Node]:
        """Constants of the module with the flag's name, which are declared once and not exported."""
        found = {}
        for declaration in root.named_children:
            parts = declaration.named_children if declaration.type == "lexical_declaration" else []
            if len(parts) != 1 or not _text(declaration).startswith("const"):
                continue
            name, value = parts[0].child_by_field_name("name"), parts[0].child_by_field_name("value")
            if name is None or value is None or _string(value) != self.answer.flag:
                continue
            if self._declared.get(_text(name)) == 1:
                found[_text(name)] = declaration
        return found

    def _call(self, call: Node) -> None:
        function, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        if accessors := self._accessor(function):
            self._understood |= {one.id for one in _walk(function)}
            if len({one.asynchronous for one in accessors}) > 1:
                self._refuse(call, AMBIGUOUS)
            else:
                self._evaluated(call, call, self.answer.value, asynchronous=accessors[0].asynchronous)
            return
        if not arguments.named_children:
            return
        name = _text(function.child_by_field_name("property") or function)
        match = CALL.fullmatch(name)
        whole = _WHOLE.fullmatch(name) is not None
        if match is None and not whole:
            return
        first = arguments.named_children[0]
        flag = _string(first)
        if flag is None and first.type == "identifier" and _text(first) in self._constants:
            flag = self.answer.flag
        if flag is None and _may_be(first, self.answer.flag):
            self._refuse(first, DYNAMIC)
        if flag != self.answer.flag:
            return
        self._understood |= {one.id for one in _walk(first)}
        replaced = call
        if match is None or match[2] == "Details":
            parent = call.parent
            if parent is None or parent.type != "member_expression" or not _text(parent).endswith(".value"):
                self._refuse(call, DETAILS)
                return
            replaced = parent
        try:
            value = self.answer.asked_as(match[1].lower()) if match is not None else self.answer.value
        except ValueError as error:
            self._refuse(call, str(error))
            return
        # Hooks answer at once, in a file with the SDK for servers too.
        self._evaluated(call, replaced, value, asynchronous=self._asynchronous and not name.startswith("use"))

    def _evaluated(self, call: Node, node: Node, value: Any, *, asynchronous: bool) -> None:
        """Replaces an evaluation by its value, unless something else would go with it."""
        if any(map(_has_effect, _walk(call))):
            self._refuse(call, EFFECTS)
            return
        if any(one.type == "optional_chain" for one in _walk(_required(call, "function"))):
            self._refuse(call, OPTIONAL)
            return
        self.uses += 1
        self._asked.add(_required(call, "function").id)
        parent = node.parent
        if parent is not None and parent.type == "await_expression":
            node = parent
        elif asynchronous or (parent is not None and _text(parent).endswith(_PROMISE)):
            self.promises[node.id] = value
            return
        self.values[node.id] = value
        self._variable(node, value)

    def _variable(self, node: Node, value: Any) -> None:
        """A constant of a function that holds the value alone is replaced by it everywhere."""
        declarator = node.parent
        declaration = declarator.parent if declarator is not None else None
        block = declaration.parent if declaration is not None else None
        if declarator is None or declaration is None or block is None or block.type != "statement_block":
            return
        name = declarator.child_by_field_name("name")
        alone = declaration.type == "lexical_declaration" and len(declaration.named_children) == 1
        if declarator.type != "variable_declarator" or not alone or not _text(declaration).startswith("const"):
            return
        if name is None or name.type != "identifier" or self._declared.get(_text(name)) != 1:
            return
        uses = [one for one in _walk(block) if one.type in _USES and _text(one) in {_text(name), "eval"}]
        by_name = any(_text(one) == "eval" or (one.parent and one.parent.type == "type_query") for one in uses)
        if isinstance(value, (dict, list)) or by_name:
            return
        self.values |= dict.fromkeys((one.id for one in uses), value)
        self.gone.add(declaration.id)


class _Rewriter:
    """Writes the code anew, from the innermost node outwards."""

    def __init__(self, plan: _Plan, source: bytes) -> None:
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
        if value is not _NOTHING and node.type != "parenthesized_expression":
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
            return inner if inner is _NOTHING else not _truthy(inner)
        if node.type == "binary_expression":
            return self._compared(node)
        if node.type == "ternary_expression":
            branch = self._branch(node)
            return _NOTHING if branch is None else self.value(branch)
        return _NOTHING

    def _compared(self, node: Node) -> Any:
        left, operator, right = node.children[0], _text(node.children[1]), node.children[-1]
        known, other = self.value(left), self.value(right)
        if operator in {"&&", "||", "??"}:
            if known is _NOTHING:
                return _NOTHING
            goes_on = known is None if operator == "??" else _truthy(known) is (operator == "&&")
            return other if goes_on else known
        if known is _NOTHING and other is _NOTHING:
            return _NOTHING
        known = _constant(left) if known is _NOTHING else known
        other = _constant(right) if other is _NOTHING else other
        if _NOTHING in (known, other) or isinstance(known, (dict, list)) or isinstance(other, (dict, list)):
            return _NOTHING
        same = isinstance(known, bool) is isinstance(other, bool) and known == other
        if operator in {"===", "=="} and (operator == "===" or _kind(known) == _kind(other)):
            return same
        if operator in {"!==", "!="} and (operator == "!==" or _kind(known) == _kind(other)):
            return not same
        return _NOTHING

    def _branch(self, node: Node) -> Node | None:
        condition = node.child_by_field_name("condition")
        value = _NOTHING if condition is None else self.value(condition)
        if value is _NOTHING:
            return None
        return node.child_by_field_name("consequence" if _truthy(value) else "alternative")

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
            if self.value(node) is not _NOTHING:
                break
            if node.type == "parenthesized_expression":
                node = node.named_children[-1]
            elif node.type == "ternary_expression" and (branch := self._branch(node)) is not None:
                node = branch
            elif node.type == "binary_expression" and self.value(node.children[0]) is not _NOTHING:
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
        if _text(node.children[1]) not in {"&&", "||", "??"} or self.value(node.children[0]) is _NOTHING:
            return self._condition_without(node)
        return self._instead(node, node.children[-1])  # the left side decides nothing, or the whole would be known

    def _condition_without(self, node: Node) -> bytes | None:
        """`x && true` is x where it is a condition."""
        right = self.value(node.children[-1])
        operator = _text(node.children[1])
        if operator not in {"&&", "||"} or right is _NOTHING or _truthy(right) is not (operator == "&&"):
            return None
        return self.text(node.children[0]) if _is_condition(node) else None

    def _jsx_expression(self, node: Node) -> bytes | None:
        """An element stands for itself among the children of another; what shows nothing goes."""
        inner = node.named_children[0] if len(node.named_children) == 1 else None
        if inner is None or node.parent is None or node.parent.type not in _JSX:
            return None
        value = self.value(inner)
        if value is None or isinstance(value, bool):
            return b"" if _joins(node.prev_sibling, node.next_sibling) else None
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
        if inner.type != "if_statement" or (value := self._test(inner)) is _NOTHING:
            return None
        self._drop_branch(inner, value)
        if _truthy(value):
            return b"else " + self.text(_required(inner, "consequence"))
        rest = inner.child_by_field_name("alternative")
        return b"" if rest is None else self.text(rest)

    def _if_statement(self, node: Node) -> bytes | None:
        value = self._test(node)
        if value is _NOTHING:
            return None
        self._drop_branch(node, value)
        chosen = node.child_by_field_name("consequence" if _truthy(value) else "alternative")
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
        if value is _NOTHING or _truthy(value):
            return None
        self.dropped.append(node)
        return b"" if node.parent is not None and node.parent.type in _BLOCKS else b"{}"

    def _drop_branch(self, node: Node, value: Any) -> None:
        """Keeps the branch of a statement that goes."""
        gone = node.child_by_field_name("alternative" if _truthy(value) else "consequence")
        if gone is not None:
            self.dropped.append(gone)

    def _test(self, node: Node) -> Any:
        condition = node.child_by_field_name("condition")
        return _NOTHING if condition is None else self.value(condition)

    def _collides(self, block: Node, statement: Node) -> bool:
        """Whether what a block declares would meet other uses of that name outside of it."""
        names = {_text(name) for one in block.named_children for name in _names(one)}
        outer: Node | None = statement
        while outer is not None and outer.parent is not None and outer.type not in _FUNCTIONS:
            outer = outer.parent
        inside = {one.id for one in _walk(block)}
        return bool(names) and any(
            one.type in _USES and _text(one) in names and one.id not in inside for one in _walk(outer or statement)
        )

    def _spread(self, block: Node, statement: Node) -> bytes:
        """The statements of a block, without its braces, as deep as what held it."""
        made = self._block(block)
        braces = [one for one in block.children if one.type in {"{", "}"}]
        tail = self._source[braces[-1].end_byte : block.end_byte]  # a comment behind it belongs to the block
        body = made[1 : len(made) - len(tail) - 1]
        lines = body.strip().split(b"\n")
        lines[-1] += tail
        if any(one.type == "template_string" and one.start_point[0] != one.end_point[0] for one in _walk(block)):
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
            if ended and child.is_named and child.type not in _HOISTED:
                self.dropped.append(child)
                continue
            if child.id in self._plan.gone:
                continue
            kept.append(child)
            ended = ended or self._always_leaves(child)
        return self._joined(node, kept)

    def _always_leaves(self, node: Node) -> bool:
        """Whether a statement was a branch that leaves its block, and is now all that there is."""
        if node.type != "if_statement" or (value := self._test(node)) is _NOTHING:
            return False
        chosen = node.child_by_field_name("consequence" if _truthy(value) else "alternative")
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


def node_text(node: Node) -> bytes:
    """A node's text in the source."""
    return node.text or b""


def _text(node: Node) -> str:
    return node_text(node).decode()


def _required(node: Node, field: str) -> Node:
    found = node.child_by_field_name(field)
    assert found is not None  # noqa: S101 - the grammar requires it
    return found


def _walk(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(one.children))


_NAMES = frozenset({"identifier", "type_identifier", "shorthand_property_identifier_pattern"})
_USES = frozenset({"identifier", "shorthand_property_identifier"})


def _names(statement: Node) -> Iterator[Node]:
    """The identifiers that a statement declares in its block, and those in its patterns."""
    if statement.type == "lexical_declaration":
        for declarator in statement.named_children:
            if (name := declarator.child_by_field_name("name")) is not None:
                yield from (one for one in _walk(name) if one.type in _NAMES)
    elif statement.type.endswith("_declaration") and (name := statement.child_by_field_name("name")) is not None:
        yield name


def _variables(node: Node) -> Iterator[Node]:
    """The identifiers that a statement declares by `var` for its whole function."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in _FUNCTIONS:
            continue
        loop = one.type == "for_in_statement" and any(part.type == "var" for part in one.children)
        if one.type == "variable_declarator" and one.parent is not None and one.parent.type == "variable_declaration":
            yield from (part for part in _walk(_required(one, "name")) if part.type in _NAMES)
        elif loop:
            yield from (part for part in _walk(_required(one, "left")) if part.type in _NAMES)
        waiting.extend(one.children)


def _is_imported(name: Node) -> bool:
    """Whether an identifier is the name in an import."""
    return name.parent is not None and name.parent.type == "import_specifier"


def _has_effect(node: Node) -> bool:
    """Whether an expression does something beside giving a value, as far as its syntax shows."""
    return node.type in _EFFECTS or (node.type == "unary_expression" and node.children[0].type == "delete")


def _joins(before: Node | None, after: Node | None) -> bool:
    """Whether two texts of JSX show the same without what stands between them: spaces beside a line's end go."""
    if before is None or after is None or before.type != "jsx_text" or after.type != "jsx_text":
        return True
    return _shown(_text(before)) + _shown(_text(after)) == _shown(_text(before) + _text(after))


def _shown(text: str) -> str:
    """What JSX makes of text between elements."""
    lines = text.split("\n")
    last = len(lines) - 1
    kept = [line[len(line) - len(line.lstrip()) if number else 0 :] for number, line in enumerate(lines)]
    kept = [line if number == last else line.rstrip() for number, line in enumerate(kept)]
    return " ".join(line for line in kept if line)


def _declared(root: Node) -> dict[str, int]:
    """How often each name is declared or assigned anywhere in a file, in whatever way."""
    found: dict[str, int] = {}
    # With each child's parent at hand: a node finds its own by going down from the root.
    for parent, one in ((node, child) for node in _walk(root) for child in node.children):
        if one.type not in _NAMES:
            continue
        if parent.type == "import_specifier" and parent.child_by_field_name("alias") not in {None, one}:
            continue  # a name of the other module
        fields = (parent.child_by_field_name(field) for field in ("name", "pattern", "left", "parameter", "alias"))
        patterns = {"array_pattern", "object_pattern", "rest_pattern", "import_clause", "formal_parameters"}
        patterns |= {"assignment_pattern", "import_specifier", "namespace_import", "catch_clause", "for_in_statement"}
        patterns |= {"pair_pattern", "function_expression", "generator_function", "class"}
        declares = parent.type in patterns or parent.type.endswith(("_declaration", "_declarator", "_parameter"))
        assigns = parent.type in {"assignment_expression", "augmented_assignment_expression", "update_expression"}
        binds = (declares or assigns or parent.type == "arrow_function") and (
            any(field == one for field in fields) or parent.type in patterns or parent.type == "update_expression"
        )
        if binds or one.type == "shorthand_property_identifier_pattern":
            found[_text(one)] = found.get(_text(one), 0) + 1
    return found


def _string(node: Node) -> str | None:
    """The text of a string that has no escapes and no parts."""
    if node.type == "string":
        return _text(node)[1:-1]
    if node.type == "template_string" and not node.named_children:
        return _text(node)[1:-1]
    if node.type == "template_string" and all(one.type == "string_fragment" for one in node.named_children):
        return _text(node)[1:-1]
    return None


def _may_be(node: Node, flag: str) -> bool:
    """Whether an expression that is no string may be the flag's name."""
    if node.type != "template_string":
        return True
    parts = [".*" if one.type == "template_substitution" else re.escape(_text(one)) for one in node.named_children]
    return re.fullmatch("".join(parts), flag) is not None


def _constant(node: Node) -> Any:
    """The value of a literal; `_NOTHING` for anything else."""
    if node.type in {"true", "false"}:
        return node.type == "true"
    if node.type == "null":
        return None
    if node.type == "number":
        try:
            return float(_text(node))
        except ValueError:
            return _NOTHING
    text = _string(node)
    return _NOTHING if text is None or "\\" in text else text


def _truthy(value: Any) -> bool:
    """As JavaScript sees it: every object is true."""
    return True if isinstance(value, (dict, list)) else bool(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _is_condition(node: Node) -> bool:
    """Whether only the truth of an expression counts."""
    parent = node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in {"if_statement", "while_statement", "ternary_expression", "do_statement"}:
        return parent.child_by_field_name("condition") == node
    return parent.type == "unary_expression" and parent.children[0].type == "!"
