"""Rate limits per key: a token bucket for each, in this process.

They shed load and keep one key from crowding out the others. Each process has its own buckets; API Gateway bounds the
whole service.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from burgee.records import dataclass
from burgee.web.exchange import Need
from burgee.web.problems import refusal
from burgee.web.protection.token_buckets import Buckets, Rate

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Header, Reply

EVALUATE = Rate("evaluate", 1000, 2000)
MANAGE = Rate("manage", 10, 60)


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates of evaluation and of management, for each key."""

    evaluate: Rate = EVALUATE
    manage: Rate = MANAGE


DEFAULT = Limits()


class Limiter:
    """Counts requests by key, and reports the remaining quota on every answer."""

    def __init__(self, limits: Limits) -> None:
        self.evaluate = _Policy(limits.evaluate)
        self.manage = _Policy(limits.manage)

    def refusal(self, exchange: Exchange) -> Reply | None:
        """The refusal of a request over the limit."""
        needed = exchange.need
        caller = exchange.caller
        holder = caller.key or caller.name
        if holder is None or needed is Need.NOTHING:
            return None
        policy = self.evaluate if needed is Need.EVALUATE or needed is Need.RULES else self.manage
        through, level = policy.buckets.take(holder)
        exchange.headers += policy.fields(level)
        if through:
            return None
        wait = policy.buckets.wait(level)
        detail = f"this key sent more than {policy.rate.per_second:g} requests a second; try again in {wait} s"
        return refusal(exchange.path, 429, "too-many-requests", detail, (b"retry-after", b"%d" % wait))


class _Policy:
    """One rate for every key, with the header fields of the IETF draft: the policy, and the remaining quota."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.buckets = Buckets(rate)
        window = max(ceil(rate.burst / rate.per_second), 1)
        self._field = (b"ratelimit-policy", f'"{rate.name}";q={rate.burst};w={window}'.encode())
        self._name = rate.name.encode()

    def fields(self, level: float) -> tuple[Header, ...]:
        refill = max(ceil((self.rate.burst - level) / self.rate.per_second), 0)
        return self._field, (b"ratelimit", b'"%b";r=%d;t=%d' % (self._name, max(int(level), 0), refill))
