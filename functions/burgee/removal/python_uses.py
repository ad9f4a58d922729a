"""Finds what a file of Python asks about a flag: imports, calls, settings of tests, and variables with the answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import libcst as cst
import libcst.matchers as m
from libcst.metadata import (
    Assignment,
    FunctionScope,
    GlobalScope,
    ImportAssignment,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    ScopeProvider,
)

from burgee.removal.python_syntax import (
    EFFECT_NODES,
    assignment,
    constant_value,
    first_argument,
    last_name,
    may_be_flag,
    nodes_in,
    plain_string,
)
from burgee.removal.rewriting import (
    DETAILS,
    DYNAMIC,
    EFFECTS,
    MENTION,
    OTHER_VARIANT,
    SHOWN,
    UNAWAITED,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.removal.rewriting import Accessor, Answer

    Statement: TypeAlias = cst.BaseStatement


CALL = re.compile(r"get_(boolean|string|integer|float|object)_(value|details)(?:_async)?")
_BY_NAME = frozenset({"locals", "vars", "eval", "exec", "dir"})
"""Functions that see a variable by its name."""


class PythonUses:
    """What is to be replaced, found in the code as it is."""

    def __init__(self, wrapper: MetadataWrapper, answer: Answer, accessors: Sequence[Accessor]) -> None:
        self.answer = answer
        self._accessors = {one.function for one in accessors}
        self._generated = {one.module_name for one in accessors}
        self.refusals: list[Refusal] = []
        self.uses = 0
        self.values: dict[cst.CSTNode, Any] = {}
        """Calls, and the names of variables that hold them, with their values."""
        self.gone: set[cst.CSTNode] = set()
        """Assignments, arguments and decorators that go."""
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._scopes = wrapper.resolve(ScopeProvider)
        self._constants = self._flag_constants(wrapper.module)
        self._understood: set[cst.CSTNode] = set()
        self._starred = False
        """Whether the file imports all names of a generated module."""
        self._modules, self._functions = self._imported(wrapper.module)
        for node in nodes_in(wrapper.module):
            if isinstance(node, cst.Call):
                self._call(node)
        self._drop_constants()
        self._drop_imports(wrapper.module)
        for node in nodes_in(wrapper.module):
            self._mention(node)

    def refuse(self, node: cst.CSTNode, why: str) -> None:
        """Adds a refusal at a node."""
        start = self._positions[node].start
        self.refusals.append(Refusal(start.line, start.column + 1, why))

    def binds_tightly(self, node: cst.CSTNode) -> bool:
        """Whether a number in the place of a node needs parentheses: `(5).real`, `(-5) ** 2`."""
        parent = self._parents[node]
        power = isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, cst.Power)
        return power or isinstance(parent, cst.Attribute)

    def is_elif(self, node: cst.If) -> bool:
        """Whether a statement is the `elif` of another."""
        parent = self._parents[node]
        return isinstance(parent, cst.If) and parent.orelse is node

    def _flag_constants(self, module: cst.Module) -> dict[str, list[cst.CSTNode]]:
        """Names that the module binds once, to the flag's name."""
        found: dict[str, list[cst.CSTNode]] = {}
        for node in module.body:
            for part in node.body if isinstance(node, cst.SimpleStatementLine) else ():
                target, value = assignment(part)
                if target is not None and plain_string(value) == self.answer.flag:
                    found.setdefault(target.value, []).append(part)
        scope = self._scopes.get(module)
        return {
            name: parts
            for name, parts in found.items()
            if isinstance(scope, GlobalScope) and len(list(scope[name])) == 1
        }

    def _imported(self, module: cst.Module) -> tuple[set[str], dict[str, cst.ImportAlias]]:
        """What a file calls generated modules, and what it calls the flag's functions, with their imports."""
        modules: set[str] = set()
        functions: dict[str, cst.ImportAlias] = {}
        for node in nodes_in(module):
            if not isinstance(node, (cst.Import, cst.ImportFrom)):
                continue
            of = node.module if isinstance(node, cst.ImportFrom) else None
            if isinstance(node.names, cst.ImportStar):
                self._starred = self._starred or (of is not None and last_name(of) in self._generated)
                continue
            for alias in node.names:
                called = alias.evaluated_alias or alias.evaluated_name
                if last_name(alias.name) in self._generated:
                    modules.add(called)
                elif of is not None and last_name(of) in self._generated and alias.evaluated_name in self._accessors:
                    functions[called] = alias
        return modules, functions

    def _is_accessor(self, node: cst.CSTNode) -> bool:
        """Whether an expression is the flag's function of a generated module."""
        if isinstance(node, cst.Name):
            return node.value in self._functions and self._is_import(node)
        if not isinstance(node, cst.Attribute) or node.attr.value not in self._accessors:
            return False
        root: cst.CSTNode = node.value
        while isinstance(root, cst.Attribute):
            root = root.value
        known = cst.Module([]).code_for_node(node.value) in self._modules
        return known and isinstance(root, cst.Name) and self._is_import(root)

    def _is_import(self, node: cst.Name) -> bool:
        """Whether a name is bound by imports alone, and is not an import itself."""
        scope = self._scopes.get(node)
        bound = list(scope[node.value]) if scope is not None else []
        return bool(bound) and all(isinstance(one, ImportAssignment) for one in bound)

    def _is_free(self, node: cst.Name) -> bool:
        """Whether a name is bound by nothing that the file shows."""
        scope = self._scopes.get(node)
        return (
            not isinstance(self._parents[node], cst.Attribute) and scope is not None and not list(scope[node.value])
        )

    def _drop_imports(self, module: cst.Module) -> None:
        """The import of a function goes if every use of it was a call that goes; without any, other files use it."""
        dropped: set[cst.CSTNode] = set()
        for name, alias in self._functions.items():
            own = {*nodes_in(alias)}
            used = [
                one for one in nodes_in(module) if isinstance(one, cst.Name) and one.value == name and one not in own
            ]
            if not used:
                self.refuse(alias, MENTION)
            elif not any(map(self._is_import, [one for one in used if one not in self._understood])):
                dropped.add(alias)
        for statement in {self._parents[alias] for alias in dropped}:
            names = statement.names if isinstance(statement, cst.ImportFrom) else ()
            own = set(names) if not isinstance(names, cst.ImportStar) else set()
            self.gone |= {statement} if own <= dropped else own & dropped

    def _named(self, node: cst.BaseExpression) -> str | None:
        """The flag that an argument names; None if that is not known."""
        text = plain_string(node)
        if text is not None:
            return text
        if isinstance(node, cst.Name) and node.value in self._constants and self._is_global(node):
            return self.answer.flag
        return None

    def _is_global(self, node: cst.Name) -> bool:
        scope = self._scopes.get(node)
        found = scope[node.value] if scope is not None else ()
        return all(isinstance(one, Assignment) and isinstance(one.scope, GlobalScope) for one in found)

    def _call(self, call: cst.Call) -> None:
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        match = CALL.fullmatch(name)
        if match is None and self._is_accessor(call.func):
            self._understood.add(call.func)
            self._evaluated(call, call, self.answer.value)
            return
        if match is None:
            self._setting(call)
            return
        argument = first_argument(call)
        if argument is None:
            if any(one.star == "**" for one in call.args):
                self.refuse(call, DYNAMIC)
            return
        flag = self._named(argument.value)
        if flag is None and may_be_flag(argument.value, self.answer.flag):
            self.refuse(argument.value, DYNAMIC)
        if flag != self.answer.flag:
            return
        self._understood.add(argument.value)
        replaced: cst.CSTNode = call
        if match[2] == "details":
            parent = self._parents[call]
            if not m.matches(parent, m.Attribute(attr=m.Name("value"))):
                self.refuse(call, DETAILS)
                return
            replaced = parent
        try:
            value = self.answer.asked_as(match[1])
        except ValueError as error:
            self.refuse(call, str(error))
            return
        if name.endswith("_async") and not isinstance(self._parents[call], cst.Await):
            self.refuse(call, UNAWAITED)
            return
        self._evaluated(call, replaced, value)

    def _evaluated(self, call: cst.Call, replaced: cst.CSTNode, value: Any) -> None:
        """Replaces an evaluation by its value, unless something else would go with it."""
        if any(m.findall(one, EFFECT_NODES) for one in call.args) or m.findall(call.func, EFFECT_NODES):
            self.refuse(call, EFFECTS)
            return
        if self._is_shown(call):
            self.refuse(call, SHOWN)
            return
        self.uses += 1
        outer = self._parents[replaced]
        replaced = outer if isinstance(outer, cst.Await) else replaced
        self.values[replaced] = value
        self._variable(replaced, value)

    def _is_shown(self, node: cst.CSTNode) -> bool:
        """Whether an f-string shows the code of an expression: `f"{x=}"`."""
        while not isinstance(node, (cst.BaseStatement, cst.BaseSmallStatement, cst.Module)):
            if isinstance(node, cst.FormattedStringExpression) and node.equal is not None:
                return True
            node = self._parents[node]
        return False

    def _is_bound_otherwise(self, function: cst.CSTNode, name: str) -> bool:
        """Whether a function binds, deletes or reads a name in a way that takes the name itself."""
        for one in nodes_in(function):
            if isinstance(one, (cst.Global, cst.Nonlocal)):
                return True
            if isinstance(one, cst.Name) and one.value in _BY_NAME:
                return True
            if isinstance(one, cst.Name) and one.value == name:
                parent = self._parents[one]
                if isinstance(parent, (cst.Del, cst.MatchAs, cst.MatchStar, cst.MatchMapping)):
                    return True
                if isinstance(parent, cst.Element) and self._is_deleted(parent):
                    return True
                if self._is_shown(one):
                    return True
        return False

    def _is_deleted(self, node: cst.CSTNode) -> bool:
        while isinstance(node, (cst.Element, cst.Tuple, cst.List)):
            node = self._parents[node]
        return isinstance(node, cst.Del)

    def _variable(self, call: cst.CSTNode, value: Any) -> None:
        """A local variable that holds the value alone is replaced by it everywhere."""
        part = self._parents[call]
        target, held = assignment(part)
        if target is None or held is not call:
            return
        line = self._parents[part]
        block = self._parents[line]
        scope = self._scopes.get(target)
        if not isinstance(block, cst.IndentedBlock) or not isinstance(self._parents[block], cst.FunctionDef):
            return
        if not isinstance(scope, FunctionScope) or isinstance(value, (dict, list)):
            return
        bound = list(scope[target.value])
        if len(bound) != 1 or not isinstance(bound[0], Assignment) or bound[0].scope is not scope:
            return
        if self._is_bound_otherwise(self._parents[block], target.value):
            return
        for access in bound[0].references:
            self.values[access.node] = value
        self.gone.add(part)

    def _setting(self, call: cst.Call) -> None:
        """`flags.set(...)`, `flags(...)` and the marker of our plugin, which set flags in tests."""
        func = call.func
        set_call = m.matches(func, m.Attribute(value=m.Name("flags"), attr=m.Name("set")) | m.Name("flags"))
        marker = m.matches(func, m.Attribute(attr=m.Name("flags"), value=m.Attribute(attr=m.Name("mark"))))
        if not marker and not (set_call and self._is_fixture(func)):
            return
        gone = [one for argument in call.args for one in self._set_in(argument)]
        for argument in call.args:
            mapping = argument.value if argument.keyword is None else None
            if isinstance(mapping, cst.Dict) and mapping.elements and set(mapping.elements) <= set(gone):
                gone.append(argument)
        parent = self._parents[call]
        statement = isinstance(parent, cst.Decorator) or m.matches(self._parents[parent], m.SimpleStatementLine())
        self.gone |= {parent} if gone and statement and set(call.args) <= set(gone) else set(gone)

    def _set_in(self, argument: cst.Arg) -> Iterator[cst.CSTNode]:
        """What sets the flag in an argument, by its name or in a mapping."""
        found: list[tuple[cst.CSTNode, cst.BaseExpression]] = []
        if argument.keyword is not None and argument.keyword.value == self.answer.flag:
            found.append((argument, argument.value))
        if argument.keyword is None and not argument.star and isinstance(argument.value, cst.Dict):
            for element in argument.value.elements:
                if isinstance(element, cst.DictElement) and plain_string(element.key) == self.answer.flag:
                    self._understood.add(element.key)
                    found.append((element, element.value))
        for node, value in found:
            given = constant_value(value)
            if given == self.answer.variant or (isinstance(given, bool) and given is self.answer.value):
                self.uses += 1
                yield node
            else:
                self.refuse(node, OTHER_VARIANT)

    def _is_fixture(self, func: cst.BaseExpression) -> bool:
        """Whether `flags` is a function's parameter, as pytest gives it, and nothing of the file's own."""
        name = func.value if isinstance(func, cst.Attribute) else func
        scope = self._scopes.get(name)
        bound = list(scope["flags"]) if scope is not None else []
        return bool(bound) and all(isinstance(one, Assignment) and isinstance(one.node, cst.Param) for one in bound)

    def _drop_constants(self) -> None:
        """A constant with the flag's name goes if every use of it was an evaluation that goes."""
        for parts in self._constants.values():
            target, value = assignment(parts[0])
            scope = self._scopes.get(target) if target is not None else None
            if target is None or scope is None or value is None:
                continue
            used = [access.node for one in scope[target.value] for access in one.references]
            if used and all(node in self._understood for node in used):
                self.gone.add(parts[0])
                self._understood.add(value)

    def _mention(self, node: cst.CSTNode) -> None:
        """The flag's name or function, where nothing above understood it."""
        if self._is_accessor(node) and node not in self._understood:
            parent = self._parents[node]
            if not isinstance(parent, (cst.ImportAlias, cst.AsName)):
                self.refuse(node, MENTION)
        if self._starred and isinstance(node, cst.Name) and node.value in self._accessors and self._is_free(node):
            self.refuse(node, MENTION)
        if not isinstance(node, (cst.SimpleString, cst.ConcatenatedString)) or node in self._understood:
            return
        if plain_string(node) == self.answer.flag and not isinstance(
            self._parents[node], (cst.Expr, cst.ConcatenatedString)
        ):
            self.refuse(node, MENTION)
