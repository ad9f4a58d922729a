"""A snapshot at one time, whose flags can be evaluated in a partly unknown context.

A walk goes through the list of decisions that the engine compiles (`burgee.evaluation.decisions`): `Side.decide`
takes the same steps as `burgee.evaluation.flag`, but for a `PartialContext`, which knows the truth of some
conditions, some units, and the stretches of hash lines on which the others are. A walk that needs more raises the
question: `Needed` for the truth of a condition, `Straddled` for a narrower stretch of a hash line. The caller
answers it case by case and continues, so that it distinguishes only the cases that some decision distinguishes. On
each part of a hash line a walk continues at the step where it stopped. Stretches are requested before conditions: a
rule's condition does not matter to users outside its share.
"""

from __future__ import annotations

import json
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.diff.hash_lines import line
from burgee.diff.outcomes import ABSENT, BROKEN, NO_UNIT, OFF, Outcome
from burgee.diff.partial_context import RuleMatch, Straddled
from burgee.diff.regions import term
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.decisions import Default, Holdout, Requires, Rule, Status, Targets
from burgee.evaluation.definition import state_at, unit_attribute
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.diff.hash_lines import Line
    from burgee.diff.partial_context import PartialContext
    from burgee.diff.regions import Term
    from burgee.evaluation.decisions import Allocation, Decision, Decisions, Share
    from burgee.evaluation.flag import Flag
    from burgee.model import Definition, Snapshot


class _NoUnit(Exception):  # noqa: N818 - ends a walk: there is no unit to bucket
    pass


_Cut: TypeAlias = "bool | tuple[Line, Sequence[int]]"
"""Whether a share contains every unit or none; else its line, and where the line is cut."""


