"""Conditions as terms of atoms, and what a walk with open conditions asks.

Every clause of a condition is an atom: one attribute, one operator, one operand. A walk through a flag asks for the
truth of whole conditions, one at a time as it comes to them. Whether a context can have given truths is found out by
`burgee.diff.witnesses`: a combination is left out only where it is proved that no context has it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.diff.satisfiability.atoms import Atom
from burgee.evaluation.operators import IGNORE_CASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Compound:
    """`all`, `any` or `not` of parts; hashed once, because walks look conditions up all the time."""

    __slots__ = ("_hash", "kind", "parts")

    def __init__(self, kind: str, parts: tuple[Term, ...]) -> None:
        self.kind = kind
        self.parts = parts
        self._hash = hash((kind, parts))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Compound):
            return False
        return self is other or (self._hash, self.kind, self.parts) == (other._hash, other.kind, other.parts)


Term: TypeAlias = "Atom | Compound"
_compound = lru_cache(maxsize=20_000)(Compound)
"""One object for equal terms, so that comparing them is quick."""


class Needed(Exception):  # noqa: N818 - a question, not an error: asks whether one more condition holds
    """A walk came to a condition whose truth is open."""

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self.term = term


class Truths(dict[Atom, bool]):
    """What is known of atoms; what is not is asked for."""

    def __missing__(self, atom: Atom) -> bool:
        raise Needed(atom)


def term(when: Mapping[str, Any], segments: Mapping[str, Any]) -> Term:
    """A condition as atoms, `all`, `any` and `not`, segments opened; equal where nothing can tell them apart."""
    parts: list[Term] = []
    for key, value in when.items():
        if key in {"any", "all"}:
            parts.append(_compound(key, tuple(term(part, segments) for part in value)))
        elif key == "not":
            parts.append(_compound("not", (term(value, segments),)))
        elif key == "segment":
            names = [value] if isinstance(value, str) else value
            parts.append(_compound("any", tuple(term(segments[name], segments) for name in names)))
        else:
            parts += _clauses(key, value)
    return parts[0] if len(parts) == 1 else _compound("all", tuple(parts))


def _clauses(path: str, value: Any) -> Iterator[Atom]:
    if not isinstance(value, dict):
        value = {"in": value} if isinstance(value, list) else {"eq": value}
    ignore_case = bool(value.get(IGNORE_CASE, False))
    for operator, operand in value.items():
        if operator != IGNORE_CASE:
            yield Atom(path, operator, json.dumps(operand), ignore_case)


def holds(term: Term, truths: Mapping[Atom, bool]) -> bool | None:
    """Whether a condition holds where atoms are as given; None where that depends on others."""
    if isinstance(term, Atom):
        return truths.get(term)
    if term.kind == "not":
        inner = holds(term.parts[0], truths)
        return None if inner is None else not inner
    decisive = term.kind == "any"
    is_open = False
    for part in term.parts:
        found = holds(part, truths)
        if found is decisive:
            return decisive
        is_open = is_open or found is None
    return None if is_open else not decisive


def open_atoms(term: Term, truths: Mapping[Atom, bool]) -> Iterator[Atom]:
    """The atoms on which it depends whether a condition holds."""
    if holds(term, truths) is None:
        if isinstance(term, Atom):
            yield term
        else:
            for part in term.parts:
                yield from open_atoms(part, truths)


def atoms(term: Term) -> Iterator[Atom]:
    """The atoms of a condition."""
    if isinstance(term, Atom):
        yield term
    else:
        for part in term.parts:
            yield from atoms(part)
