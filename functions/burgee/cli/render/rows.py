"""The effect of a change as rows, most severe first: losses, changes between variants, gains, later, the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff import wording
from burgee.diff.losses import MoveKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.cli.render.diff_report import DiffReport
    from burgee.diff.flag_effect import FlagEffect, GuardEffect, RegionEffect
    from burgee.diff.renames import Rename

EFFECTS = {
    MoveKind.LOSS: "loses",
    MoveKind.SWITCH: "changes",
    MoveKind.GAIN: "gains",
    MoveKind.NEITHER: "no gain, no loss",
}
"""The effect of a move on users, in the first column."""
SAME = "as without this change"
KINDS = list(EFFECTS)
LATER = KINDS.index(MoveKind.NEITHER)
REST = LATER + len(KINDS)


class Row(NamedTuple):
    """One move of one flag. `rank` orders rows; `at` is empty for an immediate change.

    `share` is of the users who move; `reach` is the share with the variant before and after, where that is as clear.
    """

    rank: int
    size: float
    flag: str
    effect: str
    who: str
    share: str
    reach: str
    change: str
    at: str
    example: Mapping[str, Any] | None
    step: int = 0
    """The number of a guard's step, from 1; 0 if it is none."""

    @property
    def loses(self) -> bool:
        """Whether any user loses something, now or later."""
        return self.effect == EFFECTS[MoveKind.LOSS]

    @property
    def extent(self) -> str:
        """Who moves, with their share."""
        return f"{self.share} of {self.who}" if self.share else self.who


class GuardRows(NamedTuple):
    """A guard in a sentence, and what rolling back from each of its steps changes."""

    sentence: str
    back: Sequence[Row]


class FlagRows(NamedTuple):
    """A flag's rows, most severe first, and its verdict in words; `cause` is the dependency it changes through.

    `is_former` marks the old name of a renamed flag.
    """

    flag: str
    verdict: str
    rows: Sequence[Row]
    sample: str | None
    cause: str
    is_former: bool = False
    guards: Sequence[GuardRows] = ()


def flag_rows(report: DiffReport) -> list[FlagRows]:
    """Every flag that changes, most severe first, then in file order."""
    old = {rename.old: rename for rename in report.renames}
    new = {rename.new: rename for rename in report.renames}
    found = []
    for effect in report.effects:
        if effect.flag in old:
            rows, verdict = _former(effect, old[effect.flag])
        elif effect.flag in new:
            rows, verdict = _renamed(effect, new[effect.flag])
        else:
            rows, verdict = _rows(effect), wording.verdict(effect)
        cause = " and ".join(report.causes.get(effect.flag, ()))
        ranked = sorted(rows, key=_weight)
        guards = [_guard_rows(effect.flag, guard) for guard in effect.guards]
        found.append(FlagRows(effect.flag, verdict, ranked, effect.sample, cause, effect.flag in old, guards))
    return sorted(found, key=lambda flag: flag.rows[0].rank if flag.rows else REST)


def _weight(row: Row) -> tuple[int, int, str, float]:
    return row.rank, row.step, row.at, -row.size


def _guard_rows(flag: str, guard: GuardEffect) -> GuardRows:
    back = [
        row
        for number, step in enumerate(guard.steps, 1)
        for region in step.back
        for row in _moves(flag, region, step.name, number)
    ]
    return GuardRows(wording.guard(guard, flag), back)


def _rows(effect: FlagEffect) -> list[Row]:
    rows = [row for region in effect.regions for row in _moves(effect.flag, region, "")]
    for later in effect.later:
        at = wording.day(later.at)
        if later.until is not None:
            at = f"{at} until {wording.day(later.until)}, in the middle"
        rows += [row for region in later.regions for row in _moves(effect.flag, region, at)]
        if not later.regions:
            everyone = MoveKind.NEITHER
            rows.append(
                Row(_rank(everyone, at), 0, effect.flag, EFFECTS[everyone], "everyone", "", "", SAME, at, None)
            )
    for guard in effect.guards:
        for number, step in enumerate(guard.steps, 1):
            rows += [row for region in step.regions for row in _moves(effect.flag, region, step.name, number)]
    return rows


def _moves(flag: str, region: RegionEffect, at: str, step: int = 0) -> Iterator[Row]:
    who = wording.who(region) + ("" if region.is_certain else ": possibly no users")
    for move in region.moves:
        named = bool(region.users) and move.share == 1
        # A step is compared with the one before it, other later changes with the same time without the change.
        is_later = bool(at) and not step
        share, reach = wording.share_of(move), wording.reach(move, region, is_later)
        shown = ("", "") if named else (share, reach)
        change = wording.change(move, region, is_later)
        rank, effect = _rank(move.kind, at), EFFECTS[move.kind]
        yield Row(rank, float(move.share), flag, effect, who, *shown, change, at, move.example, step)


def _rank(kind: MoveKind, at: str) -> int:
    if at:
        return LATER + KINDS.index(kind)
    return REST if kind is MoveKind.NEITHER else KINDS.index(kind)


def _former(effect: FlagEffect, rename: Rename) -> tuple[list[Row], str]:
    """The old name: users who had something lose it if code still uses that name."""
    losing = effect.losing()
    kind = MoveKind.LOSS if losing else MoveKind.NEITHER
    example = next((move.example for _, move in losing if move.example), None)
    who, change = f"code that still uses {rename.old}", f"renamed to {rename.new}"
    verdict = f"{change}; {wording.LOSS if losing else 'nobody loses it'} where code still uses {rename.old}"
    return [Row(_rank(kind, ""), 1, effect.flag, EFFECTS[kind], who, "", "", change, "", example)], verdict


def _renamed(effect: FlagEffect, rename: Rename) -> tuple[list[Row], str]:
    """The new name, compared with the old flag."""
    rows = [row for region in rename.regions for row in _moves(effect.flag, region, "")]
    verdict = f"{rename.old} under a new name; "
    if not rows:
        everyone = MoveKind.NEITHER
        change = f"{rename.old} under a new name: all users keep what they have"
        rows = [Row(REST, 1, effect.flag, EFFECTS[everyone], "everyone", "", "", change, "", None)]
        return rows, f"{verdict}all users keep what they have"
    return rows, verdict + ("its users are reassigned" if rows else "")


def without_example(effects: Iterable[FlagEffect]) -> Iterator[str]:
    """The losses for which no example is known, each with why."""
    for effect in effects:
        for at, region in [*effect.all_regions(), *effect.step_regions()]:
            for move in region.moves:
                if move.loses and move.example is None:
                    why = "no user was found who does" if region.is_certain else "there may be nobody there"
                    when = f"from {wording.day(at)}: " if at else ""
                    what = f"{when}{wording.who(region)}: {wording.share_of(move)} {wording.arrow(move)}"
                    yield f"{effect.flag}: a loss without an example, {why}: {what}"


def losses(flags: Sequence[FlagRows]) -> list[tuple[FlagRows, Sequence[Row]]]:
    """The flags with losses, each with its first ones, the largest first."""
    found: list[tuple[FlagRows, Sequence[Row]]] = []
    for flag in flags:
        losing = [row for row in flag.rows if row.loses]
        if losing:
            found.append((flag, [row for row in losing if row.at == losing[0].at]))
    return found


def switches(flags: Sequence[FlagRows]) -> list[str]:
    """The flags with changes between variants but no losses."""
    return [flag.flag for flag in flags if any(row.effect == EFFECTS[MoveKind.SWITCH] for row in flag.rows)]
