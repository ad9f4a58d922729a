"""Checks of an experiment beyond the grammar: its metrics, arms and rule must exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from burgee.evaluation.context import TARGETING_KEY
from burgee.evaluation.definition import DEFAULT_RULE, answering_units, unit_attributes
from burgee.flagfile.experiments import Direction, Method, MetricKind, allocation, impossible
from burgee.flagfile.fields import dump
from burgee.flagfile.suggestions import near
from burgee.guards.plan import guarded
from burgee.model import Problem
from burgee.times import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.flagfile.experiments import Experiment
    from burgee.flagfile.flag_grammar import FlagSpec
    from burgee.flagfile.grammar import HoldoutSpec
    from burgee.flagfile.source import Source


Locate = Callable[..., Any]
"""The place of a value in an experiment, by its keys."""


def check_experiment(source: Source, name: str, flag: FlagSpec) -> Iterator[Problem]:
    """Every problem of a flag's experiment."""
    experiment = flag.experiment
    if experiment is None:
        return
    locate = partial(source.place, "flags", name, "experiment")
    yield from _plan(source, locate, experiment)
    yield from _arms(source, name, flag, experiment)
    yield from _guarded(source, name, flag, experiment)
    first, *others = answering_units(dump(flag), experiment.rule)
    unit = "user" if first == TARGETING_KEY else first
    if others:
        message = f"{name} buckets on {first} or {' or '.join(others)}"
        yield Problem(locate(key=True), "experiment-unit", message, "an experiment has one unit")
    elif experiment.unit not in {None, unit}:
        message = f"{name} buckets on {'the user' if unit == 'user' else unit}, so that is the unit"
        yield Problem(locate("unit"), "experiment-unit", message, f"write `{unit}`, or change `bucket_by`")


def check_holdout(source: Source, name: str, holdout: HoldoutSpec) -> Iterator[Problem]:
    """Every problem of a holdout's experiment: one unit, and users on both sides."""
    experiment = holdout.experiment
    if experiment is None:
        return
    locate = partial(source.place, "holdouts", name, "experiment")
    yield from _plan(source, locate, experiment)
    for key, written in (("rule", experiment.rule != DEFAULT_RULE), ("control", experiment.control is not None)):
        if written:
            message = f"a holdout has no `{key}`: its control is the users held out"
            yield Problem(locate(key, key=True), "experiment-arms", message, "remove it")
    if not 0 < holdout.percentage < 100:
        message = f"holdout {name} does not have two arms at {holdout.percentage:g} %"
        hint = "an experiment compares users held out with others: a percentage between 0 and 100"
        yield Problem(source.place("holdouts", name, "percentage"), "experiment-arms", message, hint)
    held = (unit_attributes(laid) for flag in source.model.flags.values() for laid in _held(flag, name))
    known = {"user" if path == TARGETING_KEY else path for units in held for path in units}
    if not known:
        message = f"no flag names holdout {name}, so nobody is exposed to it"
        yield Problem(locate(key=True), "experiment-arms", message, f"write `holdout: {name}` into a flag")
    elif experiment.unit not in {None, *known} or len(known) > 1:
        message = f"flags of holdout {name} bucket on {', '.join(sorted(known))}"
        yield Problem(locate(key=True), "experiment-unit", message, "an experiment has one unit: split the holdout")


def _held(flag: FlagSpec, holdout: str) -> Iterator[dict[str, Any]]:
    """A flag as written and in each environment, where it names a holdout."""
    written = dump(flag)
    for overlay in ({}, *written.get("environments", {}).values()):
        laid = {**written, **overlay}
        if laid.get("holdout") == holdout:
            yield laid


def _plan(source: Source, locate: Locate, experiment: Experiment) -> Iterator[Problem]:
    yield from _metrics(source, locate, experiment)
    yield from _windows(source, locate, experiment)
    yield from _baseline(source, locate, experiment)
    yield from _tables(source, locate, experiment)
    if experiment.environment is not None and experiment.environment not in source.model.environments:
        hint = near(experiment.environment, source.model.environments) or "list it under the top-level `environments`"
        message = f"there is no environment {experiment.environment!r}"
        yield Problem(locate("environment"), "unknown-environment", message, hint)


def _metrics(source: Source, locate: Locate, experiment: Experiment) -> Iterator[Problem]:
    primary: list[Any] = ["primary"] if isinstance(experiment.primary, str) else []
    routes = [(tuple(primary) or ("primary", i), metric) for i, metric in enumerate(experiment.primaries)]
    routes += [(("secondary", i), metric) for i, metric in enumerate(experiment.secondary)]
    seen: set[str] = set()
    for route, metric in routes:
        place = locate(*route)
        if metric in seen:
            yield Problem(place, "metric-twice", f"{metric} is named already", "a metric has one role")
        seen.add(metric)
        if ("metrics", metric) not in source.homes:
            yield _unknown(source, place, metric)
        elif metric in experiment.primaries:
            yield from _undecidable(source, place, metric, experiment)
    for metric in experiment.guardrails:
        place = locate("guardrails", metric, key=True)
        if metric in experiment.secondary:
            yield Problem(place, "metric-twice", f"{metric} is named as secondary", "a metric has one role")
        if ("metrics", metric) not in source.homes:
            yield _unknown(source, place, metric)


