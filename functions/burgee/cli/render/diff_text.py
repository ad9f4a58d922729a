"""The effect of a change as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from burgee.diff import wording
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.cli.render.diff_report import Report
    from burgee.diff.effect import FlagEffect, RegionEffect
    from burgee.findings import Finding

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def text(report: Report) -> Text:
    """The whole report; styles show on a terminal only."""
    lines = [line for effect in report.effects for line in _flag(effect, report)]
    if not report.effects:
        lines = [Text("nobody sees a change")]
    lines += findings(report.findings)
    if report.population is not None:
        lines += [Text(line) for line in report.population.lines()]
    return Text("\n").join(lines)


def _flag(effect: FlagEffect, report: Report) -> Iterator[Text]:
    verdict = wording.verdict(effect)
    colour = "red" if verdict == wording.LOSS else "yellow" if effect.sample else "green"
    yield Text.assemble((effect.flag, "bold"), ": ", (verdict, colour), report.changed(effect.flag))
    for region in effect.regions:
        yield Text("  " + _region(region))
    for later in effect.later:
        for region in later.regions:
            yield Text(f"  from {later.at}: {_region(region)}")
        if not later.regions:
            yield Text(f"  from {later.at}: as before")


def _region(region: RegionEffect) -> str:
    example = next((move.example for move in region.moves if move.example), None)
    shown = "" if region.users or not example else f"  (such as {wording.such(example)})"
    return f"{wording.who(region)}: {wording.moves(region)}{shown}"


def findings(found: Sequence[Finding]) -> list[Text]:
    """Each finding on a line, with what it says more below."""
    lines = []
    for one in found:
        example = f"  (such as {wording.such(one.example)})" if one.example else ""
        lines.append(
            Text.assemble((f"{one.severity} {one.code}", COLOURS[one.severity]), f": {one.message}{example}")
        )
        lines += [Text(f"    {detail}") for detail in one.details]
    return lines
