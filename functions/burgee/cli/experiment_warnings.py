"""Warnings about plans: sizes that are too small, and experiments that are over."""

from __future__ import annotations

from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING

from burgee.analysis.plans import plans
from burgee.analysis.stats.planning import sample_size
from burgee.diff.symbolic import Side
from burgee.flagfile.compile import compile_source
from burgee.flagfile.experiments import Method, allocation
from burgee.model import Problem, Severity
from burgee.plurals import counted
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.flagfile.source import Source


def undersized(source: Source) -> Iterator[Problem]:
    """A warning for each experiment with a smaller `sample_size` than `burgee power` computes."""
    for name, plan in plans(source.model).items():
        one = plan.experiment
        if not (one.baseline and one.sample_size and one.minimum_detectable_effect):
            continue
        if plan.experiment.method is not Method.FIXED and not find_spec("scipy"):
            continue
        planned, effect = plan.experiment.sample_size, plan.experiment.minimum_detectable_effect
        if plan.baseline is None or planned is None or effect is None:
            continue
        needed: float
        try:
            needed = sample_size(plan.baseline, plan.baseline.effect(effect), plan.design)
        except ValueError:
            needed = inf
        if planned < 0.99 * needed:
            section = ("holdouts", name.partition(":")[2]) if ":" in name else ("flags", name)
            place = source.place(*section, "experiment", "sample_size")
            enough = f"{needed:,} are needed" if needed < inf else "no number is enough"
            message = f"{counted(planned, 'unit finds', 'units find')} {effect:g} % less often than planned; {enough}"
            hint = f"see `burgee power {name}`"
            yield Problem(place, "experiment-undersized", message, hint, Severity.WARNING)


def over(source: Source, now: float) -> Iterator[Problem]:
    """A warning for each experiment past its end whose users still get different arms."""
    for name, flag in source.model.flags.items():
        experiment = flag.experiment
        if experiment is None or parse_time(experiment.end) > now:
            continue
        state = Side(compile_source(source, experiment.environment), now).state(name) or {}
        arms = allocation(state, experiment.rule) if state.get("status", False) else {}
        if len(arms) > 1:
            place = source.place("flags", name, "experiment", "end")
            message = f"the experiment on {name} ended on {experiment.end}, and {' and '.join(arms)} are still given"
            hint = "serve everyone the winning arm and remove `experiment`, or change `end`"
            yield Problem(place, "experiment-over", message, hint, Severity.WARNING)
    for name, holdout in source.model.holdouts.items():
        experiment = holdout.experiment
        if experiment is not None and parse_time(experiment.end) <= now:
            place = source.place("holdouts", name, "experiment", "end")
            message = f"the experiment on holdout {name} ended on {experiment.end}, and users are still held out"
            hint = "remove `holdout` from its flags, or change `end`"
            yield Problem(place, "experiment-over", message, hint, Severity.WARNING)
