"""Which combinations of conditions a context can meet: the regions in which a flag decides alike.

Every clause of a condition is an atom: one attribute, one operator, one operand. For each attribute a set of
telling values is tried (the operands, and values just beside and between them), so that no reachable combination of
its atoms is missed; operators on parts of texts and lists, whose combinations values cannot exhaust, are taken as
free. A region that nobody can be in may so be kept, and one that somebody is in is never lost.
"""

from __future__ import annotations

import json
from ipaddress import ip_network
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.conditions import IGNORE_CASE, compile_condition
from burgee.semver import parse_version
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Truths: TypeAlias = Mapping["Atom", bool]

FREE = frozenset({"contains", "not_contains", "starts_with", "ends_with", "matches"})
MISSING = object()
OTHER = "\N{WHITE QUESTION MARK ORNAMENT} another text"


class Atom(NamedTuple):
    """One clause: hashable, the operand as JSON."""

    path: str
    operator: str
    operand: str
    ignore_case: bool

    def holds(self, value: Any) -> bool:
        """Whether a value of the attribute meets it; MISSING for none."""
        clause = {self.operator: json.loads(self.operand)}
        if self.ignore_case:
            clause[IGNORE_CASE] = True
        context = {} if value is MISSING else {self.path: value}
        return compile_condition({self.path: clause}, _no_segments)(context)


def _no_segments(name: str) -> Any:
    raise KeyError(name)


def atoms(when: Mapping[str, Any], segments: Mapping[str, Any]) -> Iterator[Atom]:
    """The atoms of a condition, segments opened."""
    for key, value in when.items():
        if key in {"any", "all"}:
            for part in value:
                yield from atoms(part, segments)
        elif key == "not":
            yield from atoms(value, segments)
        elif key == "segment":
            for name in [value] if isinstance(value, str) else value:
                yield from atoms(segments[name], segments)
        else:
            yield from _clauses(key, value)


def _clauses(path: str, value: Any) -> Iterator[Atom]:
    if not isinstance(value, dict):
        value = {"in": value} if isinstance(value, list) else {"eq": value}
    ignore_case = bool(value.get(IGNORE_CASE, False))
    for operator, operand in value.items():
        if operator != IGNORE_CASE:
            yield Atom(path, operator, json.dumps(operand), ignore_case)


def meets(when: Mapping[str, Any], segments: Mapping[str, Any], truths: Truths) -> bool:
    """Whether a condition holds where its atoms are as given."""
    for key, value in when.items():
        if key == "any":
            held = any(meets(part, segments, truths) for part in value)
        elif key == "all":
            held = all(meets(part, segments, truths) for part in value)
        elif key == "not":
            held = not meets(value, segments, truths)
        elif key == "segment":
            names = [value] if isinstance(value, str) else value
            held = any(meets(segments[name], segments, truths) for name in names)
        else:
            held = all(truths[atom] for atom in _clauses(key, value))
        if not held:
            return False
    return True


class Region(NamedTuple):
    """A reachable combination of truths, and attributes that have it where values tell."""

    truths: dict[Atom, bool]
    example: dict[str, Any]


def count(every: Iterable[Atom]) -> int:
    """How many regions there are, found without making them."""
    return prod(len(vectors) for vectors in _by_attribute(every))


def regions(every: Iterable[Atom]) -> Iterator[Region]:
    """All regions: attributes vary independently of each other."""
    for choice in product(*_by_attribute(every)):
        truths: dict[Atom, bool] = {}
        example: dict[str, Any] = {}
        for held, attributes in choice:
            truths |= held
            example |= attributes
        yield Region(truths, example)


def _by_attribute(every: Iterable[Atom]) -> list[list[tuple[dict[Atom, bool], dict[str, Any]]]]:
    grouped: dict[str, list[Atom]] = {}
    for atom in dict.fromkeys(every):
        grouped.setdefault(atom.path, []).append(atom)
    return [_vectors(path, own) for path, own in grouped.items()]


def _vectors(path: str, own: list[Atom]) -> list[tuple[dict[Atom, bool], dict[str, Any]]]:
    found: dict[tuple[bool, ...], dict[str, Any]] = {}
    for value in _values(own):
        truth = tuple(atom.holds(value) for atom in own)
        found.setdefault(truth, {} if value is MISSING else {path: value})
    free = [index for index, atom in enumerate(own) if atom.operator in FREE]
    if free:
        other = [atom.holds(OTHER) for atom in own]
        for chosen in product((False, True), repeat=len(free)):
            for index, held in zip(free, chosen, strict=True):
                other[index] = held
            found.setdefault(tuple(other), {})
    return [(dict(zip(own, truth, strict=True)), example) for truth, example in found.items()]


def _values(own: list[Atom]) -> Iterator[Any]:
    """Telling values of an attribute: none, another text, and for each operand itself and its neighbours."""
    yield MISSING
    yield OTHER
    numbers, moments = [], []
    for atom in own:
        operand = json.loads(atom.operand)
        for item in operand if isinstance(operand, list) else [operand]:
            if atom.operator in {"before", "after"}:
                moments.append(parse_time(item))
            elif atom.operator == "cidr":
                yield from _addresses(item)
            elif atom.operator == "exists":
                yield True
            elif isinstance(item, (int, float)) and not isinstance(item, bool):
                numbers.append(item)
                yield [item]
            else:
                yield item
                yield [item]
                yield from _versions(item)
    yield from _between(numbers)
    yield from (format_time(moment) for moment in _between(moments))


def _between(bounds: list[float]) -> Iterator[float]:
    ordered = sorted(set(bounds))
    if ordered:
        yield ordered[0] - 1
        yield ordered[-1] + 1
    yield from ordered
    for low, high in pairwise(ordered):
        yield (low + high) / 2


def _versions(item: Any) -> Iterator[str]:
    version = parse_version(item) if isinstance(item, str) else None
    if version is None:
        return
    major, minor, patch, _ = version
    yield f"{major}.{minor}.{patch}-0"
    yield f"{major}.{minor}.{patch}"
    yield f"{major}.{minor}.{patch + 1}"
    yield f"{major}.{minor + 1}.0"
    yield f"{major + 1}.0.0"
    yield "0.0.0-0"


def _addresses(item: str) -> Iterator[str]:
    network = ip_network(item)
    yield str(network.network_address)
    yield str(network.broadcast_address)
    yield "0.0.0.0" if network.version == 6 else "::"  # noqa: S104 - an address to compare with, nothing listens
    for neighbour in (int(network.network_address) - 1, int(network.broadcast_address) + 1):
        if 0 <= neighbour < 2**network.max_prefixlen:
            yield str(type(network.network_address)(neighbour))
