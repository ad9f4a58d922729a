"""Checks whether an experiment's data are sound: bad checks withhold the verdict, unusual ones warn."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from burgee.analysis.columns import counted_by
from burgee.analysis.stats.estimates import BEFORE, VALUE, lopsided, pooled, theta
from burgee.analysis.stats.multiplicity import SRM_ALPHA, sample_ratio
from burgee.flagfile.experiments import MetricKind
from burgee.plurals import counted
from burgee.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.quality import Arrival, Quality
    from burgee.analysis.stats.estimates import Moments

TOLERATED = 0.01
"""The share of units, or of records, above which a fault withholds the verdict."""
DAY = 86_400_000
UNITS_PER_SKEW = 355
"""Units for a normal interval, times the squared skewness (Kohavi, Deng, Longbotham and Xu 2014, rule 7)."""
UNITS_PER_RARE = 20
"""The same for a proportion, so that an interval for 95 % misses the true value in at most 6 %.

That takes fewer units than values do: a proportion's skewness follows from its mean, while that of values is
estimated from a sample that may lack the largest.
"""
EXPECTED = 5
"""Units with and without an event for each arm, which a normal interval of a proportion needs (Cochran 1954)."""
DOMINANT = 0.1
"""One unit's share of a metric above which a report warns."""
SAMPLE_RATIO = "sample ratio"
"""The check of the arms' sizes."""
LIKELY = 0.001
"""An arm without events that is this improbable, given the others' events, is a fault, not chance."""


class Light(StrEnum):
    """The state of a check; a bad one withholds the verdict."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One health check, and its result."""

    name: str
    light: Light
    message: str


def check(plan: ExperimentPlan, evidence: Evidence) -> list[Check]:
    """All checks, most important first."""
    return [
        _sizes(plan, evidence),
        *_uneven_sizes(plan, evidence),
        _crossed(evidence),
        _early(evidence),
        *_arrives(plan, evidence),
        *_values(plan, evidence),
        *_records(evidence),
        *_scopes(plan, evidence),
        *_identities(evidence),
        *_maturity(plan, evidence),
        *_past(plan, evidence),
        *_quantiles(plan, evidence),
        *_dominant(plan, evidence),
        *_tails(plan, evidence),
        *_rare(plan, evidence),
    ]


def _sizes(plan: ExperimentPlan, evidence: Evidence) -> Check:
    name, counts = SAMPLE_RATIO, {arm: found.n for arm, found in evidence.arms.items()}
    empty = [arm for arm, n in counts.items() if n == 0]
    if empty:
        uncounted = "".join(f"; {one}" for one in _elsewhere(plan, evidence))
        return Check(name, Light.BAD, f"no unit was exposed to {', '.join(empty)}{uncounted}")
    p_value = sample_ratio(counts, plan.arms)
    shares = ", ".join(
        f"{arm} {n:,} ({n / sum(counts.values()):.2%}, planned {plan.arms[arm]:.2%})" for arm, n in counts.items()
    )
    if p_value is not None and p_value < SRM_ALPHA:
        return Check(name, Light.BAD, f"the arms' sizes differ from the plan (p = {p_value:.2g}): {shares}")
    return Check(name, Light.OK, f"the arms have the planned sizes (p = {p_value or 1:.2g}): {shares}")


