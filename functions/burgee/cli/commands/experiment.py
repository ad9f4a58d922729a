"""`burgee experiment` and `burgee power`: status, results and planning of experiments."""

from __future__ import annotations

import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.options import FLAGS, File, Json
from burgee.cli.render import output
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.reports import Report
    from burgee.analysis.simulation import Tally


class Form(StrEnum):
    """The format of a report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    SQL = "sql"


class How(StrEnum):
    """As in flags.yaml."""

    FIXED = "fixed"
    GROUP_SEQUENTIAL = "group-sequential"
    ALWAYS_VALID = "always-valid"


MOST_WEIGHT = 1_000_000
Events = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Folder of records, or s3://BUCKET/PREFIX; default .burgee/events."),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Use only data up to this time, in RFC 3339; default now. A future time gives no verdict.",
    ),
]
Project = Annotated[str | None, typer.Option(metavar="NAME", help="Only records of this project; default all.")]

events_app = typer.Typer(no_args_is_help=True, help="Records of exposures and events.")
experiment_app = typer.Typer(no_args_is_help=True, help="A/B tests: status and results.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(experiment_app, name="experiment")
    app.add_typer(events_app, name="events")
    app.command()(power)


@events_app.command()
def forget(
    unit: Annotated[str, typer.Argument(help="The person's unit, as it was sent.")],
    events: Events = None,
    json: Json = False,
    flags: Annotated[Path, typer.Option("--flags", metavar="PATH", help="The flag file beside the records.")] = Path(
        FLAGS
    ),
) -> None:
    """Delete a person's records from files, under every linked ID; for a bucket, print the commands to run."""
    import os

    from burgee.events.forgetting import forget as forgotten
    from burgee.events.records import Pseudonyms, RecordScope

    place = _place(flags, events)
    if isinstance(place, str):
        output.say(_BUCKET.format(place=place.rstrip("/"), unit=shlex.quote(unit)))
        return
    secret = os.environ.get("BURGEE_UNIT_SECRET", "")
    try:
        scope = RecordScope(pseudonyms=Pseudonyms.parse(secret) if secret else None)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="BURGEE_UNIT_SECRET") from error
    with analysing():
        found = forgotten(place, scope.unit(unit))
    if json:
        output.as_json({"records": found.records, "files": found.files, "names": found.names})
        return
    names, files = output.counted(found.names, "name"), output.counted(found.files, "file")
    output.say(f"{found.records:,} records under {names} removed from {files}")


_BUCKET = """A bucket is changed through a copy; stop all writers to it meanwhile:
aws s3 sync {place} forget && burgee events forget {unit} --events forget && aws s3 sync forget {place} --delete
Versions, backups and dead letters of the bucket keep their records until they expire."""


@experiment_app.command()
def status(
    events: Events = None,
    at: At = None,
    project: Project = None,
    html: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a page of each report and an index into this folder.")
    ] = None,
    json: Json = False,
    flags: File = Path(FLAGS),
) -> None:
    """List the experiments of a file: units so far, health, and verdict."""
    from burgee.cli.options import moment

    until = moment(at)
    if not recorded(_place(flags, events)) and not any(plan.source for plan in plans_of(flags).values()):
        _nothing_yet(plans_of(flags), json=json)
        return
    with analysing():
        chosen = Chosen(events, until, project, segments=html is not None)
        reports = [reported(flags, plan, chosen) for plan in plans_of(flags).values()]
        if html is not None:
            _pages(reports, html)
    if json:
        output.as_json([short(one) for one in reports])
        return
    for one in reports:
        seen, planned = sum(one.units.values()), one.plan.experiment.sample_size
        of = f" of {planned:,}" if planned else ""
        healthy = "healthy" if one.healthy else "UNHEALTHY"
        output.say(f"{one.plan.flag}: {one.verdict.decision}  [{seen:,}{of} units, {healthy}]")
    if not reports:
        output.say("there are no experiments")


