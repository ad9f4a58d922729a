"""What stands before an application: each step that a request passes, in order, and OFREP, which needs no router.

One layer, because a flag is evaluated in less time than a few of them take to hand a request on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Match

from burgee.web.exchange import EXCHANGE, GONE, Exchange, Need, need
from burgee.web.headers import headers, request_id, seen
from burgee.web.problems import broken, refusal
from burgee.web.protection.access import Access, Stranger
from burgee.web.protection.body import MAX_SECONDS, Gone
from burgee.web.protection.cors import Cors
from burgee.web.protection.rate_limits import DEFAULT, Limiter, Limits
from burgee.web.routes import ofrep

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.access.key_cache import KeyRing
    from burgee.web.exchange import Caller
    from burgee.web.headers import Seen
    from burgee.web.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Setup:
    """How a service is guarded. Without `ring` and `vouched` it is open, which is for loopback addresses alone.

    `vouched` tells who a request comes from where something before us has made sure of that.
    """

    ring: KeyRing | None = None
    vouched: Callable[[Scope], Caller | None] | None = None
    watch: Callable[[Seen], None] | None = None
    limits: Limits | None = DEFAULT
    hosts: frozenset[str] = frozenset()
    """The only names it answers to, against pages that rebind a name to this machine; any if empty."""
    origins: frozenset[str] = frozenset()
    """Web origins that may ask whatever the settings of a project say."""


class Guarded(Starlette):
    """An application that a request reaches through its front alone, which stands before all its own layers."""

    front: Front

    def stand_behind(self, tenants: Tenants, setup: Setup) -> None:
        """Gives it its front, without which it answers nobody."""
        self.front = Front(self, super().__call__, tenants, setup)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self.front(scope, receive, send)


class Front:
    """What every request passes, in order, before the layers and routes of its application; answers OFREP itself.

    It is an ASGI application too: a server that is given it saves the call of the other.
    """

    def __init__(
        self, app: Starlette, routed: ASGIApp, tenants: Tenants, setup: Setup, seconds: float = MAX_SECONDS
    ) -> None:
        self.app = app
        self.routed = routed
        self.tenants = tenants
        self.watch = setup.watch
        self.hosts = {host.encode() for host in setup.hosts}
        keyed = setup.ring is not None or setup.vouched is not None
        self.cors = Cors(tenants, setup.origins, keyed=keyed)
        self.access = Access(tenants.home, setup.ring, setup.vouched)
        self.limiter = None if setup.limits is None else Limiter(setup.limits)
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self.routed(scope, receive, send)
            return
        scope["app"] = self.app
        started = time.perf_counter()
        fields, flag = dict(reversed([*scope["headers"]])), ofrep.asked(scope["path"])
        needed = need(scope["method"], scope["path"]) if flag is None else Need.EVALUATE
        scope[EXCHANGE] = exchange = Exchange(fields, request_id(scope, fields), self.tenants, needed)
        if self.watch is not None:
            exchange.reasons = {}
        answer: Response | ofrep.Reply | None
        try:
            page = self.cors.page(exchange)
            answer = None if page is None else await self.cors.preflight(scope, exchange, page)
            if answer is None:
                answer = self._misdirected(scope, exchange)
                if answer is None:
                    known = self.access.known(scope, exchange)
                    caller = await self.access.asked(scope, known) if isinstance(known, Stranger) else known
                    answer = self._refusal(scope, exchange, caller)
                if page is not None:
                    exchange.headers += await self.cors.headers(exchange, page)
            if answer is None and flag is not None:
                answer = await ofrep.answer(scope, exchange, receive, flag, self.seconds)
            if answer is None:
                await self._hand_on(scope, exchange, receive, send)
            else:
                await send(_start(answer, scope, exchange))
                await send({"type": "http.response.body", "body": answer.body})
        except Gone:
            exchange.status = GONE
        except Exception:  # whatever it is: it is answered here and raised to the server, which logs it
            await self._tell_of_fault(scope, exchange, send)
            raise
        finally:
            if self.watch is not None:
                self.watch(seen(scope, exchange, time.perf_counter() - started))

    @staticmethod
    async def _tell_of_fault(scope: Scope, exchange: Exchange, send: Send) -> None:
        """Answers where nothing has: the application tells of its own faults, and raises them too, to be logged."""
        if exchange.status is None:
            fault = broken(scope)
            await send(_start(fault, scope, exchange))
            await send({"type": "http.response.body", "body": fault.body})

    def _misdirected(self, scope: Scope, exchange: Exchange) -> Response | None:
        host = exchange.fields.get(b"host", b"")
        name, _, port = host.rpartition(b":")
        if not self.hosts or host in self.hosts or (port.isdigit() and name in self.hosts):
            return None
        return refusal(scope, 421, "misdirected", "this service goes by another name")

    def _refusal(self, scope: Scope, exchange: Exchange, caller: Caller | Response) -> Response | None:
        refused = self.access.refuses(scope, exchange, caller)
        if refused is None and self.limiter is not None:
            return self.limiter.refuses(scope, exchange)
        return refused

    async def _hand_on(self, scope: Scope, exchange: Exchange, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = headers(scope, exchange, message.get("headers", ()))
            await send(message)

        if scope["method"] not in {"GET", "HEAD"}:
            exchange.writes = any(route.matches(scope)[0] is Match.FULL for route in self.app.routes)
        await self.routed(scope, receive, tell)


def _start(answer: Response | ofrep.Reply, scope: Scope, exchange: Exchange) -> Message:
    exchange.status = answer.status_code
    told = headers(scope, exchange, answer.raw_headers)
    return {"type": "http.response.start", "status": answer.status_code, "headers": told}
