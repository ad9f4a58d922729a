"""Which web pages may evaluate: none, unless the project's settings name their origin. Management is for no page.

A preflight carries no key, so it cannot know whose settings hold. Where keys are asked for it lets every page ask: a
browser adds no key by itself, and a page reads the answer only if the tenant of the key that it shows lets it. Where
none are asked for, the home tenant's settings answer both.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from burgee.web.access import CALLER, Need, need

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.stores import Tenant
    from burgee.web.tenants import Tenants

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-Id",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}
_EXPOSED = b"Burgee-Release, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


class Cors:
    """Tells browsers what they may hand to a page; it protects no server."""

    def __init__(self, app: ASGIApp, tenants: Tenants, origins: frozenset[str], *, keyed: bool = False) -> None:
        self.app = app
        self.tenants = tenants
        self.always = origins
        self.keyed = keyed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or need(scope["method"], scope["path"]) not in {Need.EVALUATE, Need.NOTHING}:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            await (await self._preflight(origin))(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                caller = scope.get(CALLER)
                headers = [*message.get("headers", ()), (b"vary", b"Origin")]
                if await self._allows(caller.tenant if caller else self.tenants.home, origin):
                    headers += [
                        (b"access-control-allow-origin", origin),
                        (b"access-control-expose-headers", _EXPOSED),
                    ]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, tell)

    async def _preflight(self, origin: bytes) -> Response:
        if not self.keyed and not await self._allows(self.tenants.home, origin):
            return Response(status_code=403, headers={"Vary": "Origin"})
        return Response(
            status_code=204, headers={**_PREFLIGHT, "Access-Control-Allow-Origin": str(origin, "latin-1")}
        )

    async def _allows(self, tenant: Tenant, origin: bytes) -> bool:
        text = str(origin, "latin-1")
        if self.always & {text, "*"}:
            return True
        origins = self.tenants.origins(tenant)
        if origins is None:
            origins = await asyncio.to_thread(self.tenants.ask_origins, tenant)
        return bool(origins & {text, "*"})


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None
