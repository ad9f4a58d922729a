"""Rewrites Python code, by LibCST: calls become the flag's value, and what that decides is decided.

Comments and layout stay. Only what depends on the value is simplified: conditions, negations, comparisons with
literals, and a variable that holds nothing else. Code that can no longer run goes.
"""

from __future__ import annotations

import ast
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

from burgee.accessors.literals import python_literal
from burgee.errors import Refused
from burgee.removal.rewriting import (
    BROKEN,
    DETAILS,
    DYNAMIC,
    EFFECTS,
    GENERATOR,
    MENTION,
    OTHER_VARIANT,
    QUOTED,
    SHOWN,
    TIGHT,
    UNAWAITED,
    Refusal,
    Rewritten,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.removal.rewriting import Accessor, Answer

    Statement: TypeAlias = cst.BaseStatement

CALL = re.compile(r"get_(boolean|string|integer|float|object)_(value|details)(?:_async)?")
_EFFECTS = m.NamedExpr() | m.Await() | m.Yield()
_TERMINAL = m.Return() | m.Raise() | m.Continue() | m.Break()
_BY_NAME = frozenset({"locals", "vars", "eval", "exec", "dir"})
"""Functions that see a variable by its name."""
_NOTHING = object()


def rewrite(text: str, answer: Answer, accessors: Sequence[Accessor] = ()) -> Rewritten:
    """The code without the flag, which it asks for by the SDK or by functions of generated modules.

    What is refused stands as it was; then nothing of the file should be written.

    Raises Refused for a file that does not parse.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(text))
    except cst.ParserSyntaxError as error:
        raise Refused("not-parsed", "it does not parse") from error
    plan = _Plan(wrapper, answer, accessors)
    try:
        made = wrapper.module.visit(_Rewriter(plan))
    except cst.CSTValidationError:
        return Rewritten(text, plan.uses, sorted([*plan.refusals, Refusal(1, 1, TIGHT)]))
    if not plan.refusals:
        try:
            cst.parse_module(made.code)
        except cst.ParserSyntaxError:
            plan.refusals.append(Refusal(1, 1, BROKEN))
    return Rewritten(made.code, plan.uses, sorted(plan.refusals))


class _Plan:
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
        self._modules, self._functions = self._imported(wrapper.module)
        for node in _walk(wrapper.module):
            if isinstance(node, cst.Call):
                self._call(node)
        self._drop_constants()
        self._drop_imports(wrapper.module)
        for node in _walk(wrapper.module):
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
                target, value = _assigned(part)
                if target is not None and _string(value) == self.answer.flag:
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
        for node in _walk(module):
            if not isinstance(node, (cst.Import, cst.ImportFrom)) or isinstance(node.names, cst.ImportStar):
                continue
            of = node.module if isinstance(node, cst.ImportFrom) else None
            for alias in node.names:
                called = alias.evaluated_alias or alias.evaluated_name
                if _last(alias.name) in self._generated:
                    modules.add(called)
                elif of is not None and _last(of) in self._generated and alias.evaluated_name in self._accessors:
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

    def _drop_imports(self, module: cst.Module) -> None:
        """The import of a function goes if every use of it was a call that goes."""
        dropped: set[cst.CSTNode] = set()
        for name, alias in self._functions.items():
            used = [one for one in _walk(module) if isinstance(one, cst.Name) and one.value == name]
            rest = [
                one
                for one in used
                if one not in self._understood and not isinstance(self._parents[one], cst.ImportAlias)
            ]
            if not any(map(self._is_import, rest)):
                dropped.add(alias)
        for statement in {self._parents[alias] for alias in dropped}:
            names = statement.names if isinstance(statement, cst.ImportFrom) else ()
            own = set(names) if not isinstance(names, cst.ImportStar) else set()
            self.gone |= {statement} if own <= dropped else own & dropped

    def _named(self, node: cst.BaseExpression) -> str | None:
        """The flag that an argument names; None if that is not known."""
        text = _string(node)
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
        argument = _argument(call)
        if argument is None:
            if any(one.star == "**" for one in call.args):
                self.refuse(call, DYNAMIC)
            return
        flag = self._named(argument.value)
        if flag is None and _may_be(argument.value, self.answer.flag):
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
        if any(m.findall(one, _EFFECTS) for one in call.args) or m.findall(call.func, _EFFECTS):
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
        for one in _walk(function):
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
        target, held = _assigned(part)
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
                if isinstance(element, cst.DictElement) and _string(element.key) == self.answer.flag:
                    self._understood.add(element.key)
                    found.append((element, element.value))
        for node, value in found:
            given = _constant(value)
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
            target, value = _assigned(parts[0])
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
        if not isinstance(node, (cst.SimpleString, cst.ConcatenatedString)) or node in self._understood:
            return
        if _string(node) == self.answer.flag and not isinstance(
            self._parents[node], (cst.Expr, cst.ConcatenatedString)
        ):
            self.refuse(node, MENTION)


class _Rewriter(cst.CSTTransformer):
    """Replaces what the plan names, and decides what depends on it."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__()
        self._plan = plan
        self._known: dict[int, tuple[cst.CSTNode, Any]] = {}
        self._ends: dict[int, cst.CSTNode] = {}
        self._quotes: list[str] = []

    def on_leave(self, original_node: cst.CSTNode, updated_node: Any) -> Any:
        """Replaces a node that the plan names, else does what its kind needs."""
        if original_node in self._plan.gone:
            return cst.RemoveFromParent()
        if original_node in self._plan.values:
            bound = self._plan.binds_tightly(original_node)
            value = self._plan.values[original_node]
            if self._quotes and self._is_unquotable(value):
                self._plan.refuse(original_node, QUOTED)
                return updated_node
            return self._literal(value, updated_node, bound=bound)
        return super().on_leave(original_node, updated_node)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        """Without the functions that went, and without a comma after the last."""
        del original_node
        names = updated_node.names
        if isinstance(names, cst.ImportStar) or not self._plan.gone:
            return updated_node
        if updated_node.lpar is None and isinstance(names[-1].comma, cst.Comma):
            names = [*names[:-1], names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
        return updated_node.with_changes(names=names)

    def leave_Dict(self, original_node: cst.Dict, updated_node: cst.Dict) -> cst.BaseExpression:
        """Without a comma where the last element went."""
        return updated_node.with_changes(elements=_ended(original_node.elements, updated_node.elements))

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Without a comma where the last argument went."""
        return updated_node.with_changes(args=_ended(original_node.args, updated_node.args))

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        """Strings inside must not have its quotes, before Python 3.12."""
        self._quotes.append(node.start[-1])

    def leave_FormattedString(
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.BaseExpression:
        """Leaves it."""
        del original_node
        self._quotes.pop()
        return updated_node

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        """`not True`."""
        del original_node
        value = self._value(updated_node.expression)
        if isinstance(updated_node.operator, cst.Not) and value is not _NOTHING:
            return self._literal(not value, updated_node)
        return updated_node

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        """A comparison of the value with a literal."""
        del original_node
        if len(updated_node.comparisons) != 1:
            return updated_node
        target = updated_node.comparisons[0]
        left, right = self._value(updated_node.left), self._value(target.comparator)
        if left is _NOTHING and right is _NOTHING:
            return updated_node
        left = _constant(updated_node.left) if left is _NOTHING else left
        right = _constant(target.comparator) if right is _NOTHING else right
        decided = _compared(left, target.operator, right)
        return updated_node if decided is None else self._literal(decided, updated_node)

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """`True and x` is x; the right side of `x and True` matters only where x is a condition."""
        del original_node
        value = self._value(updated_node.left)
        if value is _NOTHING:
            return updated_node
        goes_on = bool(value) is isinstance(updated_node.operator, cst.And)
        return _inside(updated_node.right if goes_on else updated_node.left, updated_node)

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """One side of a conditional expression."""
        del original_node
        value = self._value(self._test(updated_node.test))
        if value is _NOTHING:
            return updated_node
        return _inside(updated_node.body if value else updated_node.orelse, updated_node)

    def leave_If(  # type: ignore[override]  # an `elif` may become an `else`
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.If | cst.Else | cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """One branch of a statement, in its place."""
        test = self._test(updated_node.test)
        value = self._value(test)
        if value is _NOTHING:
            return updated_node.with_changes(test=test)
        if not value:
            return self._otherwise(original_node, updated_node)
        if self._plan.is_elif(original_node):
            return cst.Else(body=updated_node.body, leading_lines=updated_node.leading_lines)
        return self._spliced(updated_node.body, updated_node.leading_lines)

    def _otherwise(
        self, original: cst.If, updated: cst.If
    ) -> cst.If | cst.Else | cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """What remains of a statement without its first branch."""
        rest = updated.orelse
        if rest is None:
            return cst.RemoveFromParent()
        if self._plan.is_elif(original):
            return rest
        if isinstance(rest, cst.If):
            return cst.FlattenSentinel([rest.with_changes(leading_lines=updated.leading_lines)])
        return self._spliced(rest.body, updated.leading_lines)

    def leave_While(
        self, original_node: cst.While, updated_node: cst.While
    ) -> cst.While | cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """A loop that never runs."""
        del original_node
        test = self._test(updated_node.test)
        value = self._value(test)
        if value is _NOTHING or value:
            return updated_node.with_changes(test=test)
        if updated_node.orelse is None:
            return cst.RemoveFromParent()
        return self._spliced(updated_node.orelse.body, updated_node.leading_lines)

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock) -> cst.BaseSuite:
        """Without what comes after a branch that always leaves."""
        del original_node
        for index, statement in enumerate(updated_node.body):
            if id(statement) in self._ends:
                return updated_node.with_changes(body=updated_node.body[: index + 1])
        return updated_node

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        """A generator stays one."""
        if _yields(original_node.body) and not _yields(updated_node.body):
            self._plan.refuse(original_node, GENERATOR)
        return updated_node

    def leave_Lambda(self, original_node: cst.Lambda, updated_node: cst.Lambda) -> cst.Lambda:
        """So does a lambda."""
        if _yields(original_node.body) and not _yields(updated_node.body):
            self._plan.refuse(original_node, GENERATOR)
        return updated_node

    def _test(self, test: cst.BaseExpression) -> cst.BaseExpression:
        """A condition, where `x and True` is x."""
        if not isinstance(test, cst.BooleanOperation):
            return test
        value = self._value(test.right)
        if value is _NOTHING or bool(value) is not isinstance(test.operator, cst.And):
            return test
        return _inside(self._test(test.left), test)

    def _spliced(
        self, suite: cst.BaseSuite, leading: Sequence[cst.EmptyLine]
    ) -> cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """The statements of a block, in the place of what held it."""
        found = _statements(suite)
        found = [one for one in found if not _is_pass(one)]
        if not found:
            return cst.RemoveFromParent()
        own = getattr(found[0], "leading_lines", ())
        found[0] = found[0].with_changes(leading_lines=[*leading, *own])
        last = found[-1]
        if isinstance(last, cst.SimpleStatementLine) and m.matches(last.body[-1], _TERMINAL):
            self._ends[id(last)] = last
        return cst.FlattenSentinel(found)

    def _is_unquotable(self, value: Any) -> bool:
        """Whether a value cannot stand in these f-strings before Python 3.12."""
        text = self._quoted(value)
        return "\\" in text or any(quote in text for quote in self._quotes)

    def _quoted(self, value: Any) -> str:
        """A literal with other quotes than those of the f-string that it stands in."""
        plain = isinstance(value, (str, list, dict)) and self._quotes and self._quotes[-1] == '"'
        return repr(value) if plain else python_literal(value)

    def _literal(self, value: Any, instead: Any, *, bound: bool = False) -> cst.BaseExpression:
        text = self._quoted(value)
        braces = bool(self._quotes) and isinstance(value, dict)
        text = f"({text})" if braces or (bound and isinstance(value, (int, float)) and not instead.lpar) else text
        made = cst.parse_expression(text)
        made = _inside(made, instead)
        self._known[id(made)] = made, value
        return made

    def _value(self, node: cst.BaseExpression) -> Any:
        return self._known[id(node)][1] if id(node) in self._known else _NOTHING


def _ended(before: Sequence[Any], after: Sequence[Any]) -> Sequence[Any]:
    """What is left of a list: it ends as it did, with or without a comma."""
    if not after or len(after) == len(before):
        return after
    return [*after[:-1], after[-1].with_changes(comma=before[-1].comma)]


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(one.children))


def _yields(node: cst.CSTNode) -> bool:
    """Whether code yields for the function that it stands in."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, cst.Yield):
            return True
        if not isinstance(one, (cst.FunctionDef, cst.Lambda)):
            waiting.extend(one.children)
    return False


def _assigned(part: cst.CSTNode) -> tuple[cst.Name | None, cst.BaseExpression | None]:
    """The name that a statement binds, and its value."""
    if isinstance(part, cst.Assign) and len(part.targets) == 1 and isinstance(part.targets[0].target, cst.Name):
        return part.targets[0].target, part.value
    if isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
        return part.target, part.value
    return None, None


def _argument(call: cst.Call) -> cst.Arg | None:
    """The argument with the flag's name."""
    by_name = [one for one in call.args if one.keyword is not None and one.keyword.value in {"flag_key", "flag"}]
    first = [one for one in call.args[:1] if one.keyword is None]
    return next(iter([*by_name, *first]), None)


def _last(name: cst.BaseExpression) -> str:
    """The last part of a dotted name."""
    return cst.Module([]).code_for_node(name).rpartition(".")[2].strip()


def _string(node: cst.CSTNode | None) -> str | None:
    if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
        found = node.evaluated_value
        return found if isinstance(found, str) else None
    return None


def _may_be(node: cst.BaseExpression, flag: str) -> bool:
    """Whether an expression that is no string may be the flag's name."""
    if not isinstance(node, cst.FormattedString):
        return True
    parts = [re.escape(one.value) if isinstance(one, cst.FormattedStringText) else ".*" for one in node.parts]
    return re.fullmatch("".join(parts), flag) is not None


def _constant(node: cst.BaseExpression) -> Any:
    """The value of a literal; `_NOTHING` for anything else."""
    try:
        return ast.literal_eval(cst.Module([]).code_for_node(node))
    except (ValueError, SyntaxError, TypeError):
        return _NOTHING


def _compared(left: Any, operator: cst.BaseCompOp, right: Any) -> bool | None:
    """The result of comparing two values; None if it is not decided here."""
    if _NOTHING in (left, right):
        return None
    if isinstance(operator, cst.Equal):
        return bool(left == right)
    if isinstance(operator, cst.NotEqual):
        return bool(left != right)
    if isinstance(operator, (cst.Is, cst.IsNot)) and (isinstance(left, bool) or left is None):
        return (left is right) is isinstance(operator, cst.Is)
    try:
        if isinstance(operator, cst.In):
            return left in right
        if isinstance(operator, cst.NotIn):
            return left not in right
    except TypeError:
        return None
    return None


def _inside(node: cst.BaseExpression, instead: Any) -> cst.BaseExpression:
    """An expression with the parentheses of what it replaces, too."""
    outer = getattr(instead, "lpar", ())
    if outer and not node.lpar:
        return node.with_changes(lpar=instead.lpar, rpar=instead.rpar)
    return node


def _statements(suite: cst.BaseSuite) -> list[Any]:
    if isinstance(suite, cst.SimpleStatementSuite):
        return [cst.SimpleStatementLine(body=suite.body)]
    return list(suite.body)


def _is_pass(statement: Any) -> bool:
    return m.matches(statement, m.SimpleStatementLine(body=[m.Expr(m.Ellipsis()) | m.Pass()]))
