"""Tokens checked from memory: a key's record is read about once a minute, and what is no key costs little more."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from burgee.access.keys import digest, find, named
from burgee.access.questions import Question, Questions, Queue
from burgee.errors import StoreError, StoreUnavailable
from burgee.stores import Put, Shelf
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.access.keys import Key, Named
    from burgee.stores import Store, Tenant

_Subject = TypeVar("_Subject")
_Value = TypeVar("_Value")
READ_SECONDS = 50.0
"""A known key is read again from then on, while it goes on working."""
KNOWN_SECONDS = 55.0
"""From then on its caller waits for that: a minute, less what an eventually consistent read may lag."""
RETRY_SECONDS = 10.0
"""A store that failed, and an unknown key, are asked for again after so long."""
KNOWN_PATIENCE = 0.25
"""Seconds that callers with a known key wait for a store that does not answer: only the first do, of all keys."""
UNKNOWN_PATIENCE = 2.0
"""The same for a key that this process has not seen yet, which then cannot be let in."""
STALLED_SECONDS = 10.0
"""After a failure or a late answer nobody with a known key waits for so long; longer than the client's own patience.

It ends by itself because the process may have been frozen meanwhile.
"""
MARK_SECONDS = 600.0
LIMIT = 10_000


class _Known(NamedTuple):
    """A key, when it is read again, and from when on that is waited for."""

    key: Key
    read_at: float
    until: float


class _Opened(NamedTuple):
    """What a token that opened a key names, the key, and until when both hold."""

    name: Named
    key: Key
    until: float


class KeyRing:
    """The keys of a store, of every tenant or of one project alone.

    A known key goes on working while the store does not answer: nobody could have revoked it meanwhile either.
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
        """By the digest of a token, which is parsed once a minute."""
        self._marked: dict[str, float] = {}
        self._stalled_until = float("-inf")
        """Until then the store is not waited for, unless it answers before."""
        # Lookups of unknown keys, which most often are guesses, never hold up those of known ones.
        self._marks = queue()
        self._asked_known: Questions[tuple[Tenant, str]] = Questions(queue())
        self._asked_unknown: Questions[tuple[Tenant, str]] = Questions(queue())

    def held(self, token: str) -> tuple[Named | None, Key | None, bool]:
        """What memory holds: what the token names, its key, and whether the store has to be asked."""
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
            return name, None, False  # a key's digest is for good, so nothing has to be asked
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
        """Whether this process has read the key before, so that its caller is no stranger."""
        return (name.tenant, name.id) in self._known

    async def ask(self, name: Named, token: str) -> Key | None:
        """The key from the store, or from memory if that does not answer in time; a StoreError if neither has it."""
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
        raise fault or StoreUnavailable("the store does not say in time whether the key is one")

    def _ask(self, name: Named, token: str) -> Question | None:
        subject = name.tenant, name.id
        questions = self._asked_known if subject in self._known else self._asked_unknown
        return questions.ask(subject, partial(self._read, name, token), self._clock())

    def _read(self, name: Named, token: str) -> None:
        """Reads a key's record into memory."""
        subject, now = (name.tenant, name.id), self._clock()
        store = self._store.at(name.tenant)
        try:
            key = find(store, name.id)
        except StoreError:
            known = self._known.get(subject)
            if known is not None:
                # Asked again behind, before anybody has to wait for it.
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
        """Notes that the key is in use, now and then, behind; nothing depends on it."""
        if now >= self._marked.get(key.id, now):
            _remember(self._marked, key.id, now + MARK_SECONDS)
            self._marks.put(partial(_put_mark, store, key.id))


def _put_mark(store: Store, key: str) -> None:
    try:
        store.keep([Put(Shelf.USE, key, {"at": format_time(time.time())}, blind=True)])
    except StoreError:
        return


def _remember(memory: dict[_Subject, _Value], subject: _Subject, value: _Value) -> None:
    """Keeps a bounded number of things, the latest."""
    memory.pop(subject, None)
    memory[subject] = value
    while len(memory) > LIMIT:
        memory.pop(next(iter(memory)), None)