def _pages(reports: list[Report], folder: Path) -> None:
    from burgee.analysis.render.html_page import as_html, as_index
    from burgee.files import write_file

    folder.mkdir(parents=True, exist_ok=True)
    for one in reports:
        write_file(folder / f"{one.plan.flag}.html", as_html(one).encode())
    write_file(folder / "index.html", as_index(reports).encode())
    output.tell(f"Written to {folder / 'index.html'}")


def _nothing_yet(found: dict[str, ExperimentPlan], *, json: bool) -> None:
    """The status of experiments without records, which needs no analysis."""
    if json:
        output.as_json([nothing_yet(plan) for plan in found.values()])
        return
    for plan in found.values():
        planned = plan.experiment.sample_size
        output.say(f"{plan.flag}: wait  [0{f' of {planned:,}' if planned else ''} units, no records yet]")
    if not found:
        output.say("there are no experiments")


@experiment_app.command("report")
def report_(
    flag: Annotated[str, typer.Argument(help="The flag with the experiment.")],
    events: Events = None,
    at: At = None,
    project: Project = None,
    form: Annotated[Form, typer.Option("--format", help="Output format; sql is what is asked.")] = Form.TEXT,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write it to this file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what Athena would read.")] = False,
    flags: File = Path(FLAGS),
) -> None:
    """Report an experiment's results: health, effects, and a verdict in one sentence."""
    from burgee.cli.options import moment
    from burgee.files import write_file

    until = moment(at)
    found = plans_of(flags)
    if flag not in found:
        known = f"; there are experiments on {', '.join(found)}" if found else ""
        raise Refused("no-experiment", f"there is no experiment on {flag}{known}")
    place = _place(flags, events)
    if form is not Form.SQL and found[flag].source is None and not recorded(place):
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {place}")
    with analysing():
        if dry_run:
            output.say(_price(found[flag]))
            return
        if form is Form.SQL:
            text = _sql(found[flag])
        else:
            text = _rendered(reported(flags, found[flag], Chosen(events, until, project)), form)
    if out is None:
        output.say(text.rstrip("\n"))
    else:
        write_file(out, text.encode())
        output.tell(f"Written to {out}")


@experiment_app.command()
def simulate(
    runs: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many experiments.")] = 200,
    units: Annotated[int, typer.Option(min=200, max=10_000_000, help="Units in each.")] = 2000,
    effect: Annotated[float, typer.Option(min=0, max=100, help="True effect in percent; 0 is A/A.")] = 0.0,
    looks: Annotated[int, typer.Option(min=1, max=20, help="Looks of the sequential methods.")] = 20,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.5, help="False-positive rate.")] = 0.05,
    seed: Annotated[int, typer.Option(help="The same seed gives the same experiments.")] = 1,
    json: Json = False,
) -> None:
    """Run synthetic experiments through the real bucketing and analysis: how often is an effect found?"""
    with analysing():
        from burgee.analysis import simulation

        setting = simulation.Setting(units, effect / 100, looks, alpha, seed)
        result = _tally(simulation.simulate(runs, setting, _progress(runs)), setting)
    if json:
        output.as_json(result)
        return
    output.say(f"{runs:,} experiments of {units:,} units, true effect {effect:g} %, alpha {alpha:g}")
    for name, share in result["found"].items():
        planned = f"   planned {share['planned']:.2%}" if share["planned"] is not None else ""
        output.say(f"  found by {name}: {_formatted(share)}{planned}")
    for name, share in result["covered"].items():
        output.say(f"  intervals of {name} that contain the true effect: {_formatted(share)}")


