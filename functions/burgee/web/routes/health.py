"""`GET /health`: whether the service is up and, for callers with a key, what it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from burgee.records import asdict
from burgee.serving.serving import NOBODY
from burgee.times import format_time
from burgee.version import __version__
from burgee.web.exchange import Need, Route
from burgee.web.openapi import read
from burgee.web.replies import tagged, unless_held, written

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply


async def health(exchange: Exchange) -> Reply:
    """The release, its age and source; without a key only the program's version."""
    body: dict[str, Any] = {"status": "healthy", "timestamp": format_time(time.time()), "version": __version__}
    if exchange.caller.may:
        release = exchange.flags(NOBODY, time.time()).release
        status = exchange.serving.status()
        body |= {
            "release": release,
            "baking": status.canary and {"version": status.version, **asdict(status.canary)},
            "age_seconds": round(status.age_seconds, 3),
            "source": status.source,
            "error": status.error,
        }
    return unless_held(tagged(written(body)), exchange.if_none_match)


def _document() -> dict[str, Any]:
    schema = {"type": "object", "required": ["status", "timestamp", "version"]}
    return read("Whether the service is up, and its release", schema)


ROUTES = [Route("GET", "/health", Need.NOTHING, "health", health, _document)]
