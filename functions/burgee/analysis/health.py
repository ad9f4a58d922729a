"""Whether an experiment can be believed at all: asked before anything else is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.analysis.stats.estimates import lopsided
from burgee.analysis.stats.multiplicity import SRM_ALPHA, sample_ratio
from burgee.flagfile.experiments import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import Plan

TOLERATED = 0.01
"""The share of units seen in two arms, or of early exposures, beyond which nothing is concluded."""
DAY = 86_400_000
UNITS_PER_SKEW = 355
"""Units for a normal interval, times the squared skewness (Kohavi, Deng, Longbotham and Xu 2014, rule 7)."""


class Light(StrEnum):
    """A verdict is given unless something is bad."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One question of health, and its answer."""

    name: str
    light: Light
    message: str


def check(plan: Plan, evidence: Evidence) -> list[Check]:
    """All of them, in the order in which they matter."""
    return [
        _sizes(plan, evidence),
        _crossed(evidence),
        _early(evidence),
        *_missing(plan, evidence),
        *_tails(plan, evidence),
    ]


def _sizes(plan: Plan, evidence: Evidence) -> Check:
    name, counts = "sample ratio", {arm: found.n for arm, found in evidence.arms.items()}
    empty = [arm for arm, n in counts.items() if n == 0]
    if empty:
        return Check(name, Light.BAD, f"nobody was exposed to {', '.join(empty)}")
    p_value = sample_ratio(counts, plan.arms)
    shares = ", ".join(
        f"{arm} {n:,} ({n / sum(counts.values()):.2%}, planned {plan.arms[arm]:.2%})" for arm, n in counts.items()
    )
    if p_value is not None and p_value < SRM_ALPHA:
        return Check(name, Light.BAD, f"the arms have other sizes than planned (p = {p_value:.2g}): {shares}")
    return Check(name, Light.OK, f"the arms have the planned sizes (p = {p_value or 1:.2g}): {shares}")


def _crossed(evidence: Evidence) -> Check:
    name, share = "one arm each", evidence.crossed / max(evidence.units, 1)
    if not evidence.crossed:
        return Check(name, Light.OK, "no unit was seen in two arms")
    told = f"{evidence.crossed:,} units ({share:.2%}) were seen in two arms and are left out"
    return Check(name, Light.BAD if share > TOLERATED else Light.WARN, told)


def _early(evidence: Evidence) -> Check:
    name = "no early exposures"
    if not evidence.early:
        return Check(name, Light.OK, "nobody was exposed before the start")
    told = f"{evidence.early:,} exposures came before the start: those units may have been changed already"
    return Check(name, Light.BAD if evidence.early > TOLERATED * evidence.units else Light.WARN, told)


def _missing(plan: Plan, evidence: Evidence) -> Iterator[Check]:
    """A metric that never came, or that came until something broke."""
    patience = max(DAY, (evidence.until - plan.start) // 10)
    for name, metric in plan.metrics.items():
        events = [metric.event, *([metric.per.event] if metric.per else [])]
        bad = Light.BAD if name in plan.experiment.primaries else Light.WARN
        for event in dict.fromkeys(events):
            last = evidence.last_events.get(event)
            told = f"data of {name}"
            if last is None:
                yield Check(told, bad, f"no {event!r} was ever tracked by an exposed unit")
            elif evidence.until - last > patience:
                days = (evidence.until - last) / DAY
                yield Check(told, bad, f"{event!r} stopped arriving {days:.1f} days before this report")
            else:
                yield Check(told, Light.OK, f"{event!r} arrives")


def _tails(plan: Plan, evidence: Evidence) -> Iterator[Check]:
    """Metrics of which so few units make so much that a normal interval is too short on one side."""
    for name, metric in plan.metrics.items():
        if metric.kind in {Kind.PROPORTION, Kind.QUANTILE}:
            continue
        found = {arm: one.moments[name] for arm, one in evidence.arms.items()}
        skews = {arm: lopsided(found[plan.control], found[arm]) or 0.0 for arm in plan.treatments}
        arm = max(skews, key=lambda one: abs(skews[one]))
        times = UNITS_PER_SKEW * skews[arm] ** 2
        if times > 1:
            lower = "a lower" if metric.winsorise is not None else "a"
            told = (
                f"few units make much of {name}, so the interval of {arm} misses the truth more often than it says, "
                f"and on one side: give it {lower} `winsorise`, or about {times:.1f} times as many units"
            )
            yield Check(f"tail of {name}", Light.WARN, told)
