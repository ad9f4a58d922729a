"""The effect of a change as a pull request comment: the essentials on the first screen, details folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.cli.render import output
from burgee.cli.render.rows import EFFECTS, FlagRows, GuardRows, Row, flag_rows, losses, switches
from burgee.diff import wording
from burgee.diff.losses import MoveKind
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.cli.render.diff_report import Comparison, DiffReport
    from burgee.findings import Finding

COMMENT_LIMIT = 62_000
"""GitHub's limit is 65,536 characters; this counts bytes, and leaves room for the action's additions."""
ROOM_FOR_TAIL = 200
LEAST_ROOM = 1_000
"""The bytes that an environment's shortest first screen needs."""
MAX_ROWS = 50
MAX_TEXT = 400
SENTENCE = 1_000
EXTENT = 100
"""The characters that say who loses, in a headline."""
COUNTED = {"loses": "that lose", "changes": "that change", "gains": "that gain"}
GRAVE = (Severity.ERROR, Severity.WARNING)


class Screen(NamedTuple):
    """The size of a first screen: rows of a table, names in a sentence, and characters in a cell."""

    rows: int
    names: int
    width: int


LAYOUTS = (
    Screen(12, 8, 300),
    Screen(8, 8, 120),
    Screen(5, 5, 80),
    Screen(2, 3, 40),
    Screen(0, 1, 30),
)
"""From the fullest first screen to the shortest: the first that fits is used."""


def markdown(comparison: Comparison, limit: int = COMMENT_LIMIT) -> str:
    """The whole comment, never above the limit in bytes; every environment has its own first screen."""
    notes = "".join(f"{cell(note)}\n\n" for note in comparison.notes)
    if comparison.is_empty:
        return f"{notes}**Nobody sees a change.**\n"
    text, room = notes, limit - len(notes.encode())
    reports = comparison.reports
    for index, report in enumerate(reports):
        share = room // (len(reports) - index)
        if share < LEAST_ROOM:
            text += f"… and {output.counted(len(reports) - index, 'more group')} of environments\n"
            break
        part = _heading(report, len(reports)) + _page(report, share - 500)
        text += part
        room -= len(part.encode())
    return text


def _heading(report: DiffReport, groups: int) -> str:
    if not report.environments:
        return "## Without an environment\n\n" if groups > 1 else ""
    every = "All environments: " if groups == 1 and len(report.environments) > 1 else ""
    names = _names([code(name, 40) for name in report.environments], 8)
    return f"## {every}{names}\n\n"


def _page(report: DiffReport, limit: int) -> str:
    if report.is_empty:
        return "**Nobody sees a change.**\n\n"
    flags = flag_rows(report)
    made = _Page(limit)
    screens = (_first_screen(report, flags, layout) for layout in LAYOUTS)
    made.text = next((screen for screen in screens if made.fits(screen)), "")
    _findings(report, made)
    parts = list(_details(report, flags))
    for index, part in enumerate(parts):
        if not made.add(part):
            made.text += (
                f"\n… and {len(parts) - index:,} more of {len(parts):,} flags; `burgee diff` shows them all.\n"
            )
            return made.text
    made.add(_size(report))
    return made.text


class _Page:
    """Text that never exceeds its limit in bytes."""

    def __init__(self, limit: int) -> None:
        self.text = ""
        self.limit = limit - ROOM_FOR_TAIL

    def fits(self, part: str) -> bool:
        return len(self.text.encode()) + len(part.encode()) <= self.limit

    def add(self, part: str) -> bool:
        fits = self.fits(part)
        self.text += part if fits else ""
        return fits


def _first_screen(report: DiffReport, flags: Sequence[FlagRows], layout: Screen) -> str:
    number = len(flags)
    title = "Nobody sees a change now"
    if any(row for flag in flags for row in flag.rows if not row.at):
        title = f"{output.counted(number, 'flag')} change{'s' if number == 1 else ''} what users see"
    elif number:
        title = f"{output.counted(number, 'flag')} will change what users see, not yet"
    parts = [f"### {title}\n\n", *_headlines(flags, layout)]
    rows, left_out = _chosen(flags, layout.rows)
    if rows:
        heads = "| effect | flag | who | share of them | change | when |\n|---|---|---|---|---|---|\n"
        notes = {flag.flag: _through(flag, layout.width) + report.changed(flag.flag) for flag in flags}
        shown = "".join(_row(row, notes[row.flag], layout) for row in rows)
        parts.append(f"{heads}{shown}\n{_left_out(left_out)}")
    grave = [one for severity in GRAVE for one in report.findings if one.severity is severity]
    if grave and layout.rows:
        heads = "| severity | finding | flag | what | for example |\n|---|---|---|---|---|\n"
        more = len(grave) - layout.rows
        tail = f"and {output.counted(more, 'more finding')}\n\n" if more > 0 else ""
        parts.append(heads + "".join(_finding_row(one, layout) for one in grave[: layout.rows]) + f"\n{tail}")
    elif grave:
        parts.append(f"{output.counted(len(grave), 'finding')}\n\n")
    return "".join(parts)


