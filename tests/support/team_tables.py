"""A team's own tables, made of an experiment's records, and sources that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.analysis.evidence import gather
from support.experiments import planned

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence
    from burgee.analysis.plans import ExperimentPlan

EXPERIMENT = """\
version: 1
{sources}metrics:
  bought: {{event: order, kind: proportion, window: 7d}}
  revenue: {{event: order, kind: mean, value: amount, winsorise: 99}}
  basket: {{event: order, kind: ratio, value: amount, per: {{event: visit}}}}
  slow: {{event: visit, kind: quantile, value: ms, quantile: 0.9, direction: decrease}}
  brands: {{event: visit, kind: mean, distinct: brand, where: {{rank: [1, 2], paid: true}}, delay: 1h, window: 7d}}
flags:
  button:
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: A green button is found sooner
      {source}start: 2026-01-01
      end: 2026-01-29
      primary: [bought, brands]
      secondary: [revenue, basket]
      guardrails: {{slow: {{margin: 10}}}}
      method: group-sequential
      cuped: 7d
      segments: [country]
"""
SOURCE = """\
sources:
  shop:
    {engine}
    exposures:
      table: {exposures}
      unit: user_id
      time: seen_at
      variant: variation
      variants: {{"0": off, "1": on}}
      flag: experiment
      columns: {{country: geo}}
    facts:
      order: {{table: {orders}, unit: user_id, time: happened, id: order_id, columns: {{amount: total}}}}
      visit: {{table: {visits}, unit: user_id, time: happened, id: visit_id, where: {{bot: false}}}}
"""


def plan_of(folder: Path, source: str = "") -> ExperimentPlan:
    return planned(folder, EXPERIMENT.format(sources=source, source="source: shop\n      " if source else ""))


def lean_plan_of(folder: Path, source: str = "") -> ExperimentPlan:
    """One that takes few questions: a service is asked each of them alone."""
    text = EXPERIMENT.format(sources=source, source="source: shop\n      " if source else "")
    text = text.replace("      method: group-sequential\n      cuped: 7d\n", "").replace(
        "      segments: [country]\n", ""
    )
    return planned(folder, text.replace("[bought, brands]", "brands").replace("[revenue, basket]", "[basket]"))


TABLES = {
    "exposures": """SELECT unit AS user_id, to_timestamp(time / 1000)::TIMESTAMP AS seen_at, flag AS experiment,
        CASE variant WHEN 'on' THEN 1 ELSE 0 END AS variation, properties['country'] AS geo
        FROM records WHERE type = 'exposure'""",
    "orders": """SELECT unit AS user_id, time AS ms_, to_timestamp(time / 1000)::TIMESTAMP AS happened,
        event_id AS order_id,        properties['amount']::DOUBLE AS total FROM records WHERE event = 'order'""",
    "visits": """SELECT unit AS user_id, to_timestamp(time / 1000) AS happened, event_id AS visit_id, false AS bot,
        properties['ms']::DOUBLE AS ms, properties['brand'] AS brand, properties['rank']::INT AS rank,
        properties['paid']::BOOLEAN AS paid FROM records WHERE event = 'visit'
        UNION ALL SELECT 'u1', TIMESTAMPTZ '2026-01-20 00:00:00+00', 'bot', true, 9e9, 'b', 1, true""",
}
DECLARED = {
    "exposures": "* REPLACE (CAST(variation AS VARCHAR) AS variation, CAST(seen_at AS TIMESTAMPTZ) AS seen_at)",
    "orders": "* REPLACE (CAST(happened AS TIMESTAMPTZ) AS happened)",
    "visits": "*",
}
"""Columns in the types that a source implies where nobody is asked for the real ones."""


def results(evidence: Evidence) -> Any:
    """Everything of the evidence that decides, to 9 digits: no engine adds up in a fixed order."""
    arms = {
        (arm, metric): (moments.n, rounded(moments.means), rounded(moments.covariances))
        for arm, one in evidence.arms.items()
        for metric, moments in one.moments.items()
    }
    points = {
        (arm, metric): tuple(round(value, 9) for value in (found.n, found.value, found.low, found.high))
        for arm, one in evidence.arms.items()
        for metric, found in one.points.items()
    }
    series = {
        (metric, moment.at, arm): (moments.n, rounded(moments.means), rounded(moments.covariances))
        for metric, looks in evidence.series.items()
        for moment in looks
        for arm, moments in moment.arms.items()
    }
    segments = {
        (value, arm): one.n
        for value, arms in evidence.segments.get("country", {}).items()
        for arm, one in arms.items()
    }
    arrived = {
        (name, arm): (one.n, one.units)
        for name, arms in evidence.quality.arrivals.items()
        for arm, one in arms.items()
    }
    days = evidence.quality.days
    return arms, points, series, segments, arrived, days, evidence.units, evidence.crossed, evidence.early


def rounded(values: Any) -> dict[Any, float]:
    return {key: float(f"{value:.9g}") for key, value in values.items() if abs(value) > 1e-9}


def gathered(folder: Path, tables: Path, source: str, lines: Path | None = None) -> Evidence:
    plan = plan_of(folder, source)
    return gather((tables, lines or folder / "none"), plan, plan.end)
