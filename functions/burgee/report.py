"""The effect of a change on flags as JSON, in the answer to a dry run: as `burgee diff` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.effect import FlagEffect, Move, RegionEffect

MAX_USERS = 100


def record(found: Sequence[FlagEffect]) -> dict[str, Any]:
    """The effect; percentages are of a region's users."""
    return {
        "flags": [
            {
                "name": effect.flag,
                "exact": effect.sample is None,
                "regions": [_region(region) for region in effect.regions],
                "later": [
                    {"at": later.at, "regions": [_region(region) for region in later.regions]}
                    for later in effect.later
                ],
            }
            for effect in found
        ]
    }


def _region(region: RegionEffect) -> dict[str, Any]:
    return {
        "when": region.when,
        "share": None if region.share is None else float(region.share * 100),
        "context": dict(region.context),
        "users": list(region.users[:MAX_USERS]),
        "moves": [_move(move) for move in region.moves],
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "from": move.before.variant,
        "to": move.after.variant,
        "percent": float(move.share * 100),
        "example": None if move.example is None else dict(move.example),
        "loses": move.loses,
    }
