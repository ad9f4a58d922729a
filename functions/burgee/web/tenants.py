"""The flags of each tenant in one store: the home tenant's always, those of others while they are used."""

from __future__ import annotations

import time
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING

from burgee.errors import StoreError
from burgee.serving.serving import FIRST_PATIENCE_SECONDS, PATIENCE_SECONDS, Serving
from burgee.stores import Tenant

if TYPE_CHECKING:
    from burgee.access.questions import Questions
    from burgee.stores import Store

LIMIT = 256
SETTINGS_SECONDS = 60.0


class Tenants:
    """Only a tenant's own keys add it, so strangers cannot fill this."""

    def __init__(self, serving: Serving, store: Store | None = None) -> None:
        self.home = store.tenant if store is not None else Tenant()
        self._serving = serving
        self._store = store
        self._others: dict[Tenant, Serving] = {}
        self._origins: dict[Tenant, tuple[float, frozenset[str]]] = {}
        self._lock = Lock()

    @cached_property
    def _questions(self) -> Questions[tuple[str, Tenant]]:
        from burgee.access.questions import Questions

        return Questions()

    def serving(self, tenant: Tenant) -> Serving:
        """The flags of a tenant, followed from now on."""
        if tenant is self.home or tenant == self.home or self._store is None:
            return self._serving
        found = self._others.get(tenant)
        if found is None:
            with self._lock:
                found = self._others.get(tenant)
                if found is None:
                    while len(self._others) >= LIMIT:
                        self._others.pop(next(iter(self._others)))
                    home = self._serving
                    found = Serving(
                        self._store.at(tenant),
                        refresh_seconds=home.refresh_seconds,
                        patience=home.patience,
                        evaluator=home.evaluator,
                    )
                    self._others[tenant] = found
        return found

    async def read(self, tenant: Tenant) -> None:
        """Reads flags that were never read, behind; waits for that for as long as a first answer may take."""
        serving = self.serving(tenant)
        question = self._questions.ask(("flags", tenant), serving.refresh, time.monotonic())
        if question is not None:
            await question.wait(FIRST_PATIENCE_SECONDS, time.monotonic())

    def origins(self, tenant: Tenant) -> frozenset[str] | None:
        """The web origins that a tenant allows, if cached; None if the store must be read."""
        until, origins = self._origins.get(tenant, (0.0, frozenset()))
        return origins if self._store is None or time.monotonic() < until else None

    async def ask_origins(self, tenant: Tenant) -> frozenset[str]:
        """The same from the store, or the cached ones if it does not answer in time."""
        question = self._questions.ask(("origins", tenant), partial(self._read_origins, tenant), time.monotonic())
        if question is not None:
            await question.wait(PATIENCE_SECONDS, time.monotonic())
        return self._origins.get(tenant, (0.0, frozenset()))[1]

    def _read_origins(self, tenant: Tenant) -> None:
        from burgee.access.settings import settings

        try:
            origins = frozenset(settings(self.store(tenant)).cors_origins)
        except StoreError:
            origins = self._origins.get(tenant, (0.0, frozenset()))[1]
        if len(self._origins) >= LIMIT:
            self._origins.clear()
        self._origins[tenant] = (time.monotonic() + SETTINGS_SECONDS, origins)

    def forget_origins(self, tenant: Tenant) -> None:
        """Drops the cached origins after a change."""
        self._origins.pop(tenant, None)

    def store(self, tenant: Tenant) -> Store:
        """The store for a tenant's flags."""
        assert self._store is not None  # noqa: S101 - without a store only evaluation is served
        return self._store if tenant == self.home else self._store.at(tenant)