def _windows(source: Source, locate: Locate, experiment: Experiment) -> Iterator[Problem]:
    """A unit counts in a metric after its window, which must end before the experiment does."""
    length = parse_time(experiment.end) - parse_time(experiment.start)
    for metric in experiment.metrics:
        known = source.model.metrics.get(metric)
        if known is not None and known.window is not None and parse_duration(known.window) >= length:
            place = locate("end")
            message = f"{metric} counts units after {known.window}, but the experiment lasts {length / 86_400:g} days"
            yield Problem(place, "experiment-window", message, "a later `end`, or a shorter `window`")


def _baseline(source: Source, locate: Locate, experiment: Experiment) -> Iterator[Problem]:
    """The first primary metric as it is, and changed by the smallest effect that is looked for."""
    known, metric = experiment.baseline, source.model.metrics.get(experiment.primaries[0])
    if known is None or metric is None or (metric.kind is not MetricKind.PROPORTION and known.sd is None):
        return
    sd = None if metric.kind is MetricKind.PROPORTION else known.sd
    sign = -1 if metric.direction is Direction.DECREASE else 1
    effect = experiment.minimum_detectable_effect
    reason = impossible(known.mean, sd) or impossible(known.mean, sd, None if effect is None else sign * effect)
    if reason:
        place = locate("baseline", "mean")
        yield Problem(place, "experiment-baseline", reason, "`mean` is the metric's value today, of a share 0 to 1")


def _tables(source: Source, locate: Locate, experiment: Experiment) -> Iterator[Problem]:
    """The experiment's source is there, and has a fact for each event unless it reads Burgee's records too."""
    if experiment.source is None:
        return
    place = locate("source")
    found = source.model.sources.get(experiment.source)
    if found is None:
        if ("sources", experiment.source) not in source.homes:
            hint = near(experiment.source, source.model.sources) or "define it under the top-level `sources`"
            yield Problem(place, "unknown-source", f"there is no source {experiment.source!r}", hint)
        return
    if found.reads_records:
        return
    known = [source.model.metrics[metric] for metric in experiment.metrics if metric in source.model.metrics]
    counted = [one for metric in known for one in (metric, metric.per) if one is not None]
    for event in dict.fromkeys(one.event for one in counted if one.event not in found.facts):
        hint = near(event, found.facts) or "define it under `facts`, or name the table of `records`"
        yield Problem(place, "unknown-fact", f"source {experiment.source} has no fact {event!r}", hint)


def _undecidable(source: Source, place: Any, metric: str, experiment: Experiment) -> Iterator[Problem]:
    """Sequential bounds apply to sums; quantiles are not sums."""
    known = source.model.metrics.get(metric)  # absent if it is invalid itself
    if known is not None and known.kind is MetricKind.QUANTILE and experiment.method is not Method.FIXED:
        message = f"{metric} is a quantile: method {experiment.method} has no bounds for it"
        yield Problem(place, "experiment-quantile", message, "write `method: fixed`, or make it secondary")


def _unknown(source: Source, place: Any, metric: str) -> Problem:
    hint = near(metric, source.model.metrics) or "define it under the top-level `metrics`"
    return Problem(place, "unknown-metric", f"there is no metric {metric!r}", hint)


def _guarded(source: Source, name: str, flag: FlagSpec, experiment: Experiment) -> Iterator[Problem]:
    """A guard changes who reaches the arms while they are compared."""
    written = dump(flag)
    overlays = written.get("environments", {})
    chosen = [experiment.environment] if experiment.environment else [None, *overlays]
    if any(guarded({**written, **overlays.get(one, {})}) for one in chosen):
        place = source.place("flags", name, "experiment", key=True)
        message = f"the guard of {name} changes who is in the experiment"
        yield Problem(place, "guard-conflict", message, "remove one of them, or name another `environment`")


def _arms(source: Source, name: str, flag: FlagSpec, experiment: Experiment) -> Iterator[Problem]:
    written = dump(flag)
    laid = {**written, **written.get("environments", {}).get(experiment.environment, {})}
    arms = allocation(laid, experiment.rule)
    if len(arms) < 2:
        at_rule = experiment.rule != DEFAULT_RULE
        place = source.place("flags", name, "experiment", *(["rule"] if at_rule else []), key=not at_rule)
        named = f"rule {experiment.rule!r}" if at_rule else "default"
        hint = "an experiment compares the arms of a `split`, or of a `rollout_percentage` between 0 and 100"
        yield Problem(place, "experiment-arms", f"the {named} of {name} does not have two arms", hint)
    elif experiment.control is not None and experiment.control not in arms:
        place = source.place("flags", name, "experiment", "control")
        hint = near(experiment.control, arms) or f"the arms are {', '.join(arms)}"
        yield Problem(place, "unknown-variant", f"the experiment has no arm {experiment.control!r}", hint)
