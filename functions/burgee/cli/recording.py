"""Recording and reports of `burgee serve`, in the folder beside the flag file."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from burgee.cli.experiments import (
    Chosen,
    analysing,
    events_folder,
    not_begun,
    nothing_yet,
    plans_of,
    pseudonyms,
    recorded,
    reported,
    summaries,
)
from burgee.cli.usage import reported_usage, usage_file
from burgee.errors import Refused
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.events.usage import UsageCounter
from burgee.events.usage_database import UsageDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType

    from burgee.cli.stores import StoreOptions
    from burgee.events.usage_database import Total
    from burgee.events.usage_report import UsageReport


def recorder(where: StoreOptions) -> Recorder:
    """Writes exposures and events to files; with BURGEE_UNIT_SECRET their units are keyed hashes."""
    scope = RecordScope(where.project, where.environment or "default", pseudonyms())
    return Recorder(JsonlSink(events_folder(where.flags)), scope)


def usage_counter(where: StoreOptions) -> UsageCounter:
    """Counts answers, and adds them to the database every minute and when the process ends."""
    with suppress(ValueError):  # not the main thread, which alone handles signals
        signal.signal(signal.SIGTERM, _end)
    scope = RecordScope(where.project, where.environment or "default")
    return UsageCounter(UsageDatabase(usage_file(where.flags)), scope)


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the process so that what it counted is written; by default a signal ends it at once."""
    raise SystemExit(128 + number)


class LocalUsage:
    """The usage that this service and others have recorded beside a flag file."""

    def __init__(self, where: StoreOptions) -> None:
        self.project, self.environment = where.project, where.environment or "default"
        self._where = where

    def usage(self, seconds: float, flag: str | None) -> dict[str, Any]:
        """See UsageReports."""
        from burgee.events.usage_report import as_record

        report = self.report(seconds)
        if flag is not None and flag not in report.flags and flag not in report.unknown:
            raise Refused("not-found", f"there is no flag {flag!r:.80}")
        return as_record(report, flag)

    def totals(self) -> list[Total]:
        """See Totals."""
        path = usage_file(self._where.flags)
        if not path.is_file():
            return []
        usage = UsageDatabase(path)
        try:
            return usage.totals(RecordScope(self.project, self.environment))
        finally:
            usage.close()

    def report(self, seconds: float) -> UsageReport:
        """The usage of the last seconds."""
        return reported_usage(self._where, seconds)


class LocalReports:
    """Reports from the records beside a flag file."""

    def __init__(self, flags: Path, project: str, environment: str) -> None:
        self.project, self.environment = project, environment
        self._flags = flags

    def every(self) -> list[dict[str, Any]]:
        """See Reports."""
        with analysing():
            return [found for found, _report in summaries(self._flags, Chosen(segments=False))]

    def one(self, flag: str) -> dict[str, Any] | None:
        """See Reports."""
        plan = plans_of(self._flags).get(flag)
        if plan is None:
            return None
        if plan.source is None and not recorded(events_folder(self._flags)):
            return nothing_yet(plan)
        with analysing():
            from burgee.analysis.render.json_report import as_json

            found = reported(self._flags, plan, Chosen())
            return not_begun(plan, found) or as_json(found)

    def evidence(self, report: Mapping[str, Any]) -> str:
        """See Reports."""
        with analysing():
            from burgee.analysis.render.html_page import evidence

            return evidence(report)
