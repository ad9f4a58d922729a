"""A report for a terminal: symbols and words as well as colours, and intervals drawn in characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.analysis.health import Light
from burgee.analysis.render.words import when_shown, word_of
from burgee.analysis.verdicts import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.analysis.reports import Report, Result

SIGNS = {Light.OK: "ok  ", Light.WARN: "WARN", Light.BAD: "BAD "}
WIDTH = 41
DAYS = {0, 1, 2, 6, 13, 27}
"""The days since exposure that are printed; JSON and the page have all."""


def as_text(report: Report) -> str:
    """The report, at most 100 columns wide if names permit."""
    plan, experiment = report.plan, report.plan.experiment
    lines = [
        f"{plan.flag}: {experiment.hypothesis}",
        f"{experiment.method}, {experiment.start} to {experiment.end}, alpha {experiment.alpha:g}"
        + (f", registered in {report.registered}" if report.registered else ""),
        "",
        f"=> {report.verdict.sentence}",
        "",
        "Health",
        *(f"  {SIGNS[one.light]} {one.name}: {one.message}" for one in report.checks),
    ]
    if report.deviations:
        lines += ["", "Deviations from the plan", *(f"  ! {one}" for one in report.deviations)]
    lines += ["", "Units", *_units(report)]
    for role in ("primary", "guardrail", "secondary"):
        found = [one for one in report.results if one.role == role]
        if found:
            lines += [
                "",
                role.capitalize() + (" (does not decide)" if role == "secondary" else ""),
                *_rows(found, report),
            ]
    if any(one.estimate is None for one in report.results):
        lines += ["", when_shown(str(experiment.method), experiment.end)]
    if report.breakdowns:
        lines += ["", "By segment (exploratory: among many, some differ by chance)"]
        lines += [
            f"  {one.attribute}={one.value}  {one.metric}, {one.arm}: {size(one.estimate)}"
            for one in report.breakdowns
        ]
    since = [one for one in report.cohorts if not one.entered and one.day in DAYS]
    if since:
        lines += ["", "By day since exposure (exploratory: an effect that shrinks is one of novelty)"]
        lines += [f"  day {one.day + 1}  {one.metric}, {one.arm}: {size(one.estimate)}" for one in since]
    return "\n".join(lines)


def _units(report: Report) -> list[str]:
    planned = report.plan.experiment.sample_size
    lines = []
    for arm, share in report.plan.arms.items():
        units = report.units[arm]
        of = ""
        if planned:
            done = min(units / (planned * share), 1)
            of = f" of {planned * share:,.0f} planned  [{'#' * round(done * 20):<20}]"
        lines.append(f"  {arm}: {units:,}{of}")
    return lines


def _rows(found: Sequence[Result], report: Report) -> list[str]:
    reach = max((abs(edge) for one in found for edge in _edges(one) if edge is not None), default=0.0) or 1.0
    lines = []
    for one in found:
        estimate = one.estimate
        if estimate is None:
            lines.append(f"  {one.metric}, {one.arm}: not shown yet")
            continue
        low, high = _edges(one)
        adjusted = " (adjusted)" if estimate.adjusted else ""
        lines.append(
            f"  {one.metric}, {one.arm}: {estimate.control.value:.5g} -> {estimate.treatment.value:.5g}{adjusted}"
            f"  {size(estimate)}{_word(one, report.over) if report.healthy else '  no verdict'}"
        )
        if low is not None and high is not None:
            lines.append(f"    {_drawn(low, high, estimate.relative or 0.0, reach)}")
        if one.belief is not None:
            lines.append(
                f"    Bayesian: {one.belief.chance:.1%} likely to be better, expected loss {one.belief.loss:.3g}"
                f" (prior: normal about 0, sd {one.belief.prior:.3g}); does not decide"
            )
    return lines


def _edges(one: Result) -> tuple[float | None, float | None]:
    return (None, None) if one.estimate is None else (one.estimate.relative_low, one.estimate.relative_high)


def _word(one: Result, over: bool) -> str:
    said = word_of(one.role, found=one.found, good=one.good, holds=one.holds, over=over)
    said = said.upper() if said in {"better", "worse", "broken"} else said
    p_value = "" if one.p_value is None else f", p {one.p_value:.3g}"
    return f"  {said} (margin {one.margin or 0:.1%}{p_value})" if one.role == "guardrail" else f"  {said}{p_value}"


def _drawn(low: float, high: float, at: float, reach: float) -> str:
    def cell(value: float) -> int:
        return min(max(round((value / reach + 1) / 2 * (WIDTH - 1)), 0), WIDTH - 1)

    row = [" "] * WIDTH
    row[cell(0.0)] = "|"
    for index in range(cell(low), cell(high) + 1):
        row[index] = "+" if row[index] == "|" else "-"
    row[cell(low)], row[cell(high)], row[cell(at)] = "[", "]", "o"
    return "".join(row)
