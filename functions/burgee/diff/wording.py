"""Shares, outcomes and contexts in words, the same in every report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from burgee.diff.symbolic import USER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from burgee.diff.effect import FlagEffect, Move, RegionEffect
    from burgee.diff.symbolic import Outcome

MAX_NAMES = 3
LOSS = "somebody loses it"


def percent(share: Fraction) -> str:
    """Three decimals as far as they are exact; more digits where the share has them."""
    exact = share * 100
    return f"{float(exact):.3f} %" if (exact * 1000).denominator == 1 else f"{float(exact):.6f} %"


def share_of(move: Move) -> str:
    """A move's share, with its error where it was drawn."""
    if move.error is None:
        return percent(move.share)
    return f"{float(move.share * 100):.1f} % ± {200 * move.error:.1f}"


def arrow(move: Move) -> str:
    """From what to what; with the values where only they differ."""
    told = f"{move.before} -> {move.after}"
    if move.before.variant == move.after.variant:
        told += f" ({_value(move.before)} -> {_value(move.after)})"
    return told


def _value(outcome: Outcome) -> str:
    return outcome.value if len(outcome.value) <= 40 else outcome.value[:37] + "..."


def moves(region: RegionEffect) -> str:
    """All moves of a region in one phrase."""
    if region.users and all(move.share == 1 for move in region.moves):
        return "; ".join(arrow(move) for move in region.moves)
    return "; ".join(f"{share_of(move)} {arrow(move)}" for move in region.moves)


def whom(region: RegionEffect) -> str:
    """Whom a region means; named users by their names."""
    if not region.users:
        return region.when
    return f"{names(region.users)}, {region.when.removeprefix('users ')}"


def names(users: Sequence[str]) -> str:
    """A few names, and how many more."""
    more = len(users) - MAX_NAMES
    return ", ".join(users[:MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def such(context: Mapping[str, Any] | None) -> str:
    """A context in words: the user, and the attributes that matter."""
    told = [
        value if path == USER and isinstance(value, str) else f"{path} = {json.dumps(value, ensure_ascii=False)}"
        for path, value in (context or {}).items()
    ]
    return ", ".join(told)


def verdict(effect: FlagEffect) -> str:
    """Whether anybody loses what they had, and when the change shows."""
    if effect.sample:
        return f"{LOSS}; not exact" if effect.losing() else "not exact"
    if effect.losing():
        return LOSS
    return "nobody loses it" if effect.regions else "nothing changes yet"
