"""How many requests each key may send: a token bucket per key, in this process.

It sheds load and keeps one key from crowding out the others. Several processes have a bucket each, so API Gateway
bounds the whole service.
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
    """Counts requests by key, and says on every answer what is left."""

    def __init__(self, limits: Limits) -> None:
        self.evaluate = _Policy(limits.evaluate)
        self.manage = _Policy(limits.manage)

    def refusal(self, exchange: Exchange) -> Reply | None:
        """The refusal of a request that is one too many."""
        needed = exchange.need
        holder = exchange.caller.key or exchange.caller.name
        if holder is None or needed is Need.NOTHING:
            return None
        policy = self.evaluate if needed is Need.EVALUATE or needed is Need.RULES else self.manage
        through, level = policy.buckets.take(holder)
        exchange.headers += policy.fields(level)
        if through:
            return None
        wait = policy.buckets.wait(level)
        detail = f"this key sent more than {policy.rate.per_second:g} requests a second; come back in {wait} s"
        return refusal(exchange.path, 429, "too-many-requests", detail, (b"retry-after", b"%d" % wait))


class _Policy:
    """One rate for every key, in the header fields of the IETF's draft: the policy, and what is left of it."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.buckets = Buckets(rate)
        window = max(ceil(rate.burst / rate.per_second), 1)
        self._field = (b"ratelimit-policy", f'"{rate.name}";q={rate.burst};w={window}'.encode())
        self._name = rate.name.encode()

    def fields(self, level: float) -> tuple[Header, ...]:
        refill = max(ceil((self.rate.burst - level) / self.rate.per_second), 0)
        return self._field, (b"ratelimit", b'"%b";r=%d;t=%d' % (self._name, max(int(level), 0), refill))
