"""What the removal asks of TypeScript's syntax."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import tree_sitter_typescript
from tree_sitter import Language, Parser

from burgee.removal.typescript_syntax import (
    NOTHING,
    constant_value,
    declarations,
    declared_names,
    has_effect,
    is_condition,
    is_imported,
    is_truthy,
    joins_as_shown,
    kind_of,
    may_be_flag,
    nodes_in,
    plain_string,
    text_of,
    var_names,
)

if TYPE_CHECKING:
    from tree_sitter import Node


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_typescript.language_tsx()))


def parsed(code: str) -> Node:
    root = _parser().parse(code.encode()).root_node
    assert not root.has_error, code
    return root


def expression(code: str) -> Node:
    return parsed(f"({code});").named_children[0].named_children[0].named_children[0]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("0x10", NOTHING),
        ("1e3", 1000.0),
        ("'on'", "on"),
        ("`on`", "on"),
        ("'o\\x6e'", NOTHING),
        ("`o${n}`", NOTHING),
        ("user.name", NOTHING),
    ],
)
def test_the_value_of_a_literal(code: str, value: Any) -> None:
    found = constant_value(expression(code))
    assert found is value or (value is not NOTHING and found == value)


def test_a_computed_string_is_not_plain_and_may_be_the_flag_if_its_fixed_parts_fit() -> None:
    assert plain_string(expression("`old-${x}`")) is None
    fits = {"`${x}`": True, "`old-${x}`": True, "`new-${x}`": False, "`old-.${x}`": False, "name()": True}
    assert {code: may_be_flag(expression(code), "old-search") for code in fits} == fits


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("const a = 1, { b, c: d } = x;", ["a", "b", "d"]),
        ("let [a, ...b] = x;", ["a", "b"]),
        ("function f(a) {}", ["f"]),
        ("class C {}", ["C"]),
        ("a = 1;", []),
    ],
)
def test_a_statement_declares_names_in_its_block(code: str, names: list[str]) -> None:
    assert [text_of(one) for one in declared_names(parsed(code).named_children[0])] == names


def test_var_is_declared_for_the_whole_function_and_not_for_those_within() -> None:
    code = "if (x) { var a = 1; for (var b of c) { let d; } const f = () => { var e; }; }"
    assert sorted(text_of(one) for one in var_names(parsed(code))) == ["a", "b"]


def test_every_way_to_bind_a_name_counts() -> None:
    code = """
import d, { a as b, e } from 'x';
import * as n from 'y';
const { p: q, s } = o;
function f(g, [h], i = 1) { g = 2; h++; }
try { } catch (j) { }
for (const k of o) { }
const w = (m) => m;
"""
    found = declarations(parsed(code))
    once = {"d", "b", "e", "n", "q", "s", "f", "i", "j", "k", "m", "w"}
    assert {name for name, count in found.items() if count == 1} == once
    assert {name for name, count in found.items() if count == 2} == {"g", "h"}


def test_only_the_name_in_an_import_is_imported() -> None:
    names = [one for one in nodes_in(parsed("import { old } from './flags';\nold();")) if text_of(one) == "old"]
    assert {is_imported(one) for one in names if one.type == "identifier"} == {True, False}


def test_an_effect_is_seen_in_the_syntax() -> None:
    effects = {"a = 1": True, "a += 1": True, "a++": True, "delete a.b": True, "!a": False, "f()": False, "a": False}
    assert {code: has_effect(expression(code)) for code in effects} == effects


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("if (old) {}", True),
        ("while ((old)) {}", True),
        ("x(old ? 1 : 2);", True),
        ("x(1 ? old : 2);", False),
        ("x(!old);", True),
        ("x(-old);", False),
        ("x(old);", False),
    ],
)
def test_only_the_truth_of_a_condition_counts(code: str, *, counts: bool) -> None:
    (name,) = [one for one in nodes_in(parsed(code)) if text_of(one) == "old" and one.type == "identifier"]
    assert is_condition(name) is counts


def test_values_are_true_and_typed_as_in_javascript() -> None:
    values: list[Any] = [True, False, 0, 0.0, 1, "", "0", None, {}, []]
    assert [is_truthy(value) for value in values] == [True, False, False, False, True, False, True, False, True, True]
    assert {kind_of(value) for value in (0, 1.5)} == {"number"}
    assert kind_of(True) == "boolean"
    assert kind_of("1") != kind_of(1)


@pytest.mark.parametrize(
    ("code", "joins"),
    [
        ("<p>one <b/> two</p>", True),
        ("<p>one\n<b/>\ntwo</p>", False),
        ("<p>\n  <b/>\n</p>", True),
        ("<p><b/> two</p>", True),
    ],
)
def test_text_beside_a_line_end_is_joined_only_where_it_shows_the_same(code: str, *, joins: bool) -> None:
    (element,) = [one for one in nodes_in(parsed(f"const x = {code};")) if one.type == "jsx_self_closing_element"]
    assert joins_as_shown(element.prev_sibling, element.next_sibling) is joins
