"""A flag as a list of decisions, tried in order until one answers: the only definition of the evaluation order.

Data only: `burgee.evaluation.flag` compiles it to closures, `burgee.diff.symbolic` walks it with a partly known
context. A list holds only the decisions that a definition uses, and its last one always answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.evaluation.bucketing import holdout_salt, layer_salt, threshold
from burgee.evaluation.definition import off_variant, owners, salt, unit_attribute, variants, weights
from burgee.evaluation.hash_strategies import OURS, strategy
from burgee.records import NamedTuple
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.definition import Owner
    from burgee.evaluation.hash_strategies import Arms, Strategy
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
    """Units from bucket `low` to below `high` on the hash line of a salt; a ramp moves its upper limit."""

    salt: str
    low: int
    high: Limit
    strategy: Strategy = OURS

    def at(self, now: float) -> tuple[int, int]:
        """The limits at a time in epoch seconds."""
        high = self.high
        return self.low, high if isinstance(high, int) else high.at(now)


class Allocation(NamedTuple):
    """What is served: the only variant, or the one chosen by a unit's place among `arms`."""

    variants: Sequence[str]
    arms: Arms | None
    is_split: bool
    """Whether the definition has a `split`, even with a single positive weight."""


class Status(NamedTuple):
    """The flag is off: everyone gets the off variant."""

    on: bool = False


class Requires(NamedTuple):
    """Units that do not get `variant` of another flag get the off variant; an error of that flag is the answer."""

    flag: str
    variant: str


class Holdout(NamedTuple):
    """Units inside the share get the off variant."""

    holdout: str
    share: Share


class Layer(NamedTuple):
    """Units outside the share get the off variant."""

    layer: str
    share: Share


class Targets(NamedTuple):
    """Units by targeting key (whatever the flag buckets on), each with its variant."""

    variants: Mapping[str, str]


class Rule(NamedTuple):
    """Serves contexts that meet `when` and fall into the share, if there is one."""

    name: str
    when: Mapping[str, Any]
    share: Share | None
    serve: Allocation


class Default(NamedTuple):
    """Serves all others, or those inside the share; the rest then get the off variant."""

    share: Share | None
    serve: Allocation
    is_static: bool
    """Whether the flag has neither rules nor targets."""


class Decisions(NamedTuple):
    """A flag at one time. `unit` is the bucketed attribute, `off` the off variant (None for no value); the last of
    `steps` always answers.
    """

    variants: Mapping[str, Any]
    off: str | None
    unit: str
    steps: Sequence[Decision]


def decisions(name: str, state: Definition, holdout: Callable[[str], float]) -> Decisions:
    """A state's decisions. `holdout` gives the percentage of a holdout by name.

    Raises KeyError for a holdout or hash that does not exist, ValueError for what a pinned hash cannot do.
    """
    steps = [*_steps(name, state, holdout)] if state.get("status", False) else [Status()]
    return Decisions(variants(state), off_variant(state), unit_attribute(state), steps)


def _steps(name: str, state: Definition, holdout: Callable[[str], float]) -> Sequence[Decision]:
    """Yields decisions in evaluation order. Layers and holdouts never use a pinned hash, as flags share them."""
    steps: list[Decision] = [Requires(entry["flag"], entry["variant"]) for entry in state.get("requires", ())]
    held = state.get("holdout")
    if held is not None:
        steps.append(Holdout(held, Share(holdout_salt(held), 0, threshold(holdout(held)))))
    layer = state.get("layer")
    if layer is not None:
        low, high = map(threshold, layer["range"])
        steps.append(Layer(layer["name"], Share(layer_salt(layer["name"]), low, high)))
    targets = {str(unit): variant for variant, units in state.get("targets", {}).items() for unit in units}
    if targets:
        steps.append(Targets(targets))
    flag, *rules = owners(state)
    pinned = strategy(state.get("hash"))
    for rule in rules:
        own = salt(name, state, rule.settings)
        steps.append(Rule(rule.name, rule.settings["when"], *_served(rule, own, pinned)))
    is_static = not state.get("rules") and not state.get("targets")
    steps.append(Default(*_served(flag, salt(name, state), pinned), is_static))
    return steps


def _served(owner: Owner, own_salt: str, pinned: Strategy) -> tuple[Share | None, Allocation]:
    found = weights(owner.outcome)
    arms = pinned.arms(own_salt, found.values()) if len(found) > 1 else None
    serve = Allocation(tuple(found), arms, "split" in owner.outcome)
    percentage = owner.settings.get("rollout_percentage")
    if percentage is None:
        return None, serve
    if arms is not None and not pinned.has_two_lines:
        raise ValueError(ONE_LINE)
    return Share(own_salt, 0, _limit(percentage), pinned), serve


def _limit(percentage: Any) -> Limit:
    if not isinstance(percentage, dict):
        return threshold(percentage)
    ends = float(percentage["from"]), float(percentage["to"])
    return Ramp(*ends, parse_time(percentage["start"]), parse_time(percentage["end"]))
