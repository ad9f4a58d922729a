"""Reads the store before answering those who know of a later revision than is served here.

Only loaded when a caller does: the evaluation function starts without it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from burgee.serving.serving import PATIENCE_SECONDS
from burgee.web.queries import query_value

if TYPE_CHECKING:
    from burgee.serving.serving import Serving
    from burgee.web.exchange import Exchange

LATE_SECONDS = 1.0
"""Seconds without such reads for a tenant after one that found nothing new, whatever clients claim."""
MAX_POSITION = 40
_fruitless_at: WeakKeyDictionary[Serving, float] = WeakKeyDictionary()
_readings: WeakKeyDictionary[Serving, asyncio.Task[None]] = WeakKeyDictionary()


async def catch_up(exchange: Exchange) -> None:
    """Reads the store if `flagConfigEtag`, of which a client was notified, is later than what is served here.

    Clients that get "not changed" from a stale process would not ask again. All that are notified at once wait for
    the same read; if it began before the change, for another. The wait for a store that does not answer is the same
    as for other evaluations.
    """
    notified = query_value(exchange.scope, "flagConfigEtag")
    revision = notified[:MAX_POSITION].partition(".")[0]
    if not (revision.isascii() and revision.isdigit()):
        return
    serving, now = exchange.serving, time.monotonic()
    until = now + PATIENCE_SECONDS
    while serving.served().revision < int(revision) and now < until:
        reading = _readings.get(serving)
        if reading is None or reading.done():
            if now < _fruitless_at.get(serving, -LATE_SECONDS) + LATE_SECONDS:
                return
            reading = _readings[serving] = asyncio.ensure_future(_read(serving))
        await asyncio.wait({reading}, timeout=until - now)
        now = time.monotonic()


async def _read(serving: Serving) -> None:
    before = serving.served().revision
    await asyncio.to_thread(serving.refresh)
    if serving.served().revision <= before:
        _fruitless_at[serving] = time.monotonic()
