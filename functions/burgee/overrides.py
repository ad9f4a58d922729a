"""What an operator's wish does to the state, as values: no store, no clock, no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from burgee.grammar import normalise
from burgee.model import Override
from burgee.snapshots import definition_digest
from burgee.stores import AuditEntry, Change
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import State


class Act(NamedTuple):
    """Who does what, why and when; `now` in epoch seconds."""

    action: str
    author: str
    reason: str
    now: float

    def entry(self, **more: Any) -> AuditEntry:
        """Its audit entry, whose id sorts by time."""
        key = f"{int(self.now * 1000):013d}-{uuid4().hex[:12]}"
        return AuditEntry(key, format_time(self.now), self.author, self.action, self.reason, **more)


def served(state: State, snapshot: Snapshot, flag: str, now: float) -> Definition | None:
    """A flag as it stands, override laid over."""
    override = state.overrides.get(flag)
    if override is not None and (override.expires_at is None or parse_time(override.expires_at) > now):
        return override.definition
    definition: Definition | None = snapshot["flags"].get(flag)
    return definition


def lay(state: State, snapshot: Snapshot, flag: str, wanted: Mapping[str, Any] | None, act: Act) -> Change:
    """The change after which `flag` is served as `wanted`, None for absent; no override stays where Git agrees.

    Raises pydantic.ValidationError where `wanted` is not in the grammar.
    """
    before = served(state, snapshot, flag, act.now)
    after = None if wanted is None else normalise(wanted)
    git = snapshot["flags"].get(flag)
    entry = act.entry(flag=flag, before=before, after=after, release=state.pointer.version)
    if definition_digest(after) == definition_digest(git):
        return Change(lift=[flag], audit=[entry])
    previous = state.overrides.get(flag)
    moment = format_time(act.now)
    created = previous.created_at if previous and previous.definition is not None else moment
    override = Override(flag, after, act.author, act.reason, created, moment, None, definition_digest(git))
    return Change(lay=[override], audit=[entry])
