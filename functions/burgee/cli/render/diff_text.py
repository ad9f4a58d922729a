"""The effect of a change as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from burgee.cli.render.rows import FlagRows, flag_rows, losses
from burgee.diff import wording
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.cli.render.diff_report import Comparison, DiffReport
    from burgee.cli.render.rows import Row
    from burgee.findings import Finding

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def text(comparison: Comparison) -> Text:
    """The whole comparison; with styles only on a terminal."""
    lines = [Text(note) for note in comparison.notes]
    for report in comparison.reports:
        several = len(comparison.reports) > 1
        if several or (report.environments and not comparison.is_empty):
            where = f"In {', '.join(report.environments)}" if report.environments else "Without an environment"
            lines.append(Text(f"{where}:", "bold"))
        lines += _report(report)
    return Text("\n").join(lines)


def _report(report: DiffReport) -> list[Text]:
    lines = [line for flag in flag_rows(report) for line in _flag(flag, report)]
    if not report.effects:
        lines = [Text("nobody sees a change")]
    lines += findings(report.findings)
    if report.population is not None:
        lines += [Text(line) for line in report.population.lines()]
    return lines


def _flag(flag: FlagRows, report: DiffReport) -> Iterator[Text]:
    colour = "red" if losses([flag]) else "yellow" if flag.sample else "green"
    yield Text.assemble(
        (flag.flag, "bold"),
        f" (through {flag.cause})" if flag.cause else "",
        ": ",
        (flag.verdict, colour),
        report.changed(flag.flag),
    )
    yield from _moves(flag.rows, "from ")
    for guard in flag.guards:
        yield Text(f"  {guard.sentence}")
        yield from _moves(guard.back, "rolling back from ")


def _moves(rows: Sequence[Row], when: str) -> Iterator[Text]:
    """A line for those who move together at one time."""
    together: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        together.setdefault((row.at, row.who), []).append(row)
    for (at, who), alike in together.items():
        changes = "; ".join(f"{row.share} {row.change}".strip() for row in alike).replace(" → ", " -> ")
        example = next((row.example for row in alike if row.example), None)
        such = f"  (such as {wording.such(example)})" if example else ""
        yield Text(f"  {f'{when}{at}: ' if at else ''}{who}: {changes}{such}")


def findings(found: Sequence[Finding]) -> list[Text]:
    """Each finding on a line, with its details below."""
    lines = []
    for one in found:
        example = f"  (such as {wording.such(one.example)})" if one.example else ""
        lines.append(
            Text.assemble((f"{one.severity} {one.code}", COLOURS[one.severity]), f": {one.message}{example}")
        )
        lines += [Text(f"    {detail}") for detail in one.details]
    return lines
