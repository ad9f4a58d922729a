"""What the removal asks of Python's syntax, whatever the flag: names, constants, comparisons, statements."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import libcst as cst
import libcst.matchers as m

if TYPE_CHECKING:
    from collections.abc import Iterator

    Statement: TypeAlias = cst.BaseStatement


EFFECT_NODES = m.NamedExpr() | m.Await() | m.Yield()
NOTHING = object()


def nodes_in(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all below it, in the order of the source."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(one.children))


def yields(node: cst.CSTNode) -> bool:
    """Whether code yields for the function that it stands in."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, cst.Yield):
            return True
        if not isinstance(one, (cst.FunctionDef, cst.Lambda)):
            waiting.extend(one.children)
    return False


def assignment(part: cst.CSTNode) -> tuple[cst.Name | None, cst.BaseExpression | None]:
    """The name that a statement binds, and its value."""
    if isinstance(part, cst.Assign) and len(part.targets) == 1 and isinstance(part.targets[0].target, cst.Name):
        return part.targets[0].target, part.value
    if isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
        return part.target, part.value
    return None, None


def first_argument(call: cst.Call) -> cst.Arg | None:
    """The argument with the flag's name."""
    by_name = [one for one in call.args if one.keyword is not None and one.keyword.value in {"flag_key", "flag"}]
    first = [one for one in call.args[:1] if one.keyword is None]
    return next(iter([*by_name, *first]), None)


def last_name(name: cst.BaseExpression) -> str:
    """The last part of a dotted name."""
    return cst.Module([]).code_for_node(name).rpartition(".")[2].strip()


def plain_string(node: cst.CSTNode | None) -> str | None:
    """The text of a string without parts that are computed."""
    if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)):
        found = node.evaluated_value
        return found if isinstance(found, str) else None
    return None


def may_be_flag(node: cst.BaseExpression, flag: str) -> bool:
    """Whether an expression that is not a string may be the flag's name."""
    if not isinstance(node, cst.FormattedString):
        return True
    parts = [re.escape(one.value) if isinstance(one, cst.FormattedStringText) else ".*" for one in node.parts]
    return re.fullmatch("".join(parts), flag) is not None


def constant_value(node: cst.BaseExpression) -> Any:
    """The value of a literal; `NOTHING` for anything else."""
    try:
        return ast.literal_eval(cst.Module([]).code_for_node(node))
    except (ValueError, SyntaxError, TypeError):
        return NOTHING


def comparison(left: Any, operator: cst.BaseCompOp, right: Any) -> bool | None:
    """The result of comparing two values; None if it is not decided here."""
    if NOTHING in (left, right):
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


def in_parentheses(node: cst.BaseExpression, instead: Any) -> cst.BaseExpression:
    """An expression with the parentheses of what it replaces, too."""
    outer = getattr(instead, "lpar", ())
    if outer and not node.lpar:
        return node.with_changes(lpar=instead.lpar, rpar=instead.rpar)
    return node


def statements_of(suite: cst.BaseSuite) -> list[Any]:
    """The statements of a block, also of one on the line of its header."""
    if isinstance(suite, cst.SimpleStatementSuite):
        return [cst.SimpleStatementLine(body=suite.body)]
    return list(suite.body)


def is_pass(statement: Any) -> bool:
    """Whether a statement does nothing."""
    return m.matches(statement, m.SimpleStatementLine(body=[m.Expr(m.Ellipsis()) | m.Pass()]))
