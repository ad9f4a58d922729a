"""Reports in a notebook: typed results that show themselves."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from burgee.analysis.evidence import gather
from burgee.analysis.plans import plans
from burgee.analysis.render.html_page import as_html
from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.text_report import as_text
from burgee.analysis.reports import report as report_of
from burgee.errors import FlagFileError, Refused
from burgee.flagfile.source import Source
from burgee.model import Severity
from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.analysis.evidence import Evidence
    from burgee.analysis.reports import Report

HEIGHT = 900


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A report with the evidence behind it; a notebook shows its page, `print` its text."""

    report: Report
    evidence: Evidence

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, as `burgee experiment report --format json` prints them."""
        return as_json(self.report)

    def __str__(self) -> str:
        return as_text(self.report)

    def __repr__(self) -> str:
        return f"<{self.report.plan.flag}: {self.report.verdict.decision}>"

    def _repr_html_(self) -> str:
        # In a frame of its own, the page's style does not reach the notebook's.
        page = escape(as_html(self.report))
        return f'<iframe srcdoc="{page}" sandbox width="100%" height="{HEIGHT}" style="border:0"></iframe>'


def report(  # noqa: PLR0913 - the options of `burgee experiment report`
    flag: str,
    flags: Path | str = "flags.yaml",
    *,
    events: Path | str | None = None,
    at: str | None = None,
    project: str | None = None,
    keep: Path | str | None = None,
) -> Shown:
    """What an experiment has shown, from its source or from Burgee's records in `events`, by default beside the file.

    `at` is a time in RFC 3339, default now; `keep` a folder for copies, as that of the command's `--keep`.
    Deviations from the registered plan are not looked for.
    Raises FlagFileError where the file has errors, and Refused where there is no such experiment, or no data.
    """
    path = Path(flags)
    source = Source(path)
    errors = [one for one in source.problems if one.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    known = plans(source.model)
    if flag not in known:
        others = f"; there are experiments on {', '.join(known)}" if known else ""
        raise Refused("no-experiment", f"there is no experiment on {flag}{others}")
    plan, now = known[flag], int(time() * 1000)
    until = now if at is None else int(parse_time(at) * 1000)
    place = path.parent / ".burgee/events" if events is None else events
    where = place if isinstance(place, Path) or place.startswith("s3://") else Path(place)
    kept = None if keep is None else Path(keep)
    evidence = gather((path.parent, where), plan, until, project=project, keep=kept)
    return Shown(report_of(plan, evidence, now=now), evidence)
