"""A report as one HTML file without scripts, and an index of several, for browsers and printers."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.svg import curve, intervals, progress, words
from burgee.analysis.render.words import when_shown, word_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.analysis.reports import Report

SIGNS = {"ok": ("✓", "fine"), "warn": ("!", "look at it"), "bad": ("✕", "stops the verdict")}
MOODS = {
    "better": "good",
    "a guardrail is broken": "bad",
    "worse": "bad",
    "withheld": "bad",
    "better, but a guardrail is open": "warn",
}


def as_html(report: Report) -> str:
    """The page."""
    found = as_json(report)
    label, sentence = _verdict(found["verdict"])
    return _templates().get_template("report.html.j2").render(
        {key: found[key] for key in ("flag", "method", "start", "end", "until", "hypothesis", "deviations", "alpha")},
        registered=found["registered"],
        style=_style(),
        withheld=_is_withheld(found),
        mood=MOODS.get(found["verdict"]["decision"], "calm"),
        label=label,
        sentence=sentence,
        signs=SIGNS,
        health=_folded(found["health"]),
        arms=found["arms"],
        sample=progress(found["arms"], found["sample_size"]),
        **_evidence(found),
    ) + "\n"  # fmt: skip


def evidence(found: Mapping[str, Any]) -> str:
    """The results of a report in JSON as HTML, without scripts and styles: plots, numbers, the Bayesian view."""
    return _templates().get_template("evidence.html.j2").render(_evidence(found))


def _is_withheld(found: Mapping[str, Any]) -> bool:
    return bool(found["verdict"]["decision"] == "withheld")


def _evidence(found: Mapping[str, Any]) -> dict[str, Any]:
    withheld = _is_withheld(found)
    shown = [one for one in found["results"] if one["difference"] is not None]
    return {
        "hidden": _hidden(found, shown),
        "effects": _effects(shown),
        "effects_note": _WITHHELD if withheld else _EFFECTS,
        "curves": _curves(found["results"]),
        "curves_note": _CURVES[found["method"]],
        "cohorts": _cohorts(found["cohorts"]),
        "segments": _segments(found["exploratory"]),
        "numbers": [_number(one, withheld, found["over"]) for one in shown],
        "adjusted": any(one["cuped"] for one in shown),
        "beliefs": [_belief(one) for one in shown if one["bayes"] is not None],
    }


def as_index(found: Sequence[tuple[Mapping[str, Any], Report | None]]) -> str:
    """An index of short reports, with links to the pages of those that have one, such as FLAG.html beside it."""
    experiments = [
        {
            "flag": one["flag"],
            "page": None if report is None else f"{report.plan.topic}.html",
            "mood": MOODS.get(one["verdict"]["decision"], "calm"),
            "sentence": one["verdict"]["sentence"],
            "method": one["method"],
            "start": one["start"],
            "end": one["end"],
            "units": f"{sum(arm['units'] for arm in one['arms']):,}",
            "state": _state(one["health"]),
        }
        for one, report in found
    ]
    return _templates().get_template("index.html.j2").render(experiments=experiments, style=_style()) + "\n"


def _state(health: Sequence[Mapping[str, Any]]) -> str:
    """The state of all checks, in words."""
    if not health:
        return "no records yet"
    return "not healthy" if any(one["light"] == "bad" for one in health) else "healthy"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("burgee.analysis", "render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["prose"] = _prose
    return made


def _prose(text: str) -> Markup:
    """A sentence in which dates do not break and keys are set as code."""
    quoted = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\b(\d{4}-\d\d-\d\d)\b", r"<time>\1</time>", quoted))  # noqa: S704 - escaped above


def _style() -> Markup:
    """The page's colours, which the console shares, and its layout."""
    shared = resources.files("burgee")
    places = shared / "tokens.css", shared / "charts.css", resources.files("burgee.analysis") / "report.css"
    return Markup("".join(place.read_text(encoding="utf-8") for place in places))  # noqa: S704 - our own files


def _verdict(verdict: Mapping[str, Any]) -> tuple[str, str]:
    decision = str(verdict["decision"])
    label = {"wait": "Not decided yet", "withheld": "No verdict"}.get(decision, decision.capitalize())
    sentence = str(verdict["sentence"]).removeprefix(f"{label}: ")
    # A sentence may begin with the name of an arm, which is not capitalised.
    return label, sentence[:1].upper() + sentence[1:] if decision in {"wait", "withheld"} else sentence


