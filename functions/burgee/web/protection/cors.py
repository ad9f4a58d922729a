"""Which web pages may evaluate: none, unless the project's settings name their origin. Management is for no page.

A preflight carries no key, so it cannot know whose settings hold. Where keys are asked for it lets every page ask: a
browser adds no key by itself, and a page reads the answer only if the tenant of the key that it shows lets it. Where
none are asked for, the home tenant's settings answer both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from burgee.web.exchange import Need

if TYPE_CHECKING:
    from starlette.types import Scope

    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange
    from burgee.web.tenants import Tenants

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-Id",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}
_VARY = (b"vary", b"Origin")
_EXPOSED = b"Burgee-Release, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


class Cors:
    """Tells browsers what they may hand to a page; it protects no server."""

    def __init__(self, tenants: Tenants, origins: frozenset[str], *, keyed: bool = False) -> None:
        self.tenants = tenants
        self.always = origins
        self.keyed = keyed

    def page(self, exchange: Exchange) -> bytes | None:
        """The origin of the page that asks, where pages may ask."""
        origin = exchange.fields.get(b"origin")
        return None if origin is None or exchange.need not in {Need.EVALUATE, Need.NOTHING} else origin

    async def preflight(self, scope: Scope, exchange: Exchange, origin: bytes) -> Response | None:
        """The answer to a browser that asks whether the page may ask."""
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in exchange.fields:
            return None
        if not self.keyed and not await self._allows(self.tenants.home, origin):
            return Response(status_code=403, headers={"Vary": "Origin"})
        return Response(
            status_code=204, headers={**_PREFLIGHT, "Access-Control-Allow-Origin": str(origin, "latin-1")}
        )

    async def headers(self, exchange: Exchange, origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """What lets the page read the answer, where its caller's project lets it."""
        if not await self._allows(exchange.tenant or self.tenants.home, origin):
            return (_VARY,)
        return _VARY, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)

    async def _allows(self, tenant: Tenant, origin: bytes) -> bool:
        text = str(origin, "latin-1")
        if self.always & {text, "*"}:
            return True
        origins = self.tenants.origins(tenant)
        if origins is None:
            origins = await self.tenants.ask_origins(tenant)
        return bool(origins & {text, "*"})