class Side:
    """One snapshot at one time (epoch seconds)."""

    def __init__(self, snapshot: Snapshot, now: float, flag: Callable[[str], Flag | None] | None = None) -> None:
        self.snapshot = snapshot
        self.flags: Mapping[str, Definition] = snapshot["flags"]
        self.segments: Mapping[str, Any] = snapshot.get("segments", {})
        self.holdouts: Mapping[str, Any] = snapshot.get("holdouts", {})
        self.now = now
        self._states: dict[str, Definition | None] = {}
        self._decisions: dict[str, Decisions | None] = {}
        self._terms: dict[str, list[Term]] = {}
        self._steps: dict[str, list[tuple[Decision, Term | None, int]]] = {}
        self._shares: dict[tuple[str, Share], _Cut] = {}
        self._outcomes: dict[tuple[int, str | None], Outcome] = {}
        self._flag = flag or cache(partial(Ruleset(snapshot).flag, now=now))

    def at(self, now: float) -> Side:
        """The same snapshot at another time."""
        return Side(self.snapshot, now, self._flag)

    def state(self, name: str) -> Definition | None:
        """A flag with its schedule applied; None if there is none."""
        if name not in self._states:
            definition = self.flags.get(name)
            self._states[name] = None if definition is None else state_at(definition, self.now)
        return self._states[name]

    def decisions(self, name: str) -> Decisions | None:
        """The decisions of a flag; None if it is absent or broken."""
        if name not in self._decisions:
            flag = self._flag(name)
            self._decisions[name] = None if flag is None else flag.decisions(self.now)
        return self._decisions[name]

    def broken(self, name: str) -> bool:
        """Whether a flag exists and cannot be served."""
        return name in self.flags and self.decisions(name) is None

    def rules(self, name: str) -> list[Rule]:
        """The rules of a flag that is on."""
        decided = self.decisions(name)
        return [] if decided is None else [step for step in decided.steps if isinstance(step, Rule)]

    def terms(self, name: str) -> list[Term]:
        """The conditions of those rules."""
        if name not in self._terms:
            self._terms[name] = [term(rule.when, self.segments) for rule in self.rules(name)]
        return self._terms[name]

    def family(self, name: str) -> list[str]:
        """A flag and all flags that it requires, directly or not."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = None
                waiting += [entry["flag"] for entry in (self.state(one) or {}).get("requires", ())]
        return list(found)

    def targets(self, name: str) -> Mapping[str, str]:
        """The units in a flag's targets, and the variant of each; empty while it is off."""
        decided = self.decisions(name)
        steps = () if decided is None else decided.steps
        return next((step.variants for step in steps if isinstance(step, Targets)), {})

    def units(self, name: str) -> set[str]:
        """The attributes by which a flag and its requirements are bucketed."""
        states = [self.state(one) for one in self.family(name)]
        return {unit_attribute(state) for state in states if state is not None}

    def off(self, name: str) -> Outcome:
        """The outcome for users outside a flag."""
        decided = self.decisions(name)
        if decided is None:
            return BROKEN if name in self.flags else ABSENT
        return self._outcome(decided, decided.off)

    def decide(self, name: str, context: PartialContext, side: int = 0) -> Outcome:
        """The outcome for such contexts. `side` is the side of the comparison, for `context.seen`."""
        decided = self.decisions(name)
        if decided is None:
            return BROKEN if name in self.flags else ABSENT
        key = self, side, name
        reached = context.reached.get(key, 0)
        if isinstance(reached, Outcome):
            return reached
        try:
            found = self._walk(name, decided, context, side, reached)
        except _NoUnit:
            found = NO_UNIT
        context.reached[key] = found
        return found

    def _walk(self, name: str, decided: Decisions, context: PartialContext, side: int, start: int) -> Outcome:
        off, steps = self._outcome(decided, decided.off), self._conditions(name, decided)
        for at in range(start, len(steps)):
            step, when, index = steps[at]
            try:
                if (
                    isinstance(step, Rule)
                    and when is not None
                    and not self._reaches(step, decided, when, context, RuleMatch(side, name, index))
                ):
                    continue
                found = self._asked(step, decided, context, side)
            except Straddled:
                context.reached[self, side, name] = at
                raise
            if found is not None:
                return off if found is OFF else found
        return off

    def _conditions(self, name: str, decided: Decisions) -> list[tuple[Decision, Term | None, int]]:
        """A flag's steps; a rule's with its condition and its index among the rules."""
        if name not in self._steps:
            rules = enumerate(self.terms(name))
            self._steps[name] = [
                (step, when, index)
                for step in decided.steps
                for index, when in ([next(rules)] if isinstance(step, Rule) else [(0, None)])
            ]
        return self._steps[name]

    def _reaches(self, rule: Rule, decided: Decisions, when: Term, context: PartialContext, match: RuleMatch) -> bool:
        """Whether contexts meet a rule, and are not all outside its share."""
        is_shut = False
        if rule.share is not None:
            is_shut = self._cut(decided.unit, rule.share) is False
            if (
                not is_shut
                and decided.unit not in context.units
                and self._inside(decided, rule.share, context) is False
            ):
                return False
        if not context.meets(when):
            return False
        context.seen[match] = None
        return not is_shut

    def _asked(self, step: Decision, decided: Decisions, context: PartialContext, side: int) -> Outcome | None:
        """The outcome of one decision, OFF for the off variant; None to continue."""
        if isinstance(step, Requires):
            given = self.decide(step.flag, context, side)
            if given in {BROKEN, NO_UNIT}:
                return given
            return None if given.variant == step.variant and not given.is_error else OFF
        if isinstance(step, Targets):
            named = step.variants.get(context.units.get(TARGETING_KEY) or "")
            return None if named is None else self._outcome(decided, named)
        if isinstance(step, Status):
            return OFF
        is_inside = True if step.share is None else self._inside(decided, step.share, context)
        if is_inside is None:
            raise _NoUnit
        if isinstance(step, (Rule, Default)):
            return self._allocated(decided, step.serve, context) if is_inside else None
        return OFF if is_inside is isinstance(step, Holdout) else None

    def _cut(self, unit: str, share: Share) -> _Cut:
        key = unit, share
        if key not in self._shares:
            low, high = share.at(self.now)
            way = share.strategy
            if low <= 0 and high >= BUCKETS:
                self._shares[key] = True
            elif low >= high:
                self._shares[key] = False
            else:
                bounds = [way.cut(one, BUCKETS) for one in (low, high)]
                self._shares[key] = line(unit, share.salt, way), bounds
        return self._shares[key]

    def _inside(self, decided: Decisions, share: Share, context: PartialContext) -> bool | None:
        """Whether a share contains the unit, None without a unit; 0% and 100% need none."""
        cut = self._cut(decided.unit, share)
        if isinstance(cut, bool):
            return cut
        place = context.place(*cut)
        return None if place is None else place == 1

    def _allocated(self, decided: Decisions, serve: Allocation, context: PartialContext) -> Outcome:
        arms = serve.arms
        if arms is None:
            return self._outcome(decided, serve.variants[0])
        bounds = [arms.strategy.cut(one, arms.size) for one in arms.bounds]
        place = context.place(line(decided.unit, arms.salt, arms.strategy, arms.size), bounds)
        if place is None:
            raise _NoUnit
        return self._outcome(decided, serve.variants[place])

    def _outcome(self, decided: Decisions, variant: str | None) -> Outcome:
        key = id(decided), variant
        if key not in self._outcomes:
            # Keys are sorted, because their order is not part of a mapping's value.
            value = None if variant is None else decided.variants[variant]
            self._outcomes[key] = Outcome(variant, json.dumps(value, sort_keys=True))
        return self._outcomes[key]

    def answer(self, name: str, context: Mapping[str, Any]) -> Outcome:
        """The engine's outcome for a context."""
        flag = self._flag(name)
        if flag is None:
            return BROKEN if name in self.flags else ABSENT
        given = flag.evaluate(context, self.now)
        if given.error_code is not None:
            return NO_UNIT if given.error_code is ErrorCode.TARGETING_KEY_MISSING else BROKEN
        return Outcome(given.variant, json.dumps(given.value, sort_keys=True))

    def served_rule(self, name: str, context: PartialContext) -> int | None:
        """The index of the rule that would serve if the flag's rules were reached; None for the default."""
        decided = self.decisions(name)
        for index, (rule, when) in enumerate(zip(self.rules(name), self.terms(name), strict=True)):
            inside = decided is None or rule.share is None or self._inside(decided, rule.share, context)
            if inside is not False and context.meets(when):
                return None if inside is None else index
        return None
