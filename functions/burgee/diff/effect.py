"""Computes the exact effect of replacing one snapshot with another: now, at later times, and at guards' steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from burgee.diff.affected import reached
from burgee.diff.cases import DRAWS, MAX_CASES
from burgee.diff.comparison import Compared, Effort, compare
from burgee.diff.flag_effect import FlagEffect, GuardEffect, GuardStep, Later
from burgee.diff.guard_stages import guard_stages
from burgee.diff.symbolic import Side
from burgee.diff.transitions import checkpoints
from burgee.diff.world import World
from burgee.evaluation.definition import fragments
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from burgee.diff.flag_effect import RegionEffect
    from burgee.diff.guard_stages import GuardStages
    from burgee.model import Snapshot


def effects(
    before: Snapshot,
    after: Snapshot,
    now: float,
    is_over: Callable[[], bool] | None = None,
    begin: Callable[[str], None] | None = None,
) -> list[FlagEffect]:
    """The effect on every flag whose answers can change at `now` (epoch seconds) or later, in file order.

    Once `is_over` returns true, the rest is sampled instead of computed. `begin` is called with each flag before it
    is looked at.
    """
    world = World(is_over)
    sides: dict[float, tuple[Side, Side]] = {}

    def at(moment: float) -> tuple[Side, Side]:
        if moment not in sides:
            sides[moment] = Side(before, moment), Side(after, moment)
        return sides[moment]

    found = []
    changed = {*reached(before, after)}
    guards = _by_guards(after, changed, now, world)
    changed |= {*_asked_otherwise(before, after)}
    for name in [name for name in {**before["flags"], **after["flags"]} if name in changed]:
        if begin is not None:
            begin(name)
        effort = Effort()
        compared = [_for_all_keys(name, *at(now), world, effort)]
        later: list[Later] = []
        last = compared[0]
        points = checkpoints(name, at(now), now)
        for point in points:
            if compared[-1].sample:
                # A flag with too many cases now also has too many later; repeating the attempt is useless.
                effort = Effort(max(MAX_CASES // len(points), 500), max(DRAWS // len(points), 200))
            here = _for_all_keys(name, *at(point.at), world, effort)
            compared.append(here)
            if point.since is None or point.until is None:
                if _compared(here.regions) != _compared(last.regions):
                    later.append(Later(format_time(point.at), here.regions))
                last = here
            elif not _moves_of(here.regions) <= _moves_of(last.regions):
                later.append(Later(format_time(point.since), here.regions, format_time(point.until)))
        steps = guards.get(name, [])
        samples = [one.sample for one in compared if one.sample] + [one.sample for one in steps if one.sample]
        if any(one.regions for one in compared) or samples or steps:
            found.append(FlagEffect(name, compared[0].regions, later, samples[0] if samples else None, steps))
    return found


def _by_guards(after: Snapshot, changed: Container[str], now: float, world: World) -> dict[str, list[GuardEffect]]:
    """What the guards of these flags change, by the flag that changes: their own, and those that require it."""
    found: dict[str, list[GuardEffect]] = {}
    for stages in guard_stages(after, changed, now):
        sides = [Side(snapshot, stages.at) for snapshot in stages.snapshots]
        for name in reached(stages.snapshots[0], stages.snapshots[-1]):
            effect = _guard_effect(name, stages, sides, world)
            if name == stages.plan.flag or effect.sample or any(step.regions for step in effect.steps):
                found.setdefault(name, []).append(effect)
    return found


def _guard_effect(name: str, stages: GuardStages, sides: Sequence[Side], world: World) -> GuardEffect:
    effort = Effort()
    steps: list[GuardStep] = []
    samples: list[str] = []
    for share, old, new in zip(stages.plan.steps, sides, sides[1:], strict=False):
        step, back = compare(name, old, new, world, effort=effort), compare(name, new, sides[0], world, effort=effort)
        steps.append(GuardStep(share, step.regions, back.regions))
        samples += [one.sample for one in (step, back) if one.sample]
        if samples:
            # A flag with too many cases at one step has too many at the others; repeating the attempt is useless.
            effort = Effort(max(MAX_CASES // len(sides), 500), max(DRAWS // len(sides), 200))
    return GuardEffect(stages.plan, format_time(stages.at), steps, samples[0] if samples else None)


def _asked_otherwise(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """The flags on both sides whose visibility to client keys changes."""
    for name, definition in before["flags"].items():
        other = after["flags"].get(name)
        if other is not None and [s.get("client") for s in fragments(definition)] != [
            s.get("client") for s in fragments(other)
        ]:
            yield name


def _for_all_keys(name: str, old: Side, new: Side, world: World, effort: Effort | None = None) -> Compared:
    """How a flag differs for server keys and, if it is open to client keys on only one side, for those too."""
    compared = compare(name, old, new, world, effort=effort)
    was, now = old.state(name), new.state(name)
    if was is None or now is None or (was.get("client") is True) == (now.get("client") is True):
        return compared
    closed = Side({**new.snapshot, "flags": {}}, new.now)
    for_clients = (
        compare(name, old, closed, world) if was.get("client") is True else compare(name, closed, new, world)
    )
    regions = [replace(region, keys="client") for region in for_clients.regions]
    regions += [replace(region, keys="server") for region in compared.regions]
    return Compared(regions, compared.sample or for_clients.sample)


def _compared(regions: Sequence[RegionEffect]) -> list[Any]:
    return [(r.when, r.keys, r.users, [(m.before, m.after, m.share) for m in r.moves]) for r in regions]


def _moves_of(regions: Sequence[RegionEffect]) -> set[Any]:
    return {(r.when, r.keys, tuple(r.users), m.before, m.after) for r in regions for m in r.moves}
