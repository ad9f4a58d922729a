"""A report as one HTML file without script or link: for a browser, a meeting, a printer, and eyes without colour."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.svg import curve, intervals, progress

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
    told = as_json(report)
    withheld = told["verdict"]["decision"] == "withheld"
    title = f"Experiment on {escape(told['flag'])}"
    drawn = [one for one in told["results"] if one.get("curve")]
    body = "".join(
        [
            _header(told),
            _verdict(told),
            _deviations(told),
            _section("Health", _health(told["health"])),
            _section("Sample", progress(told["arms"], told["sample_size"])),
            _section("Effects", _effects(told), _WITHHELD if withheld else _EFFECTS),
            _section("Over time", _curves(drawn), _CURVES[told["method"]]) if drawn else "",
            _section("By segment", _segments(told["exploratory"]), _EXPLORATORY) if told["exploratory"] else "",
            _section("Numbers", _numbers(told)),
            _footer(told),
        ]
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><main class={'withheld' if withheld else 'told'}>{body}</main>"
        "</body></html>\n"
    )


def _header(told: Mapping[str, Any]) -> str:
    as_of = escape(f"{told['until'][:10]} {told['until'][11:16]} UTC")
    when = f"{_day(told['start'])} to {_day(told['end'])} · as of {as_of}"
    return (
        f"<header><p class=eyebrow>{escape(told['method'])} experiment · {when}</p><h1>{escape(told['flag'])}</h1>"
        f"<p class=hypothesis>{escape(told['hypothesis'])}</p></header>"
    )


def _footer(told: Mapping[str, Any]) -> str:
    plan = (
        f"Plan registered in {escape(told['registered'])}." if told["registered"] else "Plan not registered in Git."
    )
    how = "Made by Burgee; docs/statistics.md says how it is computed."
    return f"<footer>{plan} Alpha {told['alpha']:g}, both sides. {how}</footer>"


def _style() -> str:
    return resources.files("burgee.analysis").joinpath("report.css").read_text(encoding="utf-8")


def _section(title: str, inside: str, note: str = "") -> str:
    noted = f"<p class=note>{escape(note)}</p>" if note else ""
    return f"<section><h2>{title}</h2>{noted}{inside}</section>"


def _verdict(told: Mapping[str, Any]) -> str:
    decision = told["verdict"]["decision"]
    mood = MOODS.get(decision, "calm")
    label = {"wait": "Not decided yet", "withheld": "No verdict"}.get(decision, decision.capitalize())
    sentence = told["verdict"]["sentence"].removeprefix(f"{label}: ")
    sentence = escape(sentence[:1].upper() + sentence[1:] if label == "No verdict" else sentence)
    return f'<section class="verdict {mood}" role=status><h2>{escape(label)}</h2><p>{sentence}</p></section>'


def _deviations(told: Mapping[str, Any]) -> str:
    if not told["deviations"]:
        return ""
    rows = "".join(f"<li>{escape(one)}</li>" for one in told["deviations"])
    return _section("Deviations from the plan", f"<ul class=deviations>{rows}</ul>")


def _health(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in _folded(checks):
        sign, meaning = SIGNS[one["light"]]
        light = f'<span class="light {one["light"]}" role=img aria-label="{meaning}">{sign}</span>'
        rows.append(f"<li>{light}<b>{escape(one['check'])}</b> <span>{escape(one['message'])}</span></li>")
    return f"<ul class=health>{''.join(rows)}</ul>"


def _folded(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The checks, with those of data that arrives as it should in one."""
    fine = [one for one in checks if one["light"] == "ok" and one["check"].startswith("data of ")]
    if len(fine) < 2:
        return list(checks)
    metrics = len({one["check"] for one in fine})
    events = ", ".join(dict.fromkeys(one["message"].removesuffix(" arrives in every arm") for one in fine))
    told = f"what {metrics} metrics are made of arrives: {events}"
    return [*(one for one in checks if one not in fine), {"check": "data", "light": "ok", "message": told}]


def _effects(told: Mapping[str, Any]) -> str:
    drawn = []
    for role in ("primary", "guardrail", "secondary"):
        found = [one for one in told["results"] if one["role"] == role and one["difference"] is not None]
        if found:
            drawn.append(f"<h3>{role.capitalize()}</h3>{intervals(found)}")
    return "".join(drawn)


def _curves(drawn: Sequence[Mapping[str, Any]]) -> str:
    figures = []
    for one in drawn:
        name = f"{escape(one['metric'])}, {escape(one['arm'])}"
        figures.append(f"<figure><figcaption>{name}</figcaption>{curve(one['curve'])}</figure>")
    return "".join(figures)


_CURVES = {
    "fixed": "Absolute difference so far. Only the end decides; what the curve does before is no evidence.",
    "group-sequential": "Absolute difference at each planned look, with the bounds that may stop it there.",
    "always-valid": "Absolute difference with its confidence sequence: it may be looked at on any day.",
}
_EFFECTS = "Relative difference to the control, with its interval."
_WITHHELD = (
    "Relative difference to the control. Something is wrong with the data, so no number here may be relied on."
)
_EXPLORATORY = "Exploratory: among many segments some differ by chance. What shows here is a question, no finding."


def _segments(found: Sequence[Mapping[str, Any]]) -> str:
    named = [{**one, "metric": f"{one['attribute']} = {one['value']}"} for one in found]
    rows = [{**one, "found": False, "role": "segment"} for one in named]
    return intervals(rows)


def _numbers(told: Mapping[str, Any]) -> str:
    withheld = told["verdict"]["decision"] == "withheld"
    columns = ("metric", "arm", "control", "treatment", "difference", "interval", "p", "")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in columns) + "</tr>"
    rows = []
    for one in told["results"]:
        if one["difference"] is None:
            continue
        inside = "" if one["low"] is None else f"{one['low']:+.4g} to {one['high']:+.4g}"
        p_value = "" if one["adjusted_p"] is None else f"{one['adjusted_p']:.3g}"
        cells = [
            _breakable(one["metric"]),
            _breakable(one["arm"]),
            f"{one['control']:.5g}",
            f"{one['treatment']:.5g}",
        ]
        cells += [f"{one['difference']:+.4g}", inside, p_value, "no verdict" if withheld else escape(word(one))]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<div class=wide><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"


def _breakable(name: str) -> str:
    """A name that may go on in the next line after a mark."""
    return "".join(f"{escape(part)}<wbr>" if part in "_-." else escape(part) for part in name)


def word(one: Mapping[str, Any]) -> str:
    """What is found, in a word."""
    if one["role"] == "guardrail":
        return {True: "holds", False: "broken", None: "not shown"}[one["holds"]]
    if not one["found"]:
        return "no difference found"
    return "better" if one["good"] else "worse"


def _day(time: str) -> str:
    return escape(time[:10])
