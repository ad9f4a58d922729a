"""Changes to the state by operators' overrides, as values: no store, no clock, no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest
from burgee.flagfile.entering import entered
from burgee.guards.plan import guarded, like
from burgee.model import Override
from burgee.releases.plan import settled_digest
from burgee.stores import Change
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import State
    from burgee.stores.audit import AuditContext

OFF_IN_FILE = "its status is off in the file"
"""Why a flag stays off without a kill."""


def served(state: State, snapshot: Snapshot, flag: str, now: float) -> Definition | None:
    """A flag with its override applied."""
    override = state.overrides.get(flag)
    if override is not None and override.in_force(now):
        return override.definition
    definition: Definition | None = snapshot["flags"].get(flag)
    return definition


def laid_over(snapshot: Snapshot, overrides: Iterable[Override], now: float) -> Snapshot:
    """A release's snapshot with the overrides in force applied."""
    return with_flags(snapshot, {one.flag: one.definition for one in overrides if one.in_force(now)})


def changed(state: State, change: Change) -> list[Override]:
    """The overrides after a change."""
    laid = {name: override for name, override in state.overrides.items() if name not in change.lift}
    return list((laid | {override.flag: override for override in change.lay}).values())


def killed(definition: Definition) -> Definition:
    """A killed flag: off, and no longer turned on by its schedule."""
    kept = []
    for entry in definition.get("schedule", ()):
        rest = {key: value for key, value in entry["set"].items() if key != "status"}
        if rest:
            kept.append({**entry, "set": rest})
    off = {**{key: value for key, value in definition.items() if key != "schedule"}, "status": False}
    return {**off, "schedule": kept} if kept else off


def revived(state: State, snapshot: Snapshot, flag: str, now: float) -> Definition:
    """The definition of a flag before it was killed: Git's if the kill was made on that. Raises Refused if it was not
    killed.
    """
    override = state.overrides.get(flag)
    laid = override.definition if override is not None and override.in_force(now) else None
    git: Definition | None = snapshot["flags"].get(flag)
    if laid is None or laid.get("status") is not False:
        also = "" if git is None or git.get("status") else f"; {OFF_IN_FILE}"
        raise Refused("not-killed", f"'{flag}' has not been killed{also}")
    if git is not None and definition_digest(killed(git)) == definition_digest(laid):
        return git
    return {**laid, "status": True}


def lift(state: State, snapshot: Snapshot, flag: str, act: AuditContext) -> Change:
    """The change that removes an override. Raises Refused if there is none."""
    override = state.overrides.get(flag)
    if override is None:
        raise Refused("not-found", f"There is no override on '{flag}'")
    after = snapshot["flags"].get(flag)
    entry = act.entry(flag=flag, before=override.definition, after=after, release=state.pointer.version)
    return Change(lift=[flag], audit=[entry])


def lay(  # noqa: PLR0913 - the state and the snapshot, and the change to one of their flags
    state: State,
    snapshot: Snapshot,
    flag: str,
    wanted: Mapping[str, Any] | None,
    act: AuditContext,
    *,
    reuse: bool = False,
) -> Change:
    """The change that serves `flag` as `wanted` (None: absent), without an override if Git agrees.

    During a canary the override stays anyway: users of the base have another definition. Raises InvalidFlag with all
    faults of `wanted`, Refused if it cannot be served, if it has a guard that the file has not, or if the name was
    removed from Git (old code may still use it) and `reuse` is not set.
    """
    known = flag in snapshot["flags"] or flag in state.overrides
    if wanted is not None and not known and flag in state.retired and not reuse:
        message = (
            f"{flag}: the name was removed from Git; old code may still use it; --reuse or ?reuse=true allows it"
        )
        raise Refused("name-retired", message)
    before = served(state, snapshot, flag, act.now)
    after = admitted(flag, wanted, laid_over(snapshot, state.overrides.values(), act.now))
    git = snapshot["flags"].get(flag)
    if not _is_known_guard(after, before, git):
        message = f"{flag}: a guard runs from the released file, not from an override: write it there, or propose it"
        raise Refused("invalid-flag", message)
    entry = act.entry(flag=flag, before=before, after=after, release=state.pointer.version)
    previous = state.overrides.get(flag)
    change = Change(lift=[flag], audit=[entry])
    same = definition_digest(after) == definition_digest(git)
    if not same or state.pointer.canary_at(act.now):
        moment = format_time(act.now)
        created = previous.created_at if previous and previous.definition is not None else moment
        override = Override(flag, after, act.author, act.reason, created, moment, act.until, definition_digest(git))
        settled = {flag: settled_digest(after)} if same else {}
        change = Change(lay=[override], settled=settled, audit=[entry])
    return change


def _is_known_guard(after: Definition | None, *others: Definition | None) -> bool:
    """Whether a definition has no guard, or that of another definition."""
    found = None if after is None else guarded(after)
    if after is None or found is None:
        return True
    known = [None if one is None else like(found, one) for one in others]
    return any(one is not None and one.settings.get("guard") == found.settings["guard"] for one in known)


def admitted(flag: str, wanted: Mapping[str, Any] | None, around: Snapshot) -> Definition | None:
    """A definition in the form that releases hold, checked with the flags that it joins; None for a flag that goes.

    Raises InvalidFlag with everything that is wrong with it, Refused where it cannot be served all the same.
    """
    after = None if wanted is None else entered(flag, wanted, around)
    broken = Ruleset(with_flags(around, {flag: after})).check([flag]).get(flag)
    # A flag that an older version accepted, and that cannot be served, can still be killed.
    if broken is not None and broken != Ruleset(around).check([flag]).get(flag):
        raise Refused("invalid-flag", f"{flag} cannot be served: {broken}")
    return after


def with_flags(snapshot: Snapshot, wanted: Mapping[str, Definition | None]) -> Snapshot:
    """A snapshot in which some flags are as given, None for absent."""
    flags = {**snapshot["flags"], **wanted}
    return {**snapshot, "flags": {flag: definition for flag, definition in flags.items() if definition is not None}}
