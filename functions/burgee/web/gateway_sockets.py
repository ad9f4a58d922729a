"""Connections of an API Gateway WebSocket API: who is admitted, and how all are notified of a change.

API Gateway holds the connections, and the table their ids: those of all environments of a project beside the flags of
the stack's own, because what it reports of an end names the connection alone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import repeat
from typing import TYPE_CHECKING, Any

from burgee.access.keys import find, named
from burgee.errors import Conflict, StoreUnavailable
from burgee.records import NamedTuple
from burgee.stores import Put, Shelf, Tenant
from burgee.times import is_ahead
from burgee.web.event_streams import event as moved
from burgee.web.exchange import Need
from burgee.web.live_sockets import SUBPROTOCOL, offered_key
from burgee.web.protection.access import key_caller, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from burgee.stores import Store

CONNECTION_SECONDS = 2 * 3_600 + 600
"""API Gateway ends a connection after two hours."""
OPENING_SECONDS = 30.0
"""A connection that is not complete looks gone to those who send to it."""
LEASE_SECONDS = 15.0
"""Seconds after which one that notifies and says nothing has died, and another may take over."""
ATTEMPTS = 5
SLICE_SECONDS = 0.25
THREADS = 32
_NOTIFIED = "notified:"
"""Before an environment, the id of the record of what its connections were notified of; no connection's id has it."""


class Posted(StrEnum):
    """The result of a message to one connection."""

    SENT = "sent"
    GONE = "gone"
    FAILED = "failed"


class Notified(NamedTuple):
    """How many connections were sent a message, were gone, and could not be sent one."""

    sent: int = 0
    gone: int = 0
    failed: int = 0


def connect(store: Store, event: Mapping[str, Any], *, keyed: bool, now: float) -> dict[str, Any]:
    """The answer to a connection that begins: 200 once it is recorded, or the status of its refusal.

    `store` is of the stack's own tenant, to which callers without a key belong if none are required.
    """
    fields = {name.lower().encode(): str(value).encode() for name, value in (event.get("headers") or {}).items()}
    protocols = [one.strip() for one in str(fields.get(b"sec-websocket-protocol", b""), "utf-8").split(",")]
    tenant, status = store.tenant, 200
    if keyed:
        tenant, status = _admitted(store, offered_key(protocols) or shown(fields), now)
    if status != 200:
        return {"statusCode": status}
    value = {"environment": tenant.environment, "at": now}
    connection = event["requestContext"]["connectionId"]
    store.keep([Put(Shelf.SOCKETS, connection, value, blind=True, until=now + CONNECTION_SECONDS)])
    chosen = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if SUBPROTOCOL in protocols else {}
    return {"statusCode": 200, "headers": chosen}


def _admitted(store: Store, token: str | None, now: float) -> tuple[Tenant, int]:
    """The tenant of a key, and 200, or why it is not admitted: 401 or 403."""
    name = None if token is None else named(token)
    if token is None or name is None or name.tenant.project != store.tenant.project:
        return store.tenant, 401
    key = find(store.at(name.tenant), name.id)
    if key is None or not key.opens(token) or key.fault(now) is not None:
        return store.tenant, 401
    return name.tenant, 200 if Need.EVALUATE in key_caller(name.tenant, key).may else 403


def disconnect(store: Store, connection: str) -> None:
    """Forgets a connection that has ended, as far as API Gateway says so."""
    store.keep([Put(Shelf.SOCKETS, connection, None, blind=True)])


