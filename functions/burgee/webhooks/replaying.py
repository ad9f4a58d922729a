"""Messages that were given up, or sent before, sent to a webhook again; and how a webhook is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.errors import Refused
from burgee.records import replace
from burgee.stores import Put, Shelf
from burgee.times import format_time
from burgee.webhooks import endpoints
from burgee.webhooks.delivery import KEPT_SECONDS, Delivery, heads, load, order_of
from burgee.webhooks.endpoints import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.stores import Store
    from burgee.stores.audit import AuditContext

MAX_REPLAYED = 1_000
"""Maximum number of messages that one request sends again."""
MAX_SHOWN = 100


class Choice(NamedTuple):
    """Which messages to send again: by their audit ids, all dead letters, or all since a time (epoch seconds)."""

    messages: Sequence[str] = ()
    dead: bool = False
    since: float | None = None


class Health(NamedTuple):
    """How a webhook is doing: its last attempt, and what waits or was given up, each at most `MAX_SHOWN`.

    A message that waits is sent at `next_at`, but not before the message `behind` which it waits, if there is one.
    """

    last: dict[str, Any] | None
    waiting: list[dict[str, Any]]
    dead: list[dict[str, Any]]
    counts: dict[str, int]


def replay(store: Store, key: str, choice: Choice, act: AuditContext) -> int:
    """Lets messages be sent to a webhook again, under their ids; returns how many.

    Raises Refused if none or too many are chosen, if one of them is unknown, or if the webhook is disabled.
    """
    found = endpoints.find(store, key)
    endpoints.require_enabled(found)
    if (bool(choice.messages) + choice.dead + (choice.since is not None)) != 1:
        raise _refused("choose messages, the dead letters, or a time since which all are sent")
    chosen = list(_chosen(store, found, choice, act.now))
    if len(chosen) > MAX_REPLAYED:
        raise _refused(f"at most {MAX_REPLAYED:,} messages are sent again at once; choose a later time")
    for start in range(0, len(chosen), AT_ONCE):
        batch = chosen[start : start + AT_ONCE]
        store.keep([put for one in batch for put in (one.put(), Put(Shelf.DEAD_LETTERS, one.id, None, blind=True))])
    # Last, because it makes processes look at the deliveries.
    endpoints.noted(store, act, {"id": found.id, "messages": len(chosen)})
    return len(chosen)


def _chosen(store: Store, found: endpoints.Endpoint, choice: Choice, now: float) -> Iterator[Delivery]:
    if choice.dead:
        for record in _dead(store, found.id, now):
            yield _again(found.id, record["message"], record["order"], now)
    elif choice.since is None:
        for message in dict.fromkeys(choice.messages):  # a transaction writes no record twice
            kept = store.find(Shelf.MESSAGES, message)
            if kept is None:
                why = f"there is no message {message!r}: give its `data.id`; messages are kept for 30 days"
                raise Refused("not-found", why)
            yield _again(found.id, message, order_of(message, kept["type"], kept["data"]["flag"]), now)
    else:
        anything = replace(found, since="")
        after = f"{int(max(choice.since, now - KEPT_SECONDS) * 1000):013d}"
        count = 0
        while page := store.audit_after(after):
            for entry in page:
                if anything.wants(entry) and store.find(Shelf.MESSAGES, entry.id) is not None:
                    count += 1
                    yield _again(found.id, entry.id, order_of(entry.id, entry.action, entry.flag), now)
            if count > MAX_REPLAYED:
                return
            after = page[-1].id


def _again(endpoint: str, message: str, order: str, now: float) -> Delivery:
    return Delivery(endpoint, message, order, now, now)


def health(store: Store, key: str, now: float) -> Health:
    """How a webhook is doing."""
    found = endpoints.find(store, key)
    last = store.find(Shelf.OUTBOX, f"health.{found.id}")
    waiting = [load(record) for record in store.shelf(Shelf.DELIVERIES, f"{found.id}.").values()]
    first = {one.order: one.message for one in heads(waiting)}
    dead = _dead(store, found.id, now)
    shown = None if last is None else {**last, "at": format_time(last["at"])}
    return Health(
        shown,
        [
            {
                **_shown(one._asdict()),
                "next_at": format_time(one.next_at),
                "behind": None if first[one.order] == one.message else first[one.order],
            }
            for one in waiting[:MAX_SHOWN]
        ],
        [{**_shown(one), "ended_at": format_time(one["ended_at"])} for one in dead[-MAX_SHOWN:]],
        {"waiting": len(waiting), "dead": len(dead)},
    )


def _dead(store: Store, endpoint: str, now: float) -> list[dict[str, Any]]:
    """The dead letters of a webhook that are still kept, oldest first."""
    records = store.shelf(Shelf.DEAD_LETTERS, f"{endpoint}.").values()
    return [dict(record) for record in records if now < record["ended_at"] + KEPT_SECONDS]


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "message": record["message"],
        "flag": None if record["order"] in {"", record["message"]} else record["order"],
        "attempts": record["attempts"],
        "why": record["why"],
    }


def _refused(why: str) -> Refused:
    return Refused("invalid-webhook", why)
