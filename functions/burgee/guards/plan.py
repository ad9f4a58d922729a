"""The plan of a guarded rollout, read from a released flag: its steps, its groups on the hash line and its metrics.

A unit has one place on the hash line of the guarded share, from 0 to 100 %. A step serves the places below its
percentage. The comparison group is at the end of the line, which no step before the last one reaches:

    0          steps[0]      steps[1]                        100 - comparison          100
    | reached by step 0 | reached by step 1 | ... not yet reached | comparison group |

For those who build on this module: `plan_of` takes a flag's name and a snapshot, because metrics are defined once for
all flags, in the snapshot's `metrics`. `served` makes the definition that an override serves at a step. Exposures
to a guard are records of their own, of flag `guard:NAME` (topic `_guard.NAME`), variant `reached` or `compared`, with
the properties `place` (on the hash line, 0 to 99,999: compare it with `band`) and `share` (the percentage served
then), of units that ask for the flag while an override serves a share (burgee.events.guard_groups); units may be
pseudonyms there, so `place` cannot be computed later (docs/decisions/0035-guards.md). This package imports nothing
heavy: no pydantic.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from burgee.evaluation.bucketing import BUCKETS, threshold
from burgee.evaluation.definition import owners, pinned_hash, salt, unit_attributes
from burgee.evaluation.hash_strategies import strategy
from burgee.records import NamedTuple, dataclass
from burgee.times import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.evaluation.definition import Owner
    from burgee.model import Definition, Snapshot

OnHarm: TypeAlias = Literal["roll_back", "hold"]
Direction: TypeAlias = Literal["increase", "decrease"]

ALPHA = 0.05
MINIMUM = 500
ON_HARM: OnHarm = "roll_back"
DIRECTION: Direction = "increase"


class Group(NamedTuple):
    """Places on the hash line, from `low` to below `high`, 0 to 100,000."""

    low: int
    high: int

    @property
    def share(self) -> float:
        """The share of all units that the guarded share could serve, 0 to 1."""
        return max(self.high - self.low, 0) / BUCKETS


@dataclass(frozen=True, slots=True)
class GuardMetric:
    """A metric that must not get worse than `margin` percent of the comparison group's value.

    `definition` is in the grammar of `metrics:`, as JSON values; `direction` is the better one.
    """

    name: str
    margin: float
    definition: Mapping[str, Any]
    direction: Direction


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """A guard: what it raises, by which steps, and what it watches.

    `rule` is None for the flag's own rollout. `begins` is the share in the file, in percent: the guard begins there,
    and rolls back to it. `steps` and `comparison` are percentages, `hold` milliseconds, `start` epoch milliseconds,
    `approve` the indexes of steps that wait for a person. `unit` is the bucketed attribute; `salt` and `hash` make
    the hash line.
    """

    flag: str
    rule: str | None
    begins: float
    steps: tuple[float, ...]
    hold: int
    minimum: int
    comparison: float
    guardrails: tuple[GuardMetric, ...]
    signals: tuple[GuardMetric, ...]
    alarms: tuple[str, ...]
    on_harm: OnHarm
    start: int | None
    approve: frozenset[int]
    alpha: float
    unit: str
    salt: str
    hash: str | None = None

    @property
    def digest(self) -> str:
        """What the file says about the guard, apart from its flag and the definitions of its metrics."""
        metrics = [[(one.name, one.margin) for one in some] for some in (self.guardrails, self.signals)]
        limits = (self.hold, self.minimum, self.comparison, self.alarms, self.on_harm, self.start, self.alpha)
        said = (self.rule, self.begins, self.steps, sorted(self.approve), metrics, limits)
        return sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def compared(self) -> Group:
        """The comparison group."""
        return Group(BUCKETS - threshold(self.comparison), BUCKETS)

    def band(self, step: int) -> Group:
        """The places that a step reaches first: those that its metrics are measured on."""
        before = self.steps[step - 1] if step else self.begins
        return Group(threshold(before), threshold(self.steps[step]))

    def is_compared(self, step: int) -> bool:
        """Whether a step leaves the comparison group alone; the last step may not, and then only alarms judge it."""
        return self.compared.share > 0 and self.band(step).high <= self.compared.low

    def place(self, unit: str) -> int:
        """The place of a unit on the hash line, 0 to 99,999."""
        return strategy(self.hash).place(BUCKETS)(unit, self.salt)


def plan_of(flag: str, snapshot: Snapshot) -> GuardPlan | None:
    """The guard of a flag in a released snapshot; None if it has none, or if there is no such flag.

    Raises KeyError if the guard names a metric that the snapshot does not define.
    """
    definition = snapshot["flags"].get(flag)
    owner = None if definition is None else guarded(definition)
    if definition is None or owner is None:
        return None
    written = owner.settings["guard"]
    steps = tuple(float(step) for step in written["steps"])
    start = written.get("start")
    metrics = snapshot.get("metrics", {})
    on_line = owner.settings if owner.rule is not None else None
    return GuardPlan(
        flag=flag,
        rule=None if owner.rule is None else owner.name,
        begins=begins(owner),
        steps=steps,
        hold=round(parse_duration(written["hold"]) * 1000),
        minimum=written.get("minimum", MINIMUM),
        comparison=comparison(written),
        guardrails=_metrics(written.get("guardrails", {}), metrics),
        signals=_metrics(written.get("signals", {}), metrics),
        alarms=tuple(written.get("alarms", ())),
        on_harm=written.get("on_harm", ON_HARM),
        start=None if start is None else round(parse_time(start) * 1000),
        approve=frozenset(steps.index(float(step)) for step in written.get("approve", ())),
        alpha=written.get("alpha", ALPHA),
        unit=unit_attributes(definition, on_line)[0],
        salt=salt(flag, definition, on_line),
        hash=pinned_hash(definition, on_line),
    )


def guarded(definition: Definition) -> Owner | None:
    """The owner of a definition's guard: the flag itself, or one of its rules; None without a guard."""
    return next((owner for owner in owners(definition) if "guard" in owner.settings), None)


