"""Conditions as terms of atoms, for evaluation with unknown conditions.

Every clause of a condition is an atom: one attribute, one operator, one operand. A walk through a flag requests the
truth of whole conditions, one at a time as it reaches them. `burgee.diff.witnesses` decides whether a context can
have given truths: a combination is skipped only if it is proved that no context has it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from burgee.diff.satisfiability.atoms import Atom
from burgee.evaluation.decisions import Member, member
from burgee.evaluation.definition import fold, operands
from burgee.evaluation.operators import ANY_ITEM, ANY_VALUE, IGNORE_CASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Compound:
    """`all`, `any` or `not` of parts; the hash is cached, because walks look conditions up often."""

    __slots__ = ("_hash", "has_shares", "kind", "parts")

    def __init__(self, kind: str, parts: tuple[Term, ...]) -> None:
        self.kind = kind
        self.parts = parts
        self.has_shares = any(map(has_shares, parts))
        self._hash = hash((kind, parts))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Compound):
            return False
        return self is other or (self._hash, self.kind, self.parts) == (other._hash, other.kind, other.parts)


Term: TypeAlias = "Atom | Compound | Member"
_compound = lru_cache(maxsize=20_000)(Compound)
"""One object for equal terms, so that comparing them is fast."""


def has_shares(term: Term) -> bool:
    """Whether a condition depends on a hash line."""
    return term.has_shares if isinstance(term, Compound) else isinstance(term, Member)


EVERYONE: Term = _compound("all", ())
NOBODY: Term = _compound("any", ())


class Needed(Exception):  # noqa: N818 - a request, not an error: for the truth of one more condition
    """A walk reached a condition with an unknown truth."""

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self.term = term


class Truths(dict[Atom, bool]):
    """The known truths of atoms; unknown ones are requested."""

    def __missing__(self, atom: Atom) -> bool:
        raise Needed(atom)


def term(when: Mapping[str, Any], segments: Mapping[str, Any]) -> Term:
    """A condition as atoms, `all`, `any` and `not`, with segments expanded; equivalent terms are equal."""
    return fold(when, _Terms(segments))


class _Terms:
    """The parts of a condition as terms."""

    def __init__(self, segments: Mapping[str, Any]) -> None:
        self._segments = segments

    def attribute(self, path: str, value: Any) -> Term:
        return self.every(list(_clauses(path, value)))

    def segment(self, name: str) -> Term:
        return term(self._segments[name], self._segments)

    def share(self, settings: Mapping[str, Any]) -> Term:
        return member(settings)

    def every(self, parts: Sequence[Term]) -> Term:
        return _every(parts)

    def some(self, parts: Sequence[Term]) -> Term:
        return _compound("any", tuple(parts))

    def negated(self, part: Term) -> Term:
        return _compound("not", (part,))


def _every(parts: Sequence[Term]) -> Term:
    flat = [one for part in parts for one in (part.parts if _is_all(part) else (part,))]
    return flat[0] if len(flat) == 1 else _compound("all", tuple(flat))


def resolved(term: Term, is_inside: Callable[[Member], bool]) -> Term:
    """A condition without its segments' shares: each is replaced by whether it holds."""
    if isinstance(term, Member):
        return EVERYONE if is_inside(term) else NOBODY
    if not has_shares(term) or isinstance(term, Atom):
        return term
    parts = [resolved(part, is_inside) for part in term.parts]
    if term.kind == "not":
        return {EVERYONE: NOBODY, NOBODY: EVERYONE}.get(parts[0], _compound("not", tuple(parts)))
    decisive, idle = (NOBODY, EVERYONE) if term.kind == "all" else (EVERYONE, NOBODY)
    if decisive in parts:
        return decisive
    parts = [part for part in parts if part != idle]
    return _every(parts) if term.kind == "all" else parts[0] if len(parts) == 1 else _compound("any", tuple(parts))


def _is_all(part: Term) -> TypeGuard[Compound]:
    return isinstance(part, Compound) and part.kind == "all"


def _clauses(path: str, value: Any) -> Iterator[Term]:
    tests = operands(value)
    ignore_case = bool(tests.get(IGNORE_CASE, False))
    for operator, operand in tests.items():
        if operator == ANY_VALUE:
            item = Atom(path, ANY_ITEM, json.dumps(operand), ignore_case)
            yield _compound("any", (_every(list(_clauses(path, operand))), item))
        elif operator != IGNORE_CASE:
            yield Atom(path, operator, json.dumps(operand), ignore_case)


def holds(term: Term, truths: Mapping[Atom, bool]) -> bool | None:
    """Whether a condition holds with the given truths of atoms; None if that depends on others, or on shares."""
    if isinstance(term, Atom):
        return truths.get(term)
    if isinstance(term, Member):
        return None
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
    """The atoms that determine whether a condition holds."""
    if holds(term, truths) is None:
        if isinstance(term, Atom):
            yield term
        elif isinstance(term, Compound):
            for part in term.parts:
                yield from open_atoms(part, truths)


def atoms(term: Term) -> Iterator[Atom]:
    """The atoms of a condition."""
    if isinstance(term, Atom):
        yield term
    elif isinstance(term, Compound):
        for part in term.parts:
            yield from atoms(part)


def members_of(term: Term) -> Iterator[Member]:
    """The segments' shares of a condition."""
    if isinstance(term, Member):
        yield term
    elif isinstance(term, Compound) and term.has_shares:
        for part in term.parts:
            yield from members_of(part)


def grouped(terms: Sequence[Term]) -> dict[str, tuple[Atom, ...]]:
    """The atoms of conditions by path, in the order of their first mention."""
    found: dict[str, dict[Atom, None]] = {}
    for one in terms:
        for atom in atoms(one):
            found.setdefault(atom.path, {})[atom] = None
    return {path: tuple(own) for path, own in found.items()}
