"""Which truths atoms of one attribute can have together: against brute force with the operators themselves.

`BURGEE_EXAMPLES=10 pytest tests/diff/satisfiability` tries ten times as much.
"""

from __future__ import annotations

import json
import os
import random
from itertools import combinations_with_replacement, product
from math import inf, nextafter
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.satisfiability.atoms import (
    HAS_UNIT,
    IMPOSSIBLE,
    MISSING,
    UNKNOWN,
    Answer,
    Atom,
    Possibility,
    has_unit,
    possible,
)
from burgee.diff.satisfiability.solver import Solver
from burgee.evaluation.conditions import compile_condition
from burgee.evaluation.context import unit_reader, value_reader
from burgee.evaluation.operators import ANY_VALUE, OPERATORS
from support.satisfiability import EVERY, NUMBERS, made_atom, made_values

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("BURGEE_EXAMPLES", "1"))
SHARED = Solver()  # of the random sets: most of their time goes to building machines


def atom(operator: str, operand: Any, ignore_case: bool = False, path: str = "x") -> Atom:
    return Atom(path, operator, json.dumps(operand), ignore_case)


def test_every_operator_is_tried() -> None:
    assert set(EVERY) == {*OPERATORS, HAS_UNIT} - {ANY_VALUE}  # in a term it is two atoms


@pytest.mark.parametrize("part", range(4 * EXAMPLES))
def test_brute_force_finds_nothing_that_is_proved_impossible_and_every_example_is_one(part: int) -> None:
    """Every pair of operators on one attribute, with up to three other atoms; every combination of their truths."""
    source = random.Random(part)
    counts = dict.fromkeys(Possibility, 0)
    for pair in list(combinations_with_replacement(EVERY, 2))[part % 4 :: 4]:
        operators = [*pair, *source.choices(EVERY, k=source.choice([0, 0, 0, 0, 1, 3]))]
        atoms = list(dict.fromkeys(made_atom(source, operator) for operator in operators))
        tests = [one.test() for one in atoms]
        seen = {tuple(test(value) for test in tests): value for value in made_values(source, atoms, 50)}
        for truths in product([True, False], repeat=len(atoms)):
            answer = SHARED.solve(dict(zip(atoms, truths, strict=True)))
            counts[answer.verdict] += 1
            assert answer or truths not in seen, (atoms, truths, seen[truths])
            if answer.verdict is Possibility.POSSIBLE:
                assert tuple(test(answer.example) for test in tests) == truths, (atoms, truths, answer)
    print(part, {verdict.value: count for verdict, count in counts.items()})
    assert counts[Possibility.UNKNOWN] <= counts[Possibility.POSSIBLE] / 50


def test_numbers_are_distinguished_wherever_there_is_one_between() -> None:
    """Operands beside each other as floats and as integers, and large ones; integers and fractions between."""
    source = random.Random(8)
    solver = Solver()
    operators = ["gt", "gte", "lt", "lte", "eq", "ne", "in", "not_in", HAS_UNIT]
    for _ in range(400 * EXAMPLES):
        atoms = [
            made_atom(source, HAS_UNIT) if name == HAS_UNIT else atom(name, source.choice(NUMBERS))
            for name in source.choices(operators, k=source.randint(2, 5))
        ]
        tests = [one.test() for one in atoms]
        for value in {value for one in NUMBERS for value in beside(one)}:
            literals = {one: test(value) for one, test in zip(atoms, tests, strict=True)}
            assert solver.solve(literals).verdict is Possibility.POSSIBLE, (literals, value)


def beside(number: float) -> list[float]:
    """A number, and the integers and floats that are next to it."""
    found: list[float] = [number, int(number) - 1, int(number), int(number) + 1]
    if abs(number) < 1e308:
        found += [nextafter(number, inf), nextafter(number, -inf)]
    return found


