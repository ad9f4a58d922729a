"""`burgee power`: how many units an experiment needs, what effect they can detect, and how long it takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.experiments import At, Chosen, Events, Keep, Project, analysing, plans_of, records_of
from burgee.cli.experiments import recorded as has_records
from burgee.cli.options import FLAGS, Json, moment
from burgee.cli.render import output
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.analysis.history import PastWeeks
    from burgee.analysis.plans import ExperimentPlan


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(power)


class How(StrEnum):
    """As in flags.yaml."""

    FIXED = "fixed"
    GROUP_SEQUENTIAL = "group-sequential"
    ALWAYS_VALID = "always-valid"


MOST_WEIGHT = 1_000_000
NUMBERS = frozenset({"baseline", "sd", "effect", "units", "alpha", "wanted", "method", "looks", "at_once", "split"})
"""Parameters that a flag's plan has, or that its records show."""
RECORDED = frozenset({"entry", "events", "at", "project", "keep"})
"""Parameters that choose records."""


def power(
    context: typer.Context,
    flag: Annotated[str | None, typer.Argument(help="Take the plan of this flag's experiment.")] = None,
    baseline: Annotated[float | None, typer.Option(help="Today's value of the metric: a share, or a mean.")] = None,
    sd: Annotated[float | None, typer.Option(min=0, help="Standard deviation; not for a proportion.")] = None,
    effect: Annotated[float | None, typer.Option(help="Smallest effect worth detecting, in percent.")] = None,
    units: Annotated[
        int | None, typer.Option(min=4, help="Units in all arms: computes the detectable effect.")
    ] = None,
    per_day: Annotated[float | None, typer.Option(min=0, help="New units a day: computes the duration.")] = None,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.5, help="False-positive rate.")] = 0.05,
    wanted: Annotated[
        float, typer.Option("--power", min=0.5, max=0.999, help="Probability of detecting the effect.")
    ] = 0.8,
    method: Annotated[How, typer.Option(help="When it may be decided.")] = How.FIXED,
    looks: Annotated[int, typer.Option(min=1, max=20, help="Planned analyses of a group-sequential design.")] = 5,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="All units come on the first day: always-valid then has one look.")
    ] = False,
    split: Annotated[str, typer.Option(help="Weights of the arms, the control first.")] = "50,50",
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Take FLAG's baseline and traffic from recorded events, by weeks.")
    ] = False,
    entry: Annotated[
        str | None,
        typer.Option(metavar="EVENT", help="With --recorded: the event with which units enter; default exposures."),
    ] = None,
    events: Events = None,
    at: At = None,
    project: Project = None,
    keep: Keep = None,
    json: Json = False,
    flags: Annotated[Path, typer.Option("--flags", metavar="PATH", help="The flag file, for FLAG.")] = Path(FLAGS),
) -> None:
    """Compute how many units an experiment needs, what effect they can detect, and how long it takes."""
    _refuse_unused(context, flag=flag is not None, recorded=recorded)
    with analysing():
        from burgee.analysis.stats.planning import Design, MetricBaseline
        from burgee.flagfile.experiments import Method

        if flag is not None:
            if not flags.is_file():
                raise typer.BadParameter(f"there is no file {flags}", param_hint="--flags")
            plan = _known(plans_of(flags), flag)
            if recorded:
                chosen = Chosen(events, moment(at), project, keep=keep)
                _tell_history(_history(flags, plan, chosen, entry), plan, effect, json=json)
                return
            result = _planned(plan)
        else:
            if recorded:
                raise typer.BadParameter("name the flag with the experiment", param_hint="--recorded")
            if baseline is None:
                raise typer.BadParameter("name a flag, or give --baseline", param_hint="--baseline")
            shares = _shares(split)
            each = alpha / (len(shares) - 1)
            with _possible("--split"):
                control, smallest = shares[0], min(shares[1:])
                design = Design(
                    each, wanted, Method(method), looks, control=control, treatment=smallest, at_once=at_once
                )
            with _possible("--baseline" if sd is None else "--baseline, --sd"):
                metric = MetricBaseline(baseline, sd)
            result = _sized(metric, design, effect, units)
    if per_day is not None and not 0 < per_day < float("inf"):
        raise typer.BadParameter("new units a day must be above zero", param_hint="--per-day")
    size = result["sample_size"]
    result["days"] = None if not per_day or size is None else size / per_day
    if json:
        output.as_json(result)
        return
    chance = f"with power {result['power'] * 100:.4g}%"
    if size is not None:
        output.say(f"{size:,} units in all arms find {result['effect']:.3g} % {chance}")
    if result["units"] is not None:
        found = "nothing" if result["detectable"] is None else f"{result['detectable']:.3g} % or more"
        output.say(f"{result['units']:,} units find {found} {chance}")
    if result["inflation"] and result["inflation"] > 1:
        output.say(f"(early looks need {result['inflation'] - 1:.1%} more units than one look at the end)")
    if result["days"] is not None:
        output.say(f"at {per_day:,.0f} new units a day: {result['days']:.1f} days")


