"""Telling values of an attribute: enough of them that no combination of clauses that some value has is missed.

The operands, and values just beside and between them; texts put together from the parts that clauses ask for; lists.
"""

from __future__ import annotations

from ipaddress import ip_network
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.satisfiability.atoms import MISSING
from burgee.evaluation.semver import parse_version
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_PARTS = 8
PARTS = frozenset({"contains", "not_contains", "starts_with", "ends_with"})
MAX_TEXTS = 20_000
FILLERS = ("other", "any-other", "~", "\N{HORIZONTAL ELLIPSIS}", "\N{INVERTED QUESTION MARK}", "\ue000", "\ue001")


class Clause(NamedTuple):
    """One operator on the attribute."""

    operator: str
    operand: Any
    ignore_case: bool

    def items(self) -> list[Any]:
        """The operand's items."""
        return self.operand if isinstance(self.operand, list) else [self.operand]


class Found(NamedTuple):
    """`sure` values are what they are; `texts` stand for all that have the same parts."""

    sure: list[Any]
    texts: list[str]


def witnesses(clauses: Sequence[Clause]) -> tuple[Found, bool]:
    """The values, and whether they are enough."""
    parts = _Parts(clauses)
    texts, complete = parts.texts()
    sure: list[Any] = [MISSING]
    for clause in clauses:
        sure += _beside(clause)
    sure += _numbers(clauses)
    sure += _moments(clauses)
    sure += _versions(clauses)
    sure += parts.lists()
    if any(clause.ignore_case for clause in clauses):
        sure += [other for value in sure if isinstance(value, str) for other in _cases(value)]
        texts += [other for value in texts for other in _cases(value)]
    if sum(clause.operator == "matches" for clause in clauses) > MAX_PARTS - 2:
        complete = False
    return Found(sure, texts), complete


def _cases(text: str) -> tuple[str, ...]:
    return text.upper(), text.lower(), text.swapcase(), text.title(), text[:1].swapcase() + text[1:]


def _beside(clause: Clause) -> Iterator[Any]:
    """The operand itself, and what is just beside it."""
    for item in clause.items():
        if clause.operator == "cidr":
            yield from _addresses(item)
        elif clause.operator == "exists":
            yield True
        elif isinstance(item, bool):
            yield item
            yield not item
        elif isinstance(item, (int, float)):
            yield item
        elif clause.operator == "matches":
            yield _literal(item)
        elif clause.operator not in PARTS:
            yield item


def _literal(pattern: str) -> str:
    """A guess at a text that a simple pattern takes."""
    text = pattern.removeprefix("^").removesuffix("$")
    for some in (".*", ".+"):
        text = text.replace(some, "x")
    return text.replace("\\", "")


def _numbers(clauses: Iterable[Clause]) -> Iterator[float]:
    items = (item for clause in clauses for item in clause.items())
    numbers = {item for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)}
    yield from _between(sorted(numbers))


def _moments(clauses: Iterable[Clause]) -> Iterator[str]:
    moments = {parse_time(clause.operand) for clause in clauses if clause.operator in {"before", "after"}}
    for moment in _between(sorted(moments)):
        yield format_time(moment)


def _between(ordered: Sequence[float]) -> Iterator[float]:
    if ordered:
        yield ordered[0] - 1
        yield ordered[-1] + 1
    yield from ordered
    for low, high in pairwise(ordered):
        yield (low + high) / 2


def _versions(clauses: Iterable[Clause]) -> Iterator[str]:
    """Each bound, and what comes just after it; and where ranges end."""
    named = [item for clause in clauses if clause.operator.startswith("semver") for item in clause.items()]
    if named:
        yield "0.0.0-0"
    for text in named:
        version = parse_version(text)
        if version is None:
            continue
        major, minor, patch, _ = version
        core = text.partition("+")[0]
        yield core
        yield f"{core}.0" if "-" in core else f"{major}.{minor}.{patch + 1}-0"
        for bound in ((major, minor, patch), (major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)):
            yield "{}.{}.{}-0".format(*bound)
            yield "{}.{}.{}".format(*bound)


def _addresses(item: str) -> Iterator[str]:
    network = ip_network(item)
    first, last = int(network.network_address), int(network.broadcast_address)
    for number in (first, last, first - 1, last + 1):
        if 0 <= number < 2**network.max_prefixlen:
            yield str(type(network.network_address)(number))


class _Parts:
    """The beginnings, ends and inner parts that clauses ask of a text, or the members that they ask of a list."""

    def __init__(self, clauses: Sequence[Clause]) -> None:
        self.begins = self._of(clauses, "starts_with")
        self.ends = self._of(clauses, "ends_with")
        self.inner = self._of(clauses, "contains", "not_contains")
        self.members = [
            item for clause in clauses if clause.operator in {"contains", "not_contains"} for item in clause.items()
        ]
        every = [item for clause in clauses for item in clause.items() if item and isinstance(item, str)]
        apart = (filler for filler in FILLERS if not any(_meet(filler, item.casefold()) for item in every))
        self.filler = next(apart, FILLERS[-1])

    @staticmethod
    def _of(clauses: Iterable[Clause], *operators: str) -> list[str]:
        items = [item for clause in clauses if clause.operator in operators for item in clause.items()]
        return list(dict.fromkeys(item for item in items if isinstance(item, str)))

    def texts(self) -> tuple[list[str], bool]:
        """Every beginning with every end around every choice of inner parts; and whether that is all of them."""
        chosen, complete = _choices(self.inner)
        filler = self.filler
        made = [
            f"{begin}{filler}{''.join(part + filler for part in parts)}{end}"
            for begin in ["", *self.begins]
            for end in ["", *self.ends]
            for parts in chosen
        ]
        return made[:MAX_TEXTS], complete and len(made) <= MAX_TEXTS

    def lists(self) -> list[list[Any]]:
        """Lists of every choice of members."""
        if not self.members:
            return []
        distinct = list({repr(member): member for member in self.members}.values())
        return [list(members) for members in _choices(distinct)[0]]


def _choices(items: Sequence[Any]) -> tuple[list[tuple[Any, ...]], bool]:
    """All subsets where they are few; else the small ones and the whole."""
    complete = len(items) <= MAX_PARTS
    sizes = range(len(items) + 1) if complete else (0, 1, 2, len(items))
    return list(chain.from_iterable(combinations(items, size) for size in sizes)), complete


def _meet(filler: str, item: str) -> bool:
    """Whether two texts could run into each other where they are put side by side."""
    if item in filler or filler in item:
        return True
    short = min(len(filler), len(item))
    return any(filler.endswith(item[:size]) or item.endswith(filler[:size]) for size in range(1, short + 1))
