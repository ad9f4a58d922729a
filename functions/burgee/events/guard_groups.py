"""Which group of a guard a unit is in, as exposures record it: reached by a step so far, or compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import BUCKETS, threshold
from burgee.evaluation.context import unit_reader
from burgee.evaluation.definition import off_variant, pinned_hash, salt, unit_attributes, variants
from burgee.evaluation.hash_strategies import strategy
from burgee.evaluation.snapshots import GUARD
from burgee.guards.plan import begins, comparison, guarded
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Context, Definition

REACHED, COMPARED = "reached", "compared"
"""The variants of exposures to a guard."""
SERVED_BY_IT = "\0guarded"
"""No name of a variant in a file: YAML has no such character."""


class GuardGroups(NamedTuple):
    """The groups of one guard in one ruleset: units at places before `reached`, and from `compared` on.

    `share` is what its owner serves now, in percent; `name` names this
    step of the guard: another one at the same share, after a rollback, is recorded again.
    """

    name: str
    rule: str
    share: str
    reached: int
    compared: int
    unit: Callable[[Context], str | None]
    place: Callable[[str], int]
    can_be_served: Callable[[Context, float], bool]

    def group(self, place: int) -> str | None:
        """The group of a place on the hash line; None for units that wait."""
        if place < self.reached:
            return REACHED
        return COMPARED if place >= self.compared else None


def guard_groups(ruleset: Ruleset | ClientView, flag: str) -> GuardGroups | None:
    """The groups of a flag's guard while an override serves a share of it; kept as long as the ruleset."""
    known = ruleset.guards
    if flag not in known:
        known[flag] = _groups(ruleset, flag)
    found: GuardGroups | None = known[flag]
    return found


def _groups(ruleset: Ruleset | ClientView, flag: str) -> GuardGroups | None:
    definition, override = ruleset.definition(flag), ruleset.override(flag)
    owner = None if definition is None else guarded(definition)
    if definition is None or override is None or owner is None:
        return None
    settings: Mapping[str, Any] | None = owner.settings if owner.rule is not None else None
    line, way = salt(flag, definition, settings), strategy(pinned_hash(definition, settings)).place(BUCKETS)
    try:
        answer = ruleset.answering(flag, _marked(definition, owner.rule))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
        return None  # the flag cannot be served either
    share = begins(owner)
    return GuardGroups(
        f"{GUARD}{flag} {override.updated_at}",
        owner.name,
        f"{share:g}",
        threshold(share),
        BUCKETS - threshold(comparison(owner.settings["guard"])),
        unit_reader(*unit_attributes(definition, settings)),
        lambda unit: way(unit, line),
        lambda context, now: answer(context, now).variant == SERVED_BY_IT,
    )


def _marked(definition: Definition, rule: int | None) -> Definition:
    """A definition in which the guarded share serves all users that it could serve, with a variant of its own.

    So evaluation itself says who reaches it: no rule is read here a second time.
    """
    marked: dict[str, Any] = {**definition, "variants": {**variants(definition), SERVED_BY_IT: None}}
    off = off_variant(definition)
    if off is not None:
        marked["off_variant"] = off
    shared = {"rollout_percentage", "serve", "split", "ranges"}
    if rule is None:
        marked["default"] = {"serve": SERVED_BY_IT}
        return {key: value for key, value in marked.items() if key != "rollout_percentage"}
    rules = [*definition["rules"]]
    rules[rule] = {**{key: value for key, value in rules[rule].items() if key not in shared}, "serve": SERVED_BY_IT}
    return {**marked, "rules": rules}