def _uneven_sizes(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """Days and segments in which the arms' sizes differ from the plan, such as after a temporary failure of the
    split.
    """
    groups = {f"day {day + 1}": counts for day, counts in evidence.quality.days.items()}
    for attribute, values in evidence.segments.items():
        groups |= {f"{attribute} = {value}": {a: arm.n for a, arm in arms.items()} for value, arms in values.items()}
    tested = {
        name: sample_ratio({arm: counts.get(arm, 0) for arm in plan.arms}, plan.arms)
        for name, counts in groups.items()
        if sum(counts.values()) * min(plan.arms.values()) >= 5
    }
    odd = [name for name, p in tested.items() if p is not None and p * len(tested) < SRM_ALPHA]
    if odd:
        shown = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        yield Check("sample ratio within", Light.WARN, f"the arms' sizes differ from the plan on {shown}")
    elif tested:
        groups_named = "the one day or segment" if len(tested) == 1 else f"each of {len(tested)} days and segments"
        yield Check("sample ratio within", Light.OK, f"the same holds in {groups_named}")


def _crossed(evidence: Evidence) -> Check:
    name, share = "one arm each", evidence.crossed / max(evidence.units, 1)
    if not evidence.crossed:
        return Check(name, Light.OK, "no unit was seen in two arms")
    seen = counted(evidence.crossed, f"unit ({share:.2%}) was", f"units ({share:.2%}) were")
    message = f"{seen} seen in two arms and {'is' if evidence.crossed == 1 else 'are'} excluded"
    if evidence.quality.crossed_aliases:
        message += f", {evidence.quality.crossed_aliases:,} of them because two IDs turned out to be one unit"
    return Check(name, Light.BAD if share > TOLERATED else Light.WARN, message)


def _early(evidence: Evidence) -> Check:
    name = "no early exposures"
    if not evidence.early:
        return Check(name, Light.OK, "no unit was exposed before the start")
    units = "that unit" if evidence.early == 1 else "those units"
    message = f"{counted(evidence.early, 'exposure')} came before the start: {units} may have been changed already"
    return Check(name, Light.BAD if evidence.early > TOLERATED * evidence.units else Light.WARN, message)


def _arrives(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """A metric's events that never arrived, that stopped, or that arrive for only some arms."""
    patience = max(DAY, (evidence.until - plan.start) // 10)
    for name, metric in plan.metrics.items():
        bad = Light.BAD if name in plan.experiment.primaries else Light.WARN
        for event in dict.fromkeys(one.event for one in counted_by(metric)):
            arms, title = evidence.quality.arrivals.get(event, {}), f"data of {name}"
            last = max((arm.last for arm in arms.values() if arm.last is not None), default=None)
            silent = _silent(evidence, arms)
            elsewhere = sum(arm.elsewhere for arm in arms.values())
            if last is None:
                where = f"; {elsewhere:,} came from another project or environment" if elsewhere else ""
                yield Check(title, bad, f"no {event!r} was ever tracked by an exposed unit{where}")
            elif evidence.until - last > patience:
                days = (evidence.until - last) / DAY
                yield Check(title, bad, f"{event!r} stopped arriving {days:.1f} days before this report")
            elif silent:
                counts = ", ".join(f"{arm} {arms[arm].units if arm in arms else 0:,}" for arm in evidence.arms)
                message = f"{event!r} does not arrive for {', '.join(silent)} (units with one: {counts})"
                yield Check(title, bad, f"{message}; are its events tracked under another unit?")
            else:
                yield Check(title, Light.OK, f"{event!r} arrives in every arm")


def _silent(evidence: Evidence, arms: Mapping[str, Arrival]) -> list[str]:
    """The arms without any event, although their number of units would have some at the rate of the others."""
    with_one = {arm: arms[arm].units if arm in arms else 0 for arm in evidence.arms}
    n = sum(evidence.arms[arm].n for arm, units in with_one.items() if units)
    rate = sum(with_one.values()) / n if n else 0.0
    return [arm for arm, units in with_one.items() if not units and (1 - rate) ** evidence.arms[arm].n < LIKELY]


def _values(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """Properties that a metric sums and that events lack, or have as other than numbers."""
    used: dict[tuple[str, str], list[str]] = {}
    for name, metric in plan.metrics.items():
        for measured in counted_by(metric):
            if measured.value is not None:
                used.setdefault((measured.event, measured.value), []).append(name)
    for one in evidence.quality.values:
        names = used.get((one.event, one.name), [])
        bad = Light.BAD if set(names) & set(plan.experiment.primaries) else Light.WARN
        title = f"values of {', '.join(names)}"
        lost = one.no_number + one.too_large
        if one.records and one.present == lost:
            message = f"no {one.event!r} ever carried a number under {one.name!r}"
            yield Check(title, bad, message + (f"; one has {one.example[:80]!r}" if one.example else ""))
        elif lost:
            counts = [counted(one.no_number, "is not a number", "are not numbers")] * bool(one.no_number)
            counts += [counted(one.too_large, "is beyond 1e15", "are beyond 1e15")] * bool(one.too_large)
            message = f"of {one.present:,} values {' and '.join(counts)}, such as {(one.example or '')[:80]!r}"
            yield Check(
                title,
                bad if lost > TOLERATED * one.present else Light.WARN,
                f"{message}; {'it is' if lost == 1 else 'they are'} excluded",
            )
        else:
            absent = one.records - one.present
            verbs = "has none and counts" if absent == 1 else "have none and count"
            without = f"; {absent:,} of {one.records:,} {verbs} as zero" if absent else ""
            light = Light.WARN if absent > one.records / 2 else Light.OK
            yield Check(title, light, f"{one.name!r} of {one.event!r} is a number wherever it is{without}")


def _records(evidence: Evidence) -> Iterator[Check]:
    """Records that were read, and those that could not be."""
    found = evidence.quality
    yield Check("records", Light.OK, _read(found))
    if found.clashes:
        message = f"{counted(found.clashes, 'event id')} recurred with other contents; the first record counts"
        light = Light.BAD if found.clashes > TOLERATED * found.events else Light.WARN
        yield Check("event ids", light, message)
    if found.refused:
        rejected = counted(found.refused, "record was rejected when it was", "records were rejected when they were")
        message = f"{rejected} sent, such as: {found.refused_example}"
        yield Check("refused records", Light.WARN, message)
    lost = sum(found.faults.values())
    if lost or found.broken:
        kinds = [f"{kind} ({n:,})" for kind, n in found.faults.items()]
        kinds += [f"file {name}: {reason}" for name, reason in found.broken.items()]
        known = found.read if found.read is not None else found.exposures + found.events
        light = Light.BAD if found.broken or lost > TOLERATED * (known + lost) else Light.WARN
        message = f"{counted(lost, 'record')} cannot be read: {'; '.join(kinds)}"
        yield Check("unreadable records", light, message)
    late = sum(arm.late for arms in found.arrivals.values() for arm in arms.values())
    if late:
        verb = "does" if late == 1 else "do"
        message = f"{counted(late, 'event')} from before this report arrived after it and {verb} not count in it"
        yield Check("late events", Light.WARN, message)
    counts = {
        event: tuple(sum(getattr(arm, name) for arm in arms.values()) for name in ("before", "n"))
        for event, arms in found.arrivals.items()
    }
    if any(before for before, _n in counts.values()):
        named = ", ".join(f"{before:,} of {n:,} {event!r}" for event, (before, n) in counts.items() if before)
        most = any(before > 0.9 * n and n >= 20 for before, n in counts.values())
        message = f"{named} came before their unit's exposure" + ("; are exposures logged late?" if most else "")
        yield Check("events before exposure", Light.WARN if most else Light.OK, message)


def _read(found: Quality) -> str:
    lost = sum(found.faults.values())
    every = "" if found.read is None else f"{found.read:,} read, "
    seen = f"{counted(found.exposures, 'exposure')} and {counted(found.events, 'event')} count here"
    scopes = [f"environment {_counts(found.environments)}"] * bool(found.environments)
    scopes += [f"release {_counts(found.releases)}"] * bool({*found.releases} - {""})
    again = f", {found.replays:,} came twice" * bool(found.replays)
    result = f"{every}{found.refused:,} refused, {lost:,} unreadable; {seen}{again}"
    return "; ".join([result, *scopes])


def _elsewhere(plan: ExperimentPlan, evidence: Evidence) -> Iterator[str]:
    """The exposures that do not count because of their environment or project, and why."""
    wanted = plan.experiment.environment
    environments, projects = dict[str, int](), dict[str, int]()
    for (project, environment), n in evidence.quality.elsewhere.items():
        if wanted is not None and environment != wanted:
            environments[environment] = environments.get(environment, 0) + n
        else:
            projects[project] = projects.get(project, 0) + n
    if environments:
        yield f"{_uncounted('environment', environments)}: the plan says {wanted}"
    if projects:
        yield f"{_uncounted('project', projects)}: the report is of another project"


def _uncounted(kind: str, found: Mapping[str, int]) -> str:
    n = sum(found.values())
    names = next(iter(found)) if len(found) == 1 else _counts(found)
    return f"{counted(n, 'exposure')} of {kind} {names} {'is' if n == 1 else 'are'} not counted"


def _scopes(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """Records of several projects or environments in one report."""
    found = evidence.quality
    uncounted = "; ".join(_elsewhere(plan, evidence))
    if uncounted and all(arm.n for arm in evidence.arms.values()):
        yield Check("exposures elsewhere", Light.OK, uncounted)
    if len(found.projects) > 1:
        message = f"exposures are of the projects {_counts(found.projects)}; choose one with --project"
        yield Check("one project", Light.BAD, message)
    if len(found.environments) > 1:
        message = f"exposures are of {_counts(found.environments)}; write `environment` into the plan to choose"
        yield Check("one environment", Light.WARN, message)
    if found.scattered:
        message = f"{counted(found.scattered, 'unit was', 'units were')} exposed in several projects or environments"
        yield Check("one environment each", Light.WARN, message)
    elsewhere = sum(arm.elsewhere for arms in found.arrivals.values() for arm in arms.values())
    if elsewhere:
        place = "of another project or environment than the unit's exposure"
        message = counted(elsewhere, f"event {place} does not count", f"events {place} do not count")
        yield Check("events from elsewhere", Light.WARN, message)


def _identities(evidence: Evidence) -> Iterator[Check]:
    found = evidence.quality
    if found.identified:
        sent = counted(found.identified, "identity was", "identities were")
        message = f"{sent} sent, by which {counted(found.aliased, 'unit has', 'units have')} several IDs"
        yield Check("identities", Light.OK, message)


def _maturity(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    for name, metric in plan.metrics.items():
        waiting = evidence.immature(name)
        if waiting:
            short = f"exposed less than {metric.window} ago and"
            several = f"units were {short} do not count"
            message = f"{counted(waiting, f'unit was {short} does not count', several)} in it yet"
            yield Check(f"window of {name}", Light.OK, message)


def _past(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """CUPED needs earlier events: without them the metric is not adjusted."""
    if plan.before is None:
        return
    bare = []
    for name in plan.metrics:
        found = (arm.moments[name] for arm in evidence.arms.values() if name in arm.moments)
        arms = [one for one in found if one.n]
        if len(arms) > 1 and BEFORE in arms[0].means and not any(theta(pooled(arms[0], one)) for one in arms[1:]):
            bare.append(name)
    if bare:
        message = f"no unit has events before its exposure, so {', '.join(bare)} is not adjusted by CUPED"
        yield Check("cuped", Light.WARN, message)


def _quantiles(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    for name in plan.metrics:
        points = [arm.points[name] for arm in evidence.arms.values() if name in arm.points]
        if any(one.uneven for one in points):
            message = f"so many units share one value of {name} at its quantile that no interval is valid"
            yield Check(f"ties of {name}", Light.WARN, f"{message}: use the share of units above a threshold")


def _dominant(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """One unit, such as a bot, that makes up much of a metric."""
    for name, metric in plan.metrics.items():
        found = {arm: one.largest.get(name, 0.0) for arm, one in evidence.arms.items() if one.n >= 100}
        arm = max(found, key=lambda one: found[one], default=None)
        if arm is not None and found[arm] > DOMINANT and metric.winsorise is None:
            message = f"one unit has {found[arm]:.0%} of {name} in {arm}: a bot, or a reason for `winsorise`"
            yield Check(f"largest unit of {name}", Light.WARN, message)


def _tails(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """Metrics with so much in so few units that a normal interval is too short on one side."""
    for name, metric in plan.metrics.items():
        if metric.kind in {MetricKind.PROPORTION, MetricKind.QUANTILE}:
            continue
        found = {arm: one.moments[name] for arm, one in evidence.arms.items()}
        skews = {arm: lopsided(found[plan.control], found[arm]) or 0.0 for arm in plan.treatments}
        arm = max(skews, key=lambda one: abs(skews[one]))
        times = UNITS_PER_SKEW * skews[arm] ** 2
        if times > 1:
            lower = "a lower" if metric.winsorise is not None else "a"
            message = (
                f"a few units make up much of {name}, so the interval of {arm} may miss the true value too often, "
                f"and on one side: give it {lower} `winsorise`, or about {_times(times)} times as many units"
            )
            yield Check(f"tail of {name}", Light.WARN, message)


def _rare(plan: ExperimentPlan, evidence: Evidence) -> Iterator[Check]:
    """Proportions that so few units have, or lack, that a normal interval is wrong on one side."""
    for name, metric in plan.metrics.items():
        if metric.kind is not MetricKind.PROPORTION:
            continue
        found = {arm: one.moments[name] for arm, one in evidence.arms.items()}
        factors = {arm: rarity(found[plan.control], found[arm]) for arm in plan.treatments}
        arm = max(factors, key=lambda one: factors[one])
        if factors[arm] > 1:
            have = pooled(found[plan.control], found[arm]).means[VALUE] <= 0.5
            counts = ", ".join(f"{side} {_counted(found[side], have=have)}" for side in (plan.control, arm))
            message = (
                f"so few units {'have' if have else 'lack'} {name} ({counts}) that the interval of {arm} may miss "
                "the true value too often, and on one side: about "
                f"{_times(factors[arm])} times as many units are enough"
            )
            yield Check(f"few of {name}", Light.WARN, message)


def rarity(control: Moments, treatment: Moments) -> float:
    """How many times more units a normal interval of a difference of proportions needs; at most 1 if none.

    At the rate of both arms: an arm without any unit that converted does not show how few it has.
    """
    if min(control.n, treatment.n) < 1:
        return 0.0
    rate = float(pooled(control, treatment).means[VALUE])
    if not 0 < rate < 1:
        return 0.0
    # The skewness of a difference of means, as in `lopsided`, with the moments of ones and zeros.
    uneven = abs(1 / treatment.n**2 - 1 / control.n**2) / math.pow(1 / treatment.n + 1 / control.n, 1.5)
    skew = uneven * (1 - 2 * rate) / math.sqrt(rate * (1 - rate))
    expected = min(control.n, treatment.n) * min(rate, 1 - rate)
    return max(UNITS_PER_RARE * skew**2, EXPECTED / expected)


def _counted(arm: Moments, *, have: bool) -> str:
    share = arm.means[VALUE] if have else 1 - arm.means[VALUE]
    return f"{round(share * arm.n):,} of {arm.n:,}"


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _counts(found: Mapping[str, int]) -> str:
    named = [f"{name or 'none'} ({n:,})" for name, n in found.items()]
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
