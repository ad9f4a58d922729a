"""The verdict: one sentence that a product manager understands and a statistician signs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.flagfile.experiments import Method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.health import Check
    from burgee.analysis.plans import Plan
    from burgee.analysis.stats.estimates import Estimate

DAY = 86_400_000


class Decision(StrEnum):
    """What may be done."""

    WITHHELD = "withheld"
    WAIT = "wait"
    BETTER = "better"
    GUARDRAIL = "better, but a guardrail is open"
    WORSE = "worse"
    NOTHING = "no difference found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided, and the sentence that says it with its risk."""

    decision: Decision
    sentence: str
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A primary metric of one treatment. `unmet` are the guardrails not shown to hold."""

    arm: str
    metric: str
    estimate: Estimate
    found: bool
    good: bool | None
    unmet: Sequence[str]


def judge(
    plan: Plan, outcomes: Sequence[Outcome], units: Mapping[str, int], until: int, bad: Sequence[Check]
) -> Verdict:
    """The verdict of all treatments together."""
    if bad:
        reasons = "; ".join(one.message for one in bad)
        return Verdict(Decision.WITHHELD, f"No verdict: {reasons}. Find out why before reading any number below.")
    worse = [one for one in outcomes if one.good is False]
    better = [one for one in outcomes if one.good and one.arm not in {other.arm for other in worse}]
    if better:
        best = max(better, key=lambda one: abs(one.estimate.z))
        return _better(plan, best)
    if worse:
        worst = worse[0]
        sentence = f"{worst.arm} is worse than {plan.control} in {worst.metric}: {_size(worst)}. {_risk(plan)}"
        return Verdict(Decision.WORSE, sentence, worst.arm)
    if until < plan.end:
        return Verdict(Decision.WAIT, _waiting(plan, units, until))
    return Verdict(Decision.NOTHING, _nothing(plan, outcomes))


def _better(plan: Plan, best: Outcome) -> Verdict:
    sentence = f"{best.arm} is better than {plan.control} in {best.metric}: {_size(best)}. {_risk(plan)}"
    if not best.unmet:
        return Verdict(Decision.BETTER, sentence, best.arm)
    named = ", ".join(best.unmet)
    told = f" But {named} {'is' if len(best.unmet) == 1 else 'are'} not shown to stay within the margin."
    return Verdict(Decision.GUARDRAIL, sentence + told, best.arm)


def _size(one: Outcome) -> str:
    found = one.estimate
    if found.relative is not None and found.relative_low is not None and found.relative_high is not None:
        return f"{found.relative:+.1%} ({found.relative_low:+.1%} to {found.relative_high:+.1%})"
    if found.low is None or found.high is None:
        return f"{found.difference:+.4g}"
    return f"{found.difference:+.4g} ({found.low:+.4g} to {found.high:+.4g})"


def _risk(plan: Plan) -> str:
    alpha = plan.experiment.alpha
    how = {
        Method.FIXED: "at the one look that was planned",
        Method.GROUP_SEQUENTIAL: f"over all {plan.experiment.looks} planned looks",
        Method.ALWAYS_VALID: "however often one looks",
    }[plan.experiment.method]
    claim = f"a claim like this would be made in at most {alpha:.0%} of experiments"
    return f"If there were no difference, {claim}, {how}."


def _waiting(plan: Plan, units: Mapping[str, int], until: int) -> str:
    seen, planned = sum(units.values()), plan.experiment.sample_size
    days = max((plan.end - until) / DAY, 0)
    told = f"Not decided yet: {seen:,} units so far"
    elapsed = (until - plan.start) / DAY
    if planned is not None and seen < planned:
        more = planned - seen
        rate = seen / elapsed if elapsed > 0 else 0
        pace = f", about {more / rate:.0f} more days at the present pace" if rate else ""
        return f"{told} of {planned:,} planned, {more:,} to go{pace}; it ends in {days:.0f} days at the latest."
    fixed = plan.experiment.method is Method.FIXED
    before = "No earlier look may decide." if fixed else "It may be decided before."
    return f"{told}; it ends in {days:.1f} days. {before}"


def _nothing(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    told = "; ".join(f"{one.arm} in {one.metric}: {_size(one)}" for one in outcomes) or "no metric could be compared"
    mde = plan.experiment.minimum_detectable_effect
    chance = f"{1 - plan.experiment.power:.0%}"
    missed = (
        "" if mde is None else f" A true effect of {mde:g} % would be missed with probability {chance}, as planned."
    )
    return f"No difference was found: {told}. The intervals say what can still be true.{missed}"
