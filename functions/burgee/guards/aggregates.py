"""What a look at a step reads: counts and moments of two groups of units, as values.

A driver fills `Aggregates` from records, by the same queries as a report of an experiment:

- *Reached* are the units in the step's places on the hash line (`Ask.reached`), *compared* those in the comparison
  group's. Both are counted from their first exposure at or after `Ask.since`, whatever they were exposed to before:
  counting only those never seen before would compare newcomers in one group with everybody in the other.
- A metric counts a unit's events in its `window` after that exposure, and only units whose window is over by
  `Aggregates.until`. A unit's value is final when it counts, so that looks add independent units, a closed day is
  aggregated once (`pooled` joins two days), and a look reads only what is new. A metric without a window gets one.
- A metric is winsorised at the percentile over the units of both groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.records import dataclass, field
from burgee.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.guards.plan import GuardMetric, GuardPlan

VALUE, PER = "value", "per"
"""Columns of a unit: its value, and a ratio's denominator."""
WINDOW = 3_600_000
"""Milliseconds after its exposure in which a unit's events count, if the metric has no window; at most an eighth of
`hold`.
"""


@dataclass(frozen=True, slots=True)
class Moments:
    """Units, means and covariances (with n - 1) by column; a column's variance is under (c, c)."""

    n: int
    means: Mapping[str, float]
    covariances: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one group, over the units whose window is over.

    `active` of them have an event; `largest` is one unit's largest share of the metric's total, 0 to 1.
    """

    moments: Moments
    active: int
    largest: float = 0.0


@dataclass(frozen=True, slots=True)
class Arm:
    """One group: units exposed since the step began, and its metrics by name."""

    exposed: int
    metrics: Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Both groups at a look. Times are epoch milliseconds.

    `step` and `since` repeat the `Ask` that they answer. `until` is when the last exposure, event or other record was
    received, not the time of the question: a driver's clock that is ahead does not make data recent. `quiet`
    has, by metric, how many units of both groups whose window is over were first exposed after the metric's last
    event. `faults` says why the records cannot be trusted, such as too many that are unreadable, or a question that
    was not asked because it would read too many bytes.
    """

    step: int
    since: int
    until: int
    reached: Arm
    compared: Arm
    quiet: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def window_of(metric: GuardMetric, plan: GuardPlan) -> int:
    """The milliseconds after a unit's exposure in which its events count."""
    written = metric.definition.get("window")
    return min(WINDOW, plan.hold // 8) if written is None else round(parse_duration(written) * 1000)


def pooled(one: Moments, other: Moments) -> Moments:
    """The moments of both sets of units together."""
    if not one.n or not other.n:
        return one if one.n else other
    n = one.n + other.n
    apart = {name: other.means[name] - one.means[name] for name in one.means}
    return Moments(
        n,
        {name: one.means[name] + apart[name] * other.n / n for name in one.means},
        {
            (a, b): (
                (one.n - 1) * one.covariances[a, b]
                + (other.n - 1) * other.covariances[a, b]
                + apart[a] * apart[b] * one.n * other.n / n
            )
            / (n - 1)
            for a, b in one.covariances
        },
    )
