"""The hash inputs of flags: which of their decisions use which hash line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.hash_lines import Line, line
from burgee.evaluation.bucketing import BUCKETS, layer_salt, threshold
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import owners, salt, unit_attribute, weights
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
    unit, way = unit_attribute(state), strategy(state.get("hash"))
    for owner in owners(state):
        own_salt = salt(flag, state, owner.settings)
        if _partial(owner.settings.get("rollout_percentage")):
            yield HashedDecision(f"{described(owner)}'s rollout", line(unit, own_salt, way))
        shares = weights(owner.outcome)
        if len(shares) > 1:
            arms = way.arms(own_salt, shares.values())
            yield HashedDecision(f"{described(owner)}'s split", line(unit, arms.salt, arms.strategy, arms.size))


def described(owner: Owner) -> str:
    """An owner in words."""
    return "the default" if owner.rule is None else f'rule "{owner.name}"'


def _partial(percentage: Any) -> bool:
    if isinstance(percentage, dict):
        return True
    return percentage is not None and 0 < threshold(percentage) < BUCKETS


def hash_inputs(side: Side, flag: str) -> dict[str, str]:
    """The hash input of each decision of a flag, as `unit:salt`."""
    found = {draw.owner: line_in_words(draw.line) for draw in draws(side, flag)}
    state = side.state(flag) or {}
    if "layer" in state:
        found["its layer"] = line_in_words(line(unit_attribute(state), layer_salt(state["layer"]["name"]), OURS))
    return found


def line_in_words(line: Line) -> str:
    """A line in words."""
    unit = "user" if line.unit == TARGETING_KEY else line.unit
    hashed = strategy(line.hash).hashed(unit, line.salt)
    return f"`{hashed}`" if line.hash is None else f"`{hashed}` by {line.hash}"
