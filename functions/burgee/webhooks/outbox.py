"""Sends the audit log to webhooks: turns new entries into deliveries, and attempts those that are due.

A pass reads the log from where the last one stopped, so a change is sent whichever way it came in, and a process that
dies loses none. Each webhook is sent to in a thread of its own, by one process at a time, so one that does not
answer holds up no other. A message is delivered at least once, under one id.
"""

from __future__ import annotations

import json
import random
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from burgee.errors import Conflict, Refused, StoreError, StoreUnavailable
from burgee.stores import Put, Shelf
from burgee.stores.audit import AuditContext
from burgee.times import is_ahead, parse_time
from burgee.webhooks import endpoints
from burgee.webhooks.changes import served_by
from burgee.webhooks.delivery import KEPT_SECONDS, Delivery, dead_letter, failed, heads, load, order_of
from burgee.webhooks.endpoints import AT_ONCE, Endpoint, Kind
from burgee.webhooks.messages import body, message, message_id
from burgee.webhooks.sending import SECONDS
from burgee.webhooks.signing import signed
from burgee.webhooks.slack import slack_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Protocol

    from burgee.model import Snapshot
    from burgee.stores import AuditEntry, Store
    from burgee.webhooks.sealing import Vault
    from burgee.webhooks.sending import Outcome

    Words = Callable[[Snapshot, Snapshot, float], Sequence[str]]
    """The effect of replacing one snapshot with another at a time, in lines. Raises Refused if it is too large."""

    class Sends(Protocol):
        """Posts a body to a URL."""

        def send(self, url: str, fields: Mapping[str, str], body: bytes) -> Outcome:
            """The outcome; never an exception."""


PAGE = 200
OVERLAP_SECONDS = 10
"""The log is read again from so long before the last entry that was read: of a commit in progress, an entry may be
visible before those that were written with it."""
MAX_WAITING = 1_000
"""Maximum number of messages that wait for one webhook; further ones are dead letters at once."""
LEASE_SECONDS = 60.0
"""For how long a process that stops without a word keeps a webhook from others."""
MAX_THREADS = 100
LOOK_SECONDS = 50.0
"""A webhook is looked at at least so often, in seconds."""
DOWN_SECONDS = 1.0
"""Pause before the next message is tried at a webhook that did not answer."""
PAUSE_SECONDS = 30.0
"""Pause after the store or the vault did not answer."""
POSITION = "position"


_REMEMBERED = 10_000


class Deps(NamedTuple):
    """What an outbox works with, besides its store: replaced in tests."""

    sender: Sends
    vault: Vault
    words: Words | None = None
    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    log: Callable[[str], object] = lambda _line: None


