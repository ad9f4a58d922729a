"""What commands print: answers to standard output, problems to standard error, colours only on a terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from burgee.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from burgee.model import Problem
    from burgee.plan import Plan
    from burgee.stores import Bake, Pointer

_VERDICTS = {
    "absorbed": ("=", "Git caught up; the override goes"),
    "kept": ("!", "the override stays over the release"),
    "conflict": ("X", "CONFLICT: Git changed since the override was laid"),
    "expired": ("-", "expired; the override goes"),
}


def say(text: str) -> None:
    """A line of answer."""
    typer.echo(text)


def tell(text: str, colour: str | None = None) -> None:
    """A line for the person, not for the script."""
    typer.secho(text, err=True, fg=colour)


def as_json(value: Any) -> None:
    """An answer for a script."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=not _unicode()))


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def problems(found: Iterable[Problem]) -> None:
    """Each problem on a line that editors and CI logs can open: file:line:column."""
    for problem in found:
        error = problem.severity is Severity.ERROR
        tell(str(problem), typer.colors.RED if error else typer.colors.YELLOW)


def problem_record(problem: Problem) -> dict[str, Any]:
    """A problem as JSON: the place's parts beside code, severity, message and hint."""
    record = asdict(problem)
    return {**record.pop("place"), **record}


def plan_lines(made: Plan) -> list[str]:
    """A plan as a reviewer reads it."""
    lines = [f"release {made.version or 'none'} -> the file"]
    if made.baking is not None:
        told = f"{made.baking.share:g} % of users until {made.baking.until}"
        lines.append(f"  ! release {made.version} is on trial: {told}; the others get release {made.baking.base}")
    lines += [f"  + {name}" for name in made.added]
    for changed in made.changed:
        keys = "; ".join(f"{key}: {short(old)} -> {short(new)}" for key, (old, new) in changed.keys.items())
        lines.append(f"  ~ {changed.flag}: {keys or 'the order of its keys'}")
    lines += [f"  - {name}" for name in made.removed]
    lines += [f"  ~ {name}" for name in made.shared]
    if made.unchanged:
        lines.append("  nothing changes")
    lines += [f"  ? {name} was released before and removed since (--reuse)" for name in made.reused]
    for standing in made.standings:
        mark, meaning = _VERDICTS[standing.verdict]
        override = standing.override
        why = f", {override.reason!r}" if override.reason else ""
        lines.append(f"  {mark} {override.flag}: {meaning} (by {override.author} at {override.updated_at}{why})")
        if standing.verdict == "conflict":
            lines.append(f"      override: {short(override.definition)}")
            lines.append(f"      Git now:  {short(standing.git)}")
    lines += [f"  X {flag} cannot be served: {why}" for flag, why in made.broken.items()]
    return [*lines, f"plan digest {made.digest[:16]}"]


def live_line(pointer: Pointer, baking: Bake | None) -> str:
    """What is live from now on, and for whom."""
    if baking is None:
        return f"release {pointer.version} is live"
    told = f"{baking.share:g} % of users get release {pointer.version} until {baking.until}, then everybody does"
    return f"{told}; the others get release {baking.base}"


def short(value: Any) -> str:
    """A definition or a value on one line, cut where it is long."""
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
        "baking": made.baking and asdict(made.baking),
    }
