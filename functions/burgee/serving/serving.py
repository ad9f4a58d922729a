"""The ruleset that is served: follows a source, and keeps the last good one whatever happens to that."""

from __future__ import annotations

import random
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from burgee.errors import StoreUnavailable
from burgee.evaluation.bucketing import bucket, canary_salt, threshold
from burgee.evaluation.context import TARGETING_KEY, unit_reader
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import EMPTY, load_snapshot
from burgee.records import dataclass
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Context, Snapshot
    from burgee.stores import Canary, Pointer, State, Store

NOBODY: Context = {}
NEVER = float("-inf")
PATIENCE_SECONDS = 0.25
"""How long a caller waits for a source that is slow to say whether something changed."""
FIRST_PATIENCE_SECONDS = 2.0
"""The same for the first answer, before which nothing was read."""
RETRY_SECONDS = 1.0
"""When the source is polled again if what was committed could not be read at once."""
_unit = unit_reader(TARGETING_KEY)
_chance = random.Random()  # noqa: S311 - of our own, so that the application's sequence stays its own


class CanaryRollout:
    """Two rulesets while a release is a canary: a share of users, by hash, gets it, and everybody after that."""

    def __init__(self, current: Ruleset, base: Ruleset, version: int, canary: Canary) -> None:
        self.canary = canary
        self.current = current
        self.base = base
        self._salt = canary_salt(version)
        self._below = threshold(canary.share)
        self._until = parse_time(canary.until)

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context; one without a targeting key gets the release before."""
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
    """A ruleset, the version of its release (0 for none), where it came from, and its rollout if it is a canary."""

    ruleset: Ruleset
    version: int
    source: str
    rollout: CanaryRollout | None = None

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context."""
        return self.ruleset if self.rollout is None else self.rollout.choose(context, now)


class Source(Protocol):
    """Where flags come from."""

    def poll(self) -> Served | None:
        """What is there, or None if that has not changed since the last poll; StoreError if it cannot be read."""


class StoreSource:
    """A store's release with its overrides; until it has a release, the snapshot that `before` serves."""

    def __init__(self, store: Store, before: Served) -> None:
        self._store = store
        self._before = before
        self._pointer: Pointer | None = None
        self._loaded: dict[int, tuple[Snapshot, Mapping[str, Any]]] = {}

    def poll(self) -> Served | None:
        """Reads the pointer, and the rest if that moved; StoreUnavailable if the store went back."""
        if self._pointer is None:
            return self.read()
        known = self._pointer.revision
        if self._store.pointer().revision == known:
            return None
        # The pointer may be a moment old and name an earlier revision; the state is current.
        state = self._store.state()
        if state.pointer.revision < known:
            went = f"from revision {known} to {state.pointer.revision}"
            raise StoreUnavailable(f"the store went back {went}; a restart serves what it has now")
        return None if state.pointer.revision == known else self._build(state)

    def read(self) -> Served | None:
        """Reads the current state: with all that was committed before this call, whatever the pointer still says."""
        state = self._store.state()
        return None if state.pointer == self._pointer else self._build(state)

    def _build(self, state: State) -> Served:
        version, canary = state.pointer.version, state.pointer.canary_at(time.time())
        # All is read and compiled as far as it goes before anything of it is served.
        needed = {version, canary.base if canary else version} - {0}
        loaded = {one: self._loaded.get(one) or _load(self._store, one) for one in needed}
        current = self._ruleset(loaded, version, state)
        rollout = None
        if canary is not None:
            rollout = CanaryRollout(current, self._ruleset(loaded, canary.base, state), version, canary)
        self._loaded, self._pointer = loaded, state.pointer
        return Served(current, version, "store" if version else self._before.source, rollout)

    def _ruleset(self, loaded: Mapping[int, Any], version: int, state: State) -> Ruleset:
        snapshot, release = loaded.get(version, (self._before.ruleset.snapshot, {"version": 0}))
        return Ruleset(snapshot, state.overrides.values(), release)


