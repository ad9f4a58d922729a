"""Compiles a checked file to the snapshot of one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.errors import FlagFileError
from burgee.evaluation.bucketing import holdout_salt
from burgee.evaluation.definition import fragments
from burgee.evaluation.snapshots import FORMAT, FORMAT_OF_RULES, GUARD
from burgee.flagfile.checks import check
from burgee.flagfile.environments import definition
from burgee.flagfile.fields import dump
from burgee.flagfile.source import Source
from burgee.flagfile.suggestions import near
from burgee.guards.plan import guarded
from burgee.model import Place, Problem, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.model import Definition, Snapshot


def compile_file(path: Path, environment: str | None = None) -> Snapshot:
    """The snapshot of a file. Raises FlagFileError with all problems if any of them is an error."""
    return compile_checked(Source(path), environment)


def compile_checked(source: Source, environment: str | None = None) -> Snapshot:
    """The snapshot of a source. Raises FlagFileError with all problems if any of them is an error."""
    problems = [problem for problem in check(source) if problem.severity is Severity.ERROR]
    if problems:
        raise FlagFileError(problems)
    require_environment(source, environment)
    return compile_source(source, environment)


def require_environment(source: Source, environment: str | None) -> None:
    """Raises FlagFileError if the file has no such environment; None (the flags as written) is always valid."""
    known = source.model.environments
    if environment is not None and environment not in known:
        message = f"there is no environment {environment!r}"
        hint = near(environment, known) or f"the file has {', '.join(known) or 'none'}"
        raise FlagFileError([Problem(Place(str(source.path), 1, 1), "unknown-environment", message, hint)])


def compile_source(source: Source, environment: str | None) -> Snapshot:
    """The snapshot of a source without errors."""
    model = source.model
    experiments = {name: flag.experiment for name, flag in model.flags.items()}
    experiments |= {holdout_salt(name): holdout.experiment for name, holdout in model.holdouts.items()}
    exposed = {name: list(one.segments) for name, one in experiments.items() if one and one.auto_expose}
    flags = {name: definition(flag, environment) for name, flag in model.flags.items()}
    exposed |= {GUARD + name: [] for name, flag in flags.items() if _is_measured(flag)}
    snapshot: dict[str, Any] = {
        "format": FORMAT_OF_RULES if any(map(_is_newer, flags.values())) else FORMAT,
        "environment": environment,
        "flags": flags,
        "segments": {name: segment.condition(name) for name, segment in model.segments.items()},
        "holdouts": {name: {"percentage": holdout.percentage} for name, holdout in model.holdouts.items()},
    }
    # Guards and proposals name metrics; evaluation does not read them.
    snapshot |= {"metrics": {name: dump(metric) for name, metric in model.metrics.items()}} if model.metrics else {}
    # The only trace of experiments in a release: which answers are logged, and with which attributes.
    # So are units that a guard compares.
    snapshot |= {"exposed": exposed} if exposed else {}
    # The limits of agents hold as released, so that no proposal changes those that it is held to.
    limits = model.review and model.review.agents
    return {**snapshot, "agents": dump(limits)} if limits else snapshot


def _is_measured(flag: Definition) -> bool:
    """Whether a guard of the flag compares metrics, not only alarms."""
    owner = guarded(flag)
    return owner is not None and any(owner.settings["guard"].get(key) for key in ("guardrails", "signals"))


_RULE_OF_FORMAT_1 = frozenset({"name", "when", "rollout_percentage", "salt", "serve", "split", "guard"})


def _is_newer(flag: Definition) -> bool:
    """Whether readers of format 1 would serve a flag to others than it says, rather than answer an error."""
    return any(
        "ranges" in part.get("default", ()) or any(rule.keys() - _RULE_OF_FORMAT_1 for rule in part.get("rules", ()))
        for part in fragments(flag)
    )
