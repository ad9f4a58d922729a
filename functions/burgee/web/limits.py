"""How much each key may ask: a token bucket per key, in this process.

It sheds load and keeps one key from crowding out the others. Several processes have a bucket each, so the
bound on a whole service is API Gateway's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from burgee.web.access import CALLER, HEADERS, NEED, Need
from burgee.web.buckets import Buckets, Rate
from burgee.web.problems import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


EVALUATE = Rate("evaluate", 1000, 2000)
MANAGE = Rate("manage", 10, 60)


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of evaluation and of management, for each key."""

    evaluate: Rate = EVALUATE
    manage: Rate = MANAGE


DEFAULT = Limits()


class Limiter:
    """Counts requests by key, and tells on every answer what is left."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.evaluate = Buckets(limits.evaluate)
        self.manage = Buckets(limits.manage)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        caller = scope.get(CALLER)
        holder = None if caller is None else caller.key or caller.name
        needed = scope.get(NEED)
        if holder is None or needed is Need.NOTHING:
            await self.app(scope, receive, send)
            return
        buckets = self.evaluate if needed in {Need.EVALUATE, Need.RULES} else self.manage
        through, level = buckets.take(holder)
        scope[HEADERS].extend(_told(buckets, level))
        if not through:
            wait = str(buckets.wait(level))
            detail = f"this key asks more than {buckets.rate.per_second:g} times a second; come back in {wait} s"
            await refusal(scope, 429, "too-many-requests", detail, {"Retry-After": wait})(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _told(buckets: Buckets, level: float) -> list[tuple[bytes, bytes]]:
    """The header fields of the IETF's draft: the policy, and what is left of it."""
    rate = buckets.rate
    window = max(ceil(rate.burst / rate.per_second), 1)
    refill = max(ceil((rate.burst - level) / rate.per_second), 0)
    return [
        (b"ratelimit-policy", f'"{rate.name}";q={rate.burst};w={window}'.encode()),
        (b"ratelimit", f'"{rate.name}";r={max(int(level), 0)};t={refill}'.encode()),
    ]
