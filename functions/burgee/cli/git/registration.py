"""The registered plan of an experiment, and every change since, for readers of its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burgee.analysis.plans import plans
from burgee.cli.git.history import checkout
from burgee.cli.git.run import git_output
from burgee.errors import BurgeeError
from burgee.flagfile.fields import dump
from burgee.flagfile.source import Source
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.analysis.plans import ExperimentPlan

MAX_COMMITS = 300


@dataclass(frozen=True, slots=True)
class Registration:
    """The commit of the registered plan (None outside Git), and deviations from it."""

    commit: str | None
    deviations: tuple[str, ...]


def registration(flags: Path, plan: ExperimentPlan) -> Registration:
    """The last plan committed before the start is the registered one; else the first one, which is too late."""
    versions = list(_versions(flags, plan.flag))
    if not versions:
        return Registration(None, ())
    start = plan.start / 1000
    in_time = [version for version in versions if version.at <= start]
    first = in_time[-1] if in_time else versions[0]
    deviations = []
    if not in_time:
        deviations.append(f"registered on {format_time(first.at)[:10]}, after its start")
    before = first.facts
    for version in [one for one in versions if one.at > first.at] + [_PlanVersion("", 0.0, _facts(plan))]:
        if version.facts != before:
            when = f"{format_time(version.at)[:10]} ({version.commit[:9]})" if version.commit else "not committed yet"
            deviations += [f"{when}: {change}" for change in _changes(before, version.facts)]
            before = version.facts
    return Registration(first.commit[:9], tuple(deviations))


@dataclass(frozen=True, slots=True)
class _PlanVersion:
    commit: str
    at: float
    facts: dict[str, Any]


def _versions(flags: Path, flag: str) -> Iterator[_PlanVersion]:
    """Commits that touched flag files and have the experiment, oldest first."""
    folder = flags.resolve().parent
    for commit, at in _commits(folder):
        try:
            with checkout(commit, flags) as inside:
                found = plans(Source(inside).model).get(flag)
        except (BurgeeError, KeyError, StopIteration):  # a commit with an invalid file
            continue
        if found is not None:
            yield _PlanVersion(commit, at, _facts(found))


def _commits(folder: Path) -> list[tuple[str, float]]:
    options = ["--reverse", "--format=%H %ct", f"--max-count={MAX_COMMITS}"]
    lines = [line.split() for line in git_output(folder, "log", *options, "--", "*.yaml", "*.yml").splitlines()]
    return [(commit, float(at)) for commit, at in lines]


def _facts(plan: ExperimentPlan) -> dict[str, Any]:
    """A plan as a flat mapping, so that a change can be named."""
    facts = {key: value for key, value in dump(plan.experiment).items() if key not in {"auto_expose", "owner"}}
    metrics = {f"metric {name}": dump(metric) for name, metric in plan.metrics.items()}
    return {**facts, "allocation": {arm: round(share, 6) for arm, share in plan.arms.items()}, **metrics}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*before, *after]):
        if key not in before:
            yield f"{key} was added: {_said(after[key])}"
        elif key not in after:
            yield f"{key} was removed"
        elif before[key] != after[key]:
            yield f"{key} was changed from {_said(before[key])} to {_said(after[key])}"


def _said(value: Any) -> str:
    """A value in words: a mapping as its keys with their values, a list as its items."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(part)}" for key, part in value.items()) or "nothing"
    return ", ".join(map(_said, value)) or "nothing" if isinstance(value, list) else str(value)
