"""Removes expired overrides and ended canaries from the state, with an audit entry for each.

They end without a write, because evaluators compare their end with the clock; webhooks need the entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.errors import Conflict
from burgee.releases.deploy import live
from burgee.stores import Change
from burgee.stores.audit import AuditContext
from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.model import Snapshot
    from burgee.stores import AuditEntry, State, Store

AUTHOR = "burgee"
EXPIRED = "override.expire"
CANARY_ENDED = "canary.end"


def next_end(state: State) -> float:
    """When the first override or the canary ends, in epoch seconds; infinity if none does."""
    ends = [override.until for override in state.overrides.values()]
    if state.pointer.canary is not None:
        ends.append(parse_time(state.pointer.canary.until))
    return min(ends, default=float("inf"))


def ended(state: State, snapshot: Snapshot, now: float) -> Change:
    """The change that removes what has ended by `now`; it changes no answer."""
    version, canary = state.pointer.version, state.pointer.canary
    over = [override for override in state.overrides.values() if not override.in_force(now)]
    audit: list[AuditEntry] = []
    for override in over:
        act = AuditContext(EXPIRED, AUTHOR, f"set by {override.author} until {override.expires_at}", now)
        git = snapshot["flags"].get(override.flag)
        audit.append(act.entry(flag=override.flag, before=override.definition, after=git, release=version))
    lift = [override.flag for override in over]
    if canary is None or state.pointer.canary_at(now) is not None:
        return Change(lift=lift, audit=audit)
    act = AuditContext(CANARY_ENDED, AUTHOR, f"everyone has the release since {canary.until}", now)
    before = {"canary": canary.share, "base": canary.base, "until": canary.until}
    audit.append(act.entry(before=before, release=version))
    return Change(activate=version, settled=state.settled, lift=lift, audit=audit)


class Expiry:
    """Removes from one tenant's state what ends, soon after it did."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision = -1
        self._next = 0.0

    def step(self, now: float) -> None:
        """Removes what has ended. Costs one read of the pointer while nothing does. Raises StoreError."""
        revision = self._store.pointer().revision
        if revision == self._revision and now < self._next:
            return
        state, snapshot = live(self._store)
        if next_end(state) <= now:
            try:
                self._store.commit(ended(state, snapshot, now), expected=state.pointer.revision)
            except Conflict:  # looked at again with the next step
                return
            state = self._store.state()
        self._revision, self._next = state.pointer.revision, next_end(state)
