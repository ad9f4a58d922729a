"""Findings on a file alone: unreachable rules, shared hashes, sums, age and size."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff import wording
from burgee.diff.cases import Explorer, Scope
from burgee.diff.cells import shares
from burgee.diff.hash_lines import Dependent, Line
from burgee.diff.outcomes import Outcome
from burgee.diff.symbolic import Side
from burgee.diff.world import TooMany, World
from burgee.evaluation.bucketing import BUCKETS, layer_salt, threshold
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import owners
from burgee.evaluation.snapshots import payload
from burgee.findings import Code, finding
from burgee.model import Severity
from burgee.review.hash_inputs import described, draws, line_in_words
from burgee.review.stale import arrived, reasons

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from burgee.diff.outcomes import Pair
    from burgee.diff.partial_context import PartialContext
    from burgee.findings import Finding
    from burgee.model import Snapshot

MAX_CASES = 5_000
MAX_PAIRS = 500
"""Pairs of flags that are compared because they share a hash; more are counted."""
LARGE_FLAG_BYTES = 300_000
MAX_RELEASE_BYTES = 4 * 1024 * 1024
NEAR = 0.8
READ_UNIT_BYTES = 4_096
DOLLARS_PER_READ = 0.125e-6
"""The price of an on-demand read request unit (us-east-1, 2026); an eventually consistent read of 4 KB takes half of
one.
"""
READS_PER_MONTH = 100 * 1_000
"""Reads assumed in costs: a hundred releases a month, each read by a thousand Lambda environments."""


class History(NamedTuple):
    """When flags were last edited (epoch seconds), if known, and after how many days they are stale."""

    edited: Mapping[str, float] = {}
    days: int = 30


def hygiene(snapshot: Snapshot, now: float, history: History | None = None) -> list[Finding]:
    """All findings that need no base to compare with, in file order."""
    side = Side(snapshot, now)
    found = faults(side, side.flags, World())
    return [*found, *_stale(side, history or History()), *oversize(None, snapshot)]


def faults(side: Side, flags: Iterable[str], world: World) -> list[Finding]:
    """Unreachable rules, sums over 100 and shared hashes that concern these flags."""
    wanted = dict.fromkeys(name for name in flags if name in side.flags)
    found: list[Finding] = []
    for name in wanted:
        found += starved(side, name, world)
        found += _over_100(side, name)
    found += (one for one in _crowded(side) if one.flag in wanted)
    found += correlated(side, wanted, world)
    return found


def starved(side: Side, name: str, world: World) -> Iterator[Finding]:
    """Rules that no user can reach: no case serves them."""
    rules, state = side.rules(name), side.state(name)
    if state is None or not rules:
        return
    explorer = Explorer(_Reach(side, name), side.terms(name), side.units(name), world, Scope(without_key=True))
    reached: set[str] = set()
    try:
        reached.update(*(spot.pair[0].value.split() for spot in explorer.spots(world.budget(MAX_CASES))))
    except TooMany:
        message = f"{name} has more than {MAX_CASES:,} cases: whether each rule can be reached was not checked"
        yield finding(Code.NOT_EXACT, name, message)
        return
    for index, rule in enumerate(rules):
        parked = rule.share is not None and rule.share.high == 0
        if str(index) not in reached and not parked:
            why = _why(side, name, index, world)
            yield finding(Code.STARVED, name, f'no user can reach {name}\'s rule "{rule.name}": {why}')


class _Reach:
    """Finds the indexes of the rules that can serve, ignoring what keeps users from the rules as a whole."""

    def __init__(self, side: Side, name: str) -> None:
        self.side, self.name = side, name

    def __call__(self, context: PartialContext) -> Pair:
        one = Outcome("rules", " ".join(map(str, self.side.served_rules(self.name, context))))
        return one, one


def _why(side: Side, name: str, index: int, world: World) -> str:
    """Why a rule is unreachable: its condition, the rules before it, or its own share."""
    term = side.terms(name)[index]

    def decide(context: PartialContext) -> Pair:
        one = Outcome(str(context.meets(term)), "null")
        return one, one

    spots = Explorer(decide, [term], side.units(name), world, Scope(without_key=True)).spots(world.budget(MAX_CASES))
    if not any(spot.pair[0].variant == "True" for spot in spots):
        return "no context can meet its condition"
    return (
        "the rules before it take everyone that it matches"
        if index
        else "its share holds none of those that it matches"
    )


def _over_100(side: Side, name: str) -> Iterator[Finding]:
    for owner in owners(side.state(name) or {}):
        weights = owner.outcome.get("split", {})
        total = sum(weights.values())
        if total > 100 and all(weight <= 100 for weight in weights.values()):
            got = ", ".join(f"{arm} {100 * weight / total:.3f} %" for arm, weight in weights.items())
            sum_words = f"{name}: the split of {described(owner)} adds up to {total:g}"
            message = f"{sum_words}: weights are shares of their sum, so {got}"
            yield finding(Code.OVER_100, name, message)


def _crowded(side: Side) -> Iterator[Finding]:
    """Layers whose flags need more users than there are, or the same users."""
    layers: dict[str, list[tuple[int, int, str]]] = {}
    for name in side.flags:
        layer = (side.state(name) or {}).get("layer")
        if layer is not None:
            low, high = map(threshold, layer["range"])
            layers.setdefault(layer["name"], []).append((low, high, name))
    for layer, taken in layers.items():
        total = sum(high - low for low, high, _ in taken)
        for (_, high, one), (low, _, other) in pairwise(sorted(taken)):
            if low < high:
                line = Line(TARGETING_KEY, layer_salt(layer))
                user = next(f"user-{n}" for n in range(1_000_000) if low <= line.bucket(f"user-{n}") < high)
                sum_words = f"together its flags need {total / (BUCKETS // 100):g} % of it"
                message = f"{one} and {other} share part of layer {layer}; {sum_words}"
                yield finding(Code.OVER_100, other, message, {TARGETING_KEY: user})


def correlated(side: Side, wanted: Container[str], world: World) -> Iterator[Finding]:
    """Flags that share a hash line with an earlier one, so that who gets one depends on who gets the other."""
    tried: set[tuple[str, str]] = set()
    left_out: set[tuple[str, str]] = set()
    known: set[str] = set()
    for line, names in _sharing(side).items():
        for pair in combinations(names, 2):
            concerns = pair[0] in wanted or pair[1] in wanted
            if pair[1] in known or pair in tried or not concerns or _apart(side, *pair):
                continue
            if len(tried) >= MAX_PAIRS:
                left_out.add(pair)
                continue
            tried.add(pair)
            for found in _dependent(side, *pair, line, world):
                known |= {pair[1]} if found.code is Code.CORRELATED else set()
                more = [name for name in names if name not in pair]
                also = [f"{wording.names(more)} hash{'es' if len(more) == 1 else ''} it too"] if more else []
                yield replace(found, details=(*found.details, *also))
    if left_out:
        message = f"of {len(tried) + len(left_out):,} pairs of flags that share a hash, {MAX_PAIRS:,} were compared"
        yield finding(Code.NOT_EXACT, None, message)


def _sharing(side: Side) -> Mapping[Line, Mapping[str, None]]:
    """The flags that are on, by the hash lines that they draw from."""
    lines: dict[Line, dict[str, None]] = {}
    for name in side.flags:
        if (side.state(name) or {}).get("status", False) and not side.broken(name):
            for draw in draws(side, name):
                lines.setdefault(draw.line, {})[name] = None
    return lines


def _apart(side: Side, one: str, other: str) -> bool:
    """Whether two flags depend on each other on purpose: by a prerequisite, or by exclusion in a layer."""
    if one in side.family(other) or other in side.family(one):
        return True
    layers = [(side.state(name) or {}).get("layer", {}).get("name") for name in (one, other)]
    return layers[0] is not None and layers[0] == layers[1]


def _dependent(side: Side, one: str, other: str, line: Line, world: World) -> Iterator[Finding]:
    terms = [term for name in (one, other) for part in side.family(name) for term in side.terms(part)]
    units = side.units(one) | side.units(other)
    named = frozenset(user for name in (one, other) for part in side.family(name) for user in side.targets(part))

    def decide(context: PartialContext) -> Pair:
        return side.decide(one, context, 0), side.decide(other, context, 1)

    explorer = Explorer(decide, terms, units, world, Scope(named))
    try:
        for case in explorer.cases(world.budget(MAX_CASES)):
            found = shares(case.node)
            first, second = (_marginal(found.by_pair, index) for index in (0, 1))
            for (mine, theirs), share in sorted(found.by_pair.items(), key=lambda item: str(item[0])):
                alone = first[mine] * second[theirs]
                if share > alone and mine != side.off(one) and theirs != side.off(other):
                    message = (
                        f"{one} and {other} both hash {line_in_words(line)}: {wording.percent(share)} get {mine} of "
                        f"one and {theirs} of the other, where independent flags would give {wording.percent(alone)}"
                    )
                    example = explorer.example(case.known, found.widest[mine, theirs])
                    yield finding(Code.CORRELATED, other, message, example, ["its own `salt` makes it independent"])
                    return
    except TooMany:
        yield finding(Code.NOT_EXACT, other, f"{one} and {other} share a hash in too many cases to compare")
    except Dependent as why:
        yield finding(Code.NOT_EXACT, other, f"{one} and {other} share a hash: {why}")


def _marginal(by_pair: Mapping[Any, Any], index: int) -> dict[Any, Any]:
    sums: dict[Any, Any] = {}
    for pair, share in by_pair.items():
        sums[pair[index]] = sums.get(pair[index], 0) + share
    return sums


def _stale(side: Side, history: History) -> Iterator[Finding]:
    """Flags that can be removed, by last edit; a missing owner counts only if other flags have one."""
    owned = any("owner" in flag for flag in side.flags.values())
    for name in side.flags:
        edited = [history.edited.get(one) for one in side.family(name) if one in side.flags]
        known = [moment for moment in edited if moment is not None]
        since = arrived(side, name, max(known)) if known and len(known) == len(edited) else None
        for one in reasons(side, name, since, history.days):
            stale = finding(Code.STALE, name, f"{name}: {one.message}")
            if one.code != "no-owner":
                yield stale
            elif owned:
                yield replace(stale, severity=Severity.NOTE)


class Size(NamedTuple):
    """The size of a release in bytes, as JSON and as stored, and the cost of reading it in dollars a month."""

    json: int
    stored: int
    monthly: float


def size(snapshot: Snapshot) -> Size:
    """The size of a snapshot, and the cost of reading it at `READS_PER_MONTH`."""
    data = payload(snapshot)
    stored = len(zlib.compress(data, 9))
    units = -(-stored // READ_UNIT_BYTES) / 2
    return Size(len(data), stored, units * READS_PER_MONTH * DOLLARS_PER_READ)


def oversize(before: Snapshot | None, after: Snapshot) -> Iterator[Finding]:
    """Findings on size: a release near its limit, a flag that makes every override large, and sharp growth."""
    new = size(after)
    old = None if before is None else size(before)
    cost = f"{new.json:,} bytes, {new.stored:,} stored; reading it costs about ${new.monthly:,.2f} a month"
    if old is not None:
        cost += f", {new.monthly - old.monthly:+,.2f}"
    if new.json > NEAR * MAX_RELEASE_BYTES:
        message = f"the release nears the limit of {MAX_RELEASE_BYTES:,} bytes: {cost}"
        yield finding(Code.OVERSIZE, None, message)
    elif old is not None and new.json > 2 * old.json and new.json - old.json > 65_536:
        yield finding(Code.OVERSIZE, None, f"the release grows from {old.json:,} bytes to {cost}")
    for name, definition in after["flags"].items():
        length = len(json.dumps(definition, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if length > LARGE_FLAG_BYTES and (before is None or before["flags"].get(name) != definition):
            message = (
                f"{name} takes {length:,} bytes, which every override of it writes and every evaluator reads again; "
                "a condition on an attribute takes a line"
            )
            yield finding(Code.OVERSIZE, name, message)


__all__ = ["History", "Size", "correlated", "hygiene", "oversize", "size", "starved"]
