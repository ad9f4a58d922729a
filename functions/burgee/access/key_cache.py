"""Tokens checked from memory: a key's record is read at most once a minute, and what is no key costs little more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from burgee.access.keys import digest, find, named
from burgee.errors import StoreError
from burgee.stores import Put, Shelf
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.access.keys import Key, Named
    from burgee.stores import Store, Tenant

_Place = TypeVar("_Place")
_Value = TypeVar("_Value")
KNOWN_SECONDS = 55.0  # a minute, less what an eventually consistent read may lag
UNKNOWN_SECONDS = 10.0
MARK_SECONDS = 600.0
LIMIT = 10_000


class KeyRing:
    """The keys of a store, of every tenant or of one project alone.

    A known key goes on working while the store does not answer: nobody could have revoked it meanwhile either.
    """

    def __init__(
        self, store: Store, *, project: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._project = project
        self._clock = clock
        self._known: dict[tuple[Tenant, str], tuple[float, Key]] = {}
        self._unknown: dict[tuple[Tenant, str], float] = {}
        self._opened: dict[str, tuple[float, Named, Key]] = {}
        """What is known by the digest of a token that opened it, so that its text is taken apart once a minute."""
        self._marked: dict[str, float] = {}

    def held(self, token: str) -> tuple[Named | None, Key | None, bool]:
        """What memory says: the token's names, its key, and whether the store has to be asked."""
        hashed = digest(token)
        opened = self._opened.get(hashed)
        if opened is not None and self._clock() < opened[0]:
            return opened[1], opened[2], False
        name = named(token)
        if name is None or (self._project is not None and name.tenant.project != self._project):
            return None, None, False
        place, now = (name.tenant, name.id), self._clock()
        known = self._known.get(place)
        if known is not None and now < known[0]:
            if not known[1].opens(token):
                return name, None, False
            _remember(self._opened, hashed, (known[0], name, known[1]))
            return name, known[1], False
        return name, None, self._unknown.get(place, now) <= now

    def ask(self, name: Named, token: str) -> Key | None:
        """The key from the store, remembered; StoreUnavailable where neither store nor memory has an answer."""
        place, now = (name.tenant, name.id), self._clock()
        store = self._store.at(name.tenant)
        try:
            key = find(store, name.id)
        except StoreError:
            if place not in self._known:
                raise
            key = self._known[place][1]
            _remember(self._known, place, (now + UNKNOWN_SECONDS, key))
        else:
            if key is None:
                self._known.pop(place, None)
                _remember(self._unknown, place, now + UNKNOWN_SECONDS)
                return None
            _remember(self._known, place, (now + KNOWN_SECONDS, key))
        if key.kind is not name.kind or not key.opens(token):
            return None
        self._mark(store, key, now)
        return key

    def _mark(self, store: Store, key: Key, now: float) -> None:
        """Notes that the key is in use, now and then; nothing depends on it."""
        if now < self._marked.get(key.id, now):
            return
        _remember(self._marked, key.id, now + MARK_SECONDS)
        try:
            store.keep([Put(Shelf.USE, key.id, {"at": format_time(time.time())}, blind=True)])
        except StoreError:
            return


def _remember(memory: dict[_Place, _Value], place: _Place, value: _Value) -> None:
    """Keeps a bounded number of things, the latest."""
    memory.pop(place, None)
    memory[place] = value
    while len(memory) > LIMIT:
        memory.pop(next(iter(memory)), None)
