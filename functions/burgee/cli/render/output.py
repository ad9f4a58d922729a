"""Output of commands: answers to standard output, problems to standard error, colours only on a terminal."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from burgee.cli.render.value_changes import change_lines
from burgee.model import Severity
from burgee.plurals import counted as counted  # noqa: PLC0414 - for commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.text import Text

    from burgee.findings import Finding
    from burgee.flagfile.source import Source
    from burgee.model import Definition, Problem
    from burgee.releases.plan import Plan
    from burgee.stores import Canary, Pointer

_VERDICTS = {
    "absorbed": ("=", "Git agrees now; the override is removed"),
    "kept": ("!", "the override stays over the release"),
    "conflict": ("X", "CONFLICT: changed in Git since the override was set"),
    "expired": ("-", "expired; the override is removed"),
    "carried": ("!", "the guard ends: changed in Git; the share that it reached stays over the release"),
}
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")  # all but tab, newline and next line
_COLOURS = {Severity.ERROR: typer.colors.RED, Severity.WARNING: typer.colors.YELLOW, Severity.NOTE: None}


def say(text: str) -> None:
    """Prints a line of output."""
    typer.echo(_harmless(text))


def tell(text: str, colour: str | None = None) -> None:
    """Prints a line for people, not for scripts."""
    typer.secho(_harmless(text), err=True, fg=colour)


def _harmless(text: str) -> str:
    """Text with its control characters escaped: names and reasons that others wrote must not steer a terminal."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def one_line(text: str | None) -> str:
    """What a person wrote, on one line, so that it cannot look like another record of a list."""
    return " ".join((text or "").split())


def styled(text: Text) -> None:
    """Prints lines of output, coloured on a terminal; never wrapped, so that a pipe gets the same text."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(text)


def codes(listed: str | None) -> list[str] | None:
    """The codes of an option, None if not given; an unknown one is misuse."""
    from burgee.findings import unknown_codes

    if listed is None:
        return None
    given = [code.strip() for code in listed.split(",") if code.strip()]
    unknown = unknown_codes(given)
    if unknown:
        raise typer.BadParameter(f"there is no finding {unknown[0]!r}", param_hint="--fail-on")
    return given


def blocked(found: Iterable[Finding], given: Sequence[str] | None, source: Source | None) -> list[Finding]:
    """The findings that fail a check: by the option, or else by the file's `review`."""
    from burgee.findings import blocking

    review = source.model.review if source is not None else None
    own = review.fail_on if review is not None else []
    return blocking(found, own if given is None else given)


def as_json(value: Any) -> None:
    """Prints JSON for scripts."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=not _unicode()))


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def problems(found: Iterable[Problem]) -> None:
    """Prints each problem on a line that editors and CI logs can open: file:line:column."""
    for problem in found:
        tell(str(problem), _COLOURS[problem.severity])


def problem_record(problem: Problem) -> dict[str, Any]:
    """A problem as JSON: the parts of its place, with code, severity, message and hint."""
    record = asdict(problem)
    return {**record.pop("place"), **record}


def finding_record(one: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "code": str(one.code),
        "severity": str(one.severity),
        "flag": one.flag,
        "message": one.message,
        "example": None if one.example is None else dict(one.example),
        "details": list(one.details),
    }


def plan_lines(made: Plan, wanted: str = "the file") -> list[str]:
    """A plan in lines for people; `wanted` is what it would make live."""
    lines = [f"release {made.version or 'none'} -> {wanted}"]
    if made.canary is not None:
        until = f"{made.canary.share:g} % of users until {made.canary.until}"
        lines.append(f"  ! release {made.version} is a canary: {until}; the others get release {made.canary.base}")
    lines += [f"  + {name}" for name in made.added]
    for changed in made.changed:
        before = {key: old for key, (old, _) in changed.keys.items() if old is not None}
        after = {key: new for key, (_, new) in changed.keys.items() if new is not None}
        found = change_lines(before, after) or ["the order of its keys"]
        lines.append(f"  ~ {changed.flag}: {found[0]}" if len(found) == 1 else f"  ~ {changed.flag}")
        lines += [f"      {line}" for line in found if len(found) > 1]
    lines += [f"  - {name}" for name in made.removed]
    lines += [f"  ~ {name}" for name in made.shared]
    if made.unchanged:
        lines.append("  nothing changes")
    lines += [f"  ? {name} was released before and removed since (--reuse)" for name in made.reused]
    for standing in made.standings:
        mark, meaning = _VERDICTS[standing.verdict]
        override = standing.override
        why = f", {override.reason!r}" if override.reason else ""
        lines.append(
            f"  {mark} {override.flag}: {meaning} (by {one_line(override.author)} at {override.updated_at}{why})"
        )
        if standing.verdict == "conflict":
            lines.append("      from the override to Git's current definition:")
            lines += [f"        {line}" for line in definition_changes(override.definition, standing.git)]
    lines += [f"  X {flag} cannot be served: {why}" for flag, why in made.broken.items()]
    return [*lines, f"plan digest {made.digest[:16]}"]


def definition_changes(before: Definition | None, after: Definition | None) -> list[str]:
    """The differences of two definitions of a flag; in full if there is only one."""
    if before is None or after is None:
        return [f"{short(before)} -> {short(after)}"]
    return change_lines(before, after) or ["the order of its keys"]


def live_line(pointer: Pointer, baking: Canary | None) -> str:
    """The release that is live now, and who gets it."""
    if baking is None:
        return f"release {pointer.version} is live"
    canary = f"{baking.share:g} % of users get release {pointer.version} until {baking.until}, then everyone does"
    return f"{canary}; the others get release {baking.base}"


def short(value: Any) -> str:
    """A definition or a value on one line, truncated if it is long."""
    if value is None:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."


def plan_record(made: Plan) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "digest": made.digest,
        "release": made.version,
        "unchanged": made.unchanged,
        "added": list(made.added),
        "changed": {
            changed.flag: {key: list(pair) for key, pair in changed.keys.items()} for changed in made.changed
        },
        "removed": list(made.removed),
        "shared": list(made.shared),
        "reused": list(made.reused),
        "overrides": [
            {"flag": s.override.flag, "verdict": str(s.verdict), "override": s.override.definition, "git": s.git}
            for s in made.standings
        ],
        "broken": dict(made.broken),
        "baking": made.canary and asdict(made.canary),
    }
