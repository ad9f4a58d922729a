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
"""Minimum seconds between such reads for a tenant."""
MAX_POSITION = 40
_read_at: WeakKeyDictionary[Serving, float] = WeakKeyDictionary()
_reading: set[asyncio.Task[None]] = set()


async def catch_up(exchange: Exchange) -> None:
    """Reads the store if `flagConfigEtag`, of which a client was notified, is later than what is served here.

    Clients that get "not changed" from a stale process would not ask again. The wait for a store that does not answer
    is the same as for other evaluations.
    """
    notified = query_value(exchange.scope, "flagConfigEtag")
    revision = notified[:MAX_POSITION].partition(".")[0]
    serving = exchange.serving
    if not (revision.isascii() and revision.isdigit()) or int(revision) <= serving.served().revision:
        return
    now = time.monotonic()
    if now < _read_at.get(serving, -LATE_SECONDS) + LATE_SECONDS:
        return
    _read_at[serving] = now
    reading = asyncio.ensure_future(asyncio.to_thread(serving.refresh))
    _reading.add(reading)
    reading.add_done_callback(_reading.discard)
    await asyncio.wait({reading}, timeout=PATIENCE_SECONDS)
