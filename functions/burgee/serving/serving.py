"""The served ruleset: follows a source, and keeps the last good ruleset if the source fails."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

from burgee.errors import StoreUnavailable
from burgee.evaluation.bucketing import bucket, canary_salt, threshold
from burgee.evaluation.context import TARGETING_KEY, unit_reader
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import EMPTY, load_snapshot
from burgee.records import NamedTuple
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.model import Context, Snapshot
    from burgee.stores import Canary, Pointer, State, Store

NOBODY: Context = {}
NEVER = float("-inf")
PATIENCE_SECONDS = 0.25
"""Seconds that a caller waits for a slow source."""
FIRST_PATIENCE_SECONDS = 2.0
"""Seconds that a caller waits for the first read."""
RETRY_SECONDS = 1.0
"""Seconds until the next poll if a commit could not be read at once."""
NOTED = 20
"""Revisions of which it is known when they were first answered with."""
NOTE_AGAIN_SECONDS = 3_600.0
"""Seconds after which an evaluator that answers says so again, without a new revision."""
_unit = unit_reader(TARGETING_KEY)


class CanaryRollout:
    """Two rulesets while a release is a canary: a share of users, by hash, gets the new one; everyone does
    afterwards.
    """

    def __init__(self, current: Ruleset, base: Ruleset, version: int, canary: Canary) -> None:
        self.canary = canary
        self.current = current
        self.base = base
        self._salt = canary_salt(version)
        self._below = threshold(canary.share)
        self._until = parse_time(canary.until)

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context; without a targeting key, that of the previous release."""
        if self.over(now):
            return self.current
        unit = _unit(context)
        return self.current if unit is not None and bucket(unit, self._salt) < self._below else self.base

    def over(self, now: float | None = None) -> bool:
        """Whether everyone gets the release."""
        return (time.time() if now is None else now) >= self._until


class ServingStatus(NamedTuple):
    """The served release, its source, and the seconds since it was last known to be current."""

    version: int
    source: str
    age_seconds: float
    error: str | None
    canary: Canary | None = None


class Served(NamedTuple):
    """A ruleset, the version of its release (0 for none), its source, and its rollout if it is a canary.

    `revision` counts the commits of a store.
    """

    ruleset: Ruleset
    version: int
    source: str
    rollout: CanaryRollout | None = None
    revision: int = 0

    def choose(self, context: Context, now: float | None = None) -> Ruleset:
        """The ruleset of a context."""
        return self.ruleset if self.rollout is None else self.rollout.choose(context, now)


class Taken(NamedTuple):
    """A revision, and when it was first answered with (epoch seconds)."""

    revision: int
    at: float


class RulesetSource(Protocol):
    """A source of flags."""

    def poll(self) -> Served | None:
        """The current flags, or None if unchanged since the last poll. Raises StoreError if unreadable."""


class StoreSource:
    """A store's release with its overrides; the snapshot `before` until the store has a release."""

    def __init__(self, store: Store, before: Served) -> None:
        self._store = store
        self._before = before
        self._pointer: Pointer | None = None
        self._loaded: dict[int, tuple[Snapshot, Mapping[str, Any]]] = {}

    def poll(self) -> Served | None:
        """Reads the pointer, and the state if that changed. Raises StoreUnavailable if the revision went back."""
        if self._pointer is None:
            return self.read()
        known = self._pointer.revision
        if self._store.pointer().revision == known:
            return None
        # The pointer may be stale and name an earlier revision; the state is current.
        state = self._store.state()
        if state.pointer.revision < known:
            went = f"from revision {known} to {state.pointer.revision}"
            raise StoreUnavailable(f"the store went back {went}; a restart serves what it has now")
        return None if state.pointer.revision == known else self._build(state)

    def read(self) -> Served | None:
        """Reads the current state, including all commits before this call, even if the pointer is stale."""
        state = self._store.state()
        return None if state.pointer == self._pointer else self._build(state)

    def _build(self, state: State) -> Served:
        version, canary = state.pointer.version, state.pointer.canary_at(time.time())
        # Everything is read and compiled before any of it is served.
        needed = {version, canary.base if canary else version} - {0}
        loaded = {one: self._loaded.get(one) or _load(self._store, one) for one in needed}
        current = self._ruleset(loaded, version, state)
        rollout = None
        if canary is not None:
            rollout = CanaryRollout(current, self._ruleset(loaded, canary.base, state), version, canary)
        self._loaded, self._pointer = loaded, state.pointer
        source = "store" if version else self._before.source
        return Served(current, version, source, rollout, state.pointer.revision)

    def _ruleset(self, loaded: Mapping[int, Any], version: int, state: State) -> Ruleset:
        snapshot, release = loaded.get(version, (self._before.ruleset.snapshot, {"version": 0}))
        return Ruleset(snapshot, state.overrides.values(), release)


def _noting(store: Store, evaluator: str) -> Callable[[Sequence[Taken]], None]:
    def note(taken: Sequence[Taken]) -> None:
        from burgee.serving.seen import note as keep  # only here: no answer waits for the import

        keep(store, evaluator, taken)

    return note


def _load(store: Store, version: int) -> tuple[Snapshot, Mapping[str, Any]]:
    record, payload = store.load(version)
    snapshot = load_snapshot(payload)
    release: dict[str, Any] = {"version": record.version, "digest": record.digest}
    if record.origin.commit:
        release["commit"] = record.origin.commit
    return snapshot, release


