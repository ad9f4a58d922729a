"""Findings on a change: unwanted effects on users, compared with a base."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from burgee.diff import wording
from burgee.diff.affected import needs, reached
from burgee.diff.losses import MoveKind
from burgee.diff.renames import renames
from burgee.diff.symbolic import Side
from burgee.diff.timeline import timeline
from burgee.diff.transitions import moments_of, ramps, turns
from burgee.diff.world import World
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.definition import salt
from burgee.evaluation.snapshots import definition_digest
from burgee.findings import Code, finding
from burgee.guards.plan import carried, guarded, served
from burgee.review.file_findings import faults, oversize
from burgee.review.hash_inputs import hash_inputs
from burgee.review.resplit import SplitChange, split_changes
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.diff.flag_effect import FlagEffect, Move, RegionEffect
    from burgee.findings import Finding
    from burgee.model import Snapshot

ROUNDING = Fraction(8, BUCKETS)
"""Tolerance in buckets: the bounds of a split are rounded to whole buckets."""
MAX_TIMELINE = 40
MAX_REGIONS = 20
"""Maximum regions with one loss that a finding lists."""


class ReviewedChange:
    """Two snapshots, the effect of the change, and shared data for proofs."""

    def __init__(
        self,
        before: Snapshot,
        after: Snapshot,
        found: Sequence[FlagEffect],
        now: float,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        self.before, self.after = before, after
        self.effects = {effect.flag: effect for effect in found}
        self.now = now
        self.old, self.new = Side(before, now), Side(after, now)
        self.world = World(is_over)
        self.renames = renames(self.old, self.new, self.world)

    def example(self, flag: str) -> Mapping[str, Any] | None:
        """An example user whose answer changes."""
        effect = self.effects.get(flag)
        moves = [move for region in effect.regions for move in region.moves] if effect else []
        return next((move.example for move in moves if move.example), None)


def proofs(change: ReviewedChange, retired: Mapping[str, str] | None = None) -> list[Finding]:
    """All findings on a change; `retired` maps removed names to the time of removal."""
    found: list[Finding] = []
    for effect in change.effects.values():
        found += _lost(effect)
        found += _rebucketed(change, effect)
        found += _salted(change, effect.flag)
        found += _not_exact(effect)
    found += _renamed(change)
    found += _reused(change, retired or {})
    found += _orphaned(change)
    found += _time_bombs(change)
    found += _ended_guards(change)
    found += _brought(change)
    found += oversize(change.before, change.after)
    return found


def _brought(change: ReviewedChange) -> list[Finding]:
    """Findings on the changed flags alone that the base did not have."""
    flags = reached(change.before, change.after)
    known = {(one.code, one.flag, one.message) for one in faults(change.old, flags, change.world)}
    new = faults(change.new, flags, change.world)
    return [one for one in new if (one.code, one.flag, one.message) not in known]


def _lost(effect: FlagEffect) -> Iterator[Finding]:
    """Variants that some users lose, now or later: withdrawn if the share does not fall, else lowered.

    One finding a variant: its message is of the region that loses most, its details of the others at that time.
    """
    found: dict[tuple[Code, str | None], list[tuple[str, Fraction, RegionEffect]]] = {}
    for at, region in [*effect.all_regions(), *effect.step_regions()]:
        lost: dict[str | None, Fraction] = {}
        for move in region.moves:
            if move.loses:
                lost[move.before.variant] = lost.get(move.before.variant, Fraction(0)) + move.share
        for variant, share in lost.items():
            kept = region.after.get(variant, Fraction(0)) >= region.before.get(variant, Fraction(1))
            key = Code.WITHDRAWN if kept else Code.LOWERED, variant
            found.setdefault(key, []).append((at, share, region))
    for (code, variant), losses in found.items():
        first, share, region = max(losses, key=lambda one: (not one[0], one[1]))
        example = next((move.example for move in _taken(region, variant) if move.example), None)
        others = [one for one in losses if one[0] == first and one[2] is not region]
        details = [_loss_message(each, variant, part, first) for _, part, each in others[:MAX_REGIONS]]
        if len(others) > MAX_REGIONS:
            details.append(f"and {len(others) - MAX_REGIONS:,} groups more")
        yield finding(code, effect.flag, _loss_message(region, variant, share, first), example, details)


def _taken(region: RegionEffect, variant: str | None) -> list[Move]:
    return [move for move in region.moves if move.loses and move.before.variant == variant]


def _loss_message(region: RegionEffect, variant: str | None, lost: Fraction, at: str) -> str:
    when = f"from {wording.day(at)}: " if at else ""
    move = _taken(region, variant)[0]
    what = wording.arrow(move) if move.before.variant == move.after.variant else variant
    if region.users:
        return f"{when}{wording.who(region)}, lose{'s' if len(region.users) == 1 else ''} {what}"
    old, new = region.before.get(variant), region.after.get(variant, Fraction(0))
    shares = ""
    if old is not None:
        then, now = wording.percent(old), wording.percent(new)
        moved = f"is {now}, without this change {then}" if at[:1].isdigit() else f"goes from {then} to {now}"
        shares = f", whose share {f'stays at {then}' if old == new else moved}"
    return f"{when}{wording.percent(lost)} of {wording.who(region)}{',' if region.keys else ''} lose {what}{shares}"


def _rebucketed(change: ReviewedChange, effect: FlagEffect) -> Iterator[Finding]:
    worst: tuple[Fraction, Fraction, RegionEffect] | None = None
    for region in effect.regions:
        if region.users or not region.before:
            continue
        moved = sum((m.share for m in region.moves if m.before.variant != m.after.variant), Fraction(0))
        least = sum(
            (max(share - region.before.get(v, Fraction(0)), Fraction(0)) for v, share in region.after.items()),
            Fraction(0),
        )
        if moved - least > ROUNDING and (worst is None or moved - least > worst[0] - worst[1]):
            worst = moved, least, region
    if worst is None:
        return
    moved, least, region = worst
    advice = _advice(change, effect.flag)
    message = (
        f"{wording.percent(moved)} of {region.when} move, where {wording.percent(least)} would be enough: {advice[0]}"
    )
    example = next((m.example for m in region.moves if m.example and m.before.variant != m.after.variant), None)
    yield finding(Code.REBUCKETED, effect.flag, message, example, advice[1:])


def _advice(change: ReviewedChange, flag: str) -> list[str]:
    """Advice on how to move fewer users."""
    salted = [f"{owner}: hash {old} as before" for owner, old, _ in _inputs_changed(change, flag)]
    layouts = [line for split in split_changes(change.old, change.new, flag) for line in _layout(split)]
    return salted or layouts or ["every variant keeps its users, and only the difference moves"]


def _layout(split: SplitChange) -> Iterator[str]:
    if split.moved <= split.least:
        return
    stretches = ", ".join(f"{arm} {low:,}-{high - 1:,}" for arm, low, high in split.layout)
    least = wording.percent(Fraction(split.least, BUCKETS))
    yield f"{split.owner}: the least possible, {least}, by buckets {stretches}"
    if split.order is not None and split.order_moved < split.moved:
        written = ", ".join(f"{arm}: {weight:g}" for arm, weight in split.order.items())
        reached = wording.percent(Fraction(split.order_moved, BUCKETS))
        yield f"{split.owner}: written as {{{written}}}, {reached} move"


def _inputs_changed(change: ReviewedChange, flag: str) -> list[tuple[str, str, str]]:
    """Owner, old input and new input of every hash of a flag that changed."""
    old, new = hash_inputs(change.old, flag), hash_inputs(change.new, flag)
    return [(owner, old[owner], new[owner]) for owner in old if owner in new and old[owner] != new[owner]]


def _salted(change: ReviewedChange, flag: str) -> Iterator[Finding]:
    changed = _inputs_changed(change, flag)
    if changed:
        (owner, old, new) = changed[0]
        details = [f"{owner}: {old} -> {new}" for owner, old, new in changed[1:]]
        message = f"{owner} hashes {new} instead of {old}, so its users are reassigned"
        yield finding(Code.SALTED, flag, message, change.example(flag), details)


def _not_exact(effect: FlagEffect) -> Iterator[Finding]:
    if effect.sample:
        yield finding(Code.NOT_EXACT, effect.flag, effect.sample)


def _renamed(change: ReviewedChange) -> Iterator[Finding]:
    """Renamed flags whose users are reassigned."""
    for former, name, regions in change.renames:
        moves = [move for region in regions for move in region.moves]
        if moves:
            kept = salt(former, change.before["flags"][former])
            message = f"{former} goes on as {name}, and {_reassigned(regions[0])}; `salt: {kept}` keeps everyone"
            yield finding(Code.RENAMED, name, message, moves[0].example)


def _reassigned(region: RegionEffect) -> str:
    """Who gains and loses in a region, in words; other moves by their outcomes."""
    verbs = {MoveKind.GAIN: "gain it", MoveKind.LOSS: "lose it"}
    first, *rest = (
        (wording.share_of(move), verbs.get(move.kind) or f"go from {move.before} to {move.after}")
        for move in region.moves
    )
    phrases = [f"{first[0]} of {wording.who(region)} {first[1]}", *(" ".join(one) for one in rest)]
    return " and ".join(phrases)


def _reused(change: ReviewedChange, retired: Mapping[str, str]) -> Iterator[Finding]:
    for name in change.after["flags"]:
        if name in retired and name not in change.before["flags"]:
            message = f"{name} is the name of a flag that was removed {retired[name]}: old code may still use it"
            yield finding(Code.RETIRED_NAME_REUSED, name, message, change.example(name))


def _orphaned(change: ReviewedChange) -> Iterator[Finding]:
    sections = {"flag": "flags", "segment": "segments", "holdout": "holdouts"}
    for name, definition in change.after["flags"].items():
        for kind, needed in dict.fromkeys(needs(definition)):
            section = sections[kind]
            if needed not in change.after.get(section, {}) and needed in change.before.get(section, {}):
                message = f"{name} still needs {kind} {needed}, which is removed"
                yield finding(Code.ORPHANED, name, message, change.example(name))


def _ended_guards(change: ReviewedChange) -> Iterator[Finding]:
    """Flags whose guard a release of this change ends if it runs, as `burgee.releases.plan` does.

    That is any change of the definition in this environment; no other file or flag ends a guard.
    """
    for name, base in change.before["flags"].items():
        git = change.after["flags"].get(name)
        owner = guarded(base)
        if owner is None or definition_digest(base) == definition_digest(git):
            continue
        ends = f"if the guard of {name} runs when this is released, this change ends it"
        if git is None:
            yield finding(Code.GUARD_ENDED, name, f"{ends} with the flag")
            continue
        stays = carried(served(base, owner.settings["guard"]["steps"][0]), base, git) is not None
        message = f"{ends} at the share that it has reached" if stays else f"{ends}, and the file decides the share"
        if guarded(git) is not None:
            message += f"; its guard begins again {'once the file has that share' if stays else 'from there'}"
        yield finding(Code.GUARD_ENDED, name, message)


def _time_bombs(change: ReviewedChange) -> Iterator[Finding]:
    """Flags whose definition gained future changes."""
    for name in change.after["flags"]:
        if name not in change.effects:
            continue
        new = change.after["flags"][name]
        old = change.before["flags"].get(name, {})
        ahead = sorted({moment for moment in moments_of(new) if moment > change.now})
        if not ahead or _timed(old) == _timed(new):
            continue
        entries = timeline(change.after, name, change.now, change.world)
        if entries:
            first = wording.day(format_time(ahead[0]))
            number = "one change is" if len(entries) == 1 else f"{len(entries)} changes are"
            message = (
                f"{name} will change by itself, first on {first}; {number} foreseen "
                "(each against the moment before it, not against the base)"
            )
            example = next((m.example for e in entries for r in e.regions for m in r.moves if m.example), None)
            lines = [str(entry) for entry in entries[:MAX_TIMELINE]]
            if len(entries) > MAX_TIMELINE:
                lines.append(f"and {len(entries) - MAX_TIMELINE} entries more")
            yield finding(Code.TIME_BOMB, name, message, example, lines)


def _timed(definition: Mapping[str, Any]) -> tuple[Any, ...]:
    """What changes a definition by itself."""
    return definition.get("schedule"), list(ramps(definition)), turns(definition)
