"""Finds a context that meets some conditions and not others, or proves that there is none.

Conditions are settled one after the other by a search over their atoms: each is tried as the condition requires, then
the other way round. The solver decides whether an attribute can have the truths of its atoms; attributes are
independent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from burgee.diff.regions import Compound, holds
from burgee.diff.satisfiability.atoms import MISSING, Atom, Possibility

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from burgee.diff.regions import Term
    from burgee.diff.satisfiability.atoms import Answer
    from burgee.diff.satisfiability.solver import Solver

MAX_STEPS = 2_000
"""Maximum steps of one search; beyond that a context may exist."""
MAX_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Witness:
    """Truths of atoms that settle conditions and, for each attribute, whether a value has them, with an example.

    Without `is_found` the search gave up: nothing is settled.
    """

    truths: Mapping[Atom, bool] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    is_found: bool = True

    @property
    def is_certain(self) -> bool:
        """Whether a context is known; if not, none may exist."""
        return self.is_found and all(one.verdict is Possibility.POSSIBLE for one in self.answers.values())

    @property
    def context(self) -> dict[str, Any]:
        """The attributes of a context that meets the conditions, if known."""
        examples = {path: one.example for path, one in self.answers.items() if one.verdict is Possibility.POSSIBLE}
        return {path: value for path, value in examples.items() if value is not MISSING}


class Witnesses:
    """Searches contexts, and caches the results."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self._found: dict[tuple[frozenset[tuple[Term, bool]], frozenset[tuple[Atom, bool]]], Witness | None] = {}

    def find(
        self, claims: Mapping[Term, bool], base: Mapping[Atom, bool], last: Term, before: Witness
    ) -> Witness | None:
        """A witness that each condition holds or not as claimed; None if it is proved that there is none.

        `base` are settled atoms, whose attributes are not checked here. `before` settles all claims but `last`, so
        the search tries to extend it first.
        """
        key = frozenset(claims.items()), frozenset(base.items())
        if key not in self._found:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            self._found[key] = self._search(claims, base, last, before)
        return self._found[key]

    def _search(
        self, claims: Mapping[Term, bool], base: Mapping[Atom, bool], last: Term, before: Witness
    ) -> Witness | None:
        if before.is_found:
            near = self._best({**base, **before.truths}, before, [(last, claims[last])])
            if near is not None and near.is_certain:
                return near
        # Conditions with the fewest alternatives come first.
        return self._best(base, Witness(), sorted(claims.items(), key=lambda claim: _ways(*claim)))

    def _best(
        self, truths: Mapping[Atom, bool], start: Witness, waiting: Sequence[tuple[Term, bool]]
    ) -> Witness | None:
        """The first certain witness, else any; `truths` may include those outside a witness."""
        doubtful = None
        stack = [(truths, start, waiting)]
        for _ in range(MAX_STEPS):
            if not stack:
                return doubtful
            truths, here, waiting = stack.pop()
            open_ones = _open(waiting, truths)
            if open_ones is None:
                continue
            if open_ones:
                stack += reversed(list(self._settled(truths, here, open_ones)))
            elif here.is_certain:
                return here
            else:
                doubtful = doubtful or here
        return doubtful or Witness(is_found=False)

    def _settled(
        self, truths: Mapping[Atom, bool], here: Witness, waiting: Sequence[tuple[Term, bool]]
    ) -> Iterator[tuple[Mapping[Atom, bool], Witness, Sequence[tuple[Term, bool]]]]:
        """Settles one more atom, first as the first open condition requires."""
        atom, wanted = _choice(*waiting[0], truths)
        own = {other: held for other, held in here.truths.items() if other.path == atom.path}
        answers = self._solver.split(own, here.answers.get(atom.path) or self._solver.solve(own), atom)
        for held in (wanted, not wanted):
            if answers[held]:
                settled = Witness({**here.truths, atom: held}, {**here.answers, atom.path: answers[held]})
                yield {**truths, atom: held}, settled, waiting


def _open(waiting: Sequence[tuple[Term, bool]], truths: Mapping[Atom, bool]) -> list[tuple[Term, bool]] | None:
    """The conditions that are still open; None if one is violated."""
    still = []
    for term, wanted in waiting:
        found = holds(term, truths)
        if found is None:
            still.append((term, wanted))
        elif found is not wanted:
            return None
    return still


def _choice(term: Term, wanted: bool, truths: Mapping[Atom, bool]) -> tuple[Atom, bool]:
    """An open atom of an open condition, and the truth that helps to satisfy the claim."""
    while isinstance(term, Compound):
        wanted = wanted is (term.kind != "not")
        term = next(part for part in term.parts if holds(part, truths) is None)
    if not isinstance(term, Atom):
        raise TypeError("a condition is asked for without its segments' shares")
    return term, wanted


def _ways(term: Term, wanted: bool) -> int:
    """An upper bound on the ways to satisfy a claim: conditions with few are tried first."""
    if not isinstance(term, Compound):
        return 1
    if term.kind == "not":
        return _ways(term.parts[0], not wanted)
    if (term.kind == "all") is wanted:
        return max((_ways(part, wanted) for part in term.parts), default=1)
    return sum(_ways(part, wanted) for part in term.parts)
