"""Removes expired overrides and ended canaries from the state, with an audit entry for each.

They end without a write, because evaluators compare their end with the clock; webhooks need the entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.errors import Conflict, NotFound
from burgee.evaluation.snapshots import load_snapshot
from burgee.guards.transitions import GUARD
from burgee.releases.deploy import carry_entry, live
from burgee.releases.plan import OverrideVerdict, plan, rebased
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


def ended(state: State, snapshot: Snapshot, now: float, base: Snapshot | None = None) -> Change:
    """The change that removes what has ended by `now`.

    It changes no answer, but for a flag with a guard that an ended canary changed: until then all users had what its
    `base` says, at the share that the guard has reached, which goes over to the new definition.
    """
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
    carried = [] if base is None else plan(state, base, snapshot, now).having(OverrideVerdict.CARRIED)
    audit += [carry_entry(standing, act, version) for standing in carried]
    audit.append(act.entry(before=before, release=version))
    lay = [rebased(standing) for standing in carried]
    return Change(activate=version, settled=state.settled, lay=lay, lift=lift, audit=audit)


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
                base = self._base(state)
                self._store.commit(ended(state, snapshot, now, base), expected=state.pointer.revision)
            except Conflict:  # looked at again with the next step
                return
            state = self._store.state()
        self._revision, self._next = state.pointer.revision, next_end(state)

    def _base(self, state: State) -> Snapshot | None:
        """The release that a canary is compared with, where a guard serves a flag over it."""
        canary = state.pointer.canary
        if canary is None or not any(override.author == GUARD for override in state.overrides.values()):
            return None
        try:
            return load_snapshot(self._store.payload(canary.base))
        except NotFound:  # collected meanwhile
            return None