def power(
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
    split: Annotated[str, typer.Option(help="Weights of the arms, the control first.")] = "50,50",
    json: Json = False,
    flags: Annotated[Path, typer.Option("--flags", metavar="PATH", help="The flag file, for FLAG.")] = Path(FLAGS),
) -> None:
    """Compute how many units an experiment needs, what effect they can detect, and how long it takes."""
    with analysing():
        from burgee.analysis.stats.planning import Design, MetricBaseline
        from burgee.flagfile.experiments import Method

        if flag is not None:
            if not flags.is_file():
                raise typer.BadParameter(f"there is no file {flags}", param_hint="--flags")
            result = _planned(plans_of(flags), flag)
        else:
            if baseline is None:
                raise typer.BadParameter("name a flag, or give --baseline", param_hint="--baseline")
            shares = _shares(split)
            each = alpha / (len(shares) - 1)
            with _possible("--split"):
                design = Design(each, wanted, Method(method), looks, control=shares[0], treatment=min(shares[1:]))
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
    if size is not None:
        output.say(f"{size:,} units in all arms find {result['effect']:.3g} % with power {result['power']:.0%}")
    if result["detectable"] is not None:
        output.say(
            f"{result['units']:,} units find {result['detectable']:.3g} % or more with power {result['power']:.0%}"
        )
    if result["inflation"] > 1:
        output.say(f"(early looks need {result['inflation'] - 1:.1%} more units than one look at the end)")
    if result["days"] is not None:
        output.say(f"at {per_day:,.0f} new units a day: {result['days']:.1f} days")


def _formatted(share: dict[str, float]) -> str:
    return f"{share['share']:.2%} ({share['low']:.2%} to {share['high']:.2%})"


@contextmanager
def analysing() -> Iterator[None]:
    """Reports a missing extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"ibis", "duckdb", "scipy", "numpy", "pyarrow", "jinja2"}:
            raise
        raise Refused("no-analysis", f"{error.name} is missing: install burgee[analysis]") from error


def plans_of(flags: Path) -> dict[str, ExperimentPlan]:
    """The plans of a flag file."""
    from burgee.analysis.plans import plans
    from burgee.cli.source import releasable

    source, _snapshot = releasable(flags, None)
    return plans(source.model)


def recorded(place: Path | str) -> bool:
    """Whether there are records to read; for a bucket that is known only on reading."""
    if isinstance(place, str):
        return True
    return any(path.suffix in {".jsonl", ".parquet"} for path in place.rglob("*"))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The records of a report: their place, the end in epoch seconds (default now), and the project."""

    events: str | None = None
    until: float | None = None
    project: str | None = None
    segments: bool = True


def reported(flags: Path, plan: ExperimentPlan, chosen: Chosen) -> Report:
    """The report of a plan."""
    from burgee.analysis.evidence import gather
    from burgee.analysis.reports import report
    from burgee.cli.git.registration import registration
    from burgee.flagfile.data_sources import EngineName

    now = time.time()
    until = int((now if chosen.until is None else chosen.until) * 1000)
    place = _place(flags, chosen.events)
    asked: dict[str, Any] = {"project": chosen.project, "segments": chosen.segments}
    if plan.source is not None and plan.source.engine is EngineName.ATHENA:
        output.tell(_price(plan))
    evidence = gather((flags.parent, place), plan, until, **asked)
    known = registration(flags, plan)
    return report(plan, evidence, now=int(now * 1000), deviations=known.deviations, registered=known.commit)


def nothing_yet(plan: ExperimentPlan) -> dict[str, Any]:
    """The short report of an experiment without records."""
    arms = [
        {"name": arm, "share": share, "units": 0, "control": arm == plan.control} for arm, share in plan.arms.items()
    ]
    one = plan.experiment
    verdict = {"decision": "wait", "arm": None, "sentence": "Not decided yet: there are no records."}
    kept = {"flag": plan.flag, "method": str(one.method), "start": one.start, "end": one.end, "until": None}
    return {**kept, "arms": arms, "sample_size": one.sample_size, "health": [], "verdict": verdict}


def short(report: Report) -> dict[str, Any]:
    """A report without its numbers."""
    from burgee.analysis.render.json_report import as_json

    result = as_json(report)
    kept = ("flag", "method", "start", "end", "until", "arms", "sample_size", "health", "verdict")
    return {key: result[key] for key in kept}


