"""Which web pages may evaluate: none, unless the project's settings name their origin. No page may manage flags.

A preflight has no key, so it is unknown whose settings apply. On a service with keys, the preflight allows every
page: a browser adds no key by itself, and a page can read the answer only if the settings of its key's tenant allow
it. On an open service the home tenant's settings decide both, and requests of other pages are refused: browsers send
some requests without a preflight, and these can do harm even if the answer is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.web.exchange import Need
from burgee.web.problems import refusal
from burgee.web.replies import Header, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange
    from burgee.web.tenants import Tenants

_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-Id",
    ),
    (b"access-control-max-age", b"600"),
    (b"vary", b"Origin"),
]
_VARY = (b"vary", b"Origin")
_EXPOSED = b"Burgee-Release, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"


class Cors:
    """Adds CORS headers to answers, and refuses requests of pages that are not allowed."""

    def __init__(self, tenants: Tenants, origins: frozenset[str], *, keyed: bool = False) -> None:
        self.tenants = tenants
        self.always = origins
        self.keyed = keyed

    def page(self, exchange: Exchange) -> bytes | None:
        """The origin of the page that sent a request, on routes open to pages."""
        origin = exchange.fields.get(b"origin")
        return None if origin is None or exchange.need not in {Need.EVALUATE, Need.NOTHING} else origin

    async def preflight(self, exchange: Exchange, origin: bytes) -> Reply | None:
        """The answer to a preflight request."""
        if exchange.scope["method"] != "OPTIONS" or b"access-control-request-method" not in exchange.fields:
            return None
        if not self.keyed and not await self._allows(self.tenants.home, origin):
            return Reply(403, b"", [_VARY, (b"content-length", b"0")])
        return Reply(204, b"", [*_PREFLIGHT, (b"access-control-allow-origin", origin)])

    async def refusal(self, exchange: Exchange) -> Reply | None:
        """The refusal of a `foreign` request, if it is not allowed.

        If keys are required, any page may request evaluations: without a key it gets none.
        """
        if exchange.need is Need.NOTHING:
            return None
        if exchange.need is Need.EVALUATE:
            origin = exchange.fields.get(b"origin")
            if self.keyed or (origin is not None and await self._allows(self.tenants.home, origin)):
                return None
        detail = "requests from this web page are not allowed; the settings list the origins that may evaluate"
        return refusal(exchange.path, 403, "foreign-origin", detail)

    async def headers(self, exchange: Exchange, origin: bytes) -> tuple[Header, ...]:
        """The headers that let the page read the answer, if its caller's project allows it."""
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


def foreign(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a page of another origin sent a request: by `Sec-Fetch-Site`, else by `Origin`.

    Scripts cannot set either. Browsers without `Sec-Fetch-Site` send `Origin` with all methods but GET and HEAD. An
    extension's requests may have `none`, which is for what the user typed, and an `Origin`, which that has not.
    """
    site, origin = fields.get(b"sec-fetch-site"), fields.get(b"origin")
    if site is not None and (site != b"none" or origin is None):
        return site not in {b"same-origin", b"none"}
    if origin is None:
        return False
    scheme, _, host = origin.partition(b"://")
    return scheme not in {b"http", b"https"} or host != fields.get(b"host")
