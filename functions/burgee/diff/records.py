"""The effect of a change as JSON, for `burgee diff` (see infra/diff.schema.json) and dry runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from burgee.diff.flag_effect import FlagEffect, GuardEffect, Move, RegionEffect

    Counted: TypeAlias = Callable[[str, str], float | None]

MAX_USERS = 100


def flag_records(found: Sequence[FlagEffect], counted: Counted | None = None) -> list[dict[str, Any]]:
    """Each flag's effect; percentages are of a region's users.

    `counted` returns a region's share, in percent of the counted contexts, if the exact share is unknown.
    """
    return [
        {
            "name": effect.flag,
            "exact": effect.sample is None,
            "sample": effect.sample,
            "regions": [_region(region, effect.flag, counted) for region in effect.regions],
            "later": [
                {
                    "at": later.at,
                    "until": later.until,
                    "regions": [_region(region, effect.flag, None) for region in later.regions],
                }
                for later in effect.later
            ],
            "guards": [_guard(guard, effect.flag) for guard in effect.guards],
        }
        for effect in found
    ]


def _guard(guard: GuardEffect, flag: str) -> dict[str, Any]:
    plan = guard.plan
    return {
        "flag": plan.flag,
        "rule": plan.rule,
        "at": guard.at,
        "begins": plan.begins,
        "hold_seconds": plan.hold / 1000,
        "minimum": plan.minimum,
        "comparison": plan.comparison,
        "steps": [
            {
                "share": step.share,
                "compared": plan.is_compared(index),
                "approve": index in plan.approve,
                "regions": [_region(region, flag, None) for region in step.regions],
                "back": [_region(region, flag, None) for region in step.back],
            }
            for index, step in enumerate(guard.steps)
        ],
    }


def _region(region: RegionEffect, flag: str, counted: Counted | None) -> dict[str, Any]:
    percent = None if region.share is None else float(region.share * 100)
    if percent is None and counted is not None:
        percent = counted(flag, region.when)
    return {
        "when": region.when,
        "keys": region.keys or None,
        "certain": region.is_certain,
        "share": percent,
        "context": dict(region.context),
        "users": list(region.users[:MAX_USERS]),
        "named": len(region.users) if region.named is None else region.named,
        "moves": [_move(move) for move in region.moves],
        "before": _shares(region.before),
        "after": _shares(region.after),
    }


def _shares(shares: Mapping[str | None, Fraction]) -> list[dict[str, Any]]:
    """Every variant's share in percent, users without a change included."""
    return [{"variant": variant, "percent": float(share * 100)} for variant, share in shares.items()]


def _move(move: Move) -> dict[str, Any]:
    return {
        "from": move.before.variant,
        "to": move.after.variant,
        "percent": float(move.share * 100),
        "error": None if move.error is None else 100 * move.error,
        "example": None if move.example is None else dict(move.example),
        "kind": str(move.kind),
        "loses": move.loses,
    }
