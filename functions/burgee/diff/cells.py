"""The tree of a decision's hash cells, as coarse as the decision allows, and the exact shares of its outcomes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from burgee.diff.hash_lines import require_independent
from burgee.diff.partial_context import Straddled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.diff.hash_lines import Line, Stretch
    from burgee.diff.outcomes import Pair
    from burgee.diff.partial_context import PartialContext
    from burgee.diff.world import Budget

Decide: TypeAlias = "Callable[[PartialContext], Pair]"


class Leaf(NamedTuple):
    """The outcome of a walk."""

    pair: Pair


class Branch(NamedTuple):
    """A dependency on a bucket: the children are between the `edges`."""

    line: Line
    edges: Sequence[int]
    children: Sequence[Node]


Node: TypeAlias = "Leaf | Branch"
Cell: TypeAlias = "frozenset[tuple[Line, Stretch]]"


def grow(
    decide: Decide,
    context: PartialContext,
    budget: Budget,
    met: dict[Cell, Leaf | Branch] | None = None,
) -> Node:
    """The tree of all cells of a context's hash lines, as coarse as the decisions allow.

    `met` keeps what was found on each cell, which stays true when more is known of the context.
    """
    cell: Cell = frozenset(context.cell.items())
    found = None if met is None else met.get(cell)
    if found is None:
        try:
            found = Leaf(decide(context))
        except Straddled as cut:
            budget.take()
            found = Branch(cut.line, cut.edges, ())
        if met is not None:
            met[cell] = found
    if isinstance(found, Leaf):
        return found
    pieces = pairwise(found.edges)
    children = [grow(decide, context.within(found.line, piece), budget, met) for piece in pieces]
    return Branch(found.line, found.edges, children)


def cells(node: Node, cell: Mapping[Line, Stretch] | None = None) -> Iterator[tuple[Mapping[Line, Stretch], Pair]]:
    """The leaves of a tree, each with its stretch of every line on its path."""
    inner = cell or {}
    if isinstance(node, Leaf):
        yield inner, node.pair
        return
    for piece, child in zip(pairwise(node.edges), node.children, strict=True):
        yield from cells(child, {**inner, node.line: piece})


class Shares(NamedTuple):
    """Shares of a tree's outcomes, and for each the widest cell that has it."""

    by_pair: dict[Pair, Fraction]
    widest: dict[Pair, Mapping[Line, Stretch]]


def shares(node: Node) -> Shares:
    """Exact: a bucket is uniform on each line, and lines are independent. Raises Dependent if they are not."""
    found: dict[Pair, Fraction] = {}
    sizes: dict[Pair, Fraction] = {}
    widest: dict[Pair, Mapping[Line, Stretch]] = {}
    for cell, pair in cells(node):
        require_independent(cell)
        parts = [line.share(low, high) for line, (low, high) in cell.items()]
        share = Fraction(prod(part for part, _ in parts), prod(whole for _, whole in parts))
        found[pair] = found.get(pair, Fraction(0)) + share
        if share > sizes.get(pair, Fraction(0)):
            sizes[pair] = share
            widest[pair] = cell
    return Shares(found, widest)
