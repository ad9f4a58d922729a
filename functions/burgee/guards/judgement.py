"""What a look at a step shows: harm beyond a margin, data that cannot be trusted, and what is still to wait for.

**Alpha.** The plan's `alpha` is the probability that a guard whose metrics are all worse by no more than their
margins rolls back at all. It is divided equally over guardrails and over the steps that are compared (Bonferroni), so
that the probabilities of all tests add up to at most alpha, however they depend on each other. Each step is a test of
its own units, from its own beginning: the reached units had no part in an earlier test, and a step begins only
because earlier tests did not cross. Units of the comparison group are met again; what they share makes the tests rise
and fall together, and then fewer guards err, not more. Signals divide an alpha of their own: the probability that a
guard stops to ask without a reason.

**Data.** A sample ratio that does not fit the groups' sizes is found by a test valid at every look, too: the ratio of
likelihoods of a beta mixture against the planned share (Lindon and Malek 2020). It and records that cannot be trusted
withhold every verdict. A metric that is silent, or that one unit dominates, withholds its own. Whatever is not
known holds: it never advances.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from burgee.guards.aggregates import window_of
from burgee.guards.margins import ENOUGH, critical, gap, log_evidence
from burgee.plurals import counted
from burgee.records import NamedTuple, dataclass, field
from burgee.times import lasting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.guards.aggregates import Aggregates, Measured
    from burgee.guards.plan import GuardMetric, GuardPlan

RATIO_ALPHA = 0.001
"""The probability that the groups' sizes are wrongly said to differ, for each step; as in experiments."""
RATIO_PRIOR = 100.0
"""How many units the beta mixture of the sample ratio counts as."""
LIKELY = 0.001
"""An absence of events that is this improbable is a fault, not chance; as in experiments."""
DOMINANT = 0.1
"""One unit's share of a metric above which nothing is decided by it, without `winsorise`."""
CAPPED = ("proportion",)
"""Kinds in which a unit counts at most once."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a guard does what it does: a code, what it is about (a metric, an alarm, a person), a sentence, numbers."""

    code: str
    subject: str | None
    message: str
    numbers: Mapping[str, float] = field(default_factory=dict)


class Judgement(NamedTuple):
    """What a look shows. `harms` are of guardrails, `asks` of signals; `bad` is data that holds, `waits` too few."""

    harms: tuple[Reason, ...] = ()
    asks: tuple[Reason, ...] = ()
    bad: tuple[Reason, ...] = ()
    waits: tuple[Reason, ...] = ()


def judge(plan: GuardPlan, aggregates: Aggregates, share: float) -> Judgement:
    """Judges one look at a step.

    `share` is the reached group's part of both groups, by their places on the hash line. A metric that is not among
    the aggregates, such as a quantile, which has no test that is valid at every look, holds.
    """
    faults = [*_faults(aggregates), *_ratio(aggregates, share)]
    if faults:
        return Judgement(bad=tuple(faults))
    harms, asks, bad, waits = list[Reason](), list[Reason](), list[Reason](), list[Reason]()
    for metrics, worse in ((plan.guardrails, harms), (plan.signals, asks)):
        for metric in metrics:
            reached, compared = (arm.metrics.get(metric.name) for arm in (aggregates.reached, aggregates.compared))
            if reached is None or compared is None:
                bad.append(Reason("no-data", metric.name, f"there are no aggregates of {metric.name}"))
                continue
            wrong = list(_unusable(metric, reached, compared, aggregates.quiet.get(metric.name)))
            bad += wrong
            if not wrong:
                worse.extend(_worse(plan, metric, (reached, compared), share, len(metrics)))
            waits += _few(plan, metric, reached, compared)
    return Judgement(tuple(harms), tuple(asks), tuple(bad), tuple(waits))


def compared_steps(plan: GuardPlan) -> int:
    """The steps that are compared, which share alpha."""
    return max(sum(map(plan.is_compared, range(len(plan.steps)))), 1)


def bounds(plan: GuardPlan, share: float, metrics: int) -> tuple[float, float]:
    """The alpha of one test of so many metrics, and the units at which it is sharpest: the minimum in each group."""
    return plan.alpha / (compared_steps(plan) * metrics), plan.minimum / min(share, 1 - share)


def _worse(
    plan: GuardPlan, metric: GuardMetric, sides: tuple[Measured, Measured], share: float, metrics: int
) -> Iterator[Reason]:
    """The harm of a metric, if it is shown."""
    reached, compared = (side.moments for side in sides)
    if min(reached.n, compared.n) < ENOUGH:
        return
    found = gap(reached, compared, metric.margin / 100, increase=metric.direction == "increase")
    alpha, tuning = bounds(plan, share, metrics)
    bound = critical(float(found.n), alpha, tuning)
    if not found.harm > bound:
        return
    change = found.change
    moved = "" if change is None else f", {abs(change):.1%} {'more' if change > 0 else 'less'}"
    values = f"{found.reached:.6g} beside {found.compared:.6g}{moved}"
    message = f"{metric.name} is worse by more than {metric.margin:g} %: {values}"
    numbers = {
        "margin": metric.margin,
        "reached": found.reached,
        "compared": found.compared,
        "reached_units": reached.n,
        "compared_units": compared.n,
        "z": found.harm,
        "critical": bound,
        "p_value": math.exp(min(-log_evidence(found.harm, float(found.n), alpha, tuning), 0.0)),
        "alpha": alpha,
    }
    yield Reason("worse", metric.name, message, numbers if change is None else {**numbers, "change": change})