def _chosen(flags: Sequence[FlagRows], limit: int) -> tuple[list[Row], list[Row]]:
    """The rows of a first screen and those left out: one row of every flag with losses before more of any."""
    places = [(row, place) for flag in flags for place, row in enumerate(flag.rows)]
    places.sort(key=lambda placed: (placed[0].rank, placed[1]))
    rows = [row for row, _ in places]
    order = {flag.flag: index for index, flag in enumerate(flags)}
    return sorted(rows[:limit], key=lambda row: (row.rank, order[row.flag])), rows[limit:]


def _headlines(flags: Sequence[FlagRows], layout: Screen) -> Iterator[str]:
    """The flags with losses, now and later, and with changes between variants."""
    losing = [(flag, rows) for flag, rows in losses(flags) if not flag.is_former]
    now = [_losing(rows, layout) for _, rows in losing if not rows[0].at]
    later = [_losing(rows, layout) for _, rows in losing if rows[0].at]
    gone = [code(flag.flag, layout.width) for flag, _ in losses(flags) if flag.is_former]
    if now:
        yield f"⚠️ Some users **lose** something in {_names(now, layout.names)}.\n\n"
    if later:
        yield f"⚠️ Some users **lose** something later in {_names(later, layout.names)}.\n\n"
    inexact = [code(flag.flag, layout.width) for flag in flags if flag.sample]
    if inexact:
        yield f"⚠️ Not computed exactly, so that more may lose: {_names(inexact, layout.names)}.\n\n"
    if gone:
        yield f"⚠️ Renamed: code that still uses {_names(gone, layout.names, ' or ')} **finds no flag**.\n\n"
    if not losing and not gone and not inexact:
        yield "Nobody loses anything.\n\n"
    switching = [code(flag, layout.width) for flag in switches(flags)]
    if switching:
        yield f"Some users **change between variants** without losing in {_names(switching, layout.names)}.\n\n"


def _losing(rows: Sequence[Row], layout: Screen) -> str:
    """A flag with who loses it first: the largest group, and the number of others."""
    first, *others = rows
    when = f", from {first.at}" if first.at else ""
    more = f"; {output.counted(len(others), 'more group')}" if others else ""
    who = cell(first.extent, min(layout.width, EXTENT))
    return f"{code(first.flag, layout.width)} ({who}{more}{when})"


def _names(names: Sequence[str], limit: int, last: str = ", ") -> str:
    more = len(names) - limit
    if more > 0:
        return f"{', '.join(names[:limit])} and {more:,} more"
    return last.join([part for part in (", ".join(names[:-1]), *names[-1:]) if part])


def _through(flag: FlagRows, width: int) -> str:
    return f", through {_cut(flag.cause, width)}" if flag.cause else ""


def _row(row: Row, note: str, layout: Screen) -> str:
    effect = f"**{row.effect}**" if row.loses else row.effect
    flag = code(row.flag, layout.width) + cell(note)
    width = layout.width
    return (
        f"| {effect} | {flag} | {cell(row.who, width)} | {row.reach} | {cell(row.change, width)} | {_when(row)} |\n"
    )


def _when(row: Row) -> str:
    return f"from {row.at}" if row.at else "now"


def _left_out(rows: Sequence[Row]) -> str:
    """The number of rows left out of the table, by effect."""
    if not rows:
        return ""
    counts: dict[str, int] = {}
    for row in rows:
        phrase = f"{COUNTED.get(row.effect, row.effect)}{' later' if row.at else ''}"
        counts[phrase] = counts.get(phrase, 0) + 1
    phrases = ", ".join(f"{number:,} {phrase}" for phrase, number in counts.items())
    return f"and {output.counted(len(rows), 'more row')}: {phrases}\n\n"


def _finding_row(one: Finding, layout: Screen) -> str:
    flag = code(one.flag, layout.width) if one.flag else ""
    message = cell(one.message, layout.width)
    return f"| {one.severity} | **{one.code}** | {flag} | {message} | {example(one.example, layout.width)} |\n"


