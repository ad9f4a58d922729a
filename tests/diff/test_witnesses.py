"""Contexts that meet some conditions and not others, against every context of a few values."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest

from burgee.diff import witnesses
from burgee.diff.regions import Term, atoms, holds, term
from burgee.diff.satisfiability.atoms import MISSING
from burgee.diff.satisfiability.solver import Solver
from burgee.diff.witnesses import Witness, Witnesses

VALUES: dict[str, list[Any]] = {
    "country": [MISSING, "DE", "FR", "IT"],
    "age": [MISSING, 10, 18, 20, 65, 70],
    "email": [MISSING, "a@example.com", "b@corp.com", "x"],
}
"""All that the conditions below tell apart."""
CLAUSES: list[Any] = [
    {"country": "DE"},
    {"country": ["DE", "FR"]},
    {"country": {"ne": "DE"}},
    {"age": {"gte": 18}},
    {"age": {"lt": 65, "gt": 18}},
    {"age": {"exists": False}},
    {"email": {"ends_with": "@example.com"}},
    {"email": {"contains": "@"}},
]


def condition(source: random.Random, depth: int = 2) -> dict[str, Any]:
    kind = source.choice(["clause", "clause", "any", "all", "not"] if depth else ["clause"])
    if kind == "clause":
        return dict(source.choice(CLAUSES))
    if kind == "not":
        return {"not": condition(source, depth - 1)}
    return {kind: [condition(source, depth - 1) for _ in range(source.randint(1, 3))]}


def truths(terms: list[Term], context: dict[str, Any], solver: Solver) -> list[bool | None]:
    known = {atom: solver.holds(atom, context.get(atom.path, MISSING)) for one in terms for atom in atoms(one)}
    return [holds(one, known) for one in terms]


def found(terms: list[Term], wanted: list[bool], solver: Solver) -> Witness | None:
    """Asked one after the other, as a walk does."""
    searched = Witnesses(solver)
    claims: dict[Term, bool] = {}
    here: Witness | None = Witness()
    for one, held in zip(terms, wanted, strict=True):
        if here is not None and claims.get(one, held) is held:
            claims[one] = held
            here = searched.find(claims, {}, one, here)
        else:
            return None
    return here


@pytest.mark.parametrize("seed", range(40))
def test_what_exists_is_found_and_what_is_left_out_does_not_exist(seed: int) -> None:
    source, solver = random.Random(seed), Solver()
    terms = [term(condition(source), {}) for _ in range(source.randint(1, 4))]
    contexts = [dict(zip(VALUES, values, strict=True)) for values in product(*VALUES.values())]
    existing = {tuple(truths(terms, one, solver)) for one in contexts}
    for wanted in product((True, False), repeat=len(terms)):
        witness = found(terms, list(wanted), solver)
        assert (witness is not None) == (wanted in existing)
        if witness is not None:
            assert witness.is_certain
            assert truths(terms, witness.context, solver) == list(wanted)


def test_a_search_that_gives_up_leaves_open_whether_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "MAX_STEPS", 1)
    both = [term({"country": "DE"}, {}), term({"age": {"gte": 18}}, {})]
    witness = found(both, [True, True], Solver())
    assert witness is not None
    assert not witness.is_certain


def test_a_thousand_conditions_are_settled() -> None:
    terms = [term({f"a{number}": 1, f"b{number}": 2}, {}) for number in range(1000)]
    witness = Witnesses(Solver()).find(dict.fromkeys(terms, False), {}, terms[0], Witness(is_found=False))
    assert witness is not None
    assert witness.is_certain
