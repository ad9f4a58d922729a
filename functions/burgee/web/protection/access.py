"""Who may ask for what: the one seam that every request passes, before it is routed. Loads no framework."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from burgee.access.keys import Kind, Scope
from burgee.errors import StoreError
from burgee.web.exchange import EVERYTHING, Caller, Need
from burgee.web.problems import refusal
from burgee.web.protection.token_buckets import Buckets, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import Scope as AsgiScope

    from burgee.access.key_cache import KeyRing
    from burgee.access.keys import Key, Named
    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange

_CLIENT = frozenset({Need.EVALUATE})
_SERVER = frozenset({Need.EVALUATE, Need.RULES})
_SCOPES = {
    Scope.READ: frozenset({Need.READ, Need.EVALUATE, Need.RULES}),
    Scope.WRITE: frozenset({Need.WRITE}),
    Scope.RELEASE: frozenset({Need.RELEASE}),
}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="burgee"'}


def key_caller(tenant: Tenant, key: Key) -> Caller:
    """Who a working key stands for."""
    if key.kind is Kind.CLIENT:
        return Caller(tenant, _CLIENT, key.name, key.id, client=True)
    if key.kind is Kind.SERVER:
        return Caller(tenant, _SERVER, key.name, key.id)
    return Caller(tenant, scoped(key.scopes), key.name, key.id)


def scoped(scopes: tuple[Scope, ...]) -> frozenset[Need]:
    """What scopes allow; all of them also the keeping of keys."""
    may = frozenset().union(*(_SCOPES[scope] for scope in scopes))
    return may | {Need.KEYS} if set(scopes) == set(Scope) else may


class Stranger(NamedTuple):
    """Who has shown a token that memory does not know, and the ring to ask for it."""

    ring: KeyRing
    name: Named
    token: str


class Access:
    """Tells who a request comes from: by its key, by what already vouched for it, or, without a ring, anybody."""

    def __init__(
        self, home: Tenant, ring: KeyRing | None = None, vouched: Callable[[AsgiScope], Caller | None] | None = None
    ) -> None:
        self._ring = ring
        self._vouched = vouched
        # Only keys that memory does not hold cost a read, and a flood of those is a guesser's.
        self._strangers = Buckets(Rate("unknown", 50, 200))
        self.nobody = Caller(home, EVERYTHING if ring is None and vouched is None else frozenset())

    def known(self, scope: AsgiScope, exchange: Exchange) -> Caller | Response | Stranger:
        """Who asks, or the refusal of what they showed; a stranger where the store has to be asked for it."""
        vouched = self._vouched(scope) if self._vouched is not None else None
        if vouched is not None or self._ring is None:
            return vouched or self.nobody
        token = shown(exchange.fields)
        if token is None:
            return self.nobody
        name, key, ask = self._ring.held(token)
        if ask and name is not None:
            return Stranger(self._ring, name, token)
        return _working(scope, name, key)

    async def asked(self, scope: AsgiScope, stranger: Stranger) -> Caller | Response:
        """Who a stranger is, by the store's word."""
        ring, name, token = stranger
        if not ring.knows(name):
            through, level = self._strangers.take("")
            if not through:
                wait = {"Retry-After": str(self._strangers.wait(level))}
                return refusal(scope, 429, "too-many-requests", "too many keys that are not known here", wait)
        try:
            key = await ring.ask(name, token)
        except StoreError:
            return refusal(scope, 503, "store-unavailable", "the key cannot be checked now", {"Retry-After": "5"})
        return _working(scope, name, key)

    def refuses(self, scope: AsgiScope, exchange: Exchange, caller: Caller | Response) -> Response | None:
        """Lets a request in, so that its exchange says who asks and whose flags answer; else the refusal."""
        if exchange.need is Need.NOTHING:
            if not isinstance(caller, Caller):
                caller = self.nobody  # whether the service is up does not depend on the key that somebody shows
        elif not isinstance(caller, Caller):
            return caller
        elif exchange.need not in caller.may:
            return _forbidden(scope, caller, exchange.need)
        exchange.caller, exchange.serving = caller, exchange.tenants.serving(caller.tenant)
        exchange.tenant = caller.tenant
        return None


def shown(fields: Mapping[bytes, bytes]) -> str | None:
    """The key in a request's header fields: `Authorization: Bearer`, or `X-API-Key`."""
    value = fields.get(b"authorization", b"")
    if value[:7].lower() == b"bearer ":
        return str(value[7:].strip(), "latin-1")
    other = fields.get(b"x-api-key")
    return None if other is None else str(other.strip(), "latin-1")


def _working(scope: AsgiScope, name: Named | None, key: Key | None) -> Caller | Response:
    if key is None or name is None:
        return refusal(scope, 401, "unauthorized", "the key is not known here", _CHALLENGE)
    fault = key.fault(time.time())
    if fault is not None:
        return refusal(scope, 401, "unauthorized", f"the key is {fault}", _CHALLENGE)
    return key_caller(name.tenant, key)


def _forbidden(scope: AsgiScope, caller: Caller, needed: Need) -> Response:
    if caller.key is None and caller.name is None:
        detail = "a key is needed: `Authorization: Bearer KEY`, or `X-API-Key: KEY`"
        return refusal(scope, 401, "unauthorized", detail, _CHALLENGE)
    return refusal(scope, 403, "forbidden", f"this key may not do that: it takes one that may {_WORDS[needed]}")


_WORDS = {
    Need.EVALUATE: "evaluate",
    Need.RULES: "read the rules, as a server key may",
    Need.READ: "read",
    Need.WRITE: "write",
    Need.RELEASE: "release",
    Need.KEYS: "do everything, as an admin key with all scopes",
}
