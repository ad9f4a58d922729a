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
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from burgee.diff.hash_lines import line
from burgee.diff.outcomes import ABSENT, BROKEN, NO_UNIT, OFF, Outcome
from burgee.diff.partial_context import RuleMatch, Straddled
from burgee.diff.regions import members_of, term
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.decisions import Default, Holdout, Layer, Requires, Rule, Status, Targets
from burgee.evaluation.definition import NEXT, owners, requirements, state_at, unit_attributes
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.diff.hash_lines import Line
    from burgee.diff.partial_context import PartialContext
    from burgee.diff.regions import Term
    from burgee.evaluation.decisions import Allocation, Decision, Decisions, Member, Share
    from burgee.evaluation.flag import Flag
    from burgee.model import Definition, Snapshot


class _NoUnit(Exception):  # noqa: N818 - a result: there is no unit to bucket
    pass


_Cut: TypeAlias = "bool | tuple[Line, Sequence[int]]"
"""Whether a share contains every unit or none; else its line, and where the line is cut."""
_Shares: TypeAlias = "Rule | Default | Holdout | Layer"


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
        self._shares: dict[tuple[str, Share], tuple[Line, Sequence[int]]] = {}
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
                waiting += [entry["flag"] for _, entry in requirements(self.state(one) or {})]
        return list(found)

    def targets(self, name: str) -> Mapping[str, str]:
        """The units in a flag's targets, and the variant of each; empty while it is off."""
        decided = self.decisions(name)
        steps = () if decided is None else decided.steps
        return next((step.variants for step in steps if isinstance(step, Targets)), {})

    def units(self, name: str) -> set[str]:
        """The attributes by which a flag and its requirements are bucketed."""
        states = [state for one in self.family(name) if (state := self.state(one)) is not None]
        found = [unit_attributes(state, owner.settings) for state in states for owner in owners(state)]
        found += [member.units for member in self.members(name)]
        return {path for paths in found for path in paths}

    def members(self, name: str) -> list[Member]:
        """The segments' shares in the rules of a flag and of all that it requires."""
        return [member for one in self.family(name) for term in self.terms(one) for member in members_of(term)]

    def answers_without_key(self, name: str) -> bool:
        """Whether a flag, or one that it requires, divides users and answers contexts without a targeting key too."""
        decided = [self.decisions(one) for one in self.family(name)]
        steps = [step for one in decided if one is not None for step in one.steps if isinstance(step, _DIVIDING)]
        if any(TARGETING_KEY in member.units for member in self.members(name)):
            return True
        return any(
            TARGETING_KEY in units[:-1] or (TARGETING_KEY in units and step.without_unit is not None)
            for step in steps
            for units in _units(step)
        )

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
        context.reached[key] = found = self._walk(name, decided, context, side, reached)
        return found

    def _walk(self, name: str, decided: Decisions, context: PartialContext, side: int, start: int) -> Outcome:
        off, steps = self._outcome(decided, decided.off), self._conditions(name, decided)
        for at in range(start, len(steps)):
            step, when, index = steps[at]
            try:
                if (
                    isinstance(step, Rule)
                    and when is not None
                    and not self._reaches(step, when, context, RuleMatch(side, name, index))
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

    def _reaches(self, rule: Rule, when: Term, context: PartialContext, match: RuleMatch) -> bool:
        """Whether contexts meet a rule, and are not all outside its share."""
        is_shut = False
        if rule.share is not None and not rule.requires:  # an error of a required flag also reaches those outside
            is_shut = self._is_shut(rule.share)
            if (
                not is_shut
                and context.units.keys().isdisjoint(rule.share.units)
                and self._inside(rule.share, context) is False
            ):
                return False
        if not context.meets(when):
            return False
        context.seen[match] = None
        return not is_shut

    def _asked(self, step: Decision, decided: Decisions, context: PartialContext, side: int) -> Outcome | None:
        """The outcome of one decision, OFF for the off variant; None to continue."""
        if isinstance(step, Requires):
            found = self._required(step, context, side)
            return OFF if found is False else None if found is True else found
        if isinstance(step, Targets):
            named = step.variants.get(context.units.get(TARGETING_KEY) or "")
            return None if named is None else self._outcome(decided, named)
        if isinstance(step, Status):
            return OFF
        if isinstance(step, Rule):
            for required in step.requires:
                found = self._required(required, context, side)
                if found is not True:
                    return found or None
        try:
            variant = self._divided(step, context)
        except _NoUnit:
            return self._without_unit(step, decided)
        return None if variant is None else OFF if variant is False else self._outcome(decided, variant)

    def _required(self, required: Requires, context: PartialContext, side: int) -> Outcome | bool:
        """Whether a requirement is met; an error of the required flag is returned."""
        given = self.decide(required.flag, context, side)
        if given in {BROKEN, NO_UNIT}:
            return given
        return not given.is_error and required.meets(given.variant)

    def _divided(self, step: _Shares, context: PartialContext) -> str | Literal[False] | None:
        """The variant that a decision by shares serves, False for the off variant; None to continue. Raises _NoUnit
        where it needs a unit and there is none.
        """
        is_inside = True if step.share is None else self._inside(step.share, context)
        if is_inside is None:
            raise _NoUnit
        if isinstance(step, (Rule, Default)):
            return self._allocated(step.serve, context) if is_inside else None
        return False if is_inside is isinstance(step, Holdout) else None

    def _without_unit(self, step: _Shares, decided: Decisions) -> Outcome | None:
        if step.without_unit is None:
            return NO_UNIT
        if isinstance(step, (Rule, Default)):
            return None if step.without_unit == NEXT else self._outcome(decided, step.without_unit)
        return None if isinstance(step, Holdout) else OFF

    def _is_shut(self, share: Share) -> bool:
        """Whether a share contains no unit."""
        low, high = share.at(self.now)
        return low >= high

    def _cut(self, share: Share, context: PartialContext) -> _Cut:
        low, high = share.at(self.now)
        if low <= 0 and high >= BUCKETS:
            return True
        if low >= high:
            return False
        way = share.strategy
        key = context.first_unit(share.units, of_value=way.takes_values), share
        if key not in self._shares:
            bounds = [way.cut(one, BUCKETS) for one in (low, high)]
            self._shares[key] = line(key[0], share.salt, way), bounds
        return self._shares[key]

    def _inside(self, share: Share, context: PartialContext) -> bool | None:
        """Whether a share contains the unit, None without a unit; 0% and 100% need none."""
        cut = self._cut(share, context)
        if isinstance(cut, bool):
            return cut
        place = context.place(*cut)
        return None if place is None else place == 1

    def _allocated(self, serve: Allocation, context: PartialContext) -> str | None:
        arms = serve.arms
        place: int | None = 0
        if arms is not None:
            way = arms.strategy
            bounds = [way.cut(one, arms.size) for one in arms.bounds]
            path = context.first_unit(serve.units, of_value=way.takes_values)
            place = context.place(line(path, arms.salt, way, arms.size), bounds)
        if place is None:
            raise _NoUnit
        return serve.variants[place]

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

    def served_rules(self, name: str, context: PartialContext) -> list[int]:
        """The indexes of the rules that can serve if the flag's rules are reached: the first that serves, and those
        before it that require other flags, which may be met.
        """
        found: list[int] = []
        for index, (rule, when) in enumerate(zip(self.rules(name), self.terms(name), strict=True)):
            if not self._reaches(rule, when, context, RuleMatch(0, name, index)):
                continue
            try:
                served = self._divided(rule, context)
            except _NoUnit:
                if rule.without_unit == NEXT:
                    continue
                return found if rule.without_unit is None else [*found, index]
            if served is not None:
                found.append(index)
                if not rule.requires:
                    return found
        return found


_DIVIDING = (Rule, Default, Holdout, Layer)


def _units(step: _Shares) -> list[tuple[str, ...]]:
    """The attributes that a decision hashes the first of, for its share and its arms."""
    found = [] if step.share is None else [step.share.units]
    return [*found, step.serve.units] if isinstance(step, (Rule, Default)) and step.serve.arms else found
