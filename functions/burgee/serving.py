"""The ruleset that is served: follows the store's pointer, and keeps the last good one whatever happens to it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Lock, Thread
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
NEVER = float("-inf")
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

    Without a store it serves the bundled snapshot. Whoever asks refreshes when it is due, and the others go on with
    the old ruleset meanwhile; so does whoever asks, where the store takes longer than `patience` seconds. The look
    then goes on in a thread of its own, which may be frozen with its process and go on when that does.
    """

    def __init__(
        self,
        store: Store | None = None,
        bundled: Snapshot | None = None,
        *,
        refresh_seconds: float = 10.0,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._patience = patience
        self._clock = clock
        self._lock = Lock()
        self._pointer: Pointer | None = None
        self._bundled = bundled or EMPTY
        self._source = "bundled" if bundled is not None else "none"
        self._version = 0
        self._error: str | None = None
        self._confirmed = clock()
        self._due = NEVER
        self._loaded: dict[int, tuple[Snapshot, Mapping[str, Any]]] = {}
        self._served: Ruleset | Trial = Ruleset(self._bundled, release={"version": 0})

    def ruleset(self, context: Context = NOBODY, now: float | None = None) -> Ruleset:
        """The ruleset that answers a context, refreshed first if that is due. Ask once for one answer."""
        if self._store is not None and self._clock() >= self._due:
            self._refresh_once(self._store, self._due)
        served = self._served
        return served if isinstance(served, Ruleset) else served.choose(context, now)

    def _refresh_once(self, store: Store, due: float) -> None:
        """Looks, unless somebody does already. The first answer waits for it; a later one no longer than it must."""
        first = due == NEVER
        if not self._lock.acquire(blocking=first):
            return
        # Whoever waited here for the first answer takes it instead of asking again.
        if self._due != due:
            self._lock.release()
        elif first or self._patience is None:
            self._look_and_release(store)
        else:
            looking = Thread(target=self._look_and_release, args=(store,), daemon=True)
            try:
                looking.start()
            except RuntimeError:  # no thread to be had
                self._look_and_release(store)
            else:
                looking.join(self._patience)

    def _look_and_release(self, store: Store) -> None:
        try:
            self._look(store)
        finally:
            self._lock.release()

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
