"""What commands on experiments share: their options, the records, and the reports of a flag file's plans."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.render import output
from burgee.errors import Refused
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.reports import Report
    from burgee.events.records import Pseudonyms

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
Keep = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Keep copies of records, and of a bucket's files, in this folder: the next report reads only new ones.",
    ),
]
Project = Annotated[str | None, typer.Option(metavar="NAME", help="Only records of this project; default all.")]


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
    """The records of a report: their place, the end in epoch seconds (default now), the project, and where copies of
    their files are kept.
    """

    events: str | None = None
    until: float | None = None
    project: str | None = None
    segments: bool = True
    keep: Path | None = None


def reported(flags: Path, plan: ExperimentPlan, chosen: Chosen) -> Report:
    """The report of a plan."""
    from burgee.analysis.evidence import gather
    from burgee.analysis.reports import report
    from burgee.cli.git.registration import registration
    from burgee.flagfile.data_sources import EngineName

    now = time.time()
    until = int((now if chosen.until is None else chosen.until) * 1000)
    place = records_of(flags, chosen.events)
    asked: dict[str, Any] = {"project": chosen.project, "segments": chosen.segments, "keep": chosen.keep}
    if plan.source is not None and plan.source.engine is EngineName.ATHENA:
        output.tell(price(plan))
    evidence = gather((flags.parent, place), plan, until, **asked)
    known = registration(flags, plan)
    return report(plan, evidence, now=int(now * 1000), deviations=known.deviations, registered=known.commit)


def summaries(flags: Path, chosen: Chosen) -> Iterator[tuple[dict[str, Any], Report | None]]:
    """The short report of each experiment of a flag file, with the whole one.

    None where there is nothing to read yet, or where it cannot be read: that hides no other experiment.
    """
    place = records_of(flags, chosen.events)
    for plan in plans_of(flags).values():
        if plan.source is None and not recorded(place):
            yield nothing_yet(plan), None
            continue
        try:
            found = reported(flags, plan, chosen)
        except Refused as error:
            yield (nothing_yet(plan) if error.code == "no-records" else unreadable(plan, error)), None
        else:
            yield not_begun(plan, found) or short(found), found


def nothing_yet(plan: ExperimentPlan) -> dict[str, Any]:
    """The short report of an experiment without records."""
    return _without_units(plan, "wait", "Not decided yet: there are no records.")


def not_begun(plan: ExperimentPlan, found: Report) -> dict[str, Any] | None:
    """The short report of an experiment that nobody is in before its start; None for any other."""
    start = plan.experiment.start
    if parse_time(start) <= time.time() or any(found.units.values()):
        return None
    return _without_units(plan, "wait", f"Not decided yet: it begins on {start[:10]}.")


def unreadable(plan: ExperimentPlan, error: Refused) -> dict[str, Any]:
    """The short report of an experiment whose records or tables cannot be read."""
    found = _without_units(plan, "withheld", f"No verdict: {error}.")
    return found | {"health": [{"check": "records", "light": "bad", "message": str(error)}]}


def _without_units(plan: ExperimentPlan, decision: str, sentence: str) -> dict[str, Any]:
    arms = [
        {"name": arm, "share": share, "units": 0, "control": arm == plan.control} for arm, share in plan.arms.items()
    ]
    one = plan.experiment
    verdict = {"decision": decision, "arm": None, "sentence": sentence}
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


def records_of(flags: Path, events: str | None) -> Path | str:
    """The place of the records: what --events says, else the folder of `burgee serve`."""
    if events is None:
        return events_folder(flags)
    return events if events.startswith("s3://") else Path(events)


def price(plan: ExperimentPlan) -> str:
    """What a report of a source on Athena reads at most; Refused where that is more than the source allows."""
    from burgee.analysis.questions import number_of_questions
    from burgee.analysis.remote import cost
    from burgee.flagfile.data_sources import EngineName

    if plan.source is None or plan.source.engine is not EngineName.ATHENA:
        return "nothing is read that has a price"
    return cost(plan.source, number_of_questions(plan)).sentence


def pseudonyms() -> Pseudonyms | None:
    """How units become keyed hashes, from BURGEE_UNIT_SECRET; None without it."""
    from burgee.events.records import Pseudonyms

    secret = os.environ.get("BURGEE_UNIT_SECRET", "")
    try:
        return Pseudonyms.parse(secret) if secret else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="BURGEE_UNIT_SECRET") from error
