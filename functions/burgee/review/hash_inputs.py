"""What flags hash, and where they cut it: which of their decisions are drawn from which line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.symbolic import USER, Line, called
from burgee.evaluation.bucketing import BUCKETS, layer_salt, threshold
from burgee.evaluation.hash_strategies import strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.diff.symbolic import Side


class Draw(NamedTuple):
    """One decision by a hash: whose it is (`the default`, a rule), and the line."""

    owner: str
    line: Line


def draws(side: Side, flag: str) -> Iterator[Draw]:
    """Every rollout and split of a flag that tells users apart; layers and holdouts left out."""
    state = side.state(flag)
    if state is None:
        return
    unit, pinned = state.get("bucket_by", USER), state.get("hash")
    way = strategy(pinned)
    for owner, holder, outcome in owners(state):
        salt = holder.get("salt", state.get("salt", flag))
        if _partial(holder.get("rollout_percentage")):
            yield Draw(f"{owner}'s rollout", Line(unit, salt, pinned, way.resolution(BUCKETS)))
        weights = [weight for weight in outcome.get("split", {}).values() if weight > 0]
        if len(weights) > 1:
            arms = way.arms(salt, weights)
            yield Draw(f"{owner}'s split", Line(unit, arms.salt, pinned, way.resolution(arms.size)))


def owners(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Who decides in a flag: its name in reports, what holds its rollout, and what it serves."""
    yield "the default", state, state.get("default", {})
    for index, rule in enumerate(state.get("rules", ())):
        yield f'rule "{called(rule, index)}"', rule, rule


def _partial(percentage: Any) -> bool:
    if isinstance(percentage, dict):
        return True
    return percentage is not None and 0 < threshold(percentage) < BUCKETS


def hash_inputs(side: Side, flag: str) -> dict[str, str]:
    """What each decision of a flag hashes, as `unit:salt`."""
    found = {draw.owner: told(draw.line) for draw in draws(side, flag)}
    state = side.state(flag) or {}
    if "layer" in state:
        found["its layer"] = told(Line(state.get("bucket_by", USER), layer_salt(state["layer"]["name"])))
    return found


def told(line: Line) -> str:
    """A line in words."""
    unit = "user" if line.unit == USER else line.unit
    hashed = strategy(line.hash).hashed(unit, line.salt)
    return f"`{hashed}`" if line.hash is None else f"`{hashed}` by {line.hash}"
