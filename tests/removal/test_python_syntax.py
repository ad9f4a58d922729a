"""What the removal asks of Python's syntax, against Python itself."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import libcst as cst
import pytest

from burgee.removal.python_syntax import (
    NOTHING,
    assignment,
    comparison,
    constant_value,
    first_argument,
    in_parentheses,
    is_pass,
    last_name,
    may_be_flag,
    nodes_in,
    plain_string,
    statements_of,
    yields,
)

OPERATORS: dict[str, cst.BaseCompOp] = {
    "==": cst.Equal(),
    "!=": cst.NotEqual(),
    "is": cst.Is(),
    "is not": cst.IsNot(),
    "in": cst.In(),
    "not in": cst.NotIn(),
    "<": cst.LessThan(),
}
CONSTANTS = ["True", "False", "None", "1", "-2.5", "'on'", "['on', 1]", "('off',)", "{'a': 1}"]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_comparison_is_what_python_says_or_undecided(operator: str) -> None:
    for left, right in itertools.product(CONSTANTS, CONSTANTS):
        found = comparison(constant_value(cst.parse_expression(left)), OPERATORS[operator], eval(right))
        try:
            expected = eval(f"{left} {operator} {right}")
        except TypeError:
            expected = None
        undecided = operator == "<" or (operator in {"is", "is not"} and left not in {"True", "False", "None"})
        assert found == (None if undecided else expected), f"{left} {operator} {right}"


def test_a_comparison_with_what_is_no_constant_is_undecided() -> None:
    unknown = constant_value(cst.parse_expression("user.name"))
    assert unknown is NOTHING
    assert comparison(unknown, cst.Equal(), NOTHING) is None


@pytest.mark.parametrize(
    "body", ["yield 1", "x = yield", "return lambda: (yield)", "return 1", "yield from ()", "def g():\n        yield"]
)
def test_yields_is_what_makes_a_generator(body: str) -> None:
    code = f"def f():\n    {body}\n"
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    (function,) = cst.parse_module(code).body
    assert isinstance(function, cst.FunctionDef)
    assert yields(function.body) is inspect.isgeneratorfunction(namespace["f"])


@pytest.mark.parametrize("code", ["'old'", '"o" "ld"', "r'o\\ld'", "'o\\x6cd'", '"""old"""'])
def test_a_plain_string_is_what_python_reads(code: str) -> None:
    assert plain_string(cst.parse_expression(code)) == eval(code)


def test_bytes_computed_strings_and_other_expressions_are_no_plain_strings() -> None:
    assert [plain_string(cst.parse_expression(code)) for code in ("b'old'", "f'{x}'", "old", "1")] == [None] * 4
    assert plain_string(None) is None


def test_a_computed_string_may_be_the_flag_only_if_its_fixed_parts_fit() -> None:
    fits = {"f'{x}'": True, "f'old-{x}'": True, "f'new-{x}'": False, "f'old-.{x}'": False, "name()": True}
    assert {code: may_be_flag(cst.parse_expression(code), "old-search") for code in fits} == fits


@pytest.mark.parametrize(
    ("code", "bound"), [("x = 1", "x"), ("x: int = 1", "x"), ("x = y = 1", None), ("x.y = 1", None), ("f()", None)]
)
def test_a_statement_binds_one_name(code: str, bound: str | None) -> None:
    (line,) = cst.parse_module(code).body
    assert isinstance(line, cst.SimpleStatementLine)
    name, value = assignment(line.body[0])
    assert (name and name.value, value is not None) == (bound, bound is not None)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("f('old', False)", "'old'"),
        ("f(default_value=1, flag_key='old')", "'old'"),
        ("f(flag='old')", "'old'"),
        ("f(default=1)", None),
        ("f()", None),
    ],
)
def test_the_flag_is_the_first_argument_or_goes_by_name(call: str, name: str | None) -> None:
    node = cst.parse_expression(call)
    assert isinstance(node, cst.Call)
    found = first_argument(node)
    assert (found and cst.Module([]).code_for_node(found.value)) == name


def test_a_dotted_name_ends_with_its_last_part() -> None:
    assert [last_name(cst.parse_expression(code)) for code in ("a", "a.b", "a . b. c")] == ["a", "b", "c"]


def test_parentheses_around_what_goes_stay_around_what_comes() -> None:
    outer, bare, own = (cst.parse_expression(code) for code in ("(a\n+ b)", "c", "(d)"))
    assert cst.Module([]).code_for_node(in_parentheses(bare, outer)) == "(c)"
    assert in_parentheses(own, outer) is own
    assert in_parentheses(bare, bare) is bare


@pytest.mark.parametrize(
    ("code", "passes"),
    [("if x: pass; y()\n", [False]), ("if x:\n    ...\n    pass\n    y()\n", [True, True, False])],
)
def test_statements_are_those_of_a_block_or_of_the_headers_line(code: str, passes: list[bool]) -> None:
    (statement,) = cst.parse_module(code).body
    assert isinstance(statement, cst.If)
    assert [is_pass(one) for one in statements_of(statement.body)] == passes


def test_nodes_come_in_the_order_of_the_source() -> None:
    module = cst.parse_module("a(b)\nif c:\n    d = e\n")
    assert [node.value for node in nodes_in(module) if isinstance(node, cst.Name)] == ["a", "b", "c", "d", "e"]