class Outbox:
    """The outbox of one tenant. `step` is quick; sending goes on in threads, for which `settle` waits."""

    def __init__(self, store: Store, deps: Deps, pool: ThreadPoolExecutor | None = None) -> None:
        self._store = store
        self._deps = deps
        self._pool = pool or ThreadPoolExecutor(MAX_THREADS, "webhook")
        self._holder = uuid4().hex
        self._sending: dict[str, Future[None]] = {}
        self._next: dict[str, float] = {}
        """When to look at a webhook again; written by its thread."""
        self._woken: set[str] = set()
        """Webhooks with something new: their threads may have looked just before."""
        self._leases: dict[str, dict[str, Any]] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()

    def step(self) -> None:
        """Turns new entries into deliveries, and begins to send what is due. Raises StoreError."""
        receivers = endpoints.listed(self._store)
        if not receivers:
            return
        try:
            self._collect(receivers)
        finally:
            now = self._deps.clock()
            for key in {one.id for one in receivers} | self._woken:
                running = self._sending.get(key)
                is_due = key in self._woken or not is_ahead(self._next.get(key, 0.0), now, LOOK_SECONDS)
                if is_due and (running is None or running.done()):
                    self._woken.discard(key)
                    self._sending[key] = self._pool.submit(self._send_due, key)

    def settle(self, seconds: float | None = None) -> bool:
        """Waits until nothing is being sent; whether that was so within a time."""
        return not wait(self._sending.values(), seconds).not_done

    def _collect(self, receivers: Sequence[Endpoint]) -> None:
        """Turns the entries since the last pass into messages and deliveries."""
        record = self._store.find(Shelf.OUTBOX, POSITION)
        start = max(record["id"] if record is not None else "", min(one.since for one in receivers))
        position, after = start, _before(start)
        counts: dict[str, int] = {}
        while page := self._store.audit_after(after, limit=PAGE):
            new = [entry for entry in page if entry.id not in self._seen]
            if new:  # after the page: a webhook that was added before one of its entries receives that
                receivers = endpoints.listed(self._store)
            for entry in new:
                self._enqueue(entry, receivers, counts)
                self._remember(entry.id)
            position = max(position, page[-1].id)
            after = page[-1].id
            if position != start:
                self._store.keep([Put(Shelf.OUTBOX, POSITION, {"id": position}, blind=True)])
                start = position
            if len(page) < PAGE:
                break

    def _enqueue(self, entry: AuditEntry, receivers: Sequence[Endpoint], counts: dict[str, int]) -> None:
        """Makes an entry's message and deliveries, once; `counts` has how many messages wait for a webhook."""
        if entry.action == endpoints.REPLAY:
            self._woken.add((entry.after or {}).get("id", ""))
        wanting = [one for one in receivers if one.wants(entry)]
        if not wanting or self._store.find(Shelf.MESSAGES, entry.id) is not None:
            self._woken |= {one.id for one in wanting}
            return
        now = self._deps.clock()
        made = self._message(entry)
        puts = [Put(Shelf.MESSAGES, entry.id, made, until=now + KEPT_SECONDS)]
        for one in wanting:
            delivery = Delivery(one.id, entry.id, order_of(entry.id, entry.action, entry.flag), now, now)
            if one.id not in counts:
                counts[one.id] = len(self._store.shelf(Shelf.DELIVERIES, f"{one.id}."))
            counts[one.id] += 1
            why = f"{MAX_WAITING:,} messages were waiting"
            puts.append(dead_letter(delivery, why, now) if counts[one.id] > MAX_WAITING else delivery.put())
        try:
            self._store.keep(puts)
        except Conflict:
            # Another process has made them, or is doing so: this entry is looked at again until its message is there.
            if self._store.find(Shelf.MESSAGES, entry.id) is None:
                raise
        self._woken |= {one.id for one in wanting}

    def _remember(self, entry: str) -> None:
        self._seen[entry] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _message(self, entry: AuditEntry) -> dict[str, Any]:
        served, lines = None, None
        if self._deps.words is not None:
            try:
                served = served_by(self._store, entry)
                lines = (
                    None if served is None else self._deps.words(served.before, served.after, parse_time(entry.at))
                )
            except Refused as refusal:
                lines = [f"who is affected could not be computed: {refusal}"]
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one entry that cannot be explained must not stop the others
                self._deps.log(json.dumps({"message": entry.id, "error": type(error).__name__}))
        return message(self._store.tenant, entry, served, lines)

    def _send_due(self, key: str) -> None:
        """Sends what is due to one webhook, if no other process does. Runs in a thread; failures are logged."""
        try:
            if not self._waiting(key):
                self._next[key] = self._deps.clock() + LOOK_SECONDS
                return
            lease = self._leased(key)
            if lease is None:
                self._next[key] = self._deps.clock() + 1.0
                return
            try:
                self._send_heads(key, lease)
            finally:
                self._release(key)
        except (StoreError, Refused) as error:
            self._next[key] = self._deps.clock() + PAUSE_SECONDS
            self._log(key, "error", type(error).__name__)
        except Exception as error:
            self._next[key] = self._deps.clock() + PAUSE_SECONDS
            self._log(key, "error", type(error).__name__)
            raise

    def _send_heads(self, key: str, lease: float) -> None:
        """Sends until nothing is due, or the webhook does not answer."""
        is_down = False
        while not is_down:
            waiting, now = heads(self._waiting(key)), self._deps.clock()
            receiver = self._receiver(key)
            if receiver is not None and receiver.disabled_at is not None:
                self._give_up(key, f"the webhook is disabled: {receiver.disabled_why}")
            due = [one for one in waiting if one.is_due(now)]
            if receiver is None or receiver.disabled_at is not None or not due:
                # Other processes make deliveries too, so it is looked at sooner than the next one known here is due.
                self._next[key] = min([now + LOOK_SECONDS, *(one.next_at for one in waiting)])
                return
            for one in due:
                if self._deps.clock() > lease - 2 * SECONDS:
                    renewed = self._leased(key)
                    if renewed is None:
                        return
                    lease = renewed
                # Messages may take hours, so a webhook that is removed, disabled or given a secret is read again.
                receiver = self._receiver(key)
                if receiver is None or receiver.disabled_at is not None:
                    break
                is_down = self._attempt(receiver, one)
                if is_down:
                    break
        self._next[key] = self._deps.clock() + DOWN_SECONDS

    def _receiver(self, key: str) -> Endpoint | None:
        """A webhook as it is now; None if it was removed."""
        record = self._store.shelf(Shelf.WEBHOOKS, key).get(key)  # unlike `find`, never stale
        return None if record is None else endpoints.load(record)

    def _attempt(self, receiver: Endpoint, one: Delivery) -> bool:
        """Sends one message; whether the webhook does not answer at all."""
        made = self._store.find(Shelf.MESSAGES, one.message)
        now = self._deps.clock()
        if made is None:
            self._store.keep([one.changed(None), dead_letter(one, "the message is no longer kept", now)])
            return False
        tenant = self._store.tenant
        url = receiver.url(self._deps.vault, tenant)
        if receiver.kind is Kind.SLACK:
            outcome = self._deps.sender.send(url, {}, body(slack_message(made, receiver.link)))
        else:
            data = body(made)
            keys = receiver.keys(self._deps.vault, tenant, now)
            outcome = self._deps.sender.send(url, signed(message_id(tenant, one.message), now, data, keys), data)
        self._noted(receiver, one, outcome)
        return outcome.is_down

    def _noted(self, receiver: Endpoint, one: Delivery, outcome: Outcome) -> None:
        """Records an attempt, in one transaction."""
        now = self._deps.clock()
        self._log(receiver.id, "status", outcome.status)
        health = {"at": now, "delivered": outcome.is_delivered, "status": outcome.status, "why": outcome.why}
        kept = Put(Shelf.OUTBOX, f"health.{receiver.id}", health, blind=True, until=now + KEPT_SECONDS)
        after = None if outcome.is_delivered else failed(one, outcome, now, self._deps.chance())
        puts = [one.changed(after), kept]
        if after is None and not outcome.is_delivered:
            puts.append(dead_letter(one._replace(attempts=one.attempts + 1), outcome.why, now))
        try:
            self._store.keep(puts)
        except Conflict:  # it was removed, or sent again by hand: what was done then is kept
            self._log(receiver.id, "error", "Conflict")
        if outcome.is_gone:
            act = AuditContext("webhook.disable", "burgee", "the receiver answered 410 Gone", now)
            endpoints.disable(self._store, receiver, "it answered 410 Gone", act)

    def _give_up(self, key: str, why: str) -> None:
        waiting, now = self._waiting(key), self._deps.clock()
        for start in range(0, len(waiting), AT_ONCE):
            batch = waiting[start : start + AT_ONCE]
            self._store.keep([put for one in batch for put in (one.changed(None), dead_letter(one, why, now))])

    def _waiting(self, endpoint: str) -> list[Delivery]:
        return [load(record) for record in self._store.shelf(Shelf.DELIVERIES, f"{endpoint}.").values()]

    def _leased(self, endpoint: str) -> float | None:
        """Until when this process alone sends to a webhook (epoch seconds); None if another does."""
        key, now = f"lease.{endpoint}", self._deps.clock()
        held = self._leases.get(endpoint) or self._store.find(Shelf.OUTBOX, key)
        is_mine = held is None or held["holder"] in {self._holder, ""}
        # Another machine's clock may be ahead by as much as a lease.
        if held is not None and not is_mine and is_ahead(held["until"], now, 2 * LEASE_SECONDS):
            return None
        lease = {"holder": self._holder, "until": now + LEASE_SECONDS}
        try:
            self._store.keep([Put(Shelf.OUTBOX, key, lease, held, until=now + KEPT_SECONDS)])
        except Conflict:
            return None
        self._leases[endpoint] = lease
        return now + LEASE_SECONDS

    def _release(self, endpoint: str) -> None:
        try:
            free = {"holder": "", "until": 0.0}
            key, until = f"lease.{endpoint}", self._deps.clock() + KEPT_SECONDS
            self._store.keep([Put(Shelf.OUTBOX, key, free, self._leases.pop(endpoint), until=until)])
        except Conflict:  # it was over, and another process has it
            return

    def _log(self, key: str, what: str, value: object) -> None:
        """Neither names nor addresses are logged."""
        self._deps.log(json.dumps({"webhook": key, what: value}))


def _before(entry: str) -> str:
    """The id of an entry so long before another that nothing written with it can be missing any more."""
    moment, _, _ = entry.partition("-")
    return f"{max(0, int(moment) - OVERLAP_SECONDS * 1000):013d}" if moment else ""
