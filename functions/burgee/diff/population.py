"""Counts the given contexts that a change affects: each flag's decision is compiled once, then run over columns.

An attribute's value is mapped to the number of its vector of truths, cached by value. The numbers together identify a
region, whose tree of hash cells is built once, and only the lines of that tree are hashed. Memory is bounded by the
batch and the caches, for any number of contexts.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.diff.cases import MAX_CASES
from burgee.diff.cells import Branch, Leaf, grow
from burgee.diff.hash_lines import is_unit, unit_of
from burgee.diff.outcomes import ABSENT
from burgee.diff.partial_context import PartialContext, Straddled
from burgee.diff.region_names import RegionNames
from burgee.diff.regions import Truths, grouped, members_of, term
from burgee.diff.satisfiability.atoms import MISSING, has_unit
from burgee.diff.symbolic import Side
from burgee.diff.world import Budget, TooMany
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import TARGETING_KEY, reader
from burgee.evaluation.definition import owners, pinned_hash, unit_attributes
from burgee.evaluation.hash_strategies import strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from burgee.diff.cells import Node
    from burgee.diff.hash_lines import Line
    from burgee.diff.outcomes import Pair
    from burgee.diff.regions import Term
    from burgee.diff.satisfiability.atoms import Atom
    from burgee.diff.world import World
    from burgee.model import Snapshot

    Columns: TypeAlias = Mapping[str, Sequence[Any]]

REMEMBERED = 50_000
"""Maximum cached values of an attribute, and regions."""
PLAIN = frozenset({str, type(None)})
SCALARS = frozenset({bool, int, float})


@dataclass(slots=True)
class Counts:
    """Contexts of one flag: all, and those that change, by region, by segment, and by what they change to."""

    total: int = 0
    changed: int = 0
    by_region: dict[str, int] = field(default_factory=dict)
    by_segment: dict[str, list[int]] = field(default_factory=dict)
    by_pair: dict[Pair, int] = field(default_factory=dict)


class _Memo(dict[Any, int]):
    """The vector number of each value of an attribute; a new value is evaluated once."""

    def __init__(self, own: tuple[Atom, ...], world: World) -> None:
        super().__init__()
        self.atoms = own
        self.world = world
        self.vectors: dict[tuple[bool, ...], int] = {}

    def __missing__(self, value: Any) -> int:
        if len(self) > REMEMBERED:
            self.clear()
        self[value] = number = self.number(value[1] if type(value) is tuple else value)
        return number

    def number(self, value: Any) -> int:
        """Computes a vector number without the cache."""
        truths = tuple(self.world.truths(self.atoms, MISSING if value is None else value).values())
        return self.vectors.setdefault(truths, len(self.vectors))


class _Region:
    """One combination of vectors: its tree, and the number of contexts in each leaf.

    A tree that would be too large is none: contexts of such a region are looked at one by one.
    """

    __slots__ = ("counts", "is_large", "pairs", "run", "segments", "settled", "when", "within")

    def __init__(self, node: Node | None, positions: Mapping[str, int], when: str, segments: tuple[str, ...]) -> None:
        self.pairs: list[Pair] = []
        self.is_large = node is None
        self.run = _compiled(node or Leaf((ABSENT, ABSENT)), positions, self.pairs)
        self.counts = [0] * len(self.pairs)
        self.settled = len(self.pairs) == 1
        self.when = when
        self.segments = segments
        self.within: list[tuple[str, ...]] = []

    def settle(self) -> None:
        """Counts the gathered contexts."""
        counts = self.counts
        for index in self.run(self.within):
            counts[index] += 1
        self.within.clear()


def _compiled(
    node: Node, positions: Mapping[str, int], pairs: list[Pair]
) -> Callable[[Sequence[tuple[str, ...]]], Iterable[int]]:
    """Compiles a tree to a function from the units of many contexts to the numbers of their leaves."""
    if (
        isinstance(node, Branch)
        and node.line.hash is None
        and all(isinstance(child, Leaf) for child in node.children)
    ):
        first = len(pairs)
        pairs += [child.pair for child in node.children if isinstance(child, Leaf)]
        suffix, inner, at = f":{node.line.salt}", list(node.edges[1:-1]), positions[node.line.unit]

        def flat(many: Sequence[tuple[str, ...]]) -> Iterable[int]:
            for units in many:
                low = int.from_bytes(sha256((units[at] + suffix).encode("utf-8", "surrogatepass")).digest()) % BUCKETS
                yield first + bisect_right(inner, low % 100 * 1000 + low // 100)

        return flat
    single = _single(node, positions, pairs)
    return lambda many: map(single, many)


def _single(node: Node, positions: Mapping[str, int], pairs: list[Pair]) -> Callable[[tuple[str, ...]], int]:
    if isinstance(node, Leaf):
        number = len(pairs)
        pairs.append(node.pair)
        return lambda _units: number
    line: Line = node.line
    inner, at = list(node.edges[1:-1]), positions[line.unit]
    children = [_single(child, positions, pairs) for child in node.children]
    return lambda units: children[bisect_right(inner, line.bucket(units[at]))](units)


class FlagCounter:
    """Counts contexts for one flag."""

    def __init__(self, name: str, old: Side, new: Side, world: World, segments: Mapping[str, Term]) -> None:
        self.name, self.old, self.new, self.segments = name, old, new, segments
        families = [(old, one) for one in old.family(name)] + [(new, one) for one in new.family(name)]
        terms = [one for side, flag in families for one in side.terms(flag)] + list(segments.values())
        asked = grouped(terms)
        self.plain = not any(side.terms(flag) for side, flag in families)
        self.world = world
        self.asked = asked
        self.named = frozenset(user for side, flag in families for user in side.targets(flag))
        self.names = RegionNames(old, new, name, name, self.named)
        members = [share for one in segments.values() for share in members_of(one)]
        units = old.units(name) | new.units(name) | {path for share in members for path in share.units}
        self.units = [TARGETING_KEY, *sorted(units - {TARGETING_KEY})]
        states = [state for side, flag in families if (state := side.state(flag)) is not None]
        self.of_values = {
            path
            for state in states
            for owner in owners(state)
            if strategy(pinned_hash(state, owner.settings)).takes_values
            for path in unit_attributes(state, owner.settings)
        }
        members += [*old.members(name), *new.members(name)]
        self.of_values |= {path for share in members if share.strategy.takes_values for path in share.units}
        self.memos = {path: _Memo(own, world) for path, own in asked.items()}
        self.regions: dict[tuple[Any, ...], _Region] = {}
        self.counts = Counts(by_segment={segment: [0, 0] for segment in segments})

    def paths(self) -> set[str]:
        """The attributes that are read."""
        return {*self.asked, *self.units}

    def add(self, columns: Columns, rows: int) -> None:
        """Counts a batch."""
        units = [
            [unit_of(value) for value in columns[path]] if path in self.of_values else _units(columns[path])
            for path in self.units
        ]
        numbers = [_numbers(self.memos[path], columns[path]) for path in self.asked]
        # Contexts without a unit are regions of their own, and those with one for hashes of JSON values alone.
        kinds = [
            [None if unit is None else is_unit(unit) for unit in column]
            if path in self.of_values or None in column
            else [True] * rows
            for path, column in zip(self.units, units, strict=True)
        ]
        keys = zip(*numbers, *kinds, strict=True)
        self._gather(keys, units, columns)
        if len(self.regions) > REMEMBERED:
            self.close()

    def _gather(self, keys: Iterable[tuple[Any, ...]], units: Sequence[Sequence[Any]], columns: Columns) -> None:
        regions, named = self.regions, self.named
        special = bool(named) and not named.isdisjoint(units[0])
        for row, (key, own) in enumerate(zip(keys, zip(*units, strict=True), strict=True)):
            region = regions.get(key)
            if region is None:
                region = regions[key] = self._region(columns, row, own)
            if region.is_large or (special and own[0] in named):
                self._one(region, columns, row, own)
            elif region.settled:
                region.counts[0] += 1
            else:
                region.within.append(own)
        for region in regions.values():
            if region.within:
                region.settle()

    def _region(self, columns: Columns, row: int, own: tuple[str | None, ...]) -> _Region:
        truths = self._truths(columns, row)
        absent = {path: None for path, unit in zip(self.units, own, strict=True) if unit is None}
        truths.update(
            {has_unit(path): unit is not None and is_unit(unit) for path, unit in zip(self.units, own, strict=True)}
        )
        truths.update({has_unit(path, of_value=True): path not in absent for path in self.units})
        context = PartialContext(truths, absent)
        within: tuple[str, ...] = ()
        try:
            within = self._within(context)
            node = grow(self._decide, context, Budget(MAX_CASES))
        except (TooMany, Straddled):
            node = None
        when = self.names.everyone if self.plain else self.names.matching(tuple(context.seen))
        return _Region(node, {path: at for at, path in enumerate(self.units)}, when, within)

    def _truths(self, columns: Columns, row: int) -> Truths:
        truths = Truths()
        for path, own in self.asked.items():
            value = columns[path][row]
            truths.update(self.world.truths(own, MISSING if value is None else value))
        return truths

    def _one(self, region: _Region, columns: Columns, row: int, own: tuple[str | None, ...]) -> None:
        """A named user, evaluated individually."""
        context = PartialContext(self._truths(columns, row), dict(zip(self.units, own, strict=True)))
        self._count(self._decide(context), 1, region.when, self._within(context))

    def _within(self, context: PartialContext) -> tuple[str, ...]:
        """The segments of a context. Raises Straddled if that depends on its place on a hash line."""
        return tuple(name for name, one in self.segments.items() if context.meets(one))

    def _decide(self, context: PartialContext) -> Pair:
        return self.old.decide(self.name, context, 0), self.new.decide(self.name, context, 1)

    def _count(self, pair: Pair, number: int, when: str, within: Sequence[str]) -> None:
        counts = self.counts
        counts.total += number
        counts.by_region[when] = counts.by_region.get(when, 0) + number
        moved = number if pair[0] != pair[1] else 0
        for segment in within:
            counts.by_segment[segment][0] += moved
            counts.by_segment[segment][1] += number
        if moved:
            counts.changed += number
            counts.by_pair[pair] = counts.by_pair.get(pair, 0) + number

    def close(self) -> Counts:
        """The counts so far; drops the cached regions."""
        for region in self.regions.values():
            for pair, number in zip(region.pairs, region.counts, strict=True):
                if number:
                    self._count(pair, number, region.when, region.segments)
        self.regions.clear()
        return self.counts


def _units(column: Sequence[Any]) -> Sequence[str | None]:
    if set(map(type, column)) == {str} and "" not in column:
        return column
    units = (unit_of(value) for value in column)
    return [unit if unit is not None and is_unit(unit) else None for unit in units]


def _numbers(memo: _Memo, column: Sequence[Any]) -> Sequence[int]:
    """Numbers by value; True, 1 and 1.0 are one key but three values, so only strings are looked up directly."""
    if set(map(type, column)) <= PLAIN:
        return list(map(memo.__getitem__, column))
    return [
        memo[value] if kind in PLAIN else memo[kind, value] if kind in SCALARS else memo.number(value)
        for kind, value in zip(map(type, column), column, strict=True)
    ]


class Population:
    """Counts contexts for every flag that changes."""

    def __init__(self, before: Snapshot, after: Snapshot, flags: Sequence[str], now: float, world: World) -> None:
        old, new = Side(before, now), Side(after, now)
        segments = {name: term(when, new.segments) for name, when in _whole(new.segments)}
        self.counters = {name: FlagCounter(name, old, new, world, segments) for name in flags}
        self.rows = 0

    def paths(self) -> list[str]:
        """The attributes that any flag reads."""
        return sorted({TARGETING_KEY, *(path for counter in self.counters.values() for path in counter.paths())})

    def add(self, columns: Columns, rows: int) -> None:
        """Counts a batch of contexts, given as a column for each of `paths`, with None for a missing attribute."""
        self.rows += rows
        for counter in self.counters.values():
            counter.add(columns, rows)

    def add_contexts(self, contexts: Sequence[Mapping[str, Any]]) -> None:
        """Counts a batch of contexts."""
        columns = {path: list(map(reader(path), contexts)) for path in self.paths()}
        self.add(columns, len(contexts))

    def counts(self, flag: str) -> Counts:
        """The counts of one flag."""
        return self.counters[flag].close()

    def clause(self, flag: str) -> str:
        """How many change, as a clause."""
        return f"; {self.counts(flag).changed:,} of {self.rows:,} contexts change"

    def percent_of(self, flag: str, when: str) -> float | None:
        """The share of the contexts that a region holds, in percent."""
        return 100 * self.counts(flag).by_region.get(when, 0) / self.rows if self.rows else None

    def lines(self) -> list[str]:
        """By segment, if the flag changes for any of its contexts."""
        counts_by_flag = []
        for name in self.counters:
            for segment, (changed, total) in self.counts(name).by_segment.items():
                if changed:
                    counts_by_flag.append(f"{name}: {changed:,} of {total:,} contexts in segment {segment} change")
        return counts_by_flag

    def record(self) -> dict[str, Any]:
        """The counts as JSON."""
        flags = {}
        for name in self.counters:
            counts = self.counts(name)
            flags[name] = {
                "changed": counts.changed,
                "moves": [
                    {"from": old.variant, "to": new.variant, "contexts": number}
                    for (old, new), number in sorted(counts.by_pair.items(), key=_largest_first)
                ],
                "segments": {
                    segment: {"changed": changed, "contexts": total}
                    for segment, (changed, total) in counts.by_segment.items()
                },
            }
        return {"total": self.rows, "flags": flags}


def _largest_first(item: tuple[Pair, int]) -> tuple[int, str]:
    return -item[1], str(item[0])


def _whole(segments: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The segments without references to missing segments."""
    for name, when in segments.items():
        try:
            term(when, segments)
        except (KeyError, RecursionError):
            continue
        yield name, when
