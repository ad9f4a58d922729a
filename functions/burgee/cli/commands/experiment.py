"""`burgee experiment` and `burgee events`: status and results of experiments, and their records."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.experiments import (
    At,
    Chosen,
    Events,
    Keep,
    Project,
    analysing,
    plans_of,
    price,
    pseudonyms,
    recorded,
    records_of,
    reported,
    summaries,
)
from burgee.cli.options import FLAGS, File, Json
from burgee.cli.render import output
from burgee.errors import Refused

if TYPE_CHECKING:
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.reports import Report
    from burgee.analysis.simulation import Tally


class Form(StrEnum):
    """The format of a report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    SQL = "sql"


events_app = typer.Typer(no_args_is_help=True, help="Records of exposures and events.")
experiment_app = typer.Typer(no_args_is_help=True, help="A/B tests: status and results.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(experiment_app, name="experiment")
    app.add_typer(events_app, name="events")


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
    from burgee.analysis.keeping import forgetting
    from burgee.events.forgetting import forget as forgotten
    from burgee.events.records import RecordScope

    place = records_of(flags, events)
    if isinstance(place, str):
        output.say(_BUCKET.format(place=place.rstrip("/"), unit=shlex.quote(unit)))
        return
    scope = RecordScope(pseudonyms=pseudonyms())
    with analysing(), forgetting(place):
        found = forgotten(place, scope.unit(unit))
    if json:
        output.as_json({"records": found.records, "files": found.files, "names": found.names})
        return
    names, files = output.counted(found.names, "name"), output.counted(found.files, "file")
    output.say(f"{output.counted(found.records, 'record')} under {names} removed from {files}")


_BUCKET = """A bucket is changed through a copy; stop all writers to it until the end:
aws s3 sync {place} forget && burgee events forget {unit} --events forget && aws s3 sync forget {place} --delete
Then delete the folder forget, and report once more with each --keep, which deletes the copies of what changed.
Versions, backups and dead letters of the bucket keep their records until they expire."""


@experiment_app.command()
def status(
    events: Events = None,
    at: At = None,
    project: Project = None,
    keep: Keep = None,
    html: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write a page of each report and an index into this folder.")
    ] = None,
    json: Json = False,
    flags: File = Path(FLAGS),
) -> None:
    """List the experiments of a file: units so far, health, and verdict."""
    from burgee.cli.options import moment

    with analysing():
        found = list(summaries(flags, Chosen(events, moment(at), project, segments=html is not None, keep=keep)))
        if html is not None:
            _pages(found, html)
    if json:
        output.as_json([one for one, _report in found])
    for one, _report in () if json else found:
        output.say(_line(one))
    if not found and not json:
        output.say("there are no experiments")
    lost = [one for one, report in found if report is None and one["health"]]
    for one in lost:
        output.tell(f"{one['flag']}: {one['health'][0]['message']}")
    if lost:
        raise typer.Exit(1)


def _line(found: dict[str, Any]) -> str:
    """A short report as one line."""
    units = sum(arm["units"] for arm in found["arms"])
    of = f" of {found['sample_size']:,}" if found["sample_size"] else ""
    lights = {one["light"] for one in found["health"]}
    state = "no records yet" if not lights else "UNHEALTHY" if "bad" in lights else "healthy"
    return f"{found['flag']}: {found['verdict']['decision']}  [{units:,}{of} units, {state}]"


def _pages(found: list[tuple[dict[str, Any], Report | None]], folder: Path) -> None:
    from burgee.analysis.render.html_page import as_html, as_index
    from burgee.files import write_file

    folder.mkdir(parents=True, exist_ok=True)
    for _short, report in found:
        if report is not None:
            write_file(folder / f"{report.plan.topic}.html", as_html(report).encode())
    write_file(folder / "index.html", as_index(found).encode())
    output.tell(f"Written to {folder / 'index.html'}")


@experiment_app.command("report")
def report_(
    flag: Annotated[str, typer.Argument(help="The flag with the experiment, or a holdout such as holdout:q4.")],
    events: Events = None,
    at: At = None,
    project: Project = None,
    keep: Keep = None,
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
    place = records_of(flags, events)
    if form is not Form.SQL and found[flag].source is None and not recorded(place):
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {place}")
    with analysing():
        if dry_run:
            output.say(price(found[flag]))
            return
        if form is Form.SQL:
            text = _sql(found[flag])
        else:
            text = _rendered(reported(flags, found[flag], Chosen(events, until, project, keep=keep)), form)
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
    size = f"{output.counted(runs, 'experiment')} of {output.counted(units, 'unit')}"
    output.say(f"{size}, true effect {effect:g} %, alpha {alpha:g}")
    for name, share in result["found"].items():
        planned = f"   planned {share['planned']:.2%}" if share["planned"] is not None else ""
        output.say(f"  found by {name}: {_formatted(share)}{planned}")
    for name, share in result["covered"].items():
        output.say(f"  intervals of {name} that contain the true effect: {_formatted(share)}")


def _formatted(share: dict[str, float]) -> str:
    return f"{share['share']:.2%} ({share['low']:.2%} to {share['high']:.2%})"


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
