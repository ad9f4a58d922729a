"""Computes the share of users who get each variant of a flag, as a table or a chart."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff.comparison import compare
from burgee.diff.symbolic import Side
from burgee.diff.wording import percent
from burgee.diff.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.diff.flag_effect import RegionEffect
    from burgee.model import Snapshot

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e")
NONE = "#c3c9d0"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
LEFT, RIGHT, ROW, TOP = 16, 704, 54, 46


class Row(NamedTuple):
    """A bar: users of one region, by example attributes, and the share of each variant."""

    who: str
    context: Mapping[str, Any]
    shares: Mapping[str, Fraction]


class Simulation(NamedTuple):
    """The regions of a flag; `users` are those named in targets, by their variant. `sample` describes how shares were
    sampled, if they could not be computed.
    """

    rows: Sequence[Row]
    users: Mapping[str, str]
    sample: str | None


def simulate(snapshot: Snapshot, flag: str, now: float) -> Simulation:
    """What users get at a time (epoch seconds): the effect of adding the flag to a snapshot without it."""
    before, after = Side({**snapshot, "flags": {}}, now), Side(snapshot, now)
    compared = compare(flag, before, after, World())
    rows = [_row(region) for region in compared.regions if not region.users]
    named = [region for region in compared.regions if region.users]
    users = {user: str(move.after) for region in named for move in region.moves for user in region.users}
    return Simulation(rows, users, compared.sample)


def _row(region: RegionEffect) -> Row:
    shares: dict[str, Fraction] = {}
    for move in region.moves:
        shares[str(move.after)] = shares.get(str(move.after), Fraction(0)) + move.share
    return Row(region.when.replace("newly matching", "matching"), region.context, shares)


def svg(simulation: Simulation, title: str, colours: Mapping[str, str]) -> str:
    """The regions as bars, one above the other; every share is also written out."""
    height = TOP + ROW * len(simulation.rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" role="img" {FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="720" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    for index, row in enumerate(simulation.rows):
        parts += _bar(row, TOP + ROW * index, colours)
    x = LEFT
    for variant, colour in colours.items():
        parts.append(f'<rect x="{x}" y="{height - 26}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{height - 15}">{escape(_cut(variant, 24))}</text>')
        x += 40 + 8 * min(len(variant), 24)
    return "\n".join([*parts, "</svg>", ""])


def palette(simulation: Simulation) -> dict[str, str]:
    """A colour for each variant, grey for no value."""
    variants = dict.fromkeys(variant for row in simulation.rows for variant in row.shares)
    named = [variant for variant in variants if variant != "no value"]
    colours = {variant: COLOURS[index % len(COLOURS)] for index, variant in enumerate(named)}
    return {**colours, "no value": NONE} if "no value" in variants else colours


def _bar(row: Row, top: int, colours: Mapping[str, str]) -> list[str]:
    shares_text = ", ".join(f"{variant} {percent(share)}" for variant, share in row.shares.items())
    parts = [f'<text x="{LEFT}" y="{top + 14}">{escape(_cut(f"{row.who}: {shares_text}", 104))}</text>']
    x, width = float(LEFT), RIGHT - LEFT
    for variant, share in row.shares.items():
        wide = width * float(share)
        place = f'x="{x:.2f}" y="{top + 21}" width="{wide:.2f}" height="20"'
        parts.append(
            f'<rect {place} fill="{colours[variant]}"><title>{escape(f"{variant}: {percent(share)}")}</title></rect>'
        )
        x += wide
    return parts


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