class Serving:
    """Polls a source at most every `refresh_seconds` (± a fifth, at random), one poll at a time.

    The source is a store unless another is given; without any, the bundled snapshot is served. The caller that finds
    a poll due makes it; until then other callers use the old ruleset, and so does that caller if the source takes
    longer than `patience` seconds. The poll then continues in its own thread, which may be frozen and resumed with
    its process.

    With `evaluator`, its kind, it records in the store which revisions it answers with, in a thread that no answer
    waits for.
    """

    def __init__(  # noqa: PLR0913 - no caller gives more than three of them
        self,
        store: Store | None = None,
        bundled: Snapshot | None = None,
        *,
        refresh_seconds: float = 10.0,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        source: RulesetSource | None = None,
        evaluator: str = "",
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
        self.evaluator = evaluator
        self.note: Callable[[Sequence[Taken]], None] | None = None
        """Records the revisions that this process answers with, oldest first; called in a thread of its own."""
        if store is not None and evaluator:
            self.note = _noting(store, evaluator)
        self._taken: list[Taken] = []
        self._untold = False
        """Whether something is to be recorded with the next answer."""
        self._noted_at = NEVER
        self.refresh_seconds = refresh_seconds
        self.patience = patience
        self._clock = clock
        self._lock = Lock()
        self._failure: Exception | None = None
        self._confirmed = clock()
        self._due = self._poll_at = NEVER
        """When the next answer has more to do than to answer, and when the next poll is due."""

    def ruleset(self, context: Context = NOBODY, now: float | None = None) -> Ruleset:
        """The ruleset for a context, after a poll if one is due. Call once per answer."""
        if self._poll is not None and self._clock() >= self._due:
            self._keep_up(self._poll)
        served = self._served
        return served.ruleset if served.rollout is None else served.rollout.choose(context, now)

    def follow(self) -> None:
        """Polls if that is due, without an answer."""
        if self._poll is not None and self._clock() >= self._poll_at:
            self._poll_once(self._poll, self._poll_at)

    def _keep_up(self, poll: Callable[[], Served | None]) -> None:
        """Polls if that is due, and records the revision of this answer if it is new."""
        if self._clock() >= self._poll_at:
            self._poll_once(poll, self._poll_at)
        self.answering()

    def answering(self) -> None:
        """Records that this process answers with what is served now, if that is new."""
        if not self._untold:
            return
        note, revision = self.note, self._served.revision
        self._untold, self._due = False, self._poll_at
        if note is None or not revision:
            return
        self._noted_at = self._clock()
        if not self._taken or self._taken[-1].revision != revision:
            self._taken = [*self._taken, Taken(revision, time.time())][-NOTED:]
        with suppress(RuntimeError):  # no thread could be started: the next revision is recorded
            Thread(target=note, args=(self._taken,), daemon=True).start()

    def _poll_once(self, poll: Callable[[], Served | None], due: float) -> None:
        """Polls unless a poll is in progress. The first answer waits for it; later ones wait only as long as they
        must.
        """
        first = due == NEVER
        patience = FIRST_PATIENCE_SECONDS if first and self.patience is not None else self.patience
        longest = 0.0 if not first else -1 if patience is None else patience
        if not self._lock.acquire(timeout=longest):
            return
        # Callers that waited here for the first answer take it instead of polling again.
        if self._poll_at != due:
            self._lock.release()
        elif patience is None:
            self._update_and_release(poll)
        else:
            if first:
                self._due = self._poll_at = self._clock()  # if this poll hangs, later callers do not wait
            polling = Thread(target=self._update_and_release, args=(poll,), daemon=True)
            try:
                polling.start()
            except RuntimeError:  # no thread could be started
                self._update_and_release(poll)
            else:
                polling.join(patience)

    def _update_and_release(self, poll: Callable[[], Served | None]) -> None:
        try:
            self._update(poll)
        finally:
            self._lock.release()

    def served(self) -> Served:
        """The current status, without a poll."""
        return self._served

    def refresh(self) -> None:
        """Reads the source now; if it answers, all commits before this call are served afterwards."""
        if self._read is not None:
            with self._lock:
                self._update(self._read)
                if self._failure is not None:
                    self._poll_at = min(self._poll_at, self._clock() + RETRY_SECONDS)
                    self._due = min(self._due, self._poll_at)

    def poll(self) -> None:
        """Polls the source now, at the least cost: a very recent commit may only arrive with the next poll."""
        if self._poll is not None:
            with self._lock:
                self._update(self._poll)

    def _update(self, poll: Callable[[], Served | None]) -> None:
        """Serves the source's current flags. Never raises for a failing source."""
        try:
            self._served = poll() or self._served
            self.unread = False
            self._failure = None
            self._confirmed = self._clock()
        except Exception as error:  # noqa: BLE001 - the last good ruleset is served; the status reports the error
            self._failure = error
        now = self._clock()
        # Jitter only spreads load; it has no security role.
        self._poll_at = now + self.refresh_seconds * (0.8 + 0.4 * int.from_bytes(os.urandom(4), "big") / 2**32)
        if self.note is not None:
            known = self._taken[-1].revision if self._taken else 0
            again = now - self._noted_at >= NOTE_AGAIN_SECONDS
            self._untold = self._served.revision > 0 and (self._served.revision != known or again)
        self._due = NEVER if self._untold else self._poll_at

    def failure(self) -> Exception | None:
        """The exception of the last poll; None if it succeeded."""
        return self._failure

    def status(self) -> ServingStatus:
        """The served ruleset."""
        served, failure = self._served, self._failure
        error = None if failure is None else f"{type(failure).__name__}: {failure}"
        canary = served.rollout.canary if served.rollout is not None and not served.rollout.over() else None
        return ServingStatus(served.version, served.source, max(self._clock() - self._confirmed, 0.0), error, canary)