def _findings(report: DiffReport, made: _Page) -> None:
    """Details of findings, and the notes, folded; as many as a part of the space allows."""
    parts = []
    for one in report.findings:
        if one.details or one.severity is Severity.NOTE or len(one.message) > MAX_TEXT // 2:
            flag = f" {code(one.flag)}" if one.flag else ""
            such = f", e.g. {example(one.example)}" if one.example else ""
            details = "".join(f"  - {cell(detail)}\n" for detail in one.details[:10])
            parts.append(f"- {one.severity} **{one.code}**{flag}: {cell(one.message)}{such}\n{details}")
    room = (made.limit - len(made.text.encode())) // 3
    kept = list(_within(parts, room))
    if kept:
        more = len(parts) - len(kept)
        tail = f"- … and {more:,} more\n" if more else ""
        number = output.counted(len(parts), "finding")
        made.add(f"<details><summary>{number} in full</summary>\n\n{''.join(kept)}{tail}\n</details>\n\n")


def _within(parts: Iterable[str], room: int) -> Iterator[str]:
    for part in parts:
        room -= len(part.encode())
        if room < ROOM_FOR_TAIL:
            return
        yield part


def _details(report: DiffReport, flags: Sequence[FlagRows]) -> Iterator[str]:
    heads = "| effect | who | share of them | change | when | for example |\n|---|---|---|---|---|---|\n"
    for flag in flags:
        rows = [_detail_row(row) for row in flag.rows[:MAX_ROWS]]
        more = _left_out(flag.rows[MAX_ROWS:])
        note = f"{cell(flag.sample)}\n\n" if flag.sample else ""
        gains = next((row.extent for row in flag.rows[:1] if row.effect == EFFECTS[MoveKind.GAIN]), "")
        gained = f"; gained by {gains}" if gains and not flag.rows[0].at else ""
        verdict = f"{_through(flag, MAX_TEXT)}: {flag.verdict}{gained}{report.changed(flag.flag)}"
        summary = f"<code>{html(flag.flag)}</code>{html(verdict)}"
        table = heads + "".join(rows) + "\n" + more if rows else ""
        guards = "".join(_guard(guard) for guard in flag.guards)
        yield f"<details><summary>{summary}</summary>\n\n{note}{table}{guards}</details>\n\n"


def _guard(guard: GuardRows) -> str:
    """The sentence of a guard, and what rolling back from each step takes from users."""
    heads = "| rolling back from | who | share of them | change | for example |\n|---|---|---|---|---|\n"
    rows = [
        f"| {' | '.join((row.at, cell(row.who), row.reach, cell(row.change), example(row.example)))} |\n"
        for row in guard.back[:MAX_ROWS]
    ]
    table = heads + "".join(rows) + "\n" if rows else ""
    more = len(guard.back) - len(rows)
    tail = f"and {output.counted(more, 'more row')}\n\n" if more else ""
    return f"{cell(guard.sentence[:1].upper() + guard.sentence[1:], SENTENCE)}.\n\n{table}{tail}"


def _detail_row(row: Row) -> str:
    cells = (row.effect, cell(row.who), row.reach, cell(row.change), _when(row), example(row.example))
    return f"| {' | '.join(cells)} |\n"


def _size(report: DiffReport) -> str:
    old, new = report.sizes
    cost = f"${new.monthly:,.2f} a month to read, {new.monthly - old.monthly:+,.2f}"
    size = f"{old.json:,} → {new.json:,} bytes, {new.stored:,} stored; {cost}."
    return f"<details><summary>Size of the release</summary>\n\n{size}\n\n</details>\n\n"


def html(text: str) -> str:
    """Text inside an HTML element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cell(text: str, width: int = MAX_TEXT) -> str:
    """Text escaped for a table cell, without markup."""
    shown = html(_cut(text, width))
    for mark in "\\`*_|[]~":
        shown = shown.replace(mark, "\\" + mark)
    # Git hosts detect `@name` and `#12` after unescaping, and notify those people and threads.
    for mark in "@#":
        shown = shown.replace(mark, mark + "\u200b")
    return shown.replace("\n", " ")


def code(name: str, width: int = MAX_TEXT) -> str:
    """Text as code, also in a table cell."""
    shown = _cut(name, width)
    for mark, other in (("`", "'"), ("|", "\\|"), ("\n", " ")):
        shown = shown.replace(mark, other)
    return f"`{shown}`"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def example(context: Mapping[str, Any] | None, width: int = MAX_TEXT) -> str:
    """A context as code, so that addresses in it do not become links; empty if there is none."""
    return code(wording.such(context), width) if context else ""
