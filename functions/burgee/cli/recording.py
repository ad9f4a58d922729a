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


def recorder(where: StoreOptions) -> Recorder:
    """Writes exposures and events to files; with BURGEE_UNIT_SECRET their units are keyed hashes."""
    scope = RecordScope(where.project, where.environment or "default", pseudonyms())
    return Recorder(JsonlSink(events_folder(where.flags)), scope)


def usage_file(flags: Path) -> Path:
    """The database of `burgee serve`'s usage: beside the flag file, ignored by Git."""
    return flags.parent / ".burgee" / "usage.sqlite"


def usage_counter(where: StoreOptions) -> UsageCounter:
    """Counts answers, and adds them to the database every minute and when the process ends."""
    with suppress(ValueError):  # not the main thread, which alone handles signals
        signal.signal(signal.SIGTERM, _end)
    scope = RecordScope(where.project, where.environment or "default")
    return UsageCounter(UsageDatabase(usage_file(where.flags)), scope)


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the process so that what it counted is written; by default a signal ends it at once."""
    raise SystemExit(128 + number)


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