def _refuse_unused(context: typer.Context, *, flag: bool, recorded: bool) -> None:
    """A usage error for an option that would change nothing."""
    unused = dict.fromkeys(() if recorded else RECORDED, "needs --recorded")
    if flag:
        unused |= dict.fromkeys(NUMBERS, "is not for a flag: the numbers are those of its plan")
    if recorded:
        unused |= {"per_day": "is not for --recorded, which counts new units"}
        unused.pop("effect", None)
    for parameter in context.command.params:
        reason = unused.get(parameter.name or "")
        source = context.get_parameter_source(parameter.name or "")
        if reason and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(reason, param_hint=parameter.opts[0])


@contextmanager
def _possible(option: str) -> Iterator[None]:
    """A usage error for an impossible metric or effect."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _shares(split: str) -> list[float]:
    try:
        weights = [float(part) for part in split.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{split!r} is not weights such as 50,50", param_hint="--split") from error
    if len(weights) < 2 or not all(0 < weight <= MOST_WEIGHT for weight in weights):
        raise typer.BadParameter(
            "give two or more weights, all above zero and at most a million", param_hint="--split"
        )
    return [weight / sum(weights) for weight in weights]


def _known(found: dict[str, ExperimentPlan], flag: str) -> ExperimentPlan:
    if flag not in found:
        raise Refused("no-experiment", f"there is no experiment on {flag}")
    return found[flag]


def _planned(plan: ExperimentPlan) -> dict[str, Any]:
    if plan.baseline is None:
        message = f"the experiment on {plan.flag} has no `baseline` (a mean needs its `sd`)"
        raise Refused("no-baseline", f"{message}; --recorded takes it from recorded events")
    effect = plan.experiment.minimum_detectable_effect
    return _sized(plan.baseline, plan.design, None if effect is None else float(effect), plan.experiment.sample_size)


def _history(flags: Path, plan: ExperimentPlan, chosen: Chosen, entry: str | None) -> list[PastWeeks]:
    """What past weeks would have shown; says before what Athena reads."""
    from burgee.analysis.history import QUESTIONS, past_weeks
    from burgee.analysis.remote import cost
    from burgee.flagfile.data_sources import EngineName

    until = int((time.time() if chosen.until is None else chosen.until) * 1000)
    place = records_of(flags, chosen.events)
    if plan.source is None and not has_records(place):
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {place}")
    if plan.source is not None and plan.source.engine is EngineName.ATHENA:
        output.tell(cost(plan.source, QUESTIONS).sentence)
    return past_weeks((flags.parent, place), plan, until, entry=entry, project=chosen.project, keep=chosen.keep)


def _tell_history(found: list[PastWeeks], plan: ExperimentPlan, effect: float | None, *, json: bool) -> None:
    from burgee.analysis.history import weeks_for

    wanted = plan.experiment.minimum_detectable_effect if effect is None else effect
    plain = adjusted = None
    if wanted is not None:
        with _possible("--effect"):
            plain, adjusted = (weeks_for(found, plan, float(wanted), cuped=cuped) for cuped in (False, True))
    if json:
        weeks = [{name: _finite(value) for name, value in asdict(one).items()} for one in found]
        output.as_json({"effect": wanted, "weeks": plain, "weeks_cuped": adjusted, "past": weeks})
        return
    last, metric = found[-1], plan.experiment.primaries[0]
    units = f"{output.counted(last.units, 'unit')} in {output.counted(last.weeks, 'week')}"
    output.say(f"{metric} of {units}: mean {last.mean:.4g}, sd {last.sd:.4g}")
    output.say(f"CUPED would remove {max(last.gain, 0):.0%} of its variance")
    output.say(f"{'weeks':>5} {'units':>12} {'finds':>9} {'with CUPED':>11}")
    for one in found:
        cells = (f"{part:.3g} %" if isfinite(part) else "nothing" for part in (one.detectable, one.detectable_cuped))
        output.say("{:>5} {:>12,} {:>9} {:>11}".format(one.weeks, one.units, *cells))
    if wanted is not None:
        never = "no number of"
        output.say(f"{wanted:.3g} % takes {plain or never} weeks, with CUPED {adjusted or never}")


def _finite(value: float) -> float | None:
    """None for what no effect is large enough for: JSON has no infinity."""
    return value if isfinite(value) else None


def _sized(baseline: Any, design: Any, effect: float | None, units: int | None) -> dict[str, Any]:
    from burgee.analysis.stats.planning import detectable, inflation, sample_size

    if effect is None and units is None:
        raise typer.BadParameter("give --effect, --units or both", param_hint="--effect")
    if baseline.mean == 0:
        raise typer.BadParameter("an effect in percent needs a baseline that is not 0", param_hint="--baseline")
    size = found = None
    multiple: float | None = None
    if effect is not None:
        with _possible("--effect"):
            absolute = baseline.effect(effect)
            size, multiple = sample_size(baseline, absolute, design), inflation(baseline, absolute, design)
    if units is not None:
        smallest = detectable(units, baseline, design)
        found = _finite(smallest / abs(baseline.mean) * 100)
        if multiple is None and found is not None:
            multiple = inflation(baseline, smallest, design)
    return {
        "sample_size": size,
        "effect": effect,
        "units": units,
        "detectable": found,
        "power": design.power,
        "alpha": design.alpha,
        "method": str(design.method),
        "inflation": multiple,
    }
