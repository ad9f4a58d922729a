"""Which combinations of conditions a context can meet: the regions in which a flag decides alike.

Every clause of a condition is an atom: one attribute, one operator, one operand. For each attribute a set of telling
values is tried (see `burgee.diff.sample_values`), and each distinct vector of its atoms' truths is kept with a value
that has it. Attributes vary independently of each other, and are asked for one by one, as a walk through a flag needs
them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.diff.sample_values import Clause, witnesses
from burgee.diff.satisfiability.atoms import Atom
from burgee.evaluation.operators import IGNORE_CASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Term: TypeAlias = "Atom | tuple[str, tuple[Term, ...]]"


class Needed(Exception):  # noqa: N818 - a question, not an error: asks for the atoms of one more attribute
    """A walk came to an atom whose truth is open."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Truths(dict[Atom, bool]):
    """What is known of atoms; what is not is asked for."""

    def __missing__(self, atom: Atom) -> bool:
        raise Needed(atom.path)


def term(when: Mapping[str, Any], segments: Mapping[str, Any]) -> Term:
    """A condition as atoms, `all`, `any` and `not`, segments opened; equal where nothing can tell them apart."""
    parts: list[Term] = []
    for key, value in when.items():
        if key in {"any", "all"}:
            parts.append((key, tuple(term(part, segments) for part in value)))
        elif key == "not":
            parts.append(("not", (term(value, segments),)))
        elif key == "segment":
            names = [value] if isinstance(value, str) else value
            parts.append(("any", tuple(term(segments[name], segments) for name in names)))
        else:
            parts += _clauses(key, value)
    return parts[0] if len(parts) == 1 else ("all", tuple(parts))


def _clauses(path: str, value: Any) -> Iterator[Atom]:
    if not isinstance(value, dict):
        value = {"in": value} if isinstance(value, list) else {"eq": value}
    ignore_case = bool(value.get(IGNORE_CASE, False))
    for operator, operand in value.items():
        if operator != IGNORE_CASE:
            yield Atom(path, operator, json.dumps(operand), ignore_case)


def meets(term: Term, truths: Mapping[Atom, bool]) -> bool:
    """Whether a condition holds where its atoms are as given."""
    if isinstance(term, Atom):
        return truths[term]
    kind, parts = term
    if kind == "all":
        return all(meets(part, truths) for part in parts)
    if kind == "any":
        return any(meets(part, truths) for part in parts)
    return not meets(parts[0], truths)


def atoms(term: Term) -> Iterator[Atom]:
    """The atoms of a condition."""
    if isinstance(term, Atom):
        yield term
    else:
        for part in term[1]:
            yield from atoms(part)


@dataclass(frozen=True, slots=True)
class Vector:
    """One reachable combination of an attribute's atoms.

    `value` has it (MISSING where the attribute is absent, `known` false where no value was found). `only` lists the
    values that can have it where they are few, and `absent` says that none can: then the attribute is not there.
    """

    truths: Mapping[Atom, bool]
    value: Any
    known: bool = True
    only: tuple[Any, ...] = ()
    absent: bool = False


class Attribute:
    """All that conditions ask of one attribute."""

    def __init__(self, path: str, own: Sequence[Atom]) -> None:
        self.path = path
        self.atoms = tuple(own)
        self._tests = [atom.test() for atom in self.atoms]
        found, self.complete = witnesses(
            [Clause(one.operator, json.loads(one.operand), one.ignore_case) for one in own]
        )
        matches = [index for index, atom in enumerate(self.atoms) if atom.operator == "matches"]
        kept: dict[tuple[bool, ...], tuple[Any, bool]] = {}
        for value in found.sure:
            kept.setdefault(self._truth(value), (value, True))
        for value in found.texts:
            truth = self._truth(value)
            kept.setdefault(truth, (value, True))
            for other in _freed(truth, matches):
                kept.setdefault(other, (value, False))
        self.vectors = [self._vector(truth, *held) for truth, held in kept.items()]

    def at(self, value: Any) -> dict[Atom, bool]:
        """The truths of a value."""
        return dict(zip(self.atoms, self._truth(value), strict=True))

    def _truth(self, value: Any) -> tuple[bool, ...]:
        return tuple(test(value) for test in self._tests)

    def _vector(self, truth: tuple[bool, ...], value: Any, known: bool) -> Vector:
        only: tuple[Any, ...] = ()
        absent = False
        for atom, held in zip(self.atoms, truth, strict=True):
            if held and atom.operator in {"eq", "in"} and not atom.ignore_case and not only:
                operand = json.loads(atom.operand)
                items = operand if isinstance(operand, list) else [operand]
                only = tuple(item for item in items if self._truth(item) == truth)
            if atom.operator == "exists" and held is not json.loads(atom.operand):
                absent = True
        return Vector(dict(zip(self.atoms, truth, strict=True)), value, known, only, absent)


MAX_PATTERNS = 6


def _freed(truth: tuple[bool, ...], matches: Sequence[int]) -> Iterator[tuple[bool, ...]]:
    """A text's truths with those of its patterns in every way: which texts a pattern takes is not looked into."""
    if not matches or len(matches) > MAX_PATTERNS:
        return
    for chosen in range(2 ** len(matches)):
        other = list(truth)
        for bit, index in enumerate(matches):
            other[index] = bool(chosen >> bit & 1)
        yield tuple(other)
