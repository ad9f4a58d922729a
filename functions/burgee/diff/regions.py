"""Conditions as terms of atoms, and what a walk with open atoms asks.

Every clause of a condition is an atom: one attribute, one operator, one operand. Whether a context can have given
truths of them is asked of `burgee.diff.satisfiability`, one atom at a time, as a walk through a flag comes to it: a
combination is left out only where it is proved that no value has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.diff.satisfiability.atoms import Atom
from burgee.evaluation.operators import IGNORE_CASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Term: TypeAlias = "Atom | tuple[str, tuple[Term, ...]]"


class Needed(Exception):  # noqa: N818 - a question, not an error: asks for the truth of one more atom
    """A walk came to an atom whose truth is open."""

    def __init__(self, atom: Atom) -> None:
        super().__init__(atom)
        self.atom = atom


class Truths(dict[Atom, bool]):
    """What is known of atoms; what is not is asked for."""

    def __missing__(self, atom: Atom) -> bool:
        raise Needed(atom)


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