def _hidden(found: Mapping[str, Any], shown: Sequence[Any]) -> str:
    if len(shown) == len(found["results"]):
        return ""
    return when_shown(found["method"], found["end"])


def _folded(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The checks, with those of sound data combined in one."""
    fine = [one for one in checks if one["light"] == "ok" and one["check"].startswith(("data of ", "values of "))]
    arrives = [one for one in fine if one["check"].startswith("data of ")]
    if len(arrives) < 2:
        return list(checks)
    metrics = len({one["check"] for one in arrives})
    events = ", ".join(dict.fromkeys(one["message"].removesuffix(" arrives in every arm") for one in arrives))
    message = f"what {metrics} metrics are made of arrives in every arm: {events}"
    return [*(one for one in checks if one not in fine), {"check": "data", "light": "ok", "message": message}]


def _effects(shown: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup, list[str]]]:
    """The rows of each role, drawn and in words: a phone does not show the whole width."""
    by_role = {role: [one for one in shown if one["role"] == role] for role in ("primary", "guardrail", "secondary")}
    return [
        (
            role.capitalize(),
            intervals(found),
            [f"{one['metric']}, {one['arm']}: {words(one)}" for one in found],
        )
        for role, found in by_role.items()
        if found
    ]


def _curves(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    drawn = []
    for one in results:
        if one.get("curve") and one["role"] == "primary":
            points = [{**point, "label": _when(point)} for point in one["curve"]]
            drawn.append((f"{one['metric']}, {one['arm']}", curve(points)))
    return drawn


def _when(point: Mapping[str, Any]) -> str:
    return (f"look {point['look']}, " if point["look"] else "") + str(point["at"][:10])


def _cohorts(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    """A curve for each metric and arm that has at least two days."""
    by_curve: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in found:
        label = f"day {one['day'] + 1}"
        by_curve.setdefault((one["metric"], one["arm"], one["by"]), []).append({**one, "label": label})
    return [
        (f"{metric}, {arm}: by {_BY[by]}", curve(points))
        for (metric, arm, by), points in by_curve.items()
        if len(points) > 1
    ]


_BY = {"entry": "the day on which users came in", "days since exposure": "day since a user's first exposure"}
_CURVES = {
    "fixed": "Absolute difference so far. Only the end decides; the curve before is not evidence.",
    "group-sequential": "Absolute difference at each planned look, with the bounds that may stop it there.",
    "always-valid": "Absolute difference with its confidence sequence, which is valid on any day.",
}
_EFFECTS = (
    "Relative difference to the control with its interval; absolute where the control is not clearly above zero."
)
_WITHHELD = "The data are faulty, so no number here is reliable."


def _segments(found: Sequence[Mapping[str, Any]]) -> Markup | None:
    rows = [
        {**one, "arm": f"{one['arm']} · {one['attribute']} = {one['value']}", "found": False, "role": "segment"}
        for one in found
    ]
    return intervals(rows) if rows else None


def _number(one: Mapping[str, Any], withheld: bool, over: bool) -> dict[str, Any]:
    mark = "*" if one["cuped"] else ""
    said = word_of(one["role"], found=one["found"], good=one["good"], holds=one.get("holds"), over=over)
    return {
        "metric": one["metric"],
        "arm": one["arm"],
        "control": f"{one['control']:.5g}{mark}",
        "treatment": f"{one['treatment']:.5g}{mark}",
        "difference": f"{one['difference']:+.4g}",
        "interval": "" if one["low"] is None else f"{one['low']:+.4g} to {one['high']:+.4g}",
        "p": "" if one["adjusted_p"] is None else f"{one['adjusted_p']:.3g}",
        "word": "no verdict" if withheld else said,
    }


def _belief(one: Mapping[str, Any]) -> dict[str, str]:
    found = one["bayes"]
    loss, prior = f"{found['loss']:.3g}", f"{found['prior']:.3g}"
    return {
        "metric": one["metric"],
        "arm": one["arm"],
        "chance": f"{found['chance']:.1%}",
        "loss": loss,
        "prior": prior,
    }
