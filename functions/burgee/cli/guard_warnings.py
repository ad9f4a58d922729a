"""Warnings about guards whose steps are too short to show a harm, with how long it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.wording import duration
from burgee.flagfile.compile import compile_source
from burgee.flagfile.experiments import MetricKind
from burgee.flagfile.fields import dump
from burgee.guards.plan import guarded, plan_of
from burgee.guards.planning import HARM, UnitValue, units_needed
from burgee.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.flagfile.experiments import Baseline
    from burgee.flagfile.flag_grammar import FlagSpec, Overlay
    from burgee.flagfile.source import Source
    from burgee.guards.plan import GuardMetric, GuardPlan
    from burgee.model import Definition, Place

DAY = 86_400
CODE = "guard-undersized"


class Shown(NamedTuple):
    """When a step would show a harm, after how many seconds, and how long it lasts."""

    step: float
    after: float
    lasts: float


def undersized_guards(source: Source) -> Iterator[Problem]:
    """A warning for each metric of a guard of which no step lasts long enough to show a harm.

    If only the metric's value today is known, a note says how many units it takes.
    """
    seen: set[Place] = set()
    guards = any(_has_guard(part) for flag in source.model.flags.values() for part in _parts(flag))
    for environment in (None, *source.model.environments) if guards else ():
        snapshot = compile_source(source, environment)
        for name, definition in snapshot["flags"].items():
            plan = plan_of(name, snapshot)
            for metric in () if plan is None else (*plan.guardrails, *plan.signals):
                place = _place(source, name, definition, environment, metric.name)
                today = _today(source, definition, metric)
                if plan is not None and today is not None and place not in seen:
                    seen.add(place)
                    yield from _warning(plan, metric, today, definition, place)


def _parts(flag: FlagSpec) -> Iterator[Overlay]:
    yield flag
    yield from (flag.environments or {}).values()


def _has_guard(part: Overlay) -> bool:
    return part.guard is not None or any(rule.guard is not None for rule in part.rules or ())


def _warning(
    plan: GuardPlan, metric: GuardMetric, today: UnitValue, definition: Definition, place: Place
) -> Iterator[Problem]:
    owner = guarded(definition)
    daily = None if owner is None else owner.settings["guard"].get("units_per_day")
    needed = [(step, n) for step in range(len(plan.steps)) if (n := units_needed(plan, metric, step, today))]
    harm = f"a harm of {HARM * metric.margin:g} %, {'twice' if HARM == 2 else f'{HARM} times'} its margin"
    if not needed:
        return
    if daily is None:
        fewest = min(round(n * _smaller(plan, step)) for step, n in needed)
        if plan.minimum < fewest:
            counts = f"shows from {fewest:,} units in the smaller group, and a step counts from {plan.minimum:,}"
            hint = "`units_per_day` says how long that takes"
            yield Problem(place, CODE, f"{metric.name}: {harm}, {counts}", hint, Severity.NOTE)
        return
    shown = [_shown(plan, step, n, daily) for step, n in needed]
    if all(one.after > one.lasts for one in shown):
        yield _too_short(shown, f"{metric.name}: {harm}", place)


def _too_short(shown: Sequence[Shown], harm: str, place: Place) -> Problem:
    best = min(shown, key=lambda one: one.after)
    times = f"needs {_rounded(best.after)}, and lasts {_rounded(best.lasts)}"
    message = f"{harm}, shows in no step: step {best.step:g} % {times}"
    return Problem(place, CODE, message, "a longer `hold`, larger steps, or a larger `margin`", Severity.WARNING)


def _shown(plan: GuardPlan, step: int, needed: int, daily: float) -> Shown:
    reached, compared = plan.band(step).share, plan.compared.share
    fill = plan.minimum / (daily * min(reached, compared)) * DAY
    return Shown(plan.steps[step], needed / (daily * (reached + compared)) * DAY, max(plan.hold / 1000, fill))


def _smaller(plan: GuardPlan, step: int) -> float:
    """The smaller group's part of both."""
    reached, compared = plan.band(step).share, plan.compared.share
    return min(reached, compared) / (reached + compared)


def _rounded(seconds: float) -> str:
    """A duration to two digits or so: in days from two days on, in hours from two hours on."""
    size = next((size for size in (DAY, 3_600, 60) if seconds >= 2 * size), 1)
    return duration(-(-seconds // size) * size)


def _today(source: Source, definition: Definition, metric: GuardMetric) -> UnitValue | None:
    """The metric's value today: the guard's own baseline, or that of an experiment that it decides."""
    owner = guarded(definition)
    guard = {} if owner is None else owner.settings["guard"]
    written = next(guard[key][metric.name] for key in ("guardrails", "signals") if metric.name in guard.get(key, {}))
    proportion = metric.definition["kind"] == MetricKind.PROPORTION
    if "baseline" in written:
        return _value(written["baseline"]["mean"], written["baseline"].get("sd"), proportion=proportion)
    for flag in source.model.flags.values():
        known: Baseline | None = flag.experiment.baseline if flag.experiment else None
        if flag.experiment and known and flag.experiment.primaries[0] == metric.name:
            return _value(known.mean, known.sd, proportion=proportion)
    return None


def _value(mean: float, sd: float | None, *, proportion: bool) -> UnitValue | None:
    if proportion:
        return UnitValue(mean)
    return None if sd is None else UnitValue(mean, sd**2)


def _place(source: Source, name: str, definition: Definition, environment: str | None, metric: str) -> Place:
    """Where a metric is named in the guard, as written or in an environment's keys."""
    owner = guarded(definition)
    path: list[str | int] = [] if owner is None or owner.rule is None else ["rules", owner.rule]
    guard = {} if owner is None else owner.settings["guard"]
    path += ["guard", "guardrails" if metric in guard.get("guardrails", {}) else "signals", metric]
    overlay = dump(source.model.flags[name]).get("environments", {}).get(environment, {})
    inside = ["environments", environment] if environment is not None and path[0] in overlay else []
    return source.place("flags", name, *inside, *path, key=True)