def _faults(aggregates: Aggregates) -> Iterator[Reason]:
    for fault in aggregates.faults:
        yield Reason("records", None, fault)
    for name, arm in (("step", aggregates.reached), ("comparison group", aggregates.compared)):
        if arm.exposed <= 0:
            yield Reason("no-data", name, f"no unit of the {name} was exposed")
        for metric, one in arm.metrics.items():
            if one.moments.n > arm.exposed:
                count = counted(one.moments.n, f"unit of the {name} counts", f"units of the {name} count")
                message = f"{count} in {metric}, and {counted(arm.exposed, 'was', 'were')} exposed"
                yield Reason("records", metric, message)


def _ratio(aggregates: Aggregates, share: float) -> Iterator[Reason]:
    reached, compared = aggregates.reached.exposed, aggregates.compared.exposed
    if min(reached, compared) < 0 or not 0 < share < 1:
        return
    if ratio_evidence(reached, compared, share) > -math.log(RATIO_ALPHA):
        found = reached / (reached + compared)
        message = (
            f"the groups' sizes do not fit the hash line: {counted(reached, 'unit')} of the step "
            f"and {compared:,} of the comparison group, {found:.2%} instead of {share:.2%}"
        )
        numbers = {"reached": reached, "compared": compared, "share": found, "planned": share}
        yield Reason("sample-ratio", None, message, numbers)


def ratio_evidence(reached: int, compared: int, share: float) -> float:
    """The logarithm of the evidence that units do not fall into the groups by `share`, valid at every look."""
    first, second = RATIO_PRIOR * share, RATIO_PRIOR * (1 - share)
    mixture = _log_beta(first + reached, second + compared) - _log_beta(first, second)
    return mixture - reached * math.log(share) - compared * math.log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _unusable(metric: GuardMetric, reached: Measured, compared: Measured, quiet: int | None) -> Iterator[Reason]:
    """Why a metric's data decide nothing."""
    name, units = metric.name, reached.moments.n + compared.moments.n
    active = reached.active + compared.active
    known = (reached.moments, compared.moments)
    numbers = (number for one in known for number in (*one.means.values(), *one.covariances.values()))
    if not all(map(math.isfinite, numbers)):
        yield Reason("records", name, f"an aggregate of {name} is not finite")
        return
    if quiet is None:
        yield Reason("no-data", name, f"nothing says when {name} had its last event")
    elif units and not active:
        yield Reason("silent", name, f"none of {counted(units, 'unit')} has an event of {name}", {"units": units})
    elif units and _improbable(active / units, quiet):
        none = f"none of the last {counted(quiet, 'unit')} has an event"
        message = f"{name} has stopped: {none}, where {active / units:.2%} had one"
        yield Reason("silent", name, message, {"units": quiet, "rate": active / units})
    # Where more is better, silence in the step is no fault of the data until proven: the test decides.
    elif not compared.active and _improbable(reached.active / max(reached.moments.n, 1), compared.moments.n):
        yield Reason("silent", name, f"{name} arrives for the step, and not for the comparison group")
    elif (
        metric.direction == "decrease"
        and not reached.active
        and _improbable(compared.active / max(compared.moments.n, 1), reached.moments.n)
    ):
        yield Reason("silent", name, f"{name} arrives for the comparison group, and not for the step")
    if metric.definition.get("winsorise") is None and metric.definition.get("kind") not in CAPPED:
        for place, one in (("step", reached), ("comparison group", compared)):
            if one.active and one.largest > DOMINANT:
                message = (
                    f"one unit has {one.largest:.0%} of {name} in the {place}: a bot, or a reason for `winsorise`"
                )
                yield Reason("dominated", name, message, {"largest": one.largest})


def _improbable(rate: float, units: int) -> bool:
    """Whether so many units without an event are a fault, where each has one at this rate."""
    return rate > 0 and units > 0 and (rate >= 1 or units * math.log1p(-rate) < math.log(LIKELY))


def _few(plan: GuardPlan, metric: GuardMetric, reached: Measured, compared: Measured) -> Iterator[Reason]:
    least, needed = min(reached.moments.n, compared.moments.n), max(plan.minimum, ENOUGH)
    if least < needed:
        found = f"{counted(reached.moments.n, 'unit')} of the step and {compared.moments.n:,} of the comparison group"
        after = f"of at least {needed:,}: a unit counts {lasting(window_of(metric, plan) / 1000)} after its exposure"
        numbers = {"units": least, "minimum": needed}
        yield Reason("few-units", metric.name, f"{found} count in {metric.name}, {after}", numbers)
