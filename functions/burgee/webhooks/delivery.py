"""When a message is tried again, and when it is given up: decisions from a delivery's record and the time alone.

Messages about one flag go to a webhook in the order of the changes, so only the oldest of them is tried; those of
other flags do not wait for it. A message is given up a day after its change, a younger one behind it follows then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.stores import Put, Shelf
from burgee.times import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from burgee.webhooks.sending import Outcome

TEST = "webhook.test"
DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0)
"""Seconds before the second and each later attempt; the last is repeated. From Standard Webhooks' schedule."""
DAY = 86_400.0
"""A message that is not accepted is given up at this age, in seconds, after at least one attempt."""
JITTER = 0.2
"""A delay is longer or shorter by at most this share of it."""
LONGEST_DELAY = DELAYS[-1] * (1 + JITTER)
KEPT_SECONDS = 30 * DAY
"""Seconds for which messages can be sent again, and dead letters are listed."""


class Delivery(NamedTuple):
    """A message that waits for a webhook. Times in epoch seconds; `why` its last attempt failed, empty before it.

    `message` is the audit entry's id, `order` what its place is kept among, as `order_of` gives it.
    """

    endpoint: str
    message: str
    order: str
    created_at: float
    next_at: float
    attempts: int = 0
    why: str = ""

    @property
    def id(self) -> str:
        """Its record's id; those of a webhook sort by age."""
        return f"{self.endpoint}.{self.message}"

    def is_due(self, now: float) -> bool:
        """Whether it is to be attempted: at once at first, then at its time, also if the clock was put back."""
        return not self.attempts or not is_ahead(self.next_at, now, LONGEST_DELAY)

    def put(self) -> Put:
        """The record to write for a new delivery, or one that is sent again."""
        return Put(Shelf.DELIVERIES, self.id, self._asdict(), blind=True, until=self._until)

    def changed(self, after: Delivery | None) -> Put:
        """The record to write in place of this one; None deletes it. Conflict if another process was first."""
        value = None if after is None else after._asdict()
        return Put(Shelf.DELIVERIES, self.id, value, self._asdict(), until=self._until)

    @property
    def _until(self) -> float:
        """No longer than its message, also where its webhook was removed while it was made."""
        return self.created_at + KEPT_SECONDS


def order_of(message: str, action: str, flag: str | None) -> str:
    """What a message keeps its place among: its flag, or empty for other changes. A test waits for no message."""
    return message if action == TEST else flag or ""


def load(record: Mapping[str, Any]) -> Delivery:
    """A delivery from its record."""
    return Delivery(**record)


def heads(waiting: Iterable[Delivery]) -> list[Delivery]:
    """The oldest message of each order; those that were due first come first."""
    first: dict[str, Delivery] = {}
    for one in sorted(waiting, key=lambda one: one.message):
        first.setdefault(one.order, one)
    return sorted(first.values(), key=lambda one: (one.next_at, one.message))


def failed(one: Delivery, outcome: Outcome, now: float, chance: float) -> Delivery | None:
    """The delivery after an attempt that failed; None if it is given up. `chance` is uniform between 0 and 1."""
    delay = DELAYS[min(one.attempts, len(DELAYS) - 1)] * (1 + JITTER * (2 * chance - 1))
    if now >= one.created_at + DAY:
        return None
    # The last attempt is made when the day is over, however long the delay.
    next_at = min(now + max(delay, outcome.retry_after), max(one.created_at + DAY, now + DELAYS[0]))
    return one._replace(attempts=one.attempts + 1, next_at=next_at, why=outcome.why)


def dead_letter(one: Delivery, why: str, now: float) -> Put:
    """The record of a message that was given up."""
    record = {**one._asdict(), "why": why, "ended_at": now}
    return Put(Shelf.DEAD_LETTERS, one.id, record, blind=True, until=now + KEPT_SECONDS)
