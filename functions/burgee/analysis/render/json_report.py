"""A report as JSON values, for scripts, the HTTP routes and the HTML page."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from burgee.analysis.decisions import look_number
from burgee.flagfile.experiments import Method
from burgee.times import format_time

if TYPE_CHECKING:
    from burgee.analysis.decisions import Look
    from burgee.analysis.plans import ExperimentPlan
    from burgee.analysis.reports import Report, Result
    from burgee.analysis.stats.estimates import Estimate


def as_json(report: Report) -> dict[str, Any]:
    """The whole report. Times are RFC 3339; None if a value is unknown or may not be shown yet."""
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
        "results": [_result(report.plan, one) for one in report.results],
        "exploratory": [
            {
                "attribute": one.attribute,
                "value": one.value,
                "metric": one.metric,
                "arm": one.arm,
                "direction": str(report.plan.metrics[one.metric].direction),
                **_estimate(one.estimate),
            }
            for one in report.breakdowns
        ],
        "cohorts": [
            {
                "metric": one.metric,
                "arm": one.arm,
                "by": "entry" if one.entered else "days since exposure",
                "day": one.day,
                **_estimate(one.estimate),
            }
            for one in report.cohorts
        ],
    }


def _result(plan: ExperimentPlan, one: Result) -> dict[str, Any]:
    body: dict[str, Any] = {
        "metric": one.metric,
        "role": one.role,
        "arm": one.arm,
        "kind": one.kind,
        "direction": one.direction,
        **_estimate(one.estimate),
        "adjusted_p": one.p_value,
        "found": one.found,
        "good": one.good,
        "immature": one.immature,
        "decided": format_time(one.finding.look.at / 1000) if one.finding.look and one.found else None,
        "bayes": None if one.belief is None else asdict(one.belief),
    }
    if one.role != "secondary":
        body["curve"] = [_point(plan, look) for look in one.curve]
    if one.margin is not None:
        body |= {
            "margin": one.margin,
            "holds": one.holds,
            "non_inferior_p": None if one.guarded is None else one.guarded.p_value,
        }
    return body


def _point(plan: ExperimentPlan, look: Look) -> dict[str, Any]:
    found = look.estimate
    planned = plan.experiment.method is Method.GROUP_SEQUENTIAL
    body = {"n": found.n, "difference": found.difference, "low": found.low, "high": found.high}
    number = look_number(plan, look.at) if planned else None
    return {"at": format_time(look.at / 1000), "look": number, **body}


def _estimate(found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(_ESTIMATE)
    values = (
        *(found.control.value, found.treatment.value, found.difference, found.low, found.high),
        *(found.relative, found.relative_low, found.relative_high, found.p_value, found.se),
        *(found.control.se * math.sqrt(found.control.n), found.adjusted, found.n),
    )
    return dict(zip(_ESTIMATE, values, strict=True))


_ESTIMATE = (
    *("control", "treatment", "difference", "low", "high", "relative", "relative_low", "relative_high"),
    *("p_value", "standard_error", "control_sd", "cuped", "n"),
)
