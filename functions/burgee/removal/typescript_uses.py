"""Finds what a file of TypeScript asks about a flag: imports, calls, and variables that hold the answer."""

from __future__ import annotations

import re
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from burgee.records import NamedTuple
from burgee.removal.rewriting import (
    AMBIGUOUS,
    DETAILS,
    DYNAMIC,
    EFFECTS,
    HOISTED,
    MENTION,
    OPTIONAL,
    Refusal,
)
from burgee.removal.typescript_syntax import (
    FUNCTIONS,
    USE_TYPES,
    declarations,
    has_effect,
    is_imported,
    may_be_flag,
    nodes_in,
    plain_string,
    required_child,
    text_of,
    var_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

    from burgee.removal.rewriting import Accessor, Answer


CALL = re.compile(r"(?:get|use)(Boolean|String|Number|Object)(?:Flag)?(Value|Details)")
_WHOLE = re.compile(r"use(?:Suspense)?Flag")
"""A hook of the SDK for React that returns details alone."""
_PROMISE = (".then", ".catch", ".finally")
_NAMES = frozenset(
    {
        "identifier",
        "property_identifier",
        "shorthand_property_identifier",
        "shorthand_property_identifier_pattern",
    }
)
_ENDING = re.compile(r"(?:\.d)?\.[cm]?[jt]sx?$")


class _Imported(NamedTuple):
    """The flag's function by its imported name: the import, and what it may be."""

    specifier: Node
    accessors: Sequence[Accessor]


class FlagImports:
    """What a file calls generated modules with the flag's functions, those functions, and hooks of the SDK."""

    def __init__(self, root: Node, accessors: Sequence[Accessor], folder: str) -> None:
        self.modules: dict[str, dict[str, Sequence[Accessor]]] = {}
        self.functions: dict[str, _Imported] = {}
        self.hooks: dict[str, Node] = {}
        self.loaded = {one.function for path in _loaded(root) for one in _named(path, folder, accessors)}
        """Functions of modules that the file exports again, or loads at run time."""
        for statement in root.named_children:
            source = statement.child_by_field_name("source") if statement.type == "import_statement" else None
            if source is None:
                continue
            path = plain_string(source) or ""
            found = _named(path, folder, accessors)
            by_function: dict[str, Sequence[Accessor]] = {
                one.function: [same for same in found if same.function == one.function] for one in found
            }
            for one in nodes_in(statement):
                if one.type == "namespace_import" and by_function:
                    self.modules[text_of(one.named_children[0])] = by_function
                if one.type != "import_specifier":
                    continue
                name, called = text_of(one.children[0]), text_of(one.child_by_field_name("alias") or one.children[0])
                if name in by_function:
                    self.functions[called] = _Imported(one, by_function[name])
                elif path.startswith("@openfeature/") and name == called and CALL.fullmatch(name):
                    self.hooks[called] = one


def _loaded(root: Node) -> Iterator[str]:
    """What `export ... from`, `require(...)` and `import(...)` name."""
    for node in nodes_in(root):
        source = node.child_by_field_name("source") if node.type == "export_statement" else None
        if node.type == "call_expression" and text_of(required_child(node, "function")) in {"require", "import"}:
            arguments = required_child(node, "arguments").named_children
            source = arguments[0] if arguments else None
        if source is not None and (path := plain_string(source)):
            yield path


def _named(source: str, folder: str, accessors: Sequence[Accessor]) -> list[Accessor]:
    """The accessors of the module that an import names: exactly for a relative path, else by the module's name."""
    path = _ENDING.sub("", source)
    if path.startswith("."):
        path = normpath(f"{folder}/{path}")
        exact = [one for one in accessors if one.module in {path, f"{path}/index"}]
        if exact:
            return exact
    return [one for one in accessors if one.module_name == path.rpartition("/")[2]]


class TypeScriptUses:
    """What is to be replaced, found in the code as it is."""

    def __init__(self, root: Node, answer: Answer, imports: FlagImports, *, asynchronous: bool) -> None:
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
        self._declared = declarations(root)
        self._constants = self._flag_constants(root)
        self._understood: set[int] = set()
        for node in nodes_in(root):
            if node.type == "call_expression":
                self._call(node)
        for name, declaration in self._constants.items():
            used = [one for one in nodes_in(root) if one.type == "identifier" and text_of(one) == name]
            rest = [one for one in used if one.id not in self._understood]
            if len(used) > 1 and len(rest) == 1:  # its declaration
                self.gone.add(declaration.id)
                self._understood |= {one.id for one in nodes_in(declaration)}
        for node in nodes_in(root):
            if node.id not in self._understood and self._names_flag(node):
                self._refuse(node, MENTION)
        hooks = [one for name, one in imports.hooks.items() if self._is_unused(root, name)]
        self._drop_imports([*(one.specifier for one in imports.functions.values()), *hooks])

    def require_declared(self, dropped: Sequence[Node]) -> None:
        """Refuses where code that goes declares a `var` that its function uses elsewhere: such names are hoisted."""
        gone = {one.id for node in dropped for one in nodes_in(node)}
        for node in dropped:
            names = {text_of(name): name for name in var_names(node)}
            if not names:
                continue
            outer = node
            while outer.parent is not None and outer.type not in FUNCTIONS:
                outer = outer.parent
            used = {text_of(one) for one in nodes_in(outer) if one.type in USE_TYPES and one.id not in gone}
            for name in names.keys() & used:
                self._refuse(names[name], HOISTED)

    def _refuse(self, node: Node, why: str) -> None:
        self.refusals.append(Refusal(node.start_point[0] + 1, node.start_point[1] + 1, why))

    def _names_flag(self, node: Node) -> bool:
        """Whether a node is the flag's name or one of its functions."""
        if node.type in _NAMES and text_of(node) in self._imports.loaded:
            return True
        return plain_string(node) == self.answer.flag or self._accessor_name(node) is not None

    def _is_unused(self, root: Node, name: str) -> bool:
        """Whether every use of an imported name was in a call that goes, and there was one."""
        used = [
            one
            for one in nodes_in(root)
            if one.type in {"identifier", "type_identifier", "shorthand_property_identifier"}
            and text_of(one) == name
            and not is_imported(one)
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
            return text_of(node) if text_of(node) in self._imports.functions and not is_imported(node) else None
        if node.type != "member_expression":
            return None
        of, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if of is None or name is None or text_of(name) not in self._imports.modules.get(text_of(of), {}):
            return None
        return text_of(of)

    def _accessor(self, node: Node) -> Sequence[Accessor]:
        """The flag's function that an expression is, by a name that the file binds once; several if it may be any."""
        name = self._accessor_name(node)
        if name is None or self._declared.get(name) != 1:
            return ()
        if node.type == "identifier":
            return self._imports.functions[name].accessors
        return self._imports.modules[name][text_of(required_child(node, "property"))]

    def _flag_constants(self, root: Node) -> dict[str, Node]:
        """Constants of the module with the flag's name, which are declared once and not exported."""
        found = {}
        for declaration in root.named_children:
            parts = declaration.named_children if declaration.type == "lexical_declaration" else []
            if len(parts) != 1 or not text_of(declaration).startswith("const"):
                continue
            name, value = parts[0].child_by_field_name("name"), parts[0].child_by_field_name("value")
            if name is None or value is None or plain_string(value) != self.answer.flag:
                continue
            if self._declared.get(text_of(name)) == 1:
                found[text_of(name)] = declaration
        return found

    def _call(self, call: Node) -> None:
        function, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        if function is None or arguments is None:
            return
        if accessors := self._accessor(function):
            self._understood |= {one.id for one in nodes_in(function)}
            if len({one.asynchronous for one in accessors}) > 1:
                self._refuse(call, AMBIGUOUS)
            else:
                self._evaluated(call, call, self.answer.value, asynchronous=accessors[0].asynchronous)
            return
        if not arguments.named_children:
            return
        name = text_of(function.child_by_field_name("property") or function)
        match = CALL.fullmatch(name)
        whole = _WHOLE.fullmatch(name) is not None
        if match is None and not whole:
            return
        first = arguments.named_children[0]
        flag = plain_string(first)
        if flag is None and first.type == "identifier" and text_of(first) in self._constants:
            flag = self.answer.flag
        if flag is None and may_be_flag(first, self.answer.flag):
            self._refuse(first, DYNAMIC)
        if flag != self.answer.flag:
            return
        self._understood |= {one.id for one in nodes_in(first)}
        replaced = call
        if match is None or match[2] == "Details":
            parent = call.parent
            if parent is None or parent.type != "member_expression" or not text_of(parent).endswith(".value"):
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
        if any(map(has_effect, nodes_in(call))):
            self._refuse(call, EFFECTS)
            return
        if any(one.type == "optional_chain" for one in nodes_in(required_child(call, "function"))):
            self._refuse(call, OPTIONAL)
            return
        self.uses += 1
        self._asked.add(required_child(call, "function").id)
        parent = node.parent
        if parent is not None and parent.type == "await_expression":
            node = parent
        elif asynchronous or (parent is not None and text_of(parent).endswith(_PROMISE)):
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
        if declarator.type != "variable_declarator" or not alone or not text_of(declaration).startswith("const"):
            return
        if name is None or name.type != "identifier" or self._declared.get(text_of(name)) != 1:
            return
        uses = [one for one in nodes_in(block) if one.type in USE_TYPES and text_of(one) in {text_of(name), "eval"}]
        by_name = any(text_of(one) == "eval" or (one.parent and one.parent.type == "type_query") for one in uses)
        if isinstance(value, (dict, list)) or by_name:
            return
        self.values |= dict.fromkeys((one.id for one in uses), value)
        self.gone.add(declaration.id)
