"""The limits of agents' proposals (`review: agents:` of the released file), and whether an effect is within them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from burgee.diff.wording import percent
from burgee.evaluation.context import TARGETING_KEY
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.diff.flag_effect import FlagEffect, RegionEffect

EVERYONE = 100
"""Percent."""
MAX_NAMED = 20
"""Users that a proposal may move by name where the limit is a share: their share of all users is unknown."""


class Limits(NamedTuple):
    """What proposals of agents may change: at most a share of users (in percent), and losses or none."""

    max_share: float | None = None
    losses: bool = True

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> Limits:
        """The limits in a release; none if it has none."""
        return cls(**snapshot.get("agents", {}))


def excess(limits: Limits, effects: Sequence[FlagEffect]) -> str | None:
    """Why an effect is not within the limits; None if it is. What is not known exactly is not within them."""
    for effect in effects:
        if limits == Limits():
            return None
        if effect.sample is not None:
            return f"the effect on {effect.flag} could not be computed exactly, and agents have limits here"
        losing = effect.losing()
        if not limits.losses and losing:
            region, move = losing[0]
            lost = f"{percent(move.share)} of {region.when} would lose something"
            return f"{effect.flag}: {lost}; agents may take nothing away"
        if limits.max_share is not None:
            for at, regions, already in _moments(effect):
                named = {user for region in regions if region.unit == TARGETING_KEY for user in region.users}
                if limits.max_share < EVERYONE and len(named) > MAX_NAMED:
                    return (
                        f"{effect.flag}: the answer of {len(named):,} named users would change; {MAX_NAMED} at most"
                    )
                most = min(Fraction(1), already + largest_share(regions))
                if most > Fraction(str(limits.max_share)) / 100:
                    when = f" at {at}" if at else ""
                    return (
                        f"{effect.flag}: the answer of up to {percent(most)} of users would change{when}; "
                        f"agents may change that of {limits.max_share:g} % at most"
                    )
    return None


def largest_share(regions: Iterable[RegionEffect]) -> Fraction:
    """The largest share of all users whose answer changes at one time, however the users are distributed.

    Regions are disjoint. Where the share of a region is unknown, the rest of the users may all be in the one that
    changes most. Named users are single people, who make no share; a named company may be everyone.
    """
    known = rest = most = Fraction(0)
    for region in regions:
        if region.users and region.unit == TARGETING_KEY:
            continue
        moved = sum((move.share for move in region.moves), Fraction(0))
        if region.share is None:
            most = max(most, moved)
        else:
            known += region.share * moved
            rest += region.share
    return min(Fraction(1), known + max(Fraction(0), 1 - rest) * most)


def _moments(effect: FlagEffect) -> Iterator[tuple[str, Sequence[RegionEffect], Fraction]]:
    """When something changes, what, and the share of users whose answer may have changed already."""
    none = Fraction(0)
    yield "", effect.regions, none
    for later in effect.later:
        yield later.at, later.regions, none
    for guard in effect.guards:
        for step in guard.steps:
            # What rolling back from a step would change, the guard has changed since it began.
            yield step.name, step.back, largest_share(effect.regions)
