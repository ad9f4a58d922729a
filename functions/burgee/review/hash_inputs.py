"""The hash inputs of flags: which of their decisions use which hash line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.hash_lines import Line, line
from burgee.evaluation.bucketing import BUCKETS, layer_salt, threshold
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.decisions import member
from burgee.evaluation.definition import (
    SHARE,
    is_divided,
    owners,
    pinned_hash,
    salt,
    segments_of,
    unit_attributes,
    weights,
)
from burgee.evaluation.hash_strategies import OURS, strategy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.diff.symbolic import Side
    from burgee.evaluation.definition import Owner


class HashedDecision(NamedTuple):
    """One hashed decision: its owner (the default or a rule), and the line."""

    owner: str
    line: Line


def draws(side: Side, flag: str) -> Iterator[HashedDecision]:
    """Every rollout and split of a flag that distinguishes users, on or off; without layers and holdouts."""
    state = side.state(flag)
    if state is None:
        return
    for owner in owners(state):
        own_salt = salt(flag, state, owner.settings)
        way = strategy(pinned_hash(state, owner.settings))
        arms = None
        if is_divided(owner.outcome):
            shares = weights(owner.outcome).values()
            arms = way.ranges(own_salt, ()) if "ranges" in owner.outcome else way.arms(own_salt, shares)
        for unit in unit_attributes(state, owner.settings):
            if _partial(owner.settings.get("rollout_percentage")):
                yield HashedDecision(f"{described(owner)}'s rollout", line(unit, own_salt, way))
            if arms is not None:
                yield HashedDecision(f"{described(owner)}'s split", line(unit, arms.salt, arms.strategy, arms.size))


def described(owner: Owner) -> str:
    """An owner in words."""
    return "the default" if owner.rule is None else f'rule "{owner.name}"'


def _partial(percentage: Any) -> bool:
    if isinstance(percentage, dict):
        return True
    return percentage is not None and 0 < threshold(percentage) < BUCKETS


def hash_inputs(side: Side, flag: str) -> dict[str, str]:
    """The hash input of each decision of a flag and of each segment that its rules name, as `unit:salt`."""
    found: dict[str, str] = {}
    for owner, drawn in [*draws(side, flag), *_members(side, flag)]:
        words = line_in_words(drawn)
        found[owner] = f"{found[owner]} or {words}" if owner in found else words
    state = side.state(flag) or {}
    if "layer" in state:
        unit = unit_attributes(state)[0]
        found["its layer"] = line_in_words(line(unit, layer_salt(state["layer"]["name"]), OURS))
    return found


def _members(side: Side, flag: str) -> Iterator[HashedDecision]:
    """The shares of segments that a flag's rules name, directly or not."""
    rules = (side.state(flag) or {}).get("rules", ())
    waiting = [name for rule in rules for _, name in segments_of(rule["when"])]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        when = side.segments.get(name, {})
        if name not in seen and SHARE in when:
            share = member(when[SHARE])
            lines = (line(unit, share.salt, share.strategy) for unit in share.units)
            yield from (HashedDecision(f"segment {name}", one) for one in lines)
        waiting += [] if name in seen else [other for _, other in segments_of(when)]
        seen.add(name)


def line_in_words(line: Line) -> str:
    """A line in words."""
    unit = "user" if line.unit == TARGETING_KEY else line.unit
    hashed = strategy(line.hash).hashed(unit, line.salt)
    return f"`{hashed}`" if line.hash is None else f"`{hashed}` by {line.hash}"
