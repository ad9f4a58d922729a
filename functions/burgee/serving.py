"""The ruleset that is served: follows the store's pointer, and keeps the last good one whatever happens to it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from burgee.bucketing import bucket, canary_salt, threshold
from burgee.engine import unit_reader
from burgee.errors import StoreError
from burgee.ruleset import Ruleset
from burgee.snapshots import load_snapshot
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Context, Snapshot
    from burgee.stores import Bake, Pointer, State, Store

EMPTY: Snapshot = {"format": 1, "environment": None, "flags": {}, "segments": {}, "holdouts": {}}
NOBODY: Context = {}
_unit = unit_reader(None)


class Trial:
    """Two rulesets while a release bakes, and who gets which: a share of users by hash, and all once it is over."""

    def __init__(self, current: Ruleset, base: Ruleset, version: int, bake: Bake) -> None:
        self.current = current
        self.base = base
        self._salt = canary_salt(version)
        self._below = threshold(bake.share)
        self._until = parse_time(bake.until)

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context; who has no targeting key waits with the majority."""
        if (time.time() if now is None else now) >= self._until:
            return self.current
        unit = _unit(context)
        return self.current if unit is not None and bucket(unit, self._salt) < self._below else self.base


@dataclass(frozen=True, slots=True)
class Status:
    """What is served: the release, where it came from, the seconds since it was last known to be current."""

    version: int
    source: str
    age_seconds: float
    error: str | None
    bake: Bake | None = None


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
        self._bundled = bundled or EMPTY
        self._source = "bundled" if bundled is not None else "none"
        self._version = 0
        self._error: str | None = None
        self._confirmed = clock()
        self._due = float("-inf")
        self._loaded: dict[int, tuple[Snapshot, Mapping[str, Any]]] = {}
        self._served: Ruleset | Trial = Ruleset(self._bundled, release={"version": 0})

    def ruleset(self, context: Context = NOBODY, now: float | None = None) -> Ruleset:
        """The ruleset that answers a context, refreshed first if that is due. Ask once for one answer."""
        due = self._due
        if self._store is not None and self._clock() >= due and self._lock.acquire(blocking=self._pointer is None):
            try:
                # Whoever waited here for the first answer takes it instead of asking again.
                if self._due == due:
                    self._look(self._store)
            finally:
                self._lock.release()
        served = self._served
        return served if isinstance(served, Ruleset) else served.choose(context, now)

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
        version, bake = state.pointer.version, state.pointer.baking(time.time())
        # All is read and compiled as far as it goes before anything of it is served.
        needed = {version, bake.base if bake else version} - {0}
        loaded = {one: self._loaded.get(one) or _load(store, one) for one in needed}
        current = self._built(loaded, version, state)
        if bake is not None:
            self._served = Trial(current, self._built(loaded, bake.base, state), version, bake)
        else:
            self._served = current
        self._loaded = loaded
        self._version = version
        self._source = "store" if version else self._source
        self._pointer = state.pointer

    def _built(self, loaded: Mapping[int, Any], version: int, state: State) -> Ruleset:
        snapshot, release = loaded.get(version, (self._bundled, {"version": 0}))
        return Ruleset(snapshot, state.overrides.values(), release)

    def status(self) -> Status:
        """What is served now."""
        bake = self._pointer.baking(time.time()) if self._pointer else None
        return Status(self._version, self._source, max(self._clock() - self._confirmed, 0.0), self._error, bake)


def _load(store: Store, version: int) -> tuple[Snapshot, Mapping[str, Any]]:
    snapshot, record = load_snapshot(store.payload(version)), store.release(version)
    release: dict[str, Any] = {"version": record.version, "digest": record.digest}
    if record.origin.commit:
        release["commit"] = record.origin.commit
    return snapshot, release
