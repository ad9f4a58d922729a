"""A flag as a list of decisions, tried in order until one answers: the only definition of the evaluation order.

Data only: `burgee.evaluation.flag` compiles it to closures, `burgee.diff.symbolic` walks it with a partly known
context. A list holds only the decisions that a definition uses, and its last one always answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.bucketing import BUCKETS, holdout_salt, layer_salt, threshold
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import (
    is_divided,
    off_variant,
    owners,
    pinned_hash,
    salt,
    unit_attributes,
    variants,
    weights,
    without_unit,
)
from burgee.evaluation.hash_strategies import OURS, strategy
from burgee.records import NamedTuple
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.evaluation.definition import Owner
    from burgee.evaluation.strategy import Arms, Strategy
    from burgee.model import Definition

    Limit: TypeAlias = "int | Ramp"
    Decision: TypeAlias = "Status | Requires | Holdout | Layer | Targets | Rule | Default"

ONE_LINE = "this `hash` uses one line for shares and arms, so a share would hold the users of one arm only"


class Ramp(NamedTuple):
    """Buckets over time: a percentage that moves linearly from `low` to `high` between two times, level outside."""

    low: float
    high: float
    start: float
    end: float

    def at(self, now: float) -> int:
        """How many buckets at a time in epoch seconds."""
        if now <= self.start:
            return threshold(self.low)
        if now >= self.end:
            return threshold(self.high)
        passed = (now - self.start) / (self.end - self.start)
        return threshold(self.low + (self.high - self.low) * passed)


class Share(NamedTuple):
    """Units from bucket `low` to below `high` on the hash line of a salt; a ramp moves its upper limit.

    The unit is the first of the attributes `units` that a context has.
    """

    salt: str
    low: int
    high: Limit
    strategy: Strategy = OURS
    units: tuple[str, ...] = (TARGETING_KEY,)

    def at(self, now: float) -> tuple[int, int]:
        """The limits at a time in epoch seconds."""
        high = self.high
        return self.low, high if isinstance(high, int) else high.at(now)


class Allocation(NamedTuple):
    """What is served: the only variant, or the one chosen by a unit's place among `arms`; None between ranges, where
    units are outside.
    """

    variants: Sequence[str | None]
    arms: Arms | None
    is_split: bool
    """Whether the definition has `ranges` or a `split`, even with a single positive weight."""
    units: tuple[str, ...] = (TARGETING_KEY,)


class Status(NamedTuple):
    """The flag is off: everyone gets the off variant."""

    on: bool = False


class Requires(NamedTuple):
    """Units that do not get one of the variants of another flag (or, if negated, that get one) are refused: by a flag
    with the off variant, by a rule with the next decision. An error of that flag is the answer; a flag that does not
    exist is not met.
    """

    flag: str
    variants: Sequence[str]
    is_negated: bool = False

    def meets(self, variant: str | None) -> bool:
        """Whether units that get this variant are let in."""
        return (variant in self.variants) is not self.is_negated

    @property
    def wanted(self) -> str:
        """The condition on the variant in words."""
        return f"{'not ' if self.is_negated else ''}{' or '.join(self.variants)}"


class Holdout(NamedTuple):
    """Units inside the share get the off variant. Without a unit, the answer is an error unless `without_unit`."""

    holdout: str
    share: Share
    without_unit: str | None = None


class Layer(NamedTuple):
    """Units outside the share get the off variant, contexts without a unit too if `without_unit`."""

    layer: str
    share: Share
    without_unit: str | None = None


class Targets(NamedTuple):
    """Units by targeting key (whatever the flag buckets on), each with its variant."""

    variants: Mapping[str, str]


class Rule(NamedTuple):
    """Serves contexts that meet `when` and `requires`, and fall into the share, if there is one."""

    name: str
    when: Mapping[str, Any]
    share: Share | None
    serve: Allocation
    requires: Sequence[Requires] = ()
    without_unit: str | None = None
    """The variant of contexts without a unit where one is needed, or NEXT to continue; None for an error."""


class Default(NamedTuple):
    """Serves all others, or those inside the share; the rest then get the off variant."""

    share: Share | None
    serve: Allocation
    is_static: bool
    """Whether the flag has neither rules nor targets."""
    without_unit: str | None = None
    """As of a rule, NEXT being the off variant."""


class Decisions(NamedTuple):
    """A flag at one time. `off` is the off variant (None for no value); the last of `steps` always answers."""

    variants: Mapping[str, Any]
    off: str | None
    steps: Sequence[Decision]


def decisions(name: str, state: Definition, holdout: Callable[[str], float]) -> Decisions:
    """A state's decisions. `holdout` gives the percentage of a holdout by name.

    Raises KeyError for a holdout or hash that does not exist, ValueError for what a pinned hash cannot do.
    """
    steps = [*_steps(name, state, holdout)] if state.get("status", False) else [Status()]
    return Decisions(variants(state), off_variant(state), steps)


def _steps(name: str, state: Definition, holdout: Callable[[str], float]) -> Sequence[Decision]:
    """Yields decisions in evaluation order. Layers and holdouts never use a pinned hash, as flags share them."""
    steps: list[Decision] = [*_required(state)]
    units, without = unit_attributes(state), without_unit(state)
    held = state.get("holdout")
    if held is not None:
        steps.append(Holdout(held, Share(holdout_salt(held), 0, threshold(holdout(held)), OURS, units), without))
    layer = state.get("layer")
    if layer is not None:
        low, high = map(threshold, layer["range"])
        steps.append(Layer(layer["name"], Share(layer_salt(layer["name"]), low, high, OURS, units), without))
    targets = {str(unit): variant for variant, units in state.get("targets", {}).items() for unit in units}
    if targets:
        steps.append(Targets(targets))
    flag, *rules = owners(state)
    for rule in rules:
        share, serve = _served(name, state, rule)
        when, own = rule.settings["when"], rule.settings
        steps.append(Rule(rule.name, when, share, serve, [*_required(own)], without_unit(state, own)))
    is_static = not state.get("rules") and not state.get("targets")
    steps.append(Default(*_served(name, state, flag), is_static, without))
    return steps


def _required(settings: Mapping[str, Any]) -> Iterator[Requires]:
    for entry in settings.get("requires", ()):
        is_negated = "variant" not in entry
        found = entry["not_variant" if is_negated else "variant"]
        yield Requires(entry["flag"], (found,) if isinstance(found, str) else tuple(found), is_negated)


def _served(name: str, state: Definition, owner: Owner) -> tuple[Share | None, Allocation]:
    own_salt, units = salt(name, state, owner.settings), unit_attributes(state, owner.settings)
    way = strategy(pinned_hash(state, owner.settings))
    found: Sequence[str | None] = tuple(weights(owner.outcome))
    arms = None
    if "ranges" in owner.outcome:
        found, bounds = _pieces(owner.outcome["ranges"])
        arms = way.ranges(own_salt, bounds) if len(bounds) > 1 else None
    elif is_divided(owner.outcome):
        arms = way.arms(own_salt, weights(owner.outcome).values())
    serve = Allocation(found, arms, "split" in owner.outcome or "ranges" in owner.outcome, units)
    percentage = owner.settings.get("rollout_percentage")
    if percentage is None:
        return None, serve
    if arms is not None and not way.has_two_lines:
        raise ValueError(ONE_LINE)
    return Share(own_salt, 0, _limit(percentage), way, units), serve


def _pieces(ranges: Mapping[str, Sequence[float]]) -> tuple[Sequence[str | None], Sequence[int]]:
    """The whole line in pieces: the variant of each, None where no range is, and where it ends, in buckets."""
    found: list[str | None] = []
    bounds: list[int] = []
    last = 0
    for low, high, variant in sorted((threshold(low), threshold(high), arm) for arm, (low, high) in ranges.items()):
        if low > last:
            found.append(None)
            bounds.append(low)
        found.append(variant)
        bounds.append(high)
        last = high
    if last < BUCKETS:
        found.append(None)
        bounds.append(BUCKETS)
    return found, bounds


class Member(NamedTuple):
    """The share of users that a segment holds: units below bucket `high`; contexts without a unit are not in it."""

    salt: str
    high: int
    strategy: Strategy
    units: tuple[str, ...]


def member(settings: Mapping[str, Any]) -> Member:
    """The share of users that a segment holds, by the settings under its key SHARE."""
    high = threshold(settings["rollout_percentage"])
    return Member(settings["salt"], high, strategy(pinned_hash(settings)), unit_attributes(settings))


def _limit(percentage: Any) -> Limit:
    if not isinstance(percentage, dict):
        return threshold(percentage)
    ends = float(percentage["from"]), float(percentage["to"])
    return Ramp(*ends, parse_time(percentage["start"]), parse_time(percentage["end"]))
