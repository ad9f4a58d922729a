"""The verdict: a few sentences, readable for product managers and statistically exact."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.analysis.decisions import ENOUGH
from burgee.analysis.stats.planning import power
from burgee.flagfile.experiments import Method
from burgee.plurals import counted
from burgee.records import dataclass
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.decisions import Guarded, MetricFinding
    from burgee.analysis.health import Check
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.stats.estimates import Estimate

DAY = 86_400_000


class Decision(StrEnum):
    """The decision."""

    WITHHELD = "withheld"
    WAIT = "wait"
    BETTER = "better"
    GUARDRAIL = "better, but a guardrail is open"
    BROKEN = "a guardrail is broken"
    WORSE = "worse"
    NOTHING = "no difference found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, and the sentences that state it with its risk. `arm` is the best one."""

    decision: Decision
    sentence: str
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class MetricOutcome:
    """A metric of one treatment: a deciding primary, a guardrail, or both."""

    arm: str
    metric: str
    primary: bool
    finding: MetricFinding
    good: bool | None
    guarded: Guarded | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an experiment. `future` says that the report is for a future time."""

    units: Mapping[str, int]
    until: int
    over: bool
    future: bool = False


def judge(
    plan: ExperimentPlan, outcomes: Sequence[MetricOutcome], progress: Progress, bad: Sequence[Check]
) -> Verdict:
    """The verdict on all treatments together."""
    if bad:
        reasons = "; ".join(dict.fromkeys(one.message for one in bad))
        return Verdict(Decision.WITHHELD, f"No verdict: {reasons}. Find the cause before using any number below.")
    if progress.future:
        when = format_time(progress.until / 1000)
        return Verdict(Decision.WAIT, f"Not decided: {when} is in the future.")
    primaries = [one for one in outcomes if one.primary]
    found = [one for one in primaries if one.good is not None]
    losing = {one.arm for one in found if not one.good}
    winning = [one for one in found if one.good and one.arm not in losing]
    broken = [one for one in outcomes if one.guarded is not None and one.guarded.holds is False]
    rails = _broken(broken)
    if winning:
        return _better(plan, outcomes, winning, [one for one in found if not one.good], rails)
    if losing:
        losses = [one for one in found if not one.good]
        sentence = f"{_found(plan, losses)} {_risk(plan)}{rails}"
        return Verdict(Decision.WORSE, sentence, losses[0].arm)
    if broken:
        rest = _nothing(plan, primaries) if progress.over else _waiting(plan, progress, primaries)
        return Verdict(Decision.BROKEN, f"{rails.strip()} {rest}", broken[0].arm)
    if not progress.over:
        return Verdict(Decision.WAIT, _waiting(plan, progress, primaries))
    return Verdict(Decision.NOTHING, _nothing(plan, primaries))


def _better(
    plan: ExperimentPlan,
    outcomes: Sequence[MetricOutcome],
    winning: Sequence[MetricOutcome],
    losing: Sequence[MetricOutcome],
    rails: str,
) -> Verdict:
    best = max(winning, key=lambda one: abs(one.finding.look.estimate.z) if one.finding.look else 0.0)
    sentence = f"{_found(plan, [*winning, *losing])} {_risk(plan)}"
    arms = list(dict.fromkeys(one.arm for one in winning))
    unmet = {
        arm: [
            one.metric
            for one in outcomes
            if one.arm == arm and one.guarded is not None and one.guarded.holds is not True
        ]
        for arm in arms
    }
    free = [arm for arm in arms if not unmet[arm]]
    open_ = [
        one.metric
        for one in outcomes
        if one.arm == best.arm and one.guarded is not None and one.guarded.holds is None
    ]
    if open_:
        verb = "is" if len(open_) == 1 else "are"
        rails = f" But {', '.join(open_)} {verb} not shown to stay within the margin.{rails}"
    if free:
        best_free = best.arm if best.arm in free else free[0]
        return Verdict(Decision.BETTER, sentence + rails, best_free)
    is_broken = any(one.guarded and one.guarded.holds is False and one.arm == best.arm for one in outcomes)
    return Verdict(Decision.BROKEN if is_broken else Decision.GUARDRAIL, sentence + rails, best.arm)


def _broken(outcomes: Sequence[MetricOutcome]) -> str:
    if not outcomes:
        return ""
    named = ", ".join(f"{one.metric} in {one.arm}" for one in outcomes)
    return f" Broken: {named} {'is' if len(outcomes) == 1 else 'are'} worse than the margin allows."


def _found(plan: ExperimentPlan, outcomes: Sequence[MetricOutcome]) -> str:
    """Every arm that is better or worse, by which metric, since when, and its current difference."""
    parts = []
    for one in outcomes:
        look, latest = one.finding.look, one.finding.latest
        assert look is not None  # noqa: S101 - every finding has a look
        how = "better" if one.good else "worse"
        part = f"{one.arm} is {how} than {plan.control} in {one.metric}: {size(look.estimate)}"
        if plan.experiment.method is not Method.FIXED:
            part += f", decided on {format_time(look.at / 1000)[:10]}"
            if latest is not None and latest.at != look.at:
                part += f" (by {format_time(latest.at / 1000)[:10]} it is {size(latest.estimate)})"
        parts.append(part)
    return "; ".join(parts) + "."


def size(found: Estimate) -> str:
    """A difference with its interval: relative if valid, else absolute."""
    if found.relative is not None and found.relative_low is not None and found.relative_high is not None:
        return f"{found.relative:+.1%} ({found.relative_low:+.1%} to {found.relative_high:+.1%})"
    if found.low is None or found.high is None:
        return f"{found.difference:+.4g}"
    return f"{found.difference:+.4g} ({found.low:+.4g} to {found.high:+.4g})"


def _risk(plan: ExperimentPlan) -> str:
    alpha = plan.experiment.alpha
    how = {
        Method.FIXED: "at the one look that was planned",
        Method.GROUP_SEQUENTIAL: f"over all {plan.experiment.looks} planned looks",
        Method.ALWAYS_VALID: "for any number of looks",
    }[plan.experiment.method]
    claim = f"a claim like this would be made in at most {alpha * 100:g} % of experiments"
    return f"If there were no difference, {claim}, {how}."


def _waiting(plan: ExperimentPlan, progress: Progress, outcomes: Sequence[MetricOutcome]) -> str:
    until, planned = progress.until, plan.experiment.sample_size
    end, days = format_time(plan.end / 1000)[:10], max(round((plan.end - until) / DAY), 0)
    of = "" if planned is None else f" of {planned:,} planned"
    text = f"Not decided yet: {counted(sum(progress.units.values()), 'unit')} so far{of}; "
    if plan.experiment.method is Method.FIXED:
        return text + f"it is decided on {end}, in {counted(days, 'day')}, and no earlier look may decide."
    when = f"it ends on {end}, in {counted(days, 'day')}, and may be decided before"
    if plan.experiment.method is Method.GROUP_SEQUENTIAL:
        length = (plan.end - plan.start) / plan.experiment.looks
        number = int(max(until - plan.start, 0) // length) + 1
        at = format_time((plan.start + number * length) / 1000)[:10]
        return text + f"{when}: look {number} of {plan.experiment.looks} is on {at}."
    if all(one.finding.look is None for one in outcomes):
        when = f"too few for an interval, for which {ENOUGH} units of each arm must count; {when}"
    return text + f"{when}."


def _nothing(plan: ExperimentPlan, outcomes: Sequence[MetricOutcome]) -> str:
    parts = [
        f"{one.arm} in {one.metric}: {size(one.finding.look.estimate)}"
        for one in outcomes
        if one.finding.look is not None
    ]
    text = "; ".join(parts) or "no metric could be compared"
    return f"No difference was found: {text}. The intervals say what can still be true.{_missed(plan, outcomes)}"


def _missed(plan: ExperimentPlan, outcomes: Sequence[MetricOutcome]) -> str:
    """The probability of missing a true effect of the planned size, with the actual number of units."""
    effect, planned = plan.experiment.minimum_detectable_effect, plan.experiment.sample_size
    if effect is None:
        return ""
    sizes = [
        one.finding.look.estimate.n / (plan.arms[plan.control] + plan.arms[one.arm])
        for one in outcomes
        if one.finding.look is not None
    ]
    seen = round(min(sizes, default=0.0))
    true = f"A true effect of {effect:g} % would be missed with probability"
    if planned is not None and 0.95 <= seen / planned <= 1.05:
        return f" {true} {1 - plan.experiment.power:.0%}, as planned."
    if plan.baseline is None or not seen:
        return ""
    chance = power(seen, plan.baseline, plan.baseline.effect(effect), plan.design)
    of = "" if planned is None else f", where {planned:,} were planned"
    return f" {true} {1 - chance:.0%} with the {counted(seen, 'unit that counts', 'units that count')}{of}."
