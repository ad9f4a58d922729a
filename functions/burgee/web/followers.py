"""Records which revisions those who follow `GET /ruleset` evaluate with, which they say to the service."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from burgee.serving.seen import note
from burgee.serving.serving import NOTE_AGAIN_SECONDS, NOTED

if TYPE_CHECKING:
    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange

MAX_FOLLOWERS = 1_000
"""Of this process; others are not counted."""
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
    if known and now < noted_at + NOTE_AGAIN_SECONDS:
        return
    if subject not in _followers and len(_followers) >= MAX_FOLLOWERS:
        for old, (at, _) in list(_followers.items()):
            if at < now - 2 * NOTE_AGAIN_SECONDS:
                del _followers[old]
        if len(_followers) >= MAX_FOLLOWERS:
            return
    taken = taken if known else [*taken, (revision, now)][-NOTED:]
    _followers[subject] = now, taken
    store = exchange.tenants.store(exchange.caller.tenant)
    with suppress(RuntimeError):  # no thread could be started
        Thread(target=note, args=(store, "provider", taken, name), daemon=True).start()
