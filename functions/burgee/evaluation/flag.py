"""Compiles a definition's list of decisions (`burgee.evaluation.decisions`) to closures.

Compiled once; evaluation does no I/O, reads no clock, and returns prepared answers. Values and metadata are shared
between answers: treat them as read-only.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from burgee.evaluation.bucketing import BUCKETS, Draw, Unit, draw, unit_missing
from burgee.evaluation.context import TARGETING_KEY, unit_reader, value_reader
from burgee.evaluation.decisions import Default, Holdout, Layer, Requires, Rule, Status, Targets, decisions
from burgee.evaluation.definition import DEFAULT_RULE, NEXT, states
from burgee.evaluation.hash_strategies import OURS
from burgee.evaluation.rules import as_rule, one
from burgee.model import Evaluation, Reason
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.evaluation.decisions import Allocation, Decisions, Share
    from burgee.evaluation.rules import CompiledRule, Condition, Evaluate
    from burgee.evaluation.strategy import Arms, Strategy
    from burgee.model import Context, Definition

    Answering: TypeAlias = Evaluation | Draw | Callable[[Context, float], Evaluation | None] | None
    """An answer for everyone, a function that finds one, or None to continue with the next decision."""


class FlagNeeds(Protocol):
    """What a flag needs from the file that contains it."""

    def condition(self, when: Mapping[str, Any]) -> Condition:
        """The compiled condition of a rule, shared by all rules with the same condition."""

    def prerequisite(self, name: str) -> Evaluate | None:
        """A function that evaluates another flag; None if there is no such flag."""

    def holdout(self, name: str) -> float:
        """The percentage of a holdout; KeyError if there is none."""

    def line(self, salt: str) -> Callable[[str], int]:
        """The buckets of a salt, hashed once for all flags that share it."""

    def metadata(self) -> Mapping[str, Any]:
        """What every answer carries: the release."""


class Prerequisite(NamedTuple):
    """A required flag, and its evaluation; None if there is no such flag."""

    required: Requires
    evaluate: Evaluate | None

    def check(self, context: Context, now: float) -> Evaluation | bool:
        """Whether it is met; an error of the required flag is returned."""
        if self.evaluate is None:
            return False
        answer = self.evaluate(context, now)
        return self.required.meets(answer.variant) if answer.error_code is None else answer


class Step(NamedTuple):
    """One decision as a function: for contexts that meet `when`, `run` returns an answer, or None to continue."""

    name: str
    run: Callable[[Context, float], Evaluation | None]
    share: Share | None = None
    when: Condition | None = None
    constant: Evaluation | None = None
    """The answer of `run`, if it is the same for everyone."""
    arms: Arms | None = None
    draw: Draw | None = None
    """The draw behind `run`, if it is one."""
    units: tuple[str, ...] = ()
    """The attributes whose first is hashed."""
    requires: Sequence[Prerequisite] = ()

    def take(self, context: Context, now: float) -> Evaluation | None:
        """The answer of this step on its own."""
        if self.when is not None:
            attribute, matches = self.when.attribute, self.when.matches
            if not matches(context if attribute is None else context.get(attribute)):
                return None
        return self.run(context, now)


class Flag:
    """A compiled flag: its states over time, each with its decisions and the steps compiled from them."""

    __slots__ = ("_decisions", "_starts", "_steps", "evaluate", "rules", "static", "timed")

    def __init__(self, name: str, definition: Definition, world: FlagNeeds) -> None:
        found = states(definition)
        self._starts = [since for since, _ in found[1:]]
        self._decisions = [decisions(name, state, world.holdout) for _, state in found]
        self._steps = [
            _Compiler(decided, state, world).steps()
            for decided, (_, state) in zip(self._decisions, found, strict=True)
        ]
        self.timed = bool(self._starts) or _is_timed(self._decisions[0])
        self.static = self._steps[0][0].constant if len(self._steps) == len(self._steps[0]) == 1 else None
        chains = [_chain(steps) for steps in self._steps]
        self.evaluate, self.rules = self._scheduled([one for one, _ in chains]) if self._starts else chains[0]

    def decisions(self, now: float) -> Decisions:
        """The decisions at a time in epoch seconds."""
        return self._decisions[bisect_right(self._starts, now)]

    def steps(self, now: float) -> Sequence[Step]:
        """The compiled steps at a time in epoch seconds."""
        return self._steps[bisect_right(self._starts, now)]

    def _scheduled(self, chains: Sequence[Evaluate]) -> tuple[Evaluate, Sequence[CompiledRule]]:
        starts = self._starts

        def evaluate(context: Context, now: float) -> Evaluation:
            return chains[bisect_right(starts, now)](context, now)

        return evaluate, [as_rule(None, evaluate)]


def _is_timed(decided: Decisions) -> bool:
    """Whether answers depend on the clock, here or in a required flag."""
    for step in decided.steps:
        if isinstance(step, Requires) or (isinstance(step, Rule) and step.requires):
            return True
        if isinstance(step, (Rule, Default)) and step.share is not None and not isinstance(step.share.high, int):
            return True
    return False


def _chain(steps: Sequence[Step]) -> tuple[Evaluate, Sequence[CompiledRule]]:
    """Steps as one function, and as rules for bulk evaluation; the last always answers."""
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


class _Compiler:
    """Compiles the decisions of one state to steps."""

    def __init__(self, decided: Decisions, state: Definition, world: FlagNeeds) -> None:
        self.decided = decided
        self.world = world
        shares = [step for step in decided.steps if isinstance(step, (Rule, Default)) and step.share is not None]
        self.shares_meet = len(shares) > 1
        self.common = {**state.get("metadata", {}), **world.metadata()}
        if "owner" in state:
            self.common["owner"] = state["owner"]
        if decided.off is not None:
            decided.variants[decided.off]  # the off variant must exist, even if no decision serves it

    def steps(self) -> Sequence[Step]:
        """Compiles each decision, in order."""
        return [_COMPILERS[type(decision)](self, decision) for decision in self.decided.steps]

    def answer(self, variant: str, reason: Reason, **more: Any) -> Evaluation:
        return Evaluation(self.decided.variants[variant], variant, reason, metadata={**self.common, **more})

    def off(self, reason: Reason, **more: Any) -> Evaluation:
        variant = self.decided.off
        if variant is None:
            return Evaluation(None, None, reason, metadata=self.common)
        return self.answer(variant, reason, **more)

    def status(self, _status: Status) -> Step:
        return _step("status", self.off(Reason.DISABLED))

    def requires(self, required: Requires) -> Step:
        prerequisite, unmet = self.prerequisite(required), self.off(Reason.DISABLED)
        check = prerequisite.check

        def run(context: Context, now: float) -> Evaluation | None:
            found = check(context, now)
            return None if found is True else found or unmet

        return Step(f"requires {required.flag} = {required.wanted}", run, requires=[prerequisite])

    def prerequisite(self, required: Requires) -> Prerequisite:
        return Prerequisite(required, self.world.prerequisite(required.flag))

    def holdout(self, held: Holdout) -> Step:
        missing = unit_missing(*held.share.units) if held.without_unit is None else None
        gate = self.gate(held.share, inside=self.off(Reason.SPLIT), outside=None, missing=missing)
        return _step(f"holdout {held.holdout}", gate, held.share)

    def layer(self, layer: Layer) -> Step:
        outside = self.off(Reason.SPLIT)
        missing = unit_missing(*layer.share.units) if layer.without_unit is None else outside
        gate = self.gate(layer.share, inside=None, outside=outside, missing=missing)
        return _step(f"layer {layer.layer}", gate, layer.share)

    def targets(self, targets: Targets) -> Step:
        variants = dict.fromkeys(targets.variants.values())
        answers = {variant: self.answer(variant, Reason.TARGETING_MATCH) for variant in variants}
        named = {unit: answers[variant] for unit, variant in targets.variants.items()}
        key = unit_reader(TARGETING_KEY)
        return Step("targets", lambda context, _now: named.get(key(context) or ""))

    def rule(self, rule: Rule) -> Step:
        when = self.world.condition(rule.when)
        missing = self.missing(rule, Reason.TARGETING_MATCH, outside=None, rule=rule.name)
        serve = self.allocate(rule.serve, Reason.TARGETING_MATCH, outside=None, missing=missing, rule=rule.name)
        if rule.share is not None:
            serve = self.gate(rule.share, inside=serve, outside=None, missing=missing)
        if not rule.requires:
            return _step(rule.name, serve, rule.share, when, rule.serve)
        prerequisites = [self.prerequisite(required) for required in rule.requires]
        enter = _run(serve)

        def run(context: Context, now: float) -> Evaluation | None:
            for prerequisite in prerequisites:
                found = prerequisite.check(context, now)
                if found is not True:
                    return found or None
            return enter(context, now)

        return _step(rule.name, run, rule.share, when, rule.serve)._replace(requires=prerequisites)

    def missing(
        self, step: Rule | Default, reason: Reason, *, outside: Evaluation | None, **more: Any
    ) -> Evaluation | None:
        """The answer of a rule or the default for contexts without a unit; None to continue."""
        if step.without_unit is None:
            return unit_missing(*step.serve.units)
        return outside if step.without_unit == NEXT else self.answer(step.without_unit, reason, **more)

    def default(self, default: Default) -> Step:
        share, serve = default.share, default.serve
        plain = Reason.STATIC if default.is_static else Reason.DEFAULT
        # Marks arms only: holdouts and layers answer by shares too, but those users are in no experiment.
        arm = {"rule": DEFAULT_RULE} if share is not None or serve.is_split else {}
        # If no unit is inside and nothing is served outside, no hash is needed: callers use their own default.
        nothing = share is not None and share.high == 0 and self.decided.off is None
        outside = self.off(Reason.DEFAULT if nothing else Reason.SPLIT, **({} if serve.is_split else arm))
        missing = self.missing(default, Reason.DEFAULT, outside=outside)
        reason = plain if share is None else Reason.SPLIT
        answering = self.allocate(serve, reason, outside=outside, missing=missing, **arm)
        if share is not None:
            answering = self.gate(share, inside=answering, outside=outside, missing=missing)
        return _step("default", answering, share, serve=serve)

    def allocate(
        self,
        serve: Allocation,
        reason: Reason,
        *,
        outside: Evaluation | None,
        missing: Evaluation | None,
        **more: Any,
    ) -> Answering:
        """The answer of `serve`, or a function that chooses among the arms; between ranges `outside`."""
        reason = Reason.SPLIT if serve.is_split else reason
        answers = [outside if variant is None else self.answer(variant, reason, **more) for variant in serve.variants]
        arms = serve.arms
        if arms is None:
            return answers[0]
        unit_of = _unit_reader(arms.strategy, serve.units)
        if arms.strategy is OURS:
            return draw(Unit(serve.units[0], unit_of, missing), arms.salt, arms.bounds, answers)

        def choose(context: Context, _now: float) -> Evaluation | None:
            unit = unit_of(context)
            return missing if unit is None else answers[bisect_right(arms.bounds, arms.place(unit))]

        return choose

    def gate(
        self, share: Share, *, inside: Answering, outside: Evaluation | None, missing: Evaluation | None
    ) -> Answering:
        """Applies a share; 0% and 100% need no unit and no hash."""
        salt, low, high, way, units = share
        if isinstance(high, int):
            if low <= 0 and high >= BUCKETS:
                return inside
            if low >= high:
                return outside
        plain = way is OURS and not self.shares_meet and (inside is None or isinstance(inside, Evaluation))
        unit_of = _unit_reader(way, units)
        if plain and low == 0 and isinstance(high, int):
            return draw(Unit(units[0], unit_of, missing), salt, (high, BUCKETS), (inside, outside))
        place = self.world.line(salt) if way is OURS else _pinned(way, salt)
        enter = _run(inside)

        def general(context: Context, now: float) -> Evaluation | None:
            first, last = share.at(now)
            if first >= last:
                return outside
            if first > 0 or last < BUCKETS:
                unit = unit_of(context)
                if unit is None:
                    return missing
                if not first <= place(unit) < last:
                    return outside
            return enter(context, now)

        return general


_COMPILERS: Mapping[type, Callable[[_Compiler, Any], Step]] = {
    Status: _Compiler.status,
    Requires: _Compiler.requires,
    Holdout: _Compiler.holdout,
    Layer: _Compiler.layer,
    Targets: _Compiler.targets,
    Rule: _Compiler.rule,
    Default: _Compiler.default,
}


def _unit_reader(way: Strategy, units: tuple[str, ...]) -> Callable[[Context], str | None]:
    return value_reader(*units) if way.takes_values else unit_reader(*units)


def _pinned(way: Strategy, salt: str) -> Callable[[str], int]:
    place = way.place(BUCKETS)
    return lambda unit: place(unit, salt)


def _step(
    name: str,
    found: Answering,
    share: Share | None = None,
    when: Condition | None = None,
    serve: Allocation | None = None,
) -> Step:
    constant = found if isinstance(found, Evaluation) else None
    drawn = found if isinstance(found, Draw) else None
    hashing = share if serve is None else serve
    units = () if hashing is None else hashing.units
    return Step(name, _run(found), share, when, constant, serve and serve.arms, drawn, units)


def _run(found: Answering) -> Callable[[Context, float], Evaluation | None]:
    if isinstance(found, Draw):
        return found.run
    if callable(found):
        return found

    def run(_context: Context, _now: float, answer: Evaluation | None = found) -> Evaluation | None:
        return answer

    return run
