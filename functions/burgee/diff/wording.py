"""Formats shares, outcomes and contexts, the same in every report."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from burgee.diff.losses import MoveKind
from burgee.diff.outcomes import ABSENT
from burgee.evaluation.context import TARGETING_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.diff.flag_effect import FlagEffect, GuardEffect, Move, RegionEffect
    from burgee.diff.outcomes import Outcome

MAX_NAMES = 3
LEAST = Fraction(1, 100_000)
"""Below this share, percentages are hard to read."""
LOSS = "some users lose it"


def percent(share: Fraction) -> str:
    """A share in percent, to three or six decimals; shares that would round to 0 or 100 % as "1 in N"."""
    rest = 1 - share
    for part, prefix in ((share, ""), (rest, "all but ")):
        if 0 < part < LEAST:
            return f"{prefix}1 in {round(1 / part):,}"
    exact = share * 100
    digits = 3 if (exact * 1000).denominator == 1 else 6
    return f"{float(exact):.{digits}f}".rstrip("0").rstrip(".") + " %"


def share_of(move: Move) -> str:
    """A move's share, with its error if it was sampled."""
    if move.error is None:
        return percent(move.share)
    return f"about {float(move.share * 100):.1f} % ± {max(200 * move.error, 0.1):.1f}"


def reach(move: Move, region: RegionEffect, is_later: bool) -> str:
    """The share of users with the variant that a move takes or gives, before and after; else the move's share.

    `is_later` compares with the same time without the change. Both are known in a region of shares in which no other
    move gives or takes this variant.
    """
    variant = (move.before if move.loses else move.after).variant
    old, new = (shares.get(variant, Fraction(0)) for shares in (region.before, region.after))
    if move.error is None and move.share < 1 and abs(new - old) == move.share:
        if is_later:
            return f"{variant} for {percent(new)}, without this change {percent(old)}"
        return f"{percent(old)} → {percent(new)}"
    return share_of(move)


def change(move: Move, region: RegionEffect, is_later: bool) -> str:
    """What a move gives for what; a flag that is not found in words."""
    for_clients = region.keys == "client"
    missing = "not open to client keys" if for_clients else "flag not found"
    gone = f"{'closed to client keys' if for_clients else 'flag deleted'} (code's own default)"
    old = missing if move.before == ABSENT else str(move.before)
    new = gone if move.after == ABSENT else str(move.after)
    if move.before.variant == move.after.variant:
        old, new = f"{old} ({_value(move.before)})", f"{new} ({_value(move.after)})"
    # Later, an arrow would read as a sequence in time, after what changes now.
    replaced = f"{new} instead of {old}" if is_later else f"{old} → {new}"
    return f"{replaced}, {move.holdout}" if move.holdout else replaced


def arrow(move: Move) -> str:
    """The outcomes before and after; with their values if only those differ, and a note on holdouts."""
    change = f"{move.before} -> {move.after}"
    if move.before.variant == move.after.variant:
        change += f" ({_value(move.before)} -> {_value(move.after)})"
    return f"{change}, {move.holdout}" if move.holdout else change


def _value(outcome: Outcome) -> str:
    return outcome.value if len(outcome.value) <= 40 else outcome.value[:37] + "..."


def moves(region: RegionEffect) -> str:
    """All moves of a region in one phrase."""
    if region.users and all(move.share == 1 for move in region.moves):
        return "; ".join(arrow(move) for move in region.moves)
    return "; ".join(f"{share_of(move)} {arrow(move)}" for move in region.moves)


def who(region: RegionEffect) -> str:
    """The users of a region; named ones by name, or by number if a condition names them."""
    keys = f", asking with a {region.keys} key" if region.keys else ""
    if not region.users:
        return region.when + keys
    if region.named is not None:
        such = "namely" if len(region.users) <= MAX_NAMES else "such as"
        some = ", ".join(region.users[:MAX_NAMES])
        return f"{len(region.users):,} of {region.named:,} {region.when}, {such} {some}{keys}"
    return f"{names(region.users)}, {region.when.removeprefix('users ')}{keys}"


def names(users: Sequence[str]) -> str:
    """A few names, and the number of others."""
    more = len(users) - MAX_NAMES
    return ", ".join(users[:MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def such(context: Mapping[str, Any] | None) -> str:
    """A context in words: the user, and the relevant attributes."""
    return ", ".join(
        value
        if path == TARGETING_KEY and isinstance(value, str)
        else f"{path} = {json.dumps(value, ensure_ascii=False)}"
        for path, value in (context or {}).items()
    )


def day(moment: str) -> str:
    """A time (RFC 3339, UTC) in readable form: 2027-03-01 09:00 UTC, without the time at midnight.

    The step of a guard stays as it is.
    """
    if not moment[:1].isdigit():
        return moment
    date, _, time = moment.removesuffix("Z").partition("T")
    return date if time == "00:00:00" else f"{date} {time.removesuffix(':00')} UTC"


def guard(effect: GuardEffect, flag: str) -> str:
    """What a guard does to a flag, in a sentence: its steps, how long each lasts, and who they are compared with."""
    plan = effect.plan
    if plan.flag != flag:
        return f"the guard of {plan.flag} changes it too"
    raised = "its guard raises " + ("it" if plan.rule is None else f'rule "{plan.rule}"')
    *steps, last = (f"{step:g} %" for step in plan.steps)
    start = "" if plan.start is None else f"from {day(effect.at)} on "
    said = f"{start}{raised} from {plan.begins:g} % to {', '.join([*steps, f'then {last}' if steps else last])}"
    said += f", each for at least {duration(plan.hold / 1000)}"
    if plan.guardrails or plan.signals:
        group = f"{plan.comparison:g} % at the end of the hash line"
        said += f" and until {plan.minimum:,} units are in each group; compared with {group}"
        alone = [f"{share:g} %" for index, share in enumerate(plan.steps) if not plan.is_compared(index)]
        said += f", except step {alone[0]}, which leaves nobody to compare with" if alone else ""
    if plan.approve:
        waiting = [f"{plan.steps[index]:g} %" for index in sorted(plan.approve)]
        said += f"; step {' and step '.join(waiting)} wait{'s' if len(waiting) == 1 else ''} for approval"
    return said


def duration(seconds: float) -> str:
    """A duration in its largest whole unit: 6 hours."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:,g} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:,g} seconds"


def verdict(effect: FlagEffect) -> str:
    """Whether any user loses something, now or later, and whether any user changes between variants."""
    doubt = ["not exact"] if effect.sample else []
    if _kinds(effect.regions, MoveKind.LOSS):
        return "; ".join([LOSS, *doubt])
    after = [*effect.all_regions(), *effect.step_regions()]
    later = next((at for at, region in after if _kinds([region], MoveKind.LOSS)), None)
    if later is not None:
        return "; ".join([f"{LOSS} from {day(later)}", *doubt])
    if effect.sample:
        return "not exact"
    if _kinds([region for _, region in after], MoveKind.SWITCH):
        return "nobody loses it; some users change between variants"
    return "nobody loses it" if effect.regions else "nobody loses it; nothing changes yet"


def _kinds(regions: Sequence[RegionEffect], kind: MoveKind) -> bool:
    return any(move.kind is kind for region in regions for move in region.moves)
