"""Counts of everything that could spoil a result: records read, rejected, unreadable, repeated, late or unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.analysis import queries
from burgee.analysis.columns import counted_by, properties_of
from burgee.records import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from burgee.analysis.inputs import Inputs
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.tables import Records

    Rows: TypeAlias = Callable[[Any], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The records of one event in one arm. `units` have one after their exposure; `last` is in milliseconds."""

    n: int
    units: int
    before: int
    late: int
    elsewhere: int
    last: int | None


@dataclass(frozen=True, slots=True)
class PropertyValues:
    """The values of a property that a metric sums, in the records of an event."""

    event: str
    name: str
    records: int
    present: int
    no_number: int
    too_large: int
    example: str | None


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts of everything that could spoil a result.

    `elsewhere` are exposures that do not count, by (project, environment): the plan or the report names another one.
    `faults` are unreadable records by kind; `broken` files that cannot be read, each with the reason.
    """

    read: int | None = None
    exposures: int = 0
    events: int = 0
    refused: int = 0
    refused_example: str | None = None
    faults: Mapping[str, int] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    replays: int = 0
    clashes: int = 0
    arrivals: Mapping[str, Mapping[str, Arrival]] = field(default_factory=dict)
    values: Sequence[PropertyValues] = ()
    days: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    projects: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, int] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[tuple[str, str], int] = field(default_factory=dict)
    scattered: int = 0
    identified: int = 0
    aliased: int = 0
    crossed_aliases: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What a report has asked before its counts: its inputs, the events of its units before exclusions, and the rows
    of `queries.entries` and `queries.scopes`.
    """

    inputs: Inputs
    joined: Any
    entries: Sequence[Mapping[str, Any]]
    scopes: Sequence[Mapping[str, Any]]


def faults_of(rows: Rows, found: Records) -> Quality:
    """Unusable records, those rejected on arrival, and identities."""
    table = found.table
    kinds = rows(
        table.group_by("type", "fault").aggregate(
            n=table.count(),
            refused=table.properties["count"].try_cast("int64").sum(),
            example=table.properties["example"].min(),
        )
    )
    refused = [row for row in kinds if row["type"] == "refused" and row["fault"] is None]
    faults: dict[str, int] = {}
    for row in kinds:
        if row["fault"] is not None:
            faults[row["fault"]] = faults.get(row["fault"], 0) + int(row["n"])
    notices = sum(int(row["n"]) for row in refused)
    return Quality(
        read=None if found.read is None else found.read - sum(faults.values()) - notices,
        refused=sum(int(row["refused"] or 0) for row in refused),
        refused_example=next((row["example"] for row in refused), None),
        faults=dict(sorted(faults.items())),
        broken=found.broken,
        identified=sum(int(row["n"]) for row in kinds if row["type"] == "identify" and row["fault"] is None),
    )


def quality_of(rows: Rows, kept: Kept, plan: ExperimentPlan, until: int, faults: Quality) -> Quality:
    """All counts; `faults` holds those made before the inputs."""
    arrived = rows(queries.arrivals(kept.joined))
    arrivals = _arrivals(arrived)
    ids = rows(queries.replays(kept.joined))[0] if "event_id" in kept.joined.columns else {}
    days: dict[int, dict[str, int]] = {}
    for row in sorted(kept.entries, key=lambda row: int(row["day"])):
        if not row["crossed"]:
            arms = days.setdefault(int(row["day"]), {})
            arms[row["arm"]] = arms.get(row["arm"], 0) + int(row["n"])
    seen = [row for row in kept.scopes if row["n"] and "project" in row]
    others = [] if kept.inputs.elsewhere is None else rows(queries.scopes(kept.inputs.elsewhere, plan, until))
    elsewhere: dict[tuple[str, str], int] = {}
    for row in others:
        if row["n"]:
            scope = row["project"], row["environment"]
            elsewhere[scope] = elsewhere.get(scope, 0) + int(row["n"])
    return replace(
        faults,
        exposures=sum(int(row["n"]) for row in seen) or total(kept.entries),
        events=sum(one.n for arms in arrivals.values() for one in arms.values()),
        replays=int(ids.get("again") or 0),
        clashes=int(ids.get("clashes") or 0),
        arrivals=arrivals,
        values=_values(arrived, plan),
        days=days,
        projects=_counted(seen, "project"),
        environments=_counted(seen, "environment"),
        releases=_counted(seen, "release"),
        elsewhere=dict(sorted(elsewhere.items(), key=lambda one: (-one[1], one[0]))),
        scattered=total(kept.entries, "scattered"),
        aliased=total(kept.entries, "aliased"),
        crossed_aliases=total((row for row in kept.entries if row["crossed"]), "aliased"),
    )


def total(rows: Iterable[Mapping[str, Any]], name: str = "n") -> int:
    """The sum of a count over rows."""
    return sum(int(row.get(name) or 0) for row in rows)


def _arrivals(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Arrival]]:
    found: dict[str, dict[str, Arrival]] = {}
    for row in rows:
        last = None if row["last"] is None else int(row["last"])
        counts = {name: int(row[name] or 0) for name in ("n", "units", "before", "late", "elsewhere")}
        found.setdefault(row["event"], {})[row["arm"]] = Arrival(**counts, last=last)
    return dict(sorted(found.items()))


def _values(rows: Sequence[Mapping[str, Any]], plan: ExperimentPlan) -> list[PropertyValues]:
    names = properties_of(plan)
    asked = {
        (one.event, one.value)
        for metric in plan.metrics.values()
        for one in counted_by(metric)
        if one.value is not None
    }
    found = []
    for event, name in sorted(asked):
        at, known = f"p{names.index(name)}", [row for row in rows if row["event"] == event]
        if n := total(known):
            present, odd, large = (total(known, f"{at}_{kind}") for kind in ("present", "odd", "large"))
            examples = [row[f"{at}_example"] for row in known if row[f"{at}_example"] is not None]
            found.append(PropertyValues(event, name, n, present, odd, large, min(examples, default=None)))
    return found


def _counted(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row[name] or ""] = found.get(row[name] or "", 0) + int(row["n"])
    return dict(sorted(found.items()))