def begins(owner: Owner) -> float:
    """The share of a guard's owner in the file, in percent; a missing one is all, as in evaluation."""
    share: float = owner.settings.get("rollout_percentage", 100)
    return float(share)


def comparison(guard: Mapping[str, Any]) -> float:
    """The comparison group in percent: as written, or all that no step below 100 % reaches."""
    if "comparison" in guard:
        return float(guard["comparison"])
    return 100 - max((float(step) for step in guard["steps"] if step < 100), default=100.0)


def served(definition: Definition, share: float) -> Definition:
    """A guarded definition with its share set to a percentage, as an override serves it; the rest is unchanged."""
    owner = guarded(definition)
    if owner is None:
        raise ValueError("the definition has no guard")
    return _with_share(definition, owner, share)


def unguarded(definition: Definition) -> Definition:
    """A definition without its guard, at the share that it has."""
    rules = [{key: value for key, value in rule.items() if key != "guard"} for rule in definition.get("rules", ())]
    rest = {key: value for key, value in definition.items() if key != "guard"}
    return {**rest, "rules": rules} if "rules" in definition else rest


def carried(reached: Definition, base: Definition | None, git: Definition) -> Definition | None:
    """Git's changed definition at the share that a guard has reached; None if Git decides about that share itself.

    `reached` is what the guard's override serves, without the guard once that has ended; so is what is returned.
    `base` is Git's definition before the change, if it is known. Git decides if it changed the share, or took it
    away with its rule. Raises ValueError if the share is not known.
    """
    ended = guarded(reached) is None
    before_it = None if base is None else guarded(base)
    owner = (
        guarded(reached)
        or (None if before_it is None else like(before_it, reached))
        or next((one for one in owners(reached) if base is not None and _share(one) != _share(like(one, base))), None)
    )
    if owner is None:
        raise ValueError("which share the guard raised is not known")
    there, before = like(owner, git), None if base is None else like(owner, base)
    share = _share(there)
    if there is None or isinstance(share, dict) or share is None:
        return None
    changed = share > begins(owner) if before is None else share != _share(before)
    if changed:
        return None
    raised = _with_share(git, there, begins(owner))
    return unguarded(raised) if ended else raised


def like(owner: Owner, definition: Definition) -> Owner | None:
    """The owner of the same name in another definition: the flag itself, or a rule; None if it has none."""
    found = (one for one in owners(definition) if (one.rule is None) is (owner.rule is None))
    return next((one for one in found if one.name == owner.name), None)


def _share(owner: Owner | None) -> Any:
    return None if owner is None else owner.settings.get("rollout_percentage")


def _with_share(definition: Definition, owner: Owner, share: float) -> Definition:
    percentage = int(share) if float(share).is_integer() else share
    if owner.rule is None:
        return {**definition, "rollout_percentage": percentage}
    rules: Sequence[Mapping[str, Any]] = definition["rules"]
    raised = {**rules[owner.rule], "rollout_percentage": percentage}
    return {**definition, "rules": [*rules[: owner.rule], raised, *rules[owner.rule + 1 :]]}


def _metrics(written: Mapping[str, Any], metrics: Mapping[str, Any]) -> tuple[GuardMetric, ...]:
    return tuple(
        GuardMetric(name, float(one["margin"]), metrics[name], metrics[name].get("direction", DIRECTION))
        for name, one in written.items()
    )
