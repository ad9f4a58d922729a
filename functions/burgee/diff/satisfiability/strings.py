"""Atoms as automata over strings: operators to machines, orders to intervals."""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.diff.satisfiability.atoms import HAS_UNIT, Atom, has_unit
from burgee.diff.satisfiability.networks import networks
from burgee.diff.satisfiability.orders import Interval, OrderTest, intervals
from burgee.diff.satisfiability.patterns import Patterns
from burgee.diff.satisfiability.times import time_interval
from burgee.diff.satisfiability.versions import longer_than_versions, pre_releases, version_interval
from burgee.diff.satisfiability.words import Words
from burgee.evaluation.operators import ANY_ITEM
from burgee.evaluation.semver import caret, parse_version, release_of, tilde
from burgee.times import parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from burgee.diff.satisfiability.atoms import Literals
    from burgee.diff.satisfiability.machines import Machine

_PLACES = {
    "eq": "whole",
    "in": "whole",
    "contains": "anywhere",
    "starts_with": "start",
    "ends_with": "end",
}
_NEGATED = {"ne": "eq", "not_in": "in", "not_contains": "contains"}
_VERSIONS: Mapping[str, Callable[[int, int], bool]] = {
    "semver_eq": operator.eq,
    "semver_ne": operator.ne,
    "semver_gt": operator.gt,
    "semver_gte": operator.ge,
    "semver_lt": operator.lt,
    "semver_lte": operator.le,
}
_RANGES = {"semver_tilde": tilde, "semver_caret": caret}
_TIMES: Mapping[str, Callable[[int, int], bool]] = {"before": operator.lt, "after": operator.gt}
_NO_STRINGS = frozenset({"exists", "gt", "gte", "lt", "lte", ANY_ITEM})
UNDERSTOOD = frozenset(
    {*_PLACES, *_NEGATED, *_VERSIONS, *_RANGES, *_TIMES, *_NO_STRINGS, "matches", "cidr", HAS_UNIT},
)
"""Operators supported here, also for values other than strings. An atom of any other operator may have any truth."""

_ANY: Interval[Any] = Interval(None, False, None, False)


class Recipe(NamedTuple):
    """A recipe for a machine; equal for equal machines."""

    build: Callable[..., Machine]
    arguments: tuple[Any, ...]


Wanted: TypeAlias = "list[tuple[Recipe, bool]]"
"""Machines, each with its wanted verdict."""


class Strings(NamedTuple):
    """The requirements on a string: all of `words`, and one of the alternatives for versions and for times.

    An alternative with `member` true means a version, or a time, in an interval.
    """

    words: Wanted
    versions: list[Way]
    times: list[Way]

    def alternatives(self) -> Iterator[Wanted]:
        """Every way to meet all requirements."""
        for version, time in product(self.versions, self.times):
            if not (version.member and time.member):  # no version is a time, as a test proves
                yield [*version.wanted, *time.wanted, *self.words]


class Way(NamedTuple):
    """One alternative: to be in an order, or not."""

    member: bool
    wanted: Wanted


def string_question(literals: Literals, tests: Mapping[Atom, Callable[[Any], bool]]) -> Strings | None:
    """The requirements of literals on a string; None if an operator that never holds for strings prevents it."""
    words: Wanted = []
    versions: list[tuple[Atom, bool]] = []
    times: list[tuple[OrderTest[Any], bool]] = []
    for atom, want in literals.items():
        if atom.operator in _VERSIONS or atom.operator in _RANGES:
            versions.append((atom, want))
        elif atom.operator in _TIMES:
            check = _TIMES[atom.operator]
            bound = parse_instant(atom.items.strings[0])
            times.append((OrderTest((bound,), lambda order, check=check: check(order, 0)), want))
        else:
            part = _machine(atom)
            if part is not None:
                words.append((part[0], part[1] is want))
            elif tests[atom]("") is not want:
                return None
    return Strings(words, _version_ways(versions), _time_ways(times))


def _machine(atom: Atom) -> tuple[Recipe, bool] | None:
    """The machine of an atom and the verdict at which it holds; None if the atom treats all strings alike."""
    if atom == has_unit(atom.path):
        return Recipe(Words, ("whole", ("",), False)), False
    strings = atom.items.strings
    if not strings:
        return None
    name = _NEGATED.get(atom.operator, atom.operator)
    if name in _PLACES:
        return Recipe(Words, (_PLACES[name], strings, atom.ignore_case)), name == atom.operator
    if name == "matches":
        return Recipe(Patterns, (strings, atom.ignore_case)), True
    return (Recipe(networks, (strings,)), True) if name == "cidr" else None


def _version_comparison(atom: Atom, *, pre_release: bool) -> OrderTest[Any]:
    """The requirement of an atom on releases, or on pre-releases, which a range has only for its first version."""
    base = parse_version(atom.items.strings[0])
    if base is None:
        raise ValueError(f"{atom.operand} is not a semantic version")
    if atom.operator in _RANGES:
        low, high = _RANGES[atom.operator](base)
        return OrderTest((low, release_of(base) if pre_release else high), lambda low, high: low >= 0 > high)
    check = _VERSIONS[atom.operator]
    return OrderTest((base,), lambda order: check(order, 0))


def _version_ways(literals: list[tuple[Atom, bool]]) -> list[Way]:
    def compared(*, pre_release: bool) -> list[tuple[OrderTest[Any], bool]]:
        return [(_version_comparison(atom, pre_release=pre_release), want) for atom, want in literals]

    ways = _ways(compared(pre_release=False), version_interval)
    if any(atom.operator in _RANGES for atom, _ in literals):
        kinds = (ways, False), (_ways(compared(pre_release=True), version_interval), True)
        inside = [
            Way(True, [*way.wanted, (Recipe(pre_releases, ()), pre)])
            for found, pre in kinds
            for way in found
            if way.member
        ]
        ways = [way for way in ways if not way.member] + inside
    if literals and not any(want for _, want in literals):  # a string that is too long is not a version
        too_long = [(Recipe(version_interval, (_ANY,)), True), (Recipe(longer_than_versions, ()), True)]
        ways.append(Way(True, too_long))
    return ways


def _time_ways(literals: list[tuple[OrderTest[Any], bool]]) -> list[Way]:
    return _ways(literals, time_interval)


def _ways(literals: list[tuple[OrderTest[Any], bool]], build: Callable[..., Machine]) -> list[Way]:
    """In an interval; or not in the order at all, if every atom must be false, as it then is."""
    if not literals:
        return [Way(member=False, wanted=[])]
    outside = [] if any(want for _, want in literals) else [Way(False, [(Recipe(build, (_ANY,)), False)])]
    return outside + [Way(True, [(Recipe(build, (one,)), True)]) for one in intervals(literals)]
