"""The ruleset that is served: follows the store's pointer, and keeps the last good one whatever happens to it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from burgee.errors import StoreError
from burgee.ruleset import Ruleset
from burgee.snapshots import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.model import Snapshot
    from burgee.stores import Pointer, Store

EMPTY: Snapshot = {"format": 1, "environment": None, "flags": {}, "segments": {}, "holdouts": {}}


@dataclass(frozen=True, slots=True)
class Status:
    """What is served: the release, where it came from, the seconds since it was last known to be current."""

    version: int
    source: str
    age_seconds: float
    error: str | None


class Serving:
    """Polls the pointer at most every `refresh_seconds`, jittered by a fifth; one refresh at a time.

    Without a store it serves the bundled snapshot. No thread of its own: whoever asks refreshes when it is
    due, and the others go on with the old ruleset meanwhile.
    """

    def __init__(
        self,
        store: Store | None = None,
        bundled: Snapshot | None = None,
        *,
        refresh_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = Lock()
        self._pointer: Pointer | None = None
        self._snapshot = bundled or EMPTY
        self._source = "bundled" if bundled is not None else "none"
        self._version = 0
        self._error: str | None = None
        self._confirmed = clock()
        self._due = float("-inf")
        self._ruleset = Ruleset(self._snapshot, release={"version": 0})

    def ruleset(self) -> Ruleset:
        """The current ruleset, refreshed first if that is due."""
        due = self._due
        if self._store is not None and self._clock() >= due and self._lock.acquire(blocking=self._pointer is None):
            try:
                # Whoever waited here for the first answer takes it instead of asking again.
                if self._due == due:
                    self._look(self._store)
            finally:
                self._lock.release()
        return self._ruleset

    def refresh(self) -> None:
        """Looks at the pointer now; what was committed before this call is served after it, if the store answers."""
        if self._store is not None:
            with self._lock:
                self._look(self._store)

    def _look(self, store: Store) -> None:
        """Never raises for what the store does."""
        try:
            self._follow(store)
            self._error = None
            self._confirmed = self._clock()
        except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._error = f"{type(error).__name__}: {error}"
        # Jitter only spreads load; it guards nothing.
        self._due = self._clock() + self._refresh_seconds * random.uniform(0.8, 1.2)  # noqa: S311

    def _follow(self, store: Store) -> None:
        if self._pointer is not None and store.pointer().revision == self._pointer.revision:
            return
        state = store.state()
        snapshot, release = self._snapshot, dict(self._ruleset.release)
        if state.pointer.version and (self._pointer is None or state.pointer.version != self._pointer.version):
            snapshot = load_snapshot(store.payload(state.pointer.version))
            record = store.release(state.pointer.version)
            release = {"version": record.version, "digest": record.digest}
            if record.origin.commit:
                release["commit"] = record.origin.commit
        self._ruleset = Ruleset(snapshot, state.overrides.values(), release)
        self._snapshot = snapshot
        self._version = state.pointer.version
        self._source = "store" if state.pointer.version else self._source
        self._pointer = state.pointer

    def status(self) -> Status:
        """What is served now."""
        return Status(self._version, self._source, max(self._clock() - self._confirmed, 0.0), self._error)
