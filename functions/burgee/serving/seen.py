"""Which evaluators answer with a revision: each says so once, and never can all be known.

An evaluator that is frozen and one that is gone look alike, so this counts those that have answered since a change,
and those that have not been heard since a time.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from burgee.errors import NotFound, StoreError
from burgee.records import NamedTuple
from burgee.stores import Put, Shelf
from burgee.times import format_time, is_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from burgee.stores import Store

REMEMBERED_SECONDS = 3 * 3_600.0
"""Seconds after which an evaluator that says nothing is forgotten; one that answers says so every hour."""
LOOK_SECONDS = 0.25
MAX_NAME = 64
_NAME = os.urandom(8).hex()


class Seen(NamedTuple):
    """Who has answered with a revision, or a later one. Times in epoch seconds.

    `at` is when it was committed (None if that is no longer known), `last_after` the seconds from then to the latest
    first answer. `unheard` evaluators answered with an earlier revision, the latest of them at `unheard_since`.
    """

    revision: int
    at: float | None
    answered: int
    last_after: float | None
    unheard: int
    unheard_since: float | None


class _Evaluator(NamedTuple):
    taken: Sequence[tuple[int, float]]
    heard_at: float
    until: float

    def is_remembered(self, now: float) -> bool:
        """Whether it was heard lately; another machine's clock may be ahead."""
        return is_ahead(self.until, now, 2 * REMEMBERED_SECONDS)


def own_name() -> str:
    """The name of this process as an evaluator; a forked process has another."""
    return f"{_NAME}-{os.getpid()}"


def note(store: Store, kind: str, taken: Sequence[tuple[int, float]], name: str | None = None) -> None:
    """Records the revisions that an evaluator, by default this process, has answered with, and since when.

    Nothing depends on it, so a store that fails is passed over.
    """
    now = time.time()
    until = now + REMEMBERED_SECONDS
    value = {"kind": kind, "taken": [list(one) for one in taken], "heard_at": now, "until": until}
    try:
        store.keep([Put(Shelf.SEEN, name or own_name(), value, blind=True, until=until)])
    except StoreError:
        return


def seen(store: Store, revision: int, now: float) -> Seen:
    """Who has answered with a revision by now. Raises NotFound if it has not been committed."""
    if not (0 < revision <= store.pointer().revision or 0 < revision <= store.state().pointer.revision):
        raise NotFound(f"there is no revision {revision}")
    return _counted(store, revision, now)


def wait(
    store: Store,
    revision: int,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """The same, as soon as every evaluator that was heard lately has answered with it, or after so many seconds."""
    ends = clock() + seconds
    while True:
        found = _counted(store, revision, time.time())
        left = ends - clock()
        if settled(found) or left <= 0:
            return found
        sleep(min(LOOK_SECONDS, left))


def settled(found: Seen) -> bool:
    """Whether one has answered, and none is known that has not."""
    return found.answered > 0 and found.unheard == 0


def as_record(found: Seen) -> dict[str, Any]:
    """JSON values; times in RFC 3339."""
    return {
        "revision": found.revision,
        "committed_at": None if found.at is None else format_time(found.at),
        "answered": found.answered,
        "last_after_seconds": None if found.last_after is None else round(found.last_after, 3),
        "unheard": found.unheard,
        "unheard_since": None if found.unheard_since is None else format_time(found.unheard_since),
    }


def worded(found: Seen) -> str:
    """One line."""
    after = "" if found.last_after is None else f", the last after {found.last_after:.1f} s"
    by = "no evaluator yet" if not found.answered else f"{found.answered} evaluator{'s' * (found.answered > 1)}"
    line = f"answered by {by}{after}"
    if found.unheard_since is not None:
        line += f"; {found.unheard} not heard since {format_time(round(found.unheard_since))}"
    return line


class Heard(NamedTuple):
    """An evaluator that was heard lately: its kind, its newest revision, and when it was heard (epoch seconds)."""

    kind: str
    revision: int
    heard_at: float


def heard(store: Store, now: float) -> list[Heard]:
    """The evaluators that were heard lately, those with the oldest revision first."""
    records = store.shelf(Shelf.SEEN).values()
    found = [(value, one) for value in records if (one := _evaluator(value)) and one.is_remembered(now)]
    return sorted(
        (Heard(str(value.get("kind", "")), one.taken[-1][0], one.heard_at) for value, one in found),
        key=lambda one: (one.revision, one.heard_at),
    )


def _counted(store: Store, revision: int, now: float) -> Seen:
    committed = store.find(Shelf.REVISIONS, str(revision))
    at = None if committed is None else float(committed["at"])
    evaluators = [one for one in map(_evaluator, store.shelf(Shelf.SEEN).values()) if one and one.is_remembered(now)]
    since = [times for one in evaluators if (times := [when for number, when in one.taken if number >= revision])]
    unheard = [one.heard_at for one in evaluators if one.taken[-1][0] < revision]
    last = max(map(min, since), default=None)
    after = None if at is None or last is None else max(last - at, 0.0)
    return Seen(revision, at, len(since), after, len(unheard), max(unheard, default=None))


def _evaluator(value: Mapping[str, Any]) -> _Evaluator | None:
    """An evaluator's record; None for one that does not parse, such as another version's."""
    try:
        taken = sorted((int(number), float(at)) for number, at in value["taken"])
        return _Evaluator(taken, float(value["heard_at"]), float(value["until"])) if taken else None
    except (KeyError, TypeError, ValueError):
        return None
