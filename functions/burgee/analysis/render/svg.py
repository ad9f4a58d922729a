"""The plots of a report as SVG; shapes and text repeat what colours show."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Edges: TypeAlias = "tuple[float | None, float | None, float | None]"

WIDE = 800
LABEL, VALUES = 190, 210
ROW, TALL = 38, 52
STRIP = 8
BETWEEN = 60
"""The distance from the middle within which a third label fits between those at the ends."""
TICK = 6
"""The length of a tick's number of which seven fit beside each other."""
SEVERAL = 40
"""Number of points from which a curve's marks are small."""
BESIDE = 26
"""Longer names are written above their row, not beside it."""


def intervals(results: Sequence[Mapping[str, Any]]) -> Markup:
    """A row for each result: its difference, its interval, zero, and its margin, if any.

    Differences are relative, in percent; those without a valid relative difference follow, each on its own scale.
    """
    relative = [one for one in results if one["relative"] is not None]
    absolute = [one for one in results if one["relative"] is None]
    strips = [(relative, "%"), *(([one], "") for one in absolute)]
    return Markup().join(_strips(some, sign) for some, sign in strips if some)


class Axis(NamedTuple):
    """The reach of a scale on both sides of zero, and the sign of its numbers."""

    reach: float
    sign: str


def _strips(results: Sequence[Mapping[str, Any]], sign: str) -> Markup:
    every = [_edges(one) for one in results]
    known = [edge for edges in every for edge in edges if edge is not None]
    known += [edge for one in results if (edge := _margin(one)) is not None]
    reach = max((abs(edge) for edge in known), default=0.0) * 1.1 or 1.0
    row = _height([one[part] for one in results for part in ("metric", "arm")])
    rows = list(zip(results, every, strict=True))
    return Markup().join(
        _strip(rows[start : start + STRIP], Axis(reach, sign), row, last=start + STRIP >= len(rows))
        for start in range(0, len(rows), STRIP)
    )


def _strip(rows: Sequence[tuple[Mapping[str, Any], Edges]], axis: Axis, row: int, *, last: bool) -> Markup:
    """Some rows as a separate image, so that a page may break between two; the last has the axis below."""
    x = _scale(-axis.reach, axis.reach, LABEL + 10, WIDE - VALUES - 10)
    bottom = row * len(rows) + (4 if last else 0)
    drawn = [f'<line class=p-zero x1="{x(0):.1f}" x2="{x(0):.1f}" y1="4" y2="{bottom}"/>']
    for index, (one, edges) in enumerate(rows):
        y = index * row + row - 14
        drawn += [_name(one["metric"], one["arm"], y, tall=row == TALL), _row(one, edges, x, y)]
    for value in _ticks(axis) if last else ():
        at = f'x="{x(value):.1f}" y="{bottom + 18}"'
        drawn.append(f"<text class=p-soft {at} text-anchor=middle>{_tick(value, axis.sign)}</text>")
    said = "; ".join(f"{one['metric']} {one['arm']}: {words(one)}" for one, _known in rows)
    return _svg(bottom + (22 if last else 0), said, drawn, "plot")


