"""Records which revisions those who follow `GET /ruleset` evaluate with, which they say to the service."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from burgee.serving.seen import note
from burgee.serving.serving import NOTE_AGAIN_SECONDS, NOTED
from burgee.times import is_ahead

if TYPE_CHECKING:
    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange

MAX_FOLLOWERS = 1_000
"""Of this process; others are not counted."""
MAX_FOLLOWERS_EACH = 750
"""Of one tenant, so that none keeps the others out."""
_NAME = re.compile(r"[0-9a-f]{16}-[0-9]{1,10}", re.ASCII)
_followers: dict[tuple[Tenant, str], tuple[float, list[tuple[int, float]]]] = {}
"""When each was recorded, and what it has taken."""


def heard(exchange: Exchange, revision: int) -> None:
    """Records once, in a thread of its own, that a process evaluates with a revision."""
    name = str(exchange.fields[b"burgee-evaluator"], "latin-1")
    if not revision or exchange.serving.note is None or not _NAME.fullmatch(name):
        return
    subject, now = (exchange.caller.tenant, name), time.time()
    noted_at, taken = _followers.get(subject, (0.0, []))
    known = bool(taken) and taken[-1][0] == revision
    if known and is_ahead(noted_at + NOTE_AGAIN_SECONDS, now, NOTE_AGAIN_SECONDS):
        return
    if subject not in _followers and not _have_room(subject[0], now):
        return
    taken = taken if known else [*taken, (revision, now)][-NOTED:]
    _followers[subject] = now, taken
    store = exchange.tenants.store(exchange.caller.tenant)
    with suppress(RuntimeError):  # no thread could be started
        Thread(target=note, args=(store, "provider", taken, name), daemon=True).start()


def _have_room(tenant: Tenant, now: float) -> bool:
    """Whether another follower of a tenant is counted, after those that have gone are forgotten."""
    if not _are_full(tenant):
        return True
    for old, (at, _) in list(_followers.items()):
        if not is_ahead(at + 2 * NOTE_AGAIN_SECONDS, now, 2 * NOTE_AGAIN_SECONDS):
            del _followers[old]
    return not _are_full(tenant)


def _are_full(tenant: Tenant) -> bool:
    own = sum(one == tenant for one, _ in _followers)
    return len(_followers) >= MAX_FOLLOWERS or own >= MAX_FOLLOWERS_EACH
