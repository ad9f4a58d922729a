"""A report as JSON values: what scripts, the HTTP routes and the HTML page read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from burgee.times import format_time

if TYPE_CHECKING:
    from burgee.analysis.reports import Report, Result
    from burgee.analysis.stats.estimates import Estimate


def as_json(report: Report) -> dict[str, Any]:
    """The whole report. Times are RFC 3339; None stands where nothing can be said."""
    experiment = report.plan.experiment
    return {
        "flag": report.plan.flag,
        "hypothesis": experiment.hypothesis,
        "owner": experiment.owner,
        "method": str(experiment.method),
        "alpha": experiment.alpha,
        "start": experiment.start,
        "end": experiment.end,
        "until": format_time(report.until / 1000),
        "over": report.over,
        "registered": report.registered,
        "deviations": list(report.deviations),
        "arms": [
            {"name": arm, "share": share, "units": report.units[arm], "control": arm == report.plan.control}
            for arm, share in report.plan.arms.items()
        ],
        "sample_size": experiment.sample_size,
        "health": [{"check": one.name, "light": str(one.light), "message": one.message} for one in report.checks],
        "verdict": {
            "decision": str(report.verdict.decision),
            "arm": report.verdict.arm,
            "sentence": report.verdict.sentence,
        },
        "results": [_result(one) for one in report.results],
        "exploratory": [
            {
                "attribute": one.attribute,
                "value": one.value,
                "metric": one.metric,
                "arm": one.arm,
                **_estimate(one.estimate),
            }
            for one in report.breakdowns
        ],
    }


def _result(one: Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "metric": one.metric,
        "role": one.role,
        "arm": one.arm,
        "kind": one.kind,
        "direction": one.direction,
        **_estimate(one.estimate),
        "adjusted_p": one.adjusted_p,
        "found": one.found,
        "good": one.good,
    }
    if one.finding is not None:
        told["sequence"] = {"low": one.finding.low, "high": one.finding.high}
        told["curve"] = [
            {"at": format_time(p.at / 1000), "n": p.n, "difference": p.difference, "low": p.low, "high": p.high}
            for p in one.curve
        ]
    if one.margin is not None:
        told |= {"margin": one.margin, "non_inferior_p": one.non_inferior_p, "holds": one.holds}
    return told


def _estimate(found: Estimate) -> dict[str, Any]:
    n = found.control.n + found.treatment.n
    return {
        "control": found.control.value,
        "treatment": found.treatment.value,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "relative": found.relative,
        "relative_low": found.relative_low,
        "relative_high": found.relative_high,
        "p_value": found.p_value,
        "standard_error": found.se,
        "control_sd": found.control.se * math.sqrt(found.control.n),
        "cuped": found.adjusted,
        "n": n,
    }
