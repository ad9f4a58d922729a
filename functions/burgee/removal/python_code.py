"""Rewrites Python code, by LibCST: calls become the flag's value, and what that decides is decided.

Comments and layout stay. Only what depends on the value is simplified: conditions, negations, comparisons with
literals, and a variable that holds nothing else. Code that can no longer run goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import libcst as cst
import libcst.matchers as m
from libcst.metadata import (
    MetadataWrapper,
)

from burgee.accessors.literals import python_literal
from burgee.errors import Refused
from burgee.removal.python_syntax import (
    NOTHING,
    comparison,
    constant_value,
    in_parentheses,
    is_pass,
    statements_of,
    yields,
)
from burgee.removal.python_uses import PythonUses
from burgee.removal.rewriting import (
    BROKEN,
    GENERATOR,
    QUOTED,
    TIGHT,
    Refusal,
    Rewritten,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.removal.rewriting import Accessor, Answer

    Statement: TypeAlias = cst.BaseStatement


_TERMINAL = m.Return() | m.Raise() | m.Continue() | m.Break()


def rewrite(text: str, answer: Answer, accessors: Sequence[Accessor] = ()) -> Rewritten:
    """The code without the flag, which it asks for by the SDK or by functions of generated modules.

    What is refused stands as it was; then nothing of the file should be written.

    Raises Refused for a file that does not parse.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(text))
    except cst.ParserSyntaxError as error:
        raise Refused("not-parsed", "it does not parse") from error
    plan = PythonUses(wrapper, answer, accessors)
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


class _Rewriter(cst.CSTTransformer):
    """Replaces what the plan names, and decides what depends on it."""

    def __init__(self, plan: PythonUses) -> None:
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
        if isinstance(updated_node.operator, cst.Not) and value is not NOTHING:
            return self._literal(not value, updated_node)
        return updated_node

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        """A comparison of the value with a literal."""
        del original_node
        if len(updated_node.comparisons) != 1:
            return updated_node
        target = updated_node.comparisons[0]
        left, right = self._value(updated_node.left), self._value(target.comparator)
        if left is NOTHING and right is NOTHING:
            return updated_node
        left = constant_value(updated_node.left) if left is NOTHING else left
        right = constant_value(target.comparator) if right is NOTHING else right
        decided = comparison(left, target.operator, right)
        return updated_node if decided is None else self._literal(decided, updated_node)

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """`True and x` is x; the right side of `x and True` matters only where x is a condition."""
        del original_node
        value = self._value(updated_node.left)
        if value is NOTHING:
            return updated_node
        goes_on = bool(value) is isinstance(updated_node.operator, cst.And)
        return in_parentheses(updated_node.right if goes_on else updated_node.left, updated_node)

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """One side of a conditional expression."""
        del original_node
        value = self._value(self._test(updated_node.test))
        if value is NOTHING:
            return updated_node
        return in_parentheses(updated_node.body if value else updated_node.orelse, updated_node)

    def leave_If(  # type: ignore[override]  # an `elif` may become an `else`
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.If | cst.Else | cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """One branch of a statement, in its place."""
        test = self._test(updated_node.test)
        value = self._value(test)
        if value is NOTHING:
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
        if value is NOTHING or value:
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
        if yields(original_node.body) and not yields(updated_node.body):
            self._plan.refuse(original_node, GENERATOR)
        return updated_node

    def leave_Lambda(self, original_node: cst.Lambda, updated_node: cst.Lambda) -> cst.Lambda:
        """So does a lambda."""
        if yields(original_node.body) and not yields(updated_node.body):
            self._plan.refuse(original_node, GENERATOR)
        return updated_node

    def _test(self, test: cst.BaseExpression) -> cst.BaseExpression:
        """A condition, where `x and True` is x."""
        if not isinstance(test, cst.BooleanOperation):
            return test
        value = self._value(test.right)
        if value is NOTHING or bool(value) is not isinstance(test.operator, cst.And):
            return test
        return in_parentheses(self._test(test.left), test)

    def _spliced(
        self, suite: cst.BaseSuite, leading: Sequence[cst.EmptyLine]
    ) -> cst.RemovalSentinel | cst.FlattenSentinel[Statement]:
        """The statements of a block, in the place of what held it."""
        found = statements_of(suite)
        found = [one for one in found if not is_pass(one)]
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
        made = in_parentheses(made, instead)
        self._known[id(made)] = made, value
        return made

    def _value(self, node: cst.BaseExpression) -> Any:
        return self._known[id(node)][1] if id(node) in self._known else NOTHING


def _ended(before: Sequence[Any], after: Sequence[Any]) -> Sequence[Any]:
    """What is left of a list: it ends as it did, with or without a comma."""
    if not after or len(after) == len(before):
        return after
    return [*after[:-1], after[-1].with_changes(comma=before[-1].comma)]
