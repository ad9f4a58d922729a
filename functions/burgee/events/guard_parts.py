"""What a query of a guard's look returns, in parts that are joined: a closed day is asked once.

A part has the units that were first exposed in some time. Each counts in one part, so parts are added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.events.guard_groups import COMPARED, REACHED
from burgee.guards.aggregates import PER, VALUE, Aggregates, Arm, Measured, Moments, pooled
from burgee.records import NamedTuple, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from burgee.guards.driver import Ask
    from burgee.guards.plan import GuardMetric

ARMS = (REACHED, COMPARED)


class Sums(NamedTuple):
    """One metric of one group's units whose window is over.

    `active` of them have an event; `largest` is one unit's value, of `total`, both not winsorised; `quiet` units came
    after the metric's last event.
    """

    moments: Moments
    active: int = 0
    largest: float = 0.0
    total: float = 0.0
    quiet: int = 0

    def joined(self, other: Sums) -> Sums:
        """Both sets of units together."""
        return Sums(
            pooled(self.moments, other.moments),
            self.active + other.active,
            max(self.largest, other.largest),
            self.total + other.total,
            self.quiet + other.quiet,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """The units exposed in each group; by metric each group's sums, and the time of the last event, 0 for none."""

    units: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, Mapping[str, Sums]] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)

    def joined(self, later: Part) -> Part:
        """This part and one of later units, whose query knew this part's last events."""
        if not self.sums:
            return later
        sums = {}
        for metric, arms in later.sums.items():
            # A later unit's event comes after all of these units.
            stale = later.last[metric] > self.last[metric]
            mine = {arm: one._replace(quiet=0) if stale else one for arm, one in self.sums[metric].items()}
            sums[metric] = {arm: mine[arm].joined(arms[arm]) for arm in ARMS}
        return Part({arm: self.units[arm] + later.units[arm] for arm in ARMS}, sums, later.last)

    def aggregates(self, ask: Ask, until: int, faults: Iterable[str]) -> Aggregates:
        """What the look has found; `until` is the time of the last record."""
        reached, compared = (self._arm(arm, ask) for arm in ARMS)
        quiet = {name: sum(one.quiet for one in arms.values()) for name, arms in self.sums.items()}
        return Aggregates(ask.step, ask.since, until, reached, compared, quiet, tuple(faults))

    def _arm(self, arm: str, ask: Ask) -> Arm:
        found = {}
        for metric in ask.metrics:
            one = self.sums[metric.name][arm]
            found[metric.name] = Measured(one.moments, one.active, one.largest / one.total if one.total else 0.0)
        return Arm(self.units[arm], found)

    def as_record(self) -> dict[str, Any]:
        """The part as JSON values."""
        return {
            "units": dict(self.units),
            "last": dict(self.last),
            "sums": {metric: {arm: _record(one) for arm, one in arms.items()} for metric, arms in self.sums.items()},
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Part:
        """Reads a record."""
        sums = {metric: {arm: _sums(one) for arm, one in arms.items()} for metric, arms in record["sums"].items()}
        return cls(record["units"], sums, record["last"])


def part_of(rows: Iterable[Mapping[str, Any]], metrics: Iterable[GuardMetric]) -> Part:
    """The part in the rows of a query, one for each group; its columns `m0_...` are of the first metric."""
    found = {row["arm"]: row for row in rows}
    units = {arm: int(found[arm]["n"]) if arm in found else 0 for arm in ARMS}
    sums, last = {}, {}
    for index, metric in enumerate(metrics):
        columns = (VALUE, PER) if metric.definition.get("kind") == "ratio" else (VALUE,)
        sums[metric.name] = {arm: _sums_of(found.get(arm, {}), index, columns) for arm in ARMS}
        last[metric.name] = max((int(row[f"last{index}"] or 0) for row in found.values()), default=0)
    return Part(units, sums, last)


def _sums_of(row: Mapping[str, Any], index: int, columns: tuple[str, ...]) -> Sums:
    """The sums in a row; what is missing, with too few units, is zero."""

    def number(name: str) -> float:
        return float(row.get(name) or 0.0)

    m = f"m{index}"
    both = {}
    for place, one in enumerate(columns):
        for other in columns[place:]:
            both[one, other] = both[other, one] = number(f"{m}_{one}_{other}")
    return Sums(
        Moments(int(number(f"{m}_n")), {one: number(f"{m}_{one}_mean") for one in columns}, both),
        int(number(f"active{index}")),
        number(f"{m}_{VALUE}_largest"),
        number(f"{m}_{VALUE}_total"),
        int(number(f"quiet{index}")),
    )


def _record(one: Sums) -> dict[str, Any]:
    moments = one.moments
    both = [[a, b, value] for (a, b), value in moments.covariances.items()]
    return {**one._asdict(), "moments": {"n": moments.n, "means": dict(moments.means), "covariances": both}}


def _sums(record: Mapping[str, Any]) -> Sums:
    moments = record["moments"]
    both = {(a, b): value for a, b, value in moments["covariances"]}
    return Sums(**{**record, "moments": Moments(moments["n"], moments["means"], both)})
