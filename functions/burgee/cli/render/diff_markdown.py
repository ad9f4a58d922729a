"""The effect of a change as a comment on a pull request: what matters on the first screen, the details folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.diff import wording
from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.cli.render.diff_report import Report
    from burgee.diff.effect import FlagEffect, RegionEffect
    from burgee.findings import Finding

COMMENT_LIMIT = 65_000
"""GitHub takes comments of 65,536 characters; this counts bytes, and leaves room for a marker."""
ROOM_FOR_TAIL = 200
MAX_FIRST = 8
MAX_ROWS = 50
MAX_TEXT = 400
GRAVE = (Severity.ERROR, Severity.WARNING)


def markdown(report: Report) -> str:
    """The whole comment, cut where GitHub would; what is cut is counted."""
    if not report.effects and not report.findings:
        return "**Nobody sees a change.**\n"
    made = _Page()
    made.add("".join(_first_screen(report)))
    rest = list(_flags(report))
    for index, part in enumerate(rest):
        if not made.add(part):
            made.text += f"\n… and {len(rest) - index:,} more of {len(rest):,} flags; `burgee diff` tells them all.\n"
            break
    return made.text


class _Page:
    """Text that never grows over the limit."""

    def __init__(self) -> None:
        self.text = ""
        self.size = 0

    def add(self, part: str) -> bool:
        size = len(part.encode())
        if self.size + size > COMMENT_LIMIT - ROOM_FOR_TAIL:
            return False
        self.text += part
        self.size += size
        return True


def _first_screen(report: Report) -> Iterator[str]:
    effects = report.effects
    number = len(effects)
    title = (
        "Nobody sees a change now"
        if not number
        else f"{number:,} flag{'s change' if number > 1 else ' changes'} what users see"
    )
    yield f"### {title}\n\n"
    losing = [effect for effect in effects if effect.losing()]
    if losing:
        shown = ", ".join(code(effect.flag) for effect in losing[:MAX_FIRST])
        yield f"⚠️ Somebody **loses** something in {shown}{_more(losing)}.\n\n"
    elif not any(effect.sample for effect in effects):
        yield "Nobody loses anything.\n\n"
    grave = [one for severity in GRAVE for one in report.findings if one.severity is severity]
    if grave:
        yield "| | finding | flag | what | for example |\n|---|---|---|---|---|\n"
        yield "".join(_finding_row(one) for one in grave[:MAX_FIRST])
        yield f"\n{_more(grave).strip()}\n\n" if len(grave) > MAX_FIRST else "\n"
    if effects:
        yield "| flag | effect | |\n|---|---|---|\n"
        yield "".join(_summary_row(effect, report) for effect in effects[:MAX_FIRST])
        yield f"\n{_more(effects).strip()}\n\n" if number > MAX_FIRST else "\n"
    yield from _all_findings(report, grave)
    yield _size(report)


def _more(listed: Sequence[object]) -> str:
    return f" and {len(listed) - MAX_FIRST:,} more" if len(listed) > MAX_FIRST else ""


def _finding_row(one: Finding) -> str:
    flag = code(one.flag) if one.flag else ""
    return f"| {one.severity} | **{one.code}** | {flag} | {cell(one.message)} | {example(one.example)} |\n"


def _summary_row(effect: FlagEffect, report: Report) -> str:
    regions = [*effect.regions, *(region for later in effect.later for region in later.regions)]
    shown = "" if not regions else f"{cell(wording.who(regions[0]))}: {cell(wording.moves(regions[0]))}"
    more = f" (and {len(regions) - 1} more)" if len(regions) > 1 else ""
    verdict = cell(wording.verdict(effect) + report.changed(effect.flag))
    return f"| {code(effect.flag)} | {shown}{more} | {verdict} |\n"


def _all_findings(report: Report, grave: Sequence[Finding]) -> Iterator[str]:
    """Findings that the first screen has no room for, and what they say more: folded."""
    folded = [
        one for one in report.findings if one.details or one.severity is Severity.NOTE or one in grave[MAX_FIRST:]
    ]
    if not folded:
        return
    yield f"<details><summary>{len(report.findings):,} findings in full</summary>\n\n"
    for one in folded[:MAX_ROWS]:
        flag = f" {code(one.flag)}" if one.flag else ""
        such = f", e.g. {example(one.example)}" if one.example else ""
        yield f"- {one.severity} **{one.code}**{flag}: {cell(one.message)}{such}\n"
        yield "".join(f"  - {cell(detail)}\n" for detail in one.details[:10])
    if len(folded) > MAX_ROWS:
        yield f"- … and {len(folded) - MAX_ROWS:,} more\n"
    yield "\n</details>\n\n"


def _flags(report: Report) -> Iterator[str]:
    for effect in report.effects:
        rows = [row for region in effect.regions for row in _rows(region, "")]
        rows += [row for later in effect.later for region in later.regions for row in _rows(region, later.at)]
        if len(rows) > MAX_ROWS:
            rows = [*rows[:MAX_ROWS], f"| … and {len(rows) - MAX_ROWS:,} more rows | | | |"]
        head = "| who | share | change | for example |\n|---|---|---|---|\n"
        note = f"{cell(effect.sample)}\n\n" if effect.sample else ""
        summary = f"<code>{html(effect.flag)}</code>: {html(wording.verdict(effect))}"
        table = head + "\n".join(rows) + "\n" if rows else ""
        yield f"<details><summary>{summary}</summary>\n\n{note}{table}\n</details>\n\n"


def _rows(region: RegionEffect, at: str) -> Iterator[str]:
    who = f"from {at}: {wording.who(region)}" if at else wording.who(region)
    for move in region.moves:
        yield f"| {cell(who)} | {wording.share_of(move)} | {cell(wording.arrow(move))} | {example(move.example)} |"


def _size(report: Report) -> str:
    old, new = report.sizes
    cost = f"${new.monthly:,.2f} a month to read, {new.monthly - old.monthly:+,.2f}"
    return f"<sub>The release takes {old.json:,} → {new.json:,} bytes, {new.stored:,} stored; {cost}.</sub>\n\n"


def html(text: str) -> str:
    """Text inside an HTML element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cell(text: str) -> str:
    """Text that stays in its table cell and is not read as markup."""
    shown = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    shown = html(shown)
    for mark in "\\`*_|[]~":
        shown = shown.replace(mark, "\\" + mark)
    # Hosts look for `@name` and `#12` after the escapes are gone, and tell the people and threads so named.
    for mark in "@#":
        shown = shown.replace(mark, mark + "\u200b")
    return shown.replace("\n", " ")


def code(name: str) -> str:
    """Text as code, in a table cell too."""
    shown = name if len(name) <= MAX_TEXT else name[: MAX_TEXT - 1] + "…"
    for mark, other in (("`", "'"), ("|", "\\|"), ("\n", " ")):
        shown = shown.replace(mark, other)
    return f"`{shown}`"


def example(context: Mapping[str, Any] | None) -> str:
    """A context as code, so that addresses in it become no links; nothing where there is none."""
    return code(wording.such(context)) if context else ""