PROVED = [
    {atom("starts_with", "7."): True, atom("semver_gte", "4.2.0"): False, atom("matches", r"^\d\.\d\.\d$"): True},
    {atom("ends_with", "@example.com"): True, atom("contains", "@"): False},
    {atom("before", "2026-01-01"): True, atom("after", "2026-01-01T00:00:00Z"): True},
    {atom("before", "2026-01-01"): True, atom("starts_with", "2026-0"): True, atom("ends_with", "Z"): True},
    {atom("cidr", "10.1.0.0/16"): True, atom("cidr", "10.0.0.0/8"): False},
    {atom("cidr", "10.0.0.0/8"): True, atom("semver_gte", "0.0.0"): True},
    {atom("semver_gt", "1.2.3"): True, atom("semver_lt", "1.2.4-0"): True},
    {atom("gt", 2**53): True, atom("lt", 2**53 + 1): True},
    {atom("contains", "a"): True, atom("contains", "A", ignore_case=True): False},
    {atom("contains", "a"): True, atom("not_contains", ["a"]): True},
    {  # a contradiction of two among what has many states
        atom("ends_with", "10.0.0.1"): True,
        atom("ends_with", "x"): True,
        **{atom("matches", f"{letter}.{{6}}$"): True for letter in "abc"},
    },
    {atom("exists", True): False, atom("ne", "a"): True},
    {has_unit("x"): True, atom("gt", 0): True, atom("lt", 1): True},
    {has_unit("x"): False, atom("matches", "^a"): True},
]


@pytest.mark.parametrize("literals", PROVED)
def test_contradictions_are_proved(literals: dict[Atom, bool]) -> None:
    assert Solver().solve(literals) == IMPOSSIBLE


POSSIBLE: list[tuple[dict[Atom, bool], Any]] = [
    ({atom("starts_with", "7."): True, atom("semver_gte", "4.2.0"): True}, "7.1"),
    ({atom("eq", "bob@example.com", ignore_case=True): True, atom("ends_with", "@Example.com"): True}, None),
    ({atom("before", "2027-04-01"): True, atom("starts_with", "2027-03"): True}, None),
    ({atom("gt", 1e300): True}, 1e300 + 1e284),
    ({atom("gt", 2**53): True, atom("lt", 2**53 + 2): True}, 2**53 + 1),
    ({atom("contains", ["a", 1]): True, atom("not_contains", "a"): True}, [1]),
    ({atom("contains", "a", ignore_case=True): True, atom("contains", ["a", "A"]): False}, None),
    ({atom("in", ["DE", "FR"]): True, atom("ne", "DE"): True}, "FR"),
    ({atom("matches", r"^1\.2\.3-[a-z]+$"): True, atom("semver_gte", "0.0.0"): False}, None),
    ({has_unit("x"): False, atom("exists", True): True, atom("gt", 5): True}, 5.5),
    ({has_unit("x"): False, atom("exists", True): True, atom("lt", 2**53 + 1): True}, None),
    ({atom("ends_with", "@example.com"): True}, "other@example.com"),
    ({atom("ne", "DE"): False}, MISSING),
]


@pytest.mark.parametrize(("literals", "example"), POSSIBLE)
def test_examples_are_what_the_operators_take(literals: dict[Atom, bool], example: Any) -> None:
    answer = Solver().solve(literals)
    assert answer.verdict is Possibility.POSSIBLE
    assert all(one.test()(answer.example) is want for one, want in literals.items())
    assert example is None or answer == possible(example)


def test_a_pattern_that_is_not_understood_is_left_open() -> None:
    solver = Solver()
    assert (
        solver.solve({atom("matches", r"\Cx"): True, atom("starts_with", "a"): True}).verdict
        is not Possibility.IMPOSSIBLE
    )
    assert solver.solve({atom("matches", r"^\C{2}$"): True, atom("contains", "abc"): True}) == UNKNOWN
    assert solver.solve({atom("matches", r"\C"): True, atom("gt", 1): True}) == IMPOSSIBLE


def test_an_operator_that_is_not_understood_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        OPERATORS, "odd", OPERATORS["cidr"]._replace(build=lambda *_: lambda value: value == "odd one")
    )
    assert Solver().solve({atom("odd", 3): True, atom("contains", "z"): True}) == UNKNOWN


