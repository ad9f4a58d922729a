"""What a change does to one flag: regions of users, the moves within each, and what differs later or by guards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from burgee.diff.losses import MoveKind
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from burgee.diff.outcomes import Outcome
    from burgee.guards.plan import GuardPlan


@dataclass(frozen=True, slots=True)
class Move:
    """A share of a region's users that moves from one outcome to another, with an example context.

    `error` is the standard error of a sampled share, None if it is exact. `holdout` says whether these users are in
    the flag's holdouts.
    """

    before: Outcome
    after: Outcome
    share: Fraction
    example: Mapping[str, Any] | None
    kind: MoveKind
    error: float | None = None
    holdout: str = ""

    @property
    def loses(self) -> bool:
        """Whether it is a loss."""
        return self.kind is MoveKind.LOSS


@dataclass(frozen=True, slots=True)
class RegionEffect:
    """The changes where the rules named in `when` match on either side; `context` has such attributes.

    `share` is the share of all users, if known. `users` are those who move, if targets or a condition name them: then
    `unit` is the attribute that names them, and `named` counts all named ones, including those without a change.
    `before` and `after` give every variant's share, including users without a change. `keys` is `client` or `server`
    if the effect depends on the kind of API key. Without `is_certain`, no context of the region was found, nor proved
    impossible: it may be empty.
    """

    when: str
    context: Mapping[str, Any]
    moves: Sequence[Move]
    share: Fraction | None = None
    users: Sequence[str] = ()
    named: int | None = None
    unit: str = TARGETING_KEY
    before: Mapping[str | None, Fraction] = field(default_factory=dict)
    after: Mapping[str | None, Fraction] = field(default_factory=dict)
    keys: str = ""
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """What the change makes different from a time on (RFC 3339); no regions if nothing differs any more.

    With `until`, the difference during a ramp between the two times; shares are those in the middle.
    """

    at: str
    regions: Sequence[RegionEffect]
    until: str | None = None


@dataclass(frozen=True, slots=True)
class GuardStep:
    """What a guard's step to `share` percent changes, and what rolling back from it to the beginning would."""

    share: float
    regions: Sequence[RegionEffect]
    back: Sequence[RegionEffect]

    @property
    def name(self) -> str:
        """The step in words, where other changes have a time."""
        return f"step {self.share:g} %"


@dataclass(frozen=True, slots=True)
class GuardEffect:
    """What a guard changes step by step, in its flag or in one that requires it.

    Other flags are as at the time (RFC 3339) when it begins. `sample` describes the sampling, if any step could not
    be computed.
    """

    plan: GuardPlan
    at: str
    steps: Sequence[GuardStep]
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """The changes of one flag, now, later and by guards. `sample` describes the sampling, if it was not computed."""

    flag: str
    regions: Sequence[RegionEffect]
    later: Sequence[Later] = ()
    sample: str | None = None
    guards: Sequence[GuardEffect] = ()

    def losing(self) -> list[tuple[RegionEffect, Move]]:
        """The losses, now, later or by a guard's step."""
        regions = [*self.all_regions(), *self.step_regions()]
        return [(region, move) for _, region in regions for move in region.moves if move.loses]

    def step_regions(self) -> list[tuple[str, RegionEffect]]:
        """Every region of a guard's step, with the step in words."""
        return [(step.name, region) for guard in self.guards for step in guard.steps for region in step.regions]

    def all_regions(self) -> list[tuple[str, RegionEffect]]:
        """Every region with the time (RFC 3339) from which it holds; empty for now."""
        later = [(one.at, region) for one in self.later for region in one.regions]
        return [*(("", region) for region in self.regions), *later]
