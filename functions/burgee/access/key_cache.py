"""Checks tokens from memory: a key's record is read about once a minute, and invalid tokens cost little more."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from burgee.access.keys import digest, find, named
from burgee.access.questions import Question, Questions, Queue
from burgee.errors import StoreError, StoreUnavailable
from burgee.records import NamedTuple
from burgee.stores import Put, Shelf
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.access.keys import Key, Named
    from burgee.stores import Store, Tenant

_Subject = TypeVar("_Subject")
_Value = TypeVar("_Value")
READ_SECONDS = 50.0
"""Age at which a known key is refreshed in the background while it stays valid."""
KNOWN_SECONDS = 55.0
"""Age at which the caller waits for the refresh: a minute, minus the lag of an eventually consistent read."""
RETRY_SECONDS = 10.0
"""Seconds before retrying after a store failure or an unknown key."""
KNOWN_PATIENCE = 0.25
"""Seconds that callers with a known key wait for a store that does not answer: only the first do, of all keys."""
UNKNOWN_PATIENCE = 2.0
"""Seconds that a caller with a key new to this process waits; after that the request is refused."""
STALLED_SECONDS = 10.0
"""After a failure or a late answer nobody with a known key waits for so long; longer than the client's own patience.

It expires, because the process may have been frozen in between.
"""
MARK_SECONDS = 600.0
LIMIT = 10_000


class _Known(NamedTuple):
    """A key, the time of its next refresh, and the time from which callers wait for that refresh."""

    key: Key
    read_at: float
    until: float


class _Opened(NamedTuple):
    """The parsed parts of a valid token, its key, and when the entry expires."""

    name: Named
    key: Key
    until: float


class KeyRing:
    """Looks up keys of a store, for every tenant or for one project only.

    A known key stays valid while the store does not answer: it could not have been revoked in that time either.
    """

    def __init__(
        self,
        store: Store,
        *,
        project: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        queue: Callable[[], Queue] = Queue,
    ) -> None:
        self._store = store
        self._project = project
        self._clock = clock
        self._known: dict[tuple[Tenant, str], _Known] = {}
        self._unknown: dict[tuple[Tenant, str], float] = {}
        self._opened: dict[str, _Opened] = {}
        """Keyed by the token's digest; a token is parsed once a minute."""
        self._marked: dict[str, float] = {}
        self._stalled_until = float("-inf")
        """Until then the store is not waited for, unless it answers before."""
        # Lookups of unknown keys (mostly guesses) never delay those of known keys.
        self._marks = queue()
        self._asked_known: Questions[tuple[Tenant, str]] = Questions(queue())
        self._asked_unknown: Questions[tuple[Tenant, str]] = Questions(queue())

    def held(self, token: str) -> tuple[Named | None, Key | None, bool]:
        """The cached parts of the token, its key, and whether the store must be read."""
        hashed, now = digest(token), self._clock()
        opened = self._opened.get(hashed)
        if opened is not None and now < opened.until:
            return opened.name, opened.key, False
        name = named(token)
        if name is None or (self._project is not None and name.tenant.project != self._project):
            return None, None, False
        subject = name.tenant, name.id
        known = self._known.get(subject)
        if known is None:
            return name, None, self._unknown.get(subject, now) <= now
        if not known.key.opens(token):
            return name, None, False  # a key's digest never changes, so no read is needed
        if now < known.read_at:
            _remember(self._opened, hashed, _Opened(name, known.key, known.read_at))
            return name, known.key, False
        question = self._ask(name, token)
        known = self._known.get(subject, known)
        hopeful = question is not None and self._is_hopeful(question, now)
        return name, known.key, hopeful and now >= known.until

    def _is_hopeful(self, question: Question, now: float) -> bool:
        """Whether it is worth waiting for an answer: not if the store is late with it, or has just failed."""
        if KNOWN_PATIENCE <= now - question.asked_at < STALLED_SECONDS:
            self._stalled_until = now + STALLED_SECONDS
        return now >= self._stalled_until and question.patient(now)

    def knows(self, name: Named) -> bool:
        """Whether this process has read the key before."""
        return (name.tenant, name.id) in self._known

    async def ask(self, name: Named, token: str) -> Key | None:
        """The key from the store, or from memory if the store does not answer in time. Raises StoreError if neither
        has it.
        """
        subject = name.tenant, name.id
        patience = KNOWN_PATIENCE if subject in self._known else UNKNOWN_PATIENCE
        question = self._ask(name, token)
        answered = question is not None and await question.wait(patience, self._clock())
        known = self._known.get(subject)
        if known is not None and not answered:
            self._stalled_until = self._clock() + STALLED_SECONDS
        if known is not None:
            return known.key if known.key.opens(token) else None
        if self._clock() < self._unknown.get(subject, 0.0):
            return None
        fault = question.fault if question is not None else None
        raise fault or StoreUnavailable("the store did not look up the key in time")

    def _ask(self, name: Named, token: str) -> Question | None:
        subject = name.tenant, name.id
        questions = self._asked_known if subject in self._known else self._asked_unknown
        return questions.ask(subject, partial(self._read, name, token), self._clock())

    def _read(self, name: Named, token: str) -> None:
        """Reads a key's record and caches it."""
        subject, now = (name.tenant, name.id), self._clock()
        store = self._store.at(name.tenant)
        try:
            key = find(store, name.id)
        except StoreError:
            known = self._known.get(subject)
            if known is not None:
                # Refreshed in the background, before any caller has to wait for it.
                after = self._clock() + RETRY_SECONDS
                self._stalled_until = self._clock() + STALLED_SECONDS
                _remember(self._known, subject, _Known(known.key, after, after + KNOWN_SECONDS - READ_SECONDS))
            raise
        self._stalled_until = float("-inf")
        if key is None:
            self._known.pop(subject, None)
            _remember(self._unknown, subject, now + RETRY_SECONDS)
            return
        _remember(self._known, subject, _Known(key, now + READ_SECONDS, now + KNOWN_SECONDS))
        if key.opens(token):
            self._mark(store, key, now)

    def _mark(self, store: Store, key: Key, now: float) -> None:
        """Records occasionally, in the background, that the key is in use; nothing depends on it."""
        if now >= self._marked.get(key.id, now):
            _remember(self._marked, key.id, now + MARK_SECONDS)
            self._marks.put(partial(_put_mark, store, key.id))


def _put_mark(store: Store, key: str) -> None:
    try:
        store.keep([Put(Shelf.USE, key, {"at": format_time(time.time())}, blind=True)])
    except StoreError:
        return


def _remember(memory: dict[_Subject, _Value], subject: _Subject, value: _Value) -> None:
    """A mapping that keeps only the latest entries, up to a limit."""
    memory.pop(subject, None)
    memory[subject] = value
    while len(memory) > LIMIT:
        memory.pop(next(iter(memory)), None)