def test_what_takes_too_many_states_is_left_open() -> None:
    literals = {atom("matches", f"{letter}.{{9}}$"): True for letter in "ab"} | {atom("contains", "ba"): True}
    hard = literals | {atom("matches", "^[^b]*b[^b]*$"): True, atom("contains", "bb"): True}
    assert Solver(max_states=50).solve(hard) in {UNKNOWN, IMPOSSIBLE}
    assert Solver(max_states=5).solve({atom("matches", f"x.{{{n}}}y"): True for n in range(12)}) == UNKNOWN


def test_an_item_of_a_list_that_takes_too_many_states_is_left_open() -> None:
    literals = {
        atom("contains", "ab", ignore_case=True): True,
        atom("contains", ["ab", "AB", "Ab"]): False,
        atom("starts_with", ""): False,
    }
    assert Solver().solve(literals) == possible(["aB"])
    assert Solver(max_states=0).solve(literals) == UNKNOWN


def test_half_of_a_surrogate_pair_is_found_by_contains_and_not_by_patterns() -> None:
    answer = Solver().solve(
        {atom("contains", "\ud800"): True, atom("matches", "a"): False, atom("contains", "a"): True}
    )
    assert answer.verdict is Possibility.POSSIBLE


def test_splitting_solves_only_the_other_side() -> None:
    solver = Solver()
    first, second = atom("starts_with", "a"), atom("ends_with", "b")
    answers = solver.split({}, solver.solve({}), first)
    assert answers[False] == possible(MISSING)
    both = solver.split({first: True}, answers[True], second)
    assert both == {
        True: solver.solve({first: True, second: True}),
        False: solver.solve({first: True, second: False}),
    }
    assert solver.split({first: True}, answers[True], first) == {True: answers[True], False: IMPOSSIBLE}
    unknown = solver.split({first: True}, Answer(Possibility.UNKNOWN), second)
    assert unknown == both


def test_constants_are_all_values_where_an_atom_leaves_only_few() -> None:
    solver = Solver()
    some = atom("in", ["a", "b", 3, True])
    assert solver.constants({some: True, atom("ne", "a"): True}) == ("b",)
    assert solver.constants({some: True}) == ("a", "b", 3, True)
    assert solver.constants({some: False}) is None
    assert solver.constants({atom("eq", "a", ignore_case=True): True}) is None
    assert solver.constants({some: True, has_unit("x"): True}) == ("a", "b", 3)


def test_a_unit_is_what_can_be_bucketed_on() -> None:
    for value in (MISSING, "", "a", 0, 1.0, 1.5, True, 10**5000, [], ["a"], {}):
        context = {} if value is MISSING else {"x": value}
        assert Solver().holds(has_unit("x"), value) is (unit_reader("x")(context) is not None)
        of_value = Solver().holds(has_unit("x", of_value=True), value)
        assert of_value is (value_reader("x")(context) is not None)


def test_a_targeting_key_is_a_string_where_it_can_be() -> None:
    key = atom("starts_with", "qa-", path="targetingKey")
    assert Solver().solve({key: False}) == possible("other")
    assert Solver().solve({key: False, atom("exists", False, path="targetingKey"): True}) == possible(MISSING)


def test_a_nested_attribute_and_the_one_around_it_have_any_truths_together() -> None:
    """A dotted key wins over nesting, so that each can be given by itself."""
    outer: list[dict[str, Any]] = [{"exists": True}, {"eq": "a"}, {"contains": 1}, {"gt": 2}]
    inner: list[dict[str, Any]] = [{"exists": True}, {"eq": "a"}, {"matches": "^b"}]
    solver = Solver()
    for (around, within), held in product(product(outer, inner), product([True, False], repeat=2)):
        examples = {}
        for path, clause, want in (("device", around, held[0]), ("device.os", within, held[1])):
            ((operator, operand),) = clause.items()
            answer = solver.solve({atom(operator, operand, path=path): want})
            assert answer.verdict is Possibility.POSSIBLE
            examples[path] = answer.example
        context = {path: value for path, value in examples.items() if value is not MISSING}
        conditions = {"device": around, "device.os": within}
        found = tuple(compile_condition({path: clause}, _none)(context) for path, clause in conditions.items())
        assert found == held


