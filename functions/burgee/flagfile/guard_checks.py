"""Checks of a guard with the flag that it raises: its share, its hash line, its metrics, and what else moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.definition import Owner, fragments, is_divided, owners, pinned_hash, salt, unit_attributes
from burgee.evaluation.hash_strategies import strategy
from burgee.flagfile.experiments import MetricKind, impossible
from burgee.flagfile.suggestions import near
from burgee.guards.plan import begins, comparison, guarded
from burgee.model import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from burgee.model import Definition

    Path = tuple[str | int, ...]

START = "a guard moves the share by itself: write its `start`, and remove the schedule"


def guard_faults(
    name: str, definition: Definition, metrics: Mapping[str, Any], missing: Callable[[str], bool]
) -> Iterator[Fault]:
    """All faults of a flag's guard. `missing` says whether there is no metric of a name.

    `metrics` holds those that could be read: by name, as JSON values.
    """
    base: Path = ("flags", name)
    for number, part in enumerate(fragments(definition)):
        home: Path = (*base, "schedule", number - 1, "set") if number else base
        found = [(*home, *_home(owner), "guard") for owner in owners(part) if "guard" in owner.settings]
        for path in found[1:] if number == 0 else found:
            if number:
                yield Fault(path, "guard-conflict", "a schedule does not set a guard", START, at_key=True)
            else:
                message = f"{name} has a guard already: a flag has one"
                yield Fault(path, "guard-twice", message, "give one of its rules a flag of its own", at_key=True)
    owner = guarded(definition)
    if owner is None:
        return
    path = (*base, *_home(owner))
    if "schedule" in definition:
        yield Fault((*path, "guard"), "guard-conflict", f"{name} has a schedule too", START, at_key=True)
    yield from _share(path, owner)
    yield from _line(path, name, definition, owner)
    yield from _judged(path, owner, metrics, missing)


def _home(owner: Owner) -> Path:
    return () if owner.rule is None else ("rules", owner.rule)


def _share(path: Path, owner: Owner) -> Iterator[Fault]:
    """The share in the file is where a guard begins: evaluation knows no guard, so a missing one would serve all."""
    what = "the flag" if owner.rule is None else "the rule"
    hint = "write `rollout_percentage: 0`, where the guard begins and where it goes back to"
    share = owner.settings.get("rollout_percentage")
    if share is None:
        message = f"without `rollout_percentage`, {what} serves everyone from the release on"
        yield Fault((*path, "guard"), "guard-share", message, hint, at_key=True)
    elif isinstance(share, dict):
        message = "a ramp and a guard would both move this share"
        yield Fault((*path, "rollout_percentage"), "guard-share", message, hint)


def start_faults(name: str, definition: Definition) -> Iterator[Fault]:
    """A first step that is not above the share in the file; what an override serves may be above it."""
    owner = guarded(definition)
    if owner is None or isinstance(owner.settings.get("rollout_percentage"), dict):
        return
    if "rollout_percentage" in owner.settings and begins(owner) >= owner.settings["guard"]["steps"][0]:
        path = ("flags", name, *_home(owner), "guard", "steps", 0)
        message = f"the first step is not above {begins(owner):g} %, which the file serves already"
        yield Fault(path, "guard-share", message, "a higher step, a lower share, or a guard in one environment")


def _line(path: Path, name: str, definition: Definition, owner: Owner) -> Iterator[Fault]:
    """Another share on the same hash line would take units out of some steps, or serve them something else before."""
    way = strategy(pinned_hash(definition, owner.settings))
    if len(unit_attributes(definition, owner.settings)) > 1:
        message = "a guard compares groups of one unit, and `bucket_by` names several"
        yield Fault((*path, "guard"), "guard-line", message, "write one attribute", at_key=True)
        return
    if way.takes_values:
        message = f"hash {way.name} has one line for all flags, which a guard would share with each of them"
        yield Fault((*path, "guard"), "guard-line", message, "another `hash`, which moves users", at_key=True)
        return
    line = _line_of(name, definition, owner)
    for other in owners(definition):
        divides = "rollout_percentage" in other.settings
        divides = divides or (not way.has_two_lines and is_divided(other.outcome))
        if other.rule != owner.rule and divides and _line_of(name, definition, other) == line:
            whose = "the flag" if other.rule is None else f'rule "{other.name}"'
            message = f"{whose} has a share on the same hash line, so the groups of the guard would not be alike"
            hint = f"give {'the other rule' if owner.rule is None else 'this rule'} a `salt` of its own"
            yield Fault((*path, "guard"), "guard-line", message, hint, at_key=True)
            return


def _line_of(name: str, definition: Definition, owner: Owner) -> tuple[str, tuple[str, ...], str | None]:
    """What an owner hashes: its salt, its unit, and by which hash."""
    own = owner.settings if owner.rule is not None else None
    return salt(name, definition, own), unit_attributes(definition, own), pinned_hash(definition, own)


def _judged(path: Path, owner: Owner, metrics: Mapping[str, Any], missing: Callable[[str], bool]) -> Iterator[Fault]:
    guard = owner.settings["guard"]
    for key in ("guardrails", "signals"):
        for metric in guard.get(key, {}):
            where = (*path, "guard", key, metric)
            known = metrics.get(metric)
            if missing(metric):
                hint = near(metric, metrics) or "define it under the top-level `metrics`"
                yield Fault(where, "unknown-metric", f"there is no metric {metric!r}", hint, at_key=True)
            elif known is not None and known["kind"] == MetricKind.QUANTILE:
                message = f"{metric} is a quantile, which cannot be tested at every look"
                hint = "a mean or a proportion of the same event"
                yield Fault(where, "guard-quantile", message, hint, at_key=True)
            elif known is not None and "baseline" in guard[key][metric]:
                yield from _baseline((*where, "baseline"), guard[key][metric]["baseline"], known)
    if (guard.get("guardrails") or guard.get("signals")) and comparison(guard) <= 0:
        message = "no step leaves users to compare with, so its metrics could never be judged"
        yield Fault((*path, "guard", "steps"), "guard-comparison", message, "add a step below 100")


def _baseline(path: Path, baseline: Mapping[str, Any], metric: Mapping[str, Any]) -> Iterator[Fault]:
    """A value that the metric can have; other metrics than proportions need their standard deviation."""
    sd = None if metric["kind"] == MetricKind.PROPORTION else baseline.get("sd")
    reason = impossible(baseline["mean"], sd)
    if reason:
        hint = "`mean` is the metric's value today, of a share 0 to 1"
        yield Fault((*path, "mean"), "guard-baseline", reason, hint)