def _load(store: Store, version: int) -> tuple[Snapshot, Mapping[str, Any]]:
    record, payload = store.load(version)
    snapshot = load_snapshot(payload)
    release: dict[str, Any] = {"version": record.version, "digest": record.digest}
    if record.origin.commit:
        release["commit"] = record.origin.commit
    return snapshot, release


class Serving:
    """Polls a source at most every `refresh_seconds`, jittered by a fifth; one poll at a time.

    The source is a store unless another is given; without any, the bundled snapshot is served. The caller that finds
    a poll due makes it, and the others go on with the old ruleset meanwhile; so does that caller if the source takes
    longer than `patience` seconds. The poll then goes on in a thread of its own, which may be frozen with its process
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
        self._poll: Callable[[], Served | None] | None = None
        self._read: Callable[[], Served | None] | None = None
        if store is not None:
            followed = StoreSource(store, self._served)
            self._poll, self._read = followed.poll, followed.read
        elif source is not None:
            self._poll = self._read = source.poll
        self.unread = bundled is None and self._poll is not None
        """Whether nothing has been read yet and nothing was bundled: it serves no flags, and they may exist."""
        self.refresh_seconds = refresh_seconds
        self.patience = patience
        self._clock = clock
        self._lock = Lock()
        self._failure: Exception | None = None
        self._confirmed = clock()
        self._due = NEVER

    def ruleset(self, context: Context = NOBODY, now: float | None = None) -> Ruleset:
        """The ruleset that answers a context, polled for first if that is due. Ask once for one answer."""
        if self._poll is not None and self._clock() >= self._due:
            self._poll_once(self._poll, self._due)
        served = self._served
        return served.ruleset if served.rollout is None else served.rollout.choose(context, now)

    def _poll_once(self, poll: Callable[[], Served | None], due: float) -> None:
        """Polls unless that is under way. The first answer waits for it; a later one no longer than it must."""
        first = due == NEVER
        patience = FIRST_PATIENCE_SECONDS if first and self.patience is not None else self.patience
        longest = 0.0 if not first else -1 if patience is None else patience
        if not self._lock.acquire(timeout=longest):
            return
        # Whoever waited here for the first answer takes it instead of asking again.
        if self._due != due:
            self._lock.release()
        elif patience is None:
            self._update_and_release(poll)
        else:
            if first:
                self._due = self._clock()  # if this one hangs, those who come meanwhile wait for nothing
            polling = Thread(target=self._update_and_release, args=(poll,), daemon=True)
            try:
                polling.start()
            except RuntimeError:  # no thread to be had
                self._update_and_release(poll)
            else:
                polling.join(patience)

    def _update_and_release(self, poll: Callable[[], Served | None]) -> None:
        try:
            self._update(poll)
        finally:
            self._lock.release()

    def served(self) -> Served:
        """What is served, without a poll."""
        return self._served

    def refresh(self) -> None:
        """Reads the source now; what was committed before this call is served after it, if the source answers."""
        if self._read is not None:
            with self._lock:
                self._update(self._read)
                if self._failure is not None:
                    self._due = min(self._due, self._clock() + RETRY_SECONDS)

    def poll(self) -> None:
        """Polls the source now, as cheaply as it goes: what was committed a moment ago may come with the next."""
        if self._poll is not None:
            with self._lock:
                self._update(self._poll)

    def _update(self, poll: Callable[[], Served | None]) -> None:
        """Serves what a source has now. Never raises for what the source does."""
        try:
            self._served = poll() or self._served
            self.unread = False
            self._failure = None
            self._confirmed = self._clock()
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good ruleset serves, and the status has it
            self._failure = error
        # Jitter only spreads load; it guards nothing.
        self._due = self._clock() + self.refresh_seconds * _chance.uniform(0.8, 1.2)

    def failure(self) -> Exception | None:
        """What the last poll raised; None if it went well."""
        return self._failure

    def status(self) -> Status:
        """What is served now."""
        served, failure = self._served, self._failure
        error = None if failure is None else f"{type(failure).__name__}: {failure}"
        canary = served.rollout.canary if served.rollout is not None and not served.rollout.over() else None
        return Status(served.version, served.source, max(self._clock() - self._confirmed, 0.0), error, canary)