class Notifier:
    """Notifies the connections of a tenant that its flags have moved, at most so many a second.

    `post` sends a message to a connection. Each of those notified then evaluates, so the rate is that of evaluations.
    """

    def __init__(
        self,
        store: Store,
        post: Callable[[str, bytes], Posted],
        rate: float,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._post = post
        self._rate = rate
        self._clock = clock
        self._sleep = sleep

    def environments(self) -> list[Tenant]:
        """The stack's own tenant, and those whose connections have been notified before."""
        known = self._store.shelf(Shelf.SOCKETS, _NOTIFIED)
        home = self._store.tenant
        names = {home.environment, *(name.removeprefix(_NOTIFIED) for name in known)}
        return [Tenant(home.project, name) for name in sorted(names)]

    def moved(self, tenant: Tenant) -> Notified:
        """Notifies all once for a revision; stops when another does so for a later one. Raises StoreUnavailable if
        some could not be reached, so that it is called again.
        """
        revision = self._store.at(tenant).state().pointer.revision
        claim = _Claim(self._store, tenant, revision)
        if not claim.take(self._clock()):
            return Notified()
        now, found = self._clock(), self._store.shelf(Shelf.SOCKETS)
        held = {
            connection: float(value["at"])
            for connection, value in found.items()
            if value.get("environment") == tenant.environment and value.get("at", 0) > now - CONNECTION_SECONDS
        }
        outcome = self._send(held, moved(str(revision)).encode(), claim)
        if outcome is None:
            return Notified()
        if outcome.failed:
            raise StoreUnavailable(f"{outcome.failed} connections could not be notified of revision {revision}")
        claim.end(self._clock())
        return outcome

    def _send(self, held: Mapping[str, float], data: bytes, claim: _Claim) -> Notified | None:
        """None if another took over."""
        counts = dict.fromkeys(Posted, 0)
        waiting, each = claim.remaining(held), max(int(self._rate * SLICE_SECONDS), 1)
        with ThreadPoolExecutor(THREADS) as pool:
            while waiting:
                began = self._clock()
                part, waiting = waiting[:each], waiting[each:]
                outcomes = list(pool.map(self._post, part, repeat(data)))
                for outcome in outcomes:
                    counts[outcome] += 1
                self._forget([one for one, was in zip(part, outcomes, strict=True) if was is Posted.GONE], held)
                if not counts[Posted.FAILED]:
                    claim.after = part[-1]  # after a failure the next run begins before it
                if not claim.keep(self._clock()):
                    return None
                if waiting:
                    took = max(self._clock() - began, 0.0)  # the clock may be put back
                    self._sleep(max(SLICE_SECONDS - took, 0.0))
        return Notified(counts[Posted.SENT], counts[Posted.GONE], counts[Posted.FAILED])

    def _forget(self, gone: Sequence[str], held: Mapping[str, float]) -> None:
        for connection in gone:
            if held[connection] < self._clock() - OPENING_SECONDS:
                disconnect(self._store, connection)


class _Claim:
    """The record of who notifies a tenant's connections of which revision, in the order of their ids.

    Connections may be more than one run of the function reaches, and changes may come faster than all are reached. So
    a run goes on `after` the last connection that was notified, and around to the one after which this revision's
    began.
    """

    def __init__(self, store: Store, tenant: Tenant, revision: int) -> None:
        self._store = store
        self._id = f"{_NOTIFIED}{tenant.environment}"
        self._revision = revision
        self._mine: dict[str, Any] | None = None
        self._began = self.after = ""
        self._kept_at = 0.0

    def take(self, now: float) -> bool:
        """Whether these are to be notified now: of something new, by nobody else."""
        for _ in range(ATTEMPTS):
            found = self._store.shelf(Shelf.SOCKETS, self._id).get(self._id)
            if found is not None and found["revision"] >= self._revision:
                ended = found["revision"] > self._revision or found["done"]
                # Another machine's clock may be ahead by as much as a lease.
                if ended or is_ahead(found["at"] + LEASE_SECONDS, now, 2 * LEASE_SECONDS):
                    return False
            if found is not None and not found["done"]:
                self.after = found.get("after", "")
                self._began = found.get("began", "") if found["revision"] == self._revision else self.after
            if self._put(found, now):
                return True
            self._began = self.after = ""
        raise StoreUnavailable("others are notifying the same connections; try again")

    def remaining(self, connections: Iterable[str]) -> list[str]:
        """Those that have not been notified, in order."""
        ids = sorted(connections)
        if self.after < self._began:
            return [one for one in ids if self.after < one <= self._began]
        return [one for one in ids if one > self.after] + [one for one in ids if one <= self._began]

    def keep(self, now: float) -> bool:
        """Says now and then that it goes on; whether it should."""
        pause = LEASE_SECONDS / 5
        return is_ahead(self._kept_at + pause, now, pause) or self._put(self._mine, now)

    def end(self, now: float) -> None:
        """All have been notified."""
        self._put(self._mine, now, done=True)

    def _put(self, before: Mapping[str, Any] | None, now: float, *, done: bool = False) -> bool:
        value = {"revision": self._revision, "at": now, "done": done, "began": self._began, "after": self.after}
        try:
            self._store.keep([Put(Shelf.SOCKETS, self._id, value, before)])
        except Conflict:
            return False
        self._mine, self._kept_at = value, now
        return True