def curve(points: Sequence[Mapping[str, Any]]) -> Markup:
    """A difference over time with its interval or bounds; an early interval may exceed the image.

    Each point has a `label`, and shows its numbers on hover or focus.
    """
    values = [point["difference"] for point in points]
    late = [p for p in points if p["low"] is not None][-max(len(points) * 2 // 3, 1) :]
    reach = max([abs(v) for v in values] + [abs(p[side]) for p in late for side in ("low", "high")] + [1e-12]) * 1.1
    left, right, top, bottom = 80, WIDE - 20, 12, 200
    x, y = _scale(0, max(len(points) - 1, 1), left, right), _scale(reach, -reach, top, bottom)

    def clipped(value: float) -> float:
        return y(min(max(value, -reach), reach))

    drawn = [f'<line class=p-axis x1="{left}" x2="{left}" y1="{top}" y2="{bottom}"/>']
    drawn.append(f'<line class=p-zero x1="{left}" x2="{right}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>')
    bounded = [(i, p) for i, p in enumerate(points) if p["low"] is not None]
    upper = [f"{x(i):.1f},{clipped(p['high']):.1f}" for i, p in bounded]
    lower = [f"{x(i):.1f},{clipped(p['low']):.1f}" for i, p in bounded]
    if bounded:
        drawn.append(f'<polygon class=p-band points="{" ".join(upper + lower[::-1])}"/>')
        drawn += [f'<polyline class=p-bound points="{" ".join(side)}"/>' for side in (upper, lower)]
    path = " ".join(f"{x(i):.1f},{clipped(value):.1f}" for i, value in enumerate(values))
    drawn.append(f'<polyline class=p-line points="{path}"/>')
    for value in (reach / 1.1, 0.0, -reach / 1.1):
        label = f"{value:+.3g}" if value else "0"
        drawn.append(f'<text class=p-soft x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor=end>{label}</text>')
    middle = len(points) // 2
    for i in sorted({0, middle if abs(x(middle) - (left + right) / 2) < BETWEEN else 0, len(points) - 1}):
        anchor = "start" if i == 0 else "end" if i == len(points) - 1 else "middle"
        label = f"{points[i]['label']} (n {points[i]['n']:,})"
        drawn.append(
            f'<text class=p-soft x="{x(i):.1f}" y="{bottom + 22}" text-anchor={anchor}>{escape(label)}</text>'
        )
    for i, point in enumerate(points):
        words = f"{point['label']}: {_absolute(point)}, n {point['n']:,}"
        drawn.append(_hover(x(i), clipped(values[i]), words, small=len(points) > SEVERAL))
    last = points[-1]
    return _svg(bottom + 32, f"difference over time; at the end {_absolute(last)}", drawn, "plot")


def _hover(x: float, y: float, words: str, *, small: bool) -> str:
    """A point with its numbers shown above it, without a script; `title` is the tooltip."""
    anchor = "start" if x < WIDE / 3 else "end" if x > WIDE * 2 / 3 else "middle"
    mark = f'<circle class=p-mark cx="{x:.1f}" cy="{y:.1f}" r="{1.5 if small else 3}"/>'
    area = f'<circle class=p-area cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    text = f'<text class=p-tip x="{x:.1f}" y="{max(y - 12, 12):.1f}" text-anchor={anchor}>{escape(words)}</text>'
    return f'<g class=p-hover tabindex="0"><title>{escape(words)}</title>{mark}{area}{text}</g>'


def progress(arms: Sequence[Mapping[str, Any]], planned: int | None) -> Markup:
    """Units of each arm and the planned units."""
    most = max([arm["units"] for arm in arms] + [(planned or 0) * arm["share"] for arm in arms] + [1])
    left, right = LABEL + 10, WIDE - VALUES - 10
    names = [arm["name"] + (" (control)" if arm["control"] else "") for arm in arms]
    x, row, drawn = _scale(0, most, left, right), _height(names), []
    for index, (arm, name) in enumerate(zip(arms, names, strict=True)):
        top = index * row + row - 26
        target = (planned or 0) * arm["share"]
        of = f" of {target:,.0f} planned" if planned else ""
        drawn.append(f'<text x="0" y="{top + (-6 if row == TALL else 13)}">{escape(_short(name))}</text>')
        for kind, until in (("track", max(target, arm["units"])), ("bar", arm["units"])):
            drawn.append(
                f'<rect class=p-{kind} x="{left}" y="{top}" width="{x(until) - left:.1f}" height="16" rx="3"/>'
            )
        if planned:
            at = f"{x(target):.1f}"
            drawn.append(f'<line class=p-margin x1="{at}" x2="{at}" y1="{top - 3}" y2="{top + 19}"/>')
        drawn.append(f'<text x="{WIDE - VALUES}" y="{top + 13}">{arm["units"]:,}{of}</text>')
    said = "; ".join(f"{arm['name']}: {arm['units']} units" for arm in arms)
    return _svg(row * len(arms) + 8, said, drawn, "plot sample")


def _row(one: Mapping[str, Any], edges: Edges, x: Callable[[float], float], y: float) -> str:
    at, low, high = edges
    mood = "calm" if not one["found"] else "good" if one["good"] else "bad"
    shapes = []
    if low is not None and high is not None:
        shapes.append(
            f'<line class=p-{mood} x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}" stroke-width="3"/>'
        )
        shapes += [
            f'<line class=p-{mood} x1="{x(end):.1f}" x2="{x(end):.1f}" y1="{y - 6}" y2="{y + 6}" stroke-width="2"/>'
            for end in (low, high)
        ]
    if at is not None:
        shapes.append(_point(mood, x(at), y))
    edge = _margin(one)
    if edge is not None:
        shapes.append(f'<line class=p-margin x1="{x(edge):.1f}" x2="{x(edge):.1f}" y1="{y - 11}" y2="{y + 11}"/>')
        label = f'x="{x(edge):.1f}" y="{y - 12}" font-size="10" text-anchor=middle'
        shapes.append(f"<text class=p-soft {label}>margin</text>")
    shapes.append(f'<text x="{WIDE - VALUES}" y="{y + 4}">{escape(words(one))}</text>')
    title = f"<title>{escape(one['metric'])}, {escape(one['arm'])}: {escape(words(one))}</title>"
    return f'<g class=p-hover tabindex="0">{title}{"".join(shapes)}</g>'


def _name(metric: str, arm: str, y: float, *, tall: bool) -> str:
    """A metric and an arm, beside their row, or above it if one is long."""
    if tall:
        arm = f" <tspan class=p-soft>{escape(_short(arm, 40))}</tspan>"
        return f'<text class=p-name x="0" y="{y - 16}">{escape(_short(metric, 72))}{arm}</text>'
    return (
        f'<text x="0" y="{y + 4}">{escape(metric)}</text>'
        f'<text class=p-soft x="0" y="{y + 17}" font-size="11">{escape(arm)}</text>'
    )


def _height(names: Sequence[str]) -> int:
    return TALL if any(len(name) > BESIDE for name in names) else ROW


def _point(mood: str, x: float, y: float) -> str:
    """A triangle up for better, down for worse, a circle for neither."""
    if mood == "calm":
        return f'<circle class=p-calm cx="{x:.1f}" cy="{y}" r="5"/>'
    tip = -7 if mood == "good" else 7
    return f'<polygon class=p-{mood} points="{x - 7:.1f},{y - tip} {x + 7:.1f},{y - tip} {x:.1f},{y + tip}"/>'


def _edges(one: Mapping[str, Any]) -> Edges:
    """In percent of the control or, if that is not valid, in the metric's unit."""
    if one["relative"] is None:
        return one["difference"], one["low"], one["high"]
    at, low, high = (one[name] * 100 for name in ("relative", "relative_low", "relative_high"))
    return at, low, high


def _margin(one: Mapping[str, Any]) -> float | None:
    """How much worse a guardrail may get, on the scale of its row."""
    if one.get("margin") is None:
        return None
    size = one["margin"] * (100 if one["relative"] is not None else abs(one["control"]))
    return float(-size if one["direction"] == "increase" else size)


def words(one: Mapping[str, Any]) -> str:
    """A difference with its interval, as beside its row."""
    at, low, high = _edges(one)
    if one["relative"] is None or at is None or low is None or high is None:
        return _absolute(one)
    digits = 1 if max(abs(low), abs(high)) >= 10 else 2
    return f"{at:+.{digits}f}% ({low:+.{digits}f} to {high:+.{digits}f})"


def _absolute(one: Mapping[str, Any]) -> str:
    if one["low"] is None or one["high"] is None:
        return f"{one['difference']:+.4g}, no interval"
    return f"{one['difference']:+.4g} ({one['low']:+.3g} to {one['high']:+.3g})"


def _ticks(axis: Axis) -> list[float]:
    """Round values on both sides of zero, at most three on each, or one if they are long."""
    values: list[float] = []
    for most in (4, 2):
        step = 10.0 ** math.floor(math.log10(axis.reach))
        step = next(step * times for times in (0.2, 0.5, 1.0, 2.0, 5.0) if axis.reach / (step * times) < most)
        values = [step * count for count in range(-int(axis.reach / step), int(axis.reach / step) + 1)]
        if all(len(_tick(value, axis.sign)) <= TICK for value in values):
            break
    return values


def _tick(value: float, sign: str) -> str:
    if not value:
        return "0"
    return f"{value:+,.0f}{sign}" if 1000 <= abs(value) < 1e9 else f"{value:+.3g}{sign}"


def _scale(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    return lambda value: left + (value - low) / (high - low) * (right - left)


def _short(text: str, most: int = 110) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(height: float, said: str, drawn: Sequence[str], kind: str) -> Markup:
    """The image of shapes and text that are escaped already."""
    opening = (
        f'<svg class="{kind}" viewBox="0 0 {WIDE} {height:.0f}" role=img aria-label="{escape(said, quote=True)}">'
    )
    return Markup("".join([opening, *drawn, "</svg>"]))  # noqa: S704 - every name in it is escaped
