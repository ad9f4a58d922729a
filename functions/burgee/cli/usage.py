"""The usage of a flag file's or a store's flags, for commands, the service and agents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.cli.experiments import analysing
from burgee.cli.stores import opened
from burgee.errors import Refused
from burgee.events.records import RecordScope
from burgee.events.usage_database import Coverage, UsageDatabase
from burgee.events.usage_report import usage_report

if TYPE_CHECKING:
    from burgee.cli.stores import StoreOptions
    from burgee.events.usage_report import UsageReport
    from burgee.model import Snapshot

NOTHING = Coverage(None, 0, 0)


def usage_file(flags: Path) -> Path:
    """The database of `burgee serve`'s usage: beside the flag file, ignored by Git."""
    return flags.parent / ".burgee" / "usage.sqlite"


def reported_usage(where: StoreOptions, seconds: float, events: str | None = None) -> UsageReport:
    """The usage of the last seconds, of what is live or, before a release, of the flag file."""
    from burgee.releases.deploy import live

    with opened(where) as store:
        state, snapshot = live(store)
    version = state.pointer.version
    if not version and where.flags.is_file():
        from burgee.cli.source import releasable

        snapshot = releasable(where.flags, where.environment)[1]
    return usage_since(where, snapshot, version, seconds, events)


def usage_since(
    where: StoreOptions, snapshot: Snapshot, version: int, seconds: float, events: str | None = None
) -> UsageReport:
    """The usage of a snapshot's flags in the last seconds."""
    now = time.time()
    since = now - seconds
    scope = RecordScope(where.project, where.environment or "default")
    answered: list[Any] = []
    coverage = NOTHING
    if events is not None:
        with analysing():
            from burgee.analysis.usage import read_usage

            place = events if events.startswith("s3://") else Path(events)
            answered, coverage = read_usage(place, scope, since)
    elif usage_file(where.flags).is_file():
        usage = UsageDatabase(usage_file(where.flags))
        try:
            answered, coverage = usage.answered(scope, since), usage.coverage(scope, since)
        finally:
            usage.close()
    elif where.table is not None and not where.flags.is_file():
        raise Refused(
            "no-records", "name the records: `--events s3://BUCKET/events`, of the stack's output EventBucket"
        )
    return usage_report(answered, coverage, (since, now), snapshot, version)
