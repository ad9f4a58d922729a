"""The ruleset that is served: follows a source, and keeps the last good one whatever happens to it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from burgee.errors import StoreError
from burgee.evaluation.bucketing import bucket, canary_salt, threshold
from burgee.evaluation.context import TARGETING_KEY, unit_reader
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import EMPTY, load_snapshot
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Context, Snapshot
    from burgee.stores import Canary, Pointer, State, Store

NOBODY: Context = {}
NEVER = float("-inf")
PATIENCE_SECONDS = 0.25
"""How long whoever asks waits for a source that is slow to say whether something changed."""
_unit = unit_reader(TARGETING_KEY)
_chance = random.Random()  # noqa: S311 - of our own, so that the application's sequence stays its own


class Trial:
    """Two rulesets while a release bakes, and who gets which: a share of users by hash, and all once it is over."""

    def __init__(self, current: Ruleset, base: Ruleset, version: int, bake: Canary) -> None:
        self.canary = bake
        self.current = current
        self.base = base
        self._salt = canary_salt(version)
        self._below = threshold(bake.share)
        self._until = parse_time(bake.until)

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context; who has no targeting key waits with the majority."""
        if self.over(now):
            return self.current
        unit = _unit(context)
        return self.current if unit is not None and bucket(unit, self._salt) < self._below else self.base

    def over(self, now: float | None = None) -> bool:
        """Whether everybody gets the release."""
        return (time.time() if now is None else now) >= self._until


@dataclass(frozen=True, slots=True)
class Status:
    """What is served: the release, where it came from, the seconds since it was last known to be current."""

    version: int
    source: str
    age_seconds: float
    error: str | None
    canary: Canary | None = None


class Served(NamedTuple):
    """A ruleset, the version of its release (0 for none), where it came from, and its trial, if it is on one."""

    ruleset: Ruleset
    version: int
    source: str
    trial: Trial | None = None

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context."""
        return self.ruleset if self.trial is None else self.trial.choose(context, now)


class Source(Protocol):
    """Where flags are looked for."""

    def look(self) -> Served | None:
        """What is there, or None where that is what the last look found; StoreError if it cannot be read."""


class StoreSource:
    """A store's release with its overrides; until it has a release, the snapshot that `before` serves."""

    def __init__(self, store: Store, before: Served) -> None:
        self._store = store
        self._before = before
        self._pointer: Pointer | None = None
        self._loaded: dict[int, tuple[Snapshot, Mapping[str, Any]]] = {}

    def look(self) -> Served | None:
        """Reads the pointer, and the rest where that moved."""
        store = self._store
        if self._pointer is not None and store.pointer().revision == self._pointer.revision:
            return None
        state = store.state()
        version, bake = state.pointer.version, state.pointer.canary_at(time.time())
        # All is read and compiled as far as it goes before anything of it is served.
        needed = {version, bake.base if bake else version} - {0}
        loaded = {one: self._loaded.get(one) or _load(store, one) for one in needed}
        current = self._built(loaded, version, state)
        trial = None if bake is None else Trial(current, self._built(loaded, bake.base, state), version, bake)
        self._loaded, self._pointer = loaded, state.pointer
        return Served(current, version, "store" if version else self._before.source, trial)

    def _built(self, loaded: Mapping[int, Any], version: int, state: State) -> Ruleset:
        snapshot, release = loaded.get(version, (self._before.ruleset.snapshot, {"version": 0}))
        return Ruleset(snapshot, state.overrides.values(), release)


def _load(store: Store, version: int) -> tuple[Snapshot, Mapping[str, Any]]:
    snapshot, record = load_snapshot(store.payload(version)), store.release(version)
    release: dict[str, Any] = {"version": record.version, "digest": record.digest}
    if record.origin.commit:
        release["commit"] = record.origin.commit
    return snapshot, release


class Serving:
    """Looks at a source at most every `refresh_seconds`, jittered by a fifth; one refresh at a time.

    The source is a store unless another is given; without any, the bundled snapshot is served. Whoever asks refreshes
    when it is due, and the others go on with the old ruleset meanwhile; so does whoever asks, where the source takes
    longer than `patience` seconds. The look then goes on in a thread of its own, which may be frozen with its process
    and go on when that does.
    """

    def __init__(  # noqa: PLR0913 - nobody gives more than three of them
        self,
        store: Store | None = None,
        bundled: Snapshot | None = None,
        *,
        refresh_seconds: float = 10.0,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        source: Source | None = None,
    ) -> None:
        snapshot, name = (EMPTY, "none") if bundled is None else (bundled, "bundled")
        self._served = Served(Ruleset(snapshot, release={"version": 0}), 0, name)
        self._source = source if store is None else StoreSource(store, self._served)
        self.refresh_seconds = refresh_seconds
        self.patience = patience
        self._clock = clock
        self._lock = Lock()
        self._failure: Exception | None = None
        self._confirmed = clock()
        self._due = NEVER

    def ruleset(self, context: Context = NOBODY, now: float | None = None) -> Ruleset:
        """The ruleset that answers a context, refreshed first if that is due. Ask once for one answer."""
        if self._source is not None and self._clock() >= self._due:
            self._refresh_once(self._source, self._due)
        served = self._served
        return served.ruleset if served.trial is None else served.trial.choose(context, now)

    def _refresh_once(self, source: Source, due: float) -> None:
        """Looks, unless somebody does already. The first answer waits for it; a later one no longer than it must."""
        first = due == NEVER
        if not self._lock.acquire(blocking=first):
            return
        # Whoever waited here for the first answer takes it instead of asking again.
        if self._due != due:
            self._lock.release()
        elif first or self.patience is None:
            self._look_and_release(source)
        else:
            looking = Thread(target=self._look_and_release, args=(source,), daemon=True)
            try:
                looking.start()
            except RuntimeError:  # no thread to be had
                self._look_and_release(source)
            else:
                looking.join(self.patience)

    def _look_and_release(self, source: Source) -> None:
        try:
            self._look(source)
        finally:
            self._lock.release()

    def served(self) -> Served:
        """What is served, with no look at the source."""
        return self._served

    def refresh(self) -> None:
        """Looks at the source now; what was committed before this call is served after it, if it answers."""
        if self._source is not None:
            with self._lock:
                self._look(self._source)

    def _look(self, source: Source) -> None:
        """Never raises for what the source does."""
        try:
            self._served = source.look() or self._served
            self._failure = None
            self._confirmed = self._clock()
        except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._failure = error
        # Jitter only spreads load; it guards nothing.
        self._due = self._clock() + self.refresh_seconds * _chance.uniform(0.8, 1.2)

    def failure(self) -> Exception | None:
        """What the last look met; None where it went well."""
        return self._failure

    def status(self) -> Status:
        """What is served now."""
        served, failure = self._served, self._failure
        error = None if failure is None else f"{type(failure).__name__}: {failure}"
        bake = served.trial.canary if served.trial is not None and not served.trial.over() else None
        return Status(served.version, served.source, max(self._clock() - self._confirmed, 0.0), error, bake)