def _none(name: str) -> Any:
    raise KeyError(name)


GROWTH: dict[str, tuple[Callable[[int], Atom], int]] = {
    "suffixes": (lambda n: atom("ends_with", f"@company{n}.example.com", ignore_case=True), 0),
    "lists": (lambda n: atom("in", [f"c{n}-{other}" for other in range(50)]), 0),
    "lower versions": (lambda n: atom("semver_gte", f"{60 - n}.{n % 7}.0"), 0),
    "higher versions": (lambda n: atom("semver_lt", f"{1 + n}.{n % 7}.0"), 200),
    "ranges": (lambda n: atom("semver_caret", f"{n + 1}.2.0-rc.{n}"), 0),
    "prefixes": (lambda n: atom("starts_with", f"{n}."), 0),
    "anchored patterns": (lambda n: atom("matches", f"^team-{n}-[a-z]+$"), 800),
    "free patterns": (lambda n: atom("matches", f"w{n:02}[0-9]+x"), 5_000),
    "IPv4": (lambda n: atom("cidr", f"10.{n}.0.0/16"), 0),
    "IPv6": (lambda n: atom("cidr", f"2001:db8:{n:x}::/48"), 0),
    "times": (lambda n: atom("before", f"{2027 + n}-01-01T00:00:00Z"), 100),
    "contains": (lambda n: atom("contains", f"w{n}x"), 0),
    "counters": (lambda n: atom("matches", f"{chr(97 + n % 26)}.{{{5 + n // 26}}}$"), 100_000),
}


@pytest.mark.parametrize("kind", GROWTH)
def test_forty_rules_on_one_attribute_meet_few_states(kind: str) -> None:
    """As a walk asks: rule after rule, what matches none so far is split by the next."""
    make, limit = GROWTH[kind]
    states = []
    for count in (5, 10, 20, 40):
        solver = Solver(max_states=2_000)
        literals: dict[Atom, bool] = {}
        answer = solver.solve(literals)
        for number in range(count):
            rule = make(number)
            sides = solver.split(literals, answer, rule)
            assert sides[True], rule
            literals[rule] = False
            answer = sides[False]
            assert answer
        states.append(solver.states)
    print(kind, states)
    assert states[-1] <= limit


@pytest.mark.parametrize(
    ("literals", "verdict"),
    [
        ([({"gt": 5}, True), ({"gt": 3}, False)], Possibility.IMPOSSIBLE),
        ([({"gt": 5}, True), ({"lt": 3}, True)], Possibility.POSSIBLE),
        ([({"gt": 5, "lt": 3}, True)], Possibility.IMPOSSIBLE),
        ([({"gte": 2, "lt": 4}, True), ({"gte": 1, "lt": 5}, False)], Possibility.IMPOSSIBLE),
        ([({"gte": 1, "lt": 5}, True), ({"gte": 2, "lt": 4}, False)], Possibility.POSSIBLE),
        ([("a", True), ({"starts_with": "a"}, False)], Possibility.IMPOSSIBLE),
        ([(["a", "b"], True), ("a", False)], Possibility.POSSIBLE),
        ([(["a", "b"], True), ("a", False), ({"ne": "a"}, False)], Possibility.IMPOSSIBLE),
    ],
)
def test_items_of_a_list_are_solved_one_by_one(literals: list[tuple[Any, bool]], verdict: Possibility) -> None:
    asked = {Atom("tags", "any_item", json.dumps(operand), ignore_case=False): want for operand, want in literals}
    answer = Solver().solve(asked)
    assert answer.verdict is verdict
    assert verdict is Possibility.IMPOSSIBLE or all(
        atom.test()(answer.example) is want for atom, want in asked.items()
    )
