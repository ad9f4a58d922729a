"""All that `burgee diff` found out, as its formats take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burgee.cli import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.effect import FlagEffect, Later, Move, RegionEffect
    from burgee.findings import Finding
    from burgee.hygiene import Size
    from burgee.population import Population

FORMAT = 1
MAX_USERS = 100


@dataclass(frozen=True, slots=True)
class Report:
    """Effects, findings, the sizes of both releases, and the contexts that were counted, if any were."""

    effects: Sequence[FlagEffect]
    findings: Sequence[Finding]
    sizes: tuple[Size, Size]
    population: Population | None = None

    def changed(self, flag: str) -> str:
        """How many of the counted contexts change, as a clause; empty where none were counted."""
        return "" if self.population is None else self.population.clause(flag)


def record(report: Report) -> dict[str, Any]:
    """The report as JSON, as infra/diff.schema.json says; percentages are of a region's users."""
    counted = report.population
    return {
        "format": FORMAT,
        "flags": [_flag(effect, counted) for effect in report.effects],
        "findings": [output.finding_record(one) for one in report.findings],
        "sizes": {
            name: {"bytes": size.json, "stored_bytes": size.stored, "dollars_a_month": round(size.monthly, 6)}
            for name, size in zip(("before", "after"), report.sizes, strict=True)
        },
        "contexts": None if counted is None else counted.record(),
    }


def _flag(effect: FlagEffect, counted: Population | None) -> dict[str, Any]:
    return {
        "name": effect.flag,
        "exact": effect.sample is None,
        "sample": effect.sample,
        "regions": [_region(region, counted, effect.flag) for region in effect.regions],
        "later": [_later(later) for later in effect.later],
    }


def _later(later: Later) -> dict[str, Any]:
    return {"at": later.at, "regions": [_region(region, None, "") for region in later.regions]}


def _region(region: RegionEffect, counted: Population | None, flag: str) -> dict[str, Any]:
    share = region.share
    percent = None if share is None else float(share * 100)
    if percent is None and counted is not None:
        percent = counted.percent_of(flag, region.when)
    return {
        "when": region.when,
        "share": percent,
        "context": dict(region.context),
        "users": list(region.users[:MAX_USERS]),
        "named": len(region.users),
        "moves": [_move(move) for move in region.moves],
    }


def _move(move: Move) -> dict[str, Any]:
    example: Mapping[str, Any] | None = move.example
    return {
        "from": move.before.variant,
        "to": move.after.variant,
        "percent": float(move.share * 100),
        "error": None if move.error is None else 100 * move.error,
        "example": None if example is None else dict(example),
        "loses": move.loses,
    }
