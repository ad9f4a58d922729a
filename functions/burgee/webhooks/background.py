"""What goes on beside requests, for every environment of a project: ends are written down, webhooks are sent to."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from burgee.errors import StoreError
from burgee.releases.expiring import Expiry
from burgee.times import is_ahead
from burgee.webhooks.endpoints import register, registered
from burgee.webhooks.outbox import MAX_THREADS, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Event

    from burgee.stores import Store, Tenant
    from burgee.webhooks.outbox import Deps

STEP_SECONDS = 1.0
LOOK_SECONDS = 60.0
"""How long it may take until the first webhook of another environment is noticed."""


class Background:
    """The tasks of one project: for the store's own environment, and for those that have webhooks."""

    def __init__(self, store: Store, deps: Deps) -> None:
        self._store = store
        self._deps = deps
        self._pool = ThreadPoolExecutor(MAX_THREADS, "webhook")
        self._tasks: dict[Tenant, tuple[Expiry, Outbox]] = {}
        self._look_at = 0.0
        self._faults: dict[Tenant, str] = {}

    def step(self, also: Iterable[Tenant] = ()) -> None:
        """Does what is due, and begins to send. A failure is logged once, tried again next time, and holds up neither
        other environments nor the other task of its own.
        """
        self._look(also)
        for tenant, (expiry, outbox) in self._tasks.items():
            fault = ""
            for task in (partial(expiry.step, self._deps.clock()), outbox.step):
                try:
                    task()
                except Exception as error:  # noqa: BLE001 - also a fault of ours, or a record that does not parse
                    fault = type(error).__name__
            if fault:
                self._fault(tenant, fault)
            else:
                self._faults.pop(tenant, None)

    def settle(self, seconds: float | None = None) -> bool:
        """Waits until nothing is being sent; whether that was so within a time, which is that of all together."""
        end = None if seconds is None else monotonic() + seconds
        settled = [
            outbox.settle(None if end is None else max(0.0, end - monotonic())) for _, outbox in self._tasks.values()
        ]
        return all(settled)

    def run(self, stop: Event) -> None:
        """Steps once a second until stopped."""
        while not stop.wait(STEP_SECONDS):
            try:
                self.step()
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the tasks of a running server
                self._fault(self._store.tenant, type(error).__name__)

    def _look(self, also: Iterable[Tenant]) -> None:
        """Notices environments; those that an event named are noted for later passes of other processes."""
        own = self._store.tenant
        found = [own]
        try:
            now = self._deps.clock()
            if not is_ahead(self._look_at, now, LOOK_SECONDS):
                found += registered(self._store)
                self._look_at = now + LOOK_SECONDS
            for tenant in also:
                if tenant.project == own.project and tenant not in self._tasks and tenant not in found:
                    register(self._store.at(tenant))
                    found.append(tenant)
        except StoreError as error:
            self._fault(own, type(error).__name__)
        for tenant in found:
            if tenant not in self._tasks:
                view = self._store.at(tenant)
                self._tasks[tenant] = Expiry(view), Outbox(view, self._deps, self._pool)

    def _fault(self, tenant: Tenant, what: str) -> None:
        if self._faults.get(tenant) != what:
            self._faults[tenant] = what
            self._deps.log(json.dumps({"environment": tenant.environment, "error": what}))