def events_folder(flags: Path) -> Path:
    """The folder of `burgee serve`'s records: beside the flag file, ignored by Git."""
    return flags.parent / ".burgee" / "events"


def _place(flags: Path, events: str | None) -> Path | str:
    if events is None:
        return events_folder(flags)
    return events if events.startswith("s3://") else Path(events)


def _rendered(report: Report, form: Form) -> str:
    if form is Form.JSON:
        import json

        from burgee.analysis.render.json_report import as_json

        return json.dumps(as_json(report), indent=2)
    if form is Form.HTML:
        from burgee.analysis.render.html_page import as_html

        return as_html(report)
    from burgee.analysis.render.text_report import as_text

    return as_text(report)


def _price(plan: ExperimentPlan) -> str:
    """What a report of a source on Athena reads at most; Refused where that is more than the source allows."""
    from burgee.analysis.questions import number_of_questions
    from burgee.analysis.remote import cost
    from burgee.flagfile.data_sources import EngineName

    if plan.source is None or plan.source.engine is not EngineName.ATHENA:
        return "nothing is read that has a price"
    return cost(plan.source, number_of_questions(plan)).sentence


def _sql(plan: ExperimentPlan) -> str:
    from burgee.analysis.questions import questions_as_sql

    return "\n\n".join(f"-- {name}\n{sql};" for name, sql in questions_as_sql(plan).items())


def _progress(runs: int) -> Any:
    def tell(done: int) -> None:
        if done % max(runs // 20, 1) == 0:
            output.tell(f"{done:,} of {runs:,}")

    return tell


def _tally(tally: Tally, setting: Any) -> dict[str, Any]:
    from burgee.analysis.simulation import BUYERS
    from burgee.analysis.stats import planning
    from burgee.analysis.stats.planning import Design, MetricBaseline
    from burgee.flagfile.experiments import Method

    def share(hits: int, planned: float | None = None) -> dict[str, float | None]:
        at, low, high = tally.share(hits)
        return {"share": at, "low": low, "high": high, "planned": planned}

    found = {}
    for method in Method:
        design = Design(setting.alpha, method=method, looks=setting.looks)
        effect = BUYERS * setting.effect
        planned = planning.power(setting.units, MetricBaseline(BUYERS), effect, design) if effect else None
        found[str(method)] = share(tally.found[method], planned)
    found["looking repeatedly at a fixed one"] = share(tally.peeked)
    return {
        "runs": tally.runs,
        "found": found,
        "covered": {metric: share(hits) for metric, hits in tally.covered.items()},
        "sample_ratio_alarms": share(tally.mismatched),
    }


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


def _planned(found: dict[str, ExperimentPlan], flag: str) -> dict[str, Any]:
    if flag not in found:
        raise Refused("no-experiment", f"there is no experiment on {flag}")
    plan = found[flag]
    if plan.baseline is None:
        raise Refused("no-baseline", f"the experiment on {flag} has no `baseline` (a mean needs its `sd`)")
    effect = plan.experiment.minimum_detectable_effect
    return _sized(plan.baseline, plan.design, None if effect is None else float(effect), plan.experiment.sample_size)


def _sized(baseline: Any, design: Any, effect: float | None, units: int | None) -> dict[str, Any]:
    from burgee.analysis.stats.planning import detectable, inflation, sample_size

    if effect is None and units is None:
        raise typer.BadParameter("give --effect, --units or both", param_hint="--effect")
    if baseline.mean == 0:
        raise typer.BadParameter("an effect in percent needs a baseline that is not 0", param_hint="--baseline")
    size = None
    if effect is not None:
        with _possible("--effect"):
            size = sample_size(baseline, baseline.effect(effect), design)
    found = None if units is None else detectable(units, baseline, design) / abs(baseline.mean) * 100
    return {
        "sample_size": size,
        "effect": effect,
        "units": units,
        "detectable": found,
        "power": design.power,
        "alpha": design.alpha,
        "method": str(design.method),
        "inflation": inflation(design),
    }
