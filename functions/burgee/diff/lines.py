"""The effect of a change in lines of plain words, for messages to people; users are counted, not named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.diff import wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.diff.flag_effect import FlagEffect, RegionEffect

NOBODY = "nobody sees a change"


def effect_lines(found: Sequence[FlagEffect]) -> list[str]:
    """For each flag whether anybody loses it, then who moves where, now and later."""
    return [line for effect in found for line in _flag(effect)] or [NOBODY]


def _flag(effect: FlagEffect) -> Iterator[str]:
    yield f"{effect.flag}: {wording.verdict(effect)}"
    for at, region in effect.all_regions():
        yield from _moves(f"from {wording.day(at)}: " if at else "", region, is_later=bool(at))
    for guard in effect.guards:
        yield wording.guard(guard, effect.flag)
    for step, region in effect.step_regions():
        yield from _moves(f"from {step}: ", region, is_later=False)


def _moves(when: str, region: RegionEffect, *, is_later: bool) -> Iterator[str]:
    for move in region.moves:
        share = "" if region.users and move.share == 1 else f"{wording.reach(move, region, is_later)} "
        yield f"{when}{_who(region)}: {share}{wording.change(move, region, is_later)}"


def _who(region: RegionEffect) -> str:
    """The users of a region, without their names: a message leaves the project."""
    keys = f", asking with a {region.keys} key" if region.keys else ""
    if not region.users:
        return f"{region.when}{keys}"
    return f"{len(region.users):,} named users{keys}" if len(region.users) > 1 else f"one named user{keys}"
