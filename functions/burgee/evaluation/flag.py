"""A definition to a decision: steps in the order of the design, each an outcome or a pass to the next.

Compiled once; evaluation does no I/O, reads no clock, and hands out answers that were made beforehand.
Values and metadata are shared between answers: treat them as read-only.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from burgee.evaluation.bucketing import BUCKETS, UNIT_MISSING, Draw, draw, holdout_salt, layer_salt, threshold
from burgee.evaluation.context import TARGETING_KEY, unit_reader
from burgee.evaluation.hash_strategies import OURS, strategy
from burgee.evaluation.rules import as_rule, one
from burgee.model import Evaluation, Reason
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.hash_strategies import Arms, Strategy
    from burgee.evaluation.rules import Condition, Evaluate, Rule
    from burgee.model import Context, Definition

    Limit: TypeAlias = int | Callable[[float], int]
    Outcome: TypeAlias = Evaluation | Draw | Callable[[Context, float], Evaluation | None] | None

BOOLEAN_VARIANTS = {"on": True, "off": False}
ONE_LINE = "a pinned `hash` has one line for shares and arms, so that a share would hold the users of one arm"


class World(Protocol):
    """What a flag may ask of the file that it stands in."""

    def condition(self, when: Mapping[str, Any]) -> Condition:
        """The condition of a rule, one for all rules that say the same."""

    def prerequisite(self, name: str) -> Evaluate | None:
        """How to evaluate another flag; None if there is none."""

    def holdout(self, name: str) -> float:
        """The percentage of a holdout; KeyError if there is none."""

    def line(self, salt: str) -> Callable[[str], int]:
        """The buckets of a salt, hashed once for all flags that share it."""

    def metadata(self) -> Mapping[str, Any]:
        """What every answer carries: the release."""


class Line(NamedTuple):
    """A stretch of a hash line, for explanations: units with `low <= bucket < high` are inside."""

    salt: str
    low: Limit
    high: Limit
    strategy: Strategy = OURS


class Step(NamedTuple):
    """One decision for whom `when` matches: `run` gives the answer, or None to pass on."""

    name: str
    run: Callable[[Context, float], Evaluation | None]
    line: Line | None = None
    when: Condition | None = None
    constant: Evaluation | None = None
    """What `run` gives everybody, where it does."""
    arms: Arms | None = None
    draw: Draw | None = None
    """What `run` is of, where it is a draw."""

    def take(self, context: Context, now: float) -> Evaluation | None:
        """The answer of this step alone."""
        if self.when is not None:
            attribute, matches = self.when.attribute, self.when.matches
            if not matches(context if attribute is None else context.get(attribute)):
                return None
        return self.run(context, now)


class Flag:
    """A compiled flag: its states over time, each a list of steps."""

    __slots__ = ("_starts", "_states", "evaluate", "rules", "static", "timed", "unit")

    def __init__(self, name: str, definition: Definition, world: World) -> None:
        schedule = definition.get("schedule", ())
        self._starts = [parse_time(entry["at"]) for entry in schedule]
        state = {key: value for key, value in definition.items() if key != "schedule"}
        compilers = [_State(name, state, world)]
        for entry in schedule:
            state = {**state, **entry["set"]}
            compilers.append(_State(name, state, world))
        self._states = [compiler.steps() for compiler in compilers]
        self.unit = compilers[0].unit
        self.timed = bool(schedule) or any(compiler.timed for compiler in compilers)
        self.static = self._states[0][0].constant if len(self._states) == len(self._states[0]) == 1 else None
        chains = [_chain(steps) for steps in self._states]
        self.evaluate, self.rules = self._scheduled([evaluate for evaluate, _ in chains]) if schedule else chains[0]

    def steps(self, now: float) -> Sequence[Step]:
        """The steps in force at a time in epoch seconds."""
        return self._states[bisect_right(self._starts, now)]

    def _scheduled(self, chains: Sequence[Evaluate]) -> tuple[Evaluate, Sequence[Rule]]:
        def evaluate(context: Context, now: float) -> Evaluation:
            return chains[bisect_right(self._starts, now)](context, now)

        return evaluate, [as_rule(None, evaluate)]


def _chain(steps: Sequence[Step]) -> tuple[Evaluate, Sequence[Rule]]:
    """Steps as one function and as rules, for a bulk answer; the last always answers."""
    first = [step.run for step in steps[:-1] if step.when is None]
    rules = [as_rule(step.when, step.run, step.draw) for step in steps[len(first) :]]
    decide = one(rules, [step.when for step in steps if step.when is not None])
    if not first:
        return decide, rules

    def evaluate(context: Context, now: float) -> Evaluation:
        for run in first:
            answer = run(context, now)
            if answer is not None:
                return answer
        return decide(context, now)

    return evaluate, [as_rule(None, evaluate)]


class _State:
    """A definition as it stands between two moments of its schedule."""

    def __init__(self, name: str, definition: Definition, world: World) -> None:
        self.definition = definition
        self.world = world
        self.boolean = "variants" not in definition
        self.variants = BOOLEAN_VARIANTS if self.boolean else definition["variants"]
        self.salt = definition.get("salt", name)
        self.strategy = strategy(definition.get("hash"))
        self.attribute = definition.get("bucket_by") or TARGETING_KEY
        self.unit = unit_reader(self.attribute)
        self.timed = "requires" in definition
        rollouts = [owner for owner in (definition, *definition.get("rules", ())) if "rollout_percentage" in owner]
        self.shares = len(rollouts) > 1
        self.common = {**definition.get("metadata", {}), **world.metadata()}
        if "owner" in definition:
            self.common["owner"] = definition["owner"]

    def steps(self) -> Sequence[Step]:
        """Design section 3, line by line; what the definition does not use costs nothing."""
        if not self.definition.get("status", False):
            disabled = self.off(Reason.DISABLED)
            return [_step("status", disabled)]
        return [
            *self.requires(),
            *self.holdout(),
            *self.layer(),
            *self.targets(),
            *(self.rule(index, rule) for index, rule in enumerate(self.definition.get("rules", ()))),
            self.default(),
        ]

    def answer(self, variant: str, reason: Reason, **more: Any) -> Evaluation:
        return Evaluation(self.variants[variant], variant, reason, metadata={**self.common, **more})

    def off(self, reason: Reason, **more: Any) -> Evaluation:
        variant = self.definition.get("off_variant", "off" if self.boolean else None)
        if variant is None:
            return Evaluation(None, None, reason, metadata=self.common)
        return self.answer(variant, reason, **more)

    def requires(self) -> Sequence[Step]:
        unmet = self.off(Reason.DISABLED)
        return [_requirement(entry, self.world, unmet) for entry in self.definition.get("requires", ())]

    def holdout(self) -> Sequence[Step]:
        name = self.definition.get("holdout")
        if name is None:
            return []
        line = Line(holdout_salt(name), 0, threshold(self.world.holdout(name)))
        return [_step(f"holdout {name}", self.gate(line, inside=self.off(Reason.SPLIT), outside=None), line)]

    def layer(self) -> Sequence[Step]:
        layer = self.definition.get("layer")
        if layer is None:
            return []
        low, high = layer["range"]
        line = Line(layer_salt(layer["name"]), threshold(low), threshold(high))
        outside = self.gate(line, inside=None, outside=self.off(Reason.SPLIT))
        return [_step(f"layer {layer['name']}", outside, line)]

    def targets(self) -> Sequence[Step]:
        named = {}
        for variant, users in self.definition.get("targets", {}).items():
            named.update(dict.fromkeys(map(str, users), self.answer(variant, Reason.TARGETING_MATCH)))
        if not named:
            return []
        key = unit_reader(TARGETING_KEY)
        return [Step("targets", lambda context, _now: named.get(key(context) or ""))]

    def rule(self, index: int, rule: Mapping[str, Any]) -> Step:
        name = rule.get("name", f"rule {index + 1}")
        salt = rule.get("salt", self.salt)
        when = self.world.condition(rule["when"])
        arms = self.arms(rule, salt)
        serve = self.outcome(rule, arms, Reason.TARGETING_MATCH, rule=name)
        line = self.line(rule, salt, arms)
        if line is not None:
            serve = self.gate(line, inside=serve, outside=None)
        return _step(name, serve, line, when, arms)

    def default(self) -> Step:
        owner = self.definition.get("default", {})
        arms = self.arms(owner, self.salt)
        line = self.line(self.definition, self.salt, arms)
        plain = Reason.DEFAULT if self.definition.get("rules") or self.definition.get("targets") else Reason.STATIC
        reason = plain if line is None else Reason.SPLIT
        # Marks the arms: holdouts and layers answer by shares as well, and those users are in no experiment.
        arm = {"rule": "default"} if line is not None or "split" in owner else {}
        serve = self.outcome(owner, arms, reason, **arm)
        if line is not None:
            outside = self.off(Reason.SPLIT, **({} if "split" in owner else arm))
            serve = self.gate(line, inside=serve, outside=outside)
        return _step("default", serve, line, arms=arms)

    def line(self, owner: Mapping[str, Any], salt: str, arms: Arms | None) -> Line | None:
        percentage = owner.get("rollout_percentage")
        if percentage is None:
            return None
        if arms is not None and self.strategy is not OURS:
            raise ValueError(ONE_LINE)
        if isinstance(percentage, dict):
            self.timed = True
            return Line(salt, 0, ramp(percentage), self.strategy)
        return Line(salt, 0, threshold(percentage), self.strategy)

    def arms(self, owner: Mapping[str, Any], salt: str) -> Arms | None:
        """The line of a split; None where there is nothing to choose."""
        weights = [weight for weight in owner.get("split", {}).values() if weight > 0]
        return self.strategy.arms(salt, weights) if len(weights) > 1 else None

    def outcome(self, owner: Mapping[str, Any], arms: Arms | None, reason: Reason, **more: Any) -> Outcome:
        """The answer of `serve`, or the function that chooses among the arms of `split`."""
        if "split" not in owner:
            return self.answer(owner.get("serve", "on"), reason, **more)
        answers = [self.answer(arm, Reason.SPLIT, **more) for arm, weight in owner["split"].items() if weight > 0]
        if arms is None:
            return answers[0]
        if self.strategy is OURS:
            return draw(self.attribute, arms.salt, arms.bounds, answers, self.unit)
        unit_of = self.unit

        def choose(context: Context, _now: float) -> Evaluation:
            unit = unit_of(context)
            return UNIT_MISSING if unit is None else answers[bisect_right(arms.bounds, arms.place(unit))]

        return choose

    def gate(self, line: Line, *, inside: Outcome, outside: Evaluation | None) -> Outcome:
        """Whom a stretch of a hash line lets through; a stretch of all or nothing needs no unit and no hash."""
        salt, low, high, way = line
        if isinstance(low, int) and isinstance(high, int):
            if low <= 0 and high >= BUCKETS:
                return inside
            if low >= high:
                return outside
        plain = way is OURS and not self.shares and (inside is None or isinstance(inside, Evaluation))
        if plain and low == 0 and isinstance(high, int):
            return draw(self.attribute, salt, (high, BUCKETS), (inside, outside), self.unit)
        unit_of, place = self.unit, self.world.line(salt) if way is OURS else _pinned(way, salt)
        enter = _run(inside)

        def general(context: Context, now: float) -> Evaluation | None:
            first, last = bound(low, now), bound(high, now)
            if first >= last:
                return outside
            if first > 0 or last < BUCKETS:
                unit = unit_of(context)
                if unit is None:
                    return UNIT_MISSING
                if not first <= place(unit) < last:
                    return outside
            return enter(context, now)

        return general


def _pinned(way: Strategy, salt: str) -> Callable[[str], int]:
    place = way.place(BUCKETS)
    return lambda unit: place(unit, salt)


def _step(
    name: str, outcome: Outcome, line: Line | None = None, when: Condition | None = None, arms: Arms | None = None
) -> Step:
    constant = outcome if isinstance(outcome, Evaluation) else None
    drawn = outcome if isinstance(outcome, Draw) else None
    return Step(name, _run(outcome), line, when, constant, arms, drawn)


def _run(outcome: Outcome) -> Callable[[Context, float], Evaluation | None]:
    if isinstance(outcome, Draw):
        return outcome.run
    if callable(outcome):
        return outcome

    def run(_context: Context, _now: float, answer: Evaluation | None = outcome) -> Evaluation | None:
        return answer

    return run


def bound(limit: Limit, now: float) -> int:
    """A limit of a line at a time: constant, or a ramp's."""
    return limit if isinstance(limit, int) else limit(now)


def _requirement(entry: Mapping[str, str], world: World, unmet: Evaluation) -> Step:
    evaluate = world.prerequisite(entry["flag"])
    variant = entry["variant"]

    def run(context: Context, now: float) -> Evaluation | None:
        if evaluate is None:
            return unmet
        answer = evaluate(context, now)
        if answer.error_code is not None:
            return answer
        return None if answer.variant == variant else unmet

    return Step(f"requires {entry['flag']} = {variant}", run)


def ramp(ramp: Mapping[str, Any]) -> Callable[[float], int]:
    """Buckets over time: linear from `from` to `to` between `start` and `end`, level outside."""
    low, high = float(ramp["from"]), float(ramp["to"])
    start, end = parse_time(ramp["start"]), parse_time(ramp["end"])

    def limit(now: float) -> int:
        passed = min(max((now - start) / (end - start), 0.0), 1.0)
        return threshold(low + (high - low) * passed)

    return limit
