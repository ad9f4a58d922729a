"""Authenticates and authorises every request before it is answered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from burgee.errors import StoreError
from burgee.records import dataclass
from burgee.web.exchange import EVERYTHING, Caller, Need
from burgee.web.problems import refusal
from burgee.web.protection.token_buckets import Buckets, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.types import Scope as AsgiScope

    from burgee.access.key_cache import KeyRing
    from burgee.access.keys import Key, Named
    from burgee.stores import Tenant
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

_NOTHING = Need.NOTHING  # a lookup in an enum costs as much as two calls
_CLIENT = frozenset({Need.EVALUATE})
_SERVER = frozenset({Need.EVALUATE, Need.RULES})
# Keyed by the values of `burgee.access.keys.Kind` and `Scope`, which a service without keys does not load.
SCOPES: Mapping[str, frozenset[Need]] = {
    "read": frozenset({Need.READ, Need.EVALUATE, Need.RULES, Need.CONSOLE}),
    "propose": frozenset({Need.PROPOSE}),
    "kill": frozenset({Need.KILL, Need.CONSOLE}),
    "write": frozenset({Need.WRITE, Need.PROPOSE, Need.KILL, Need.CONSOLE}),
    "release": frozenset({Need.RELEASE}),
    "webhooks": frozenset({Need.WEBHOOKS}),
    "metrics": frozenset({Need.METRICS}),
}
OWNING = frozenset({"read", "write", "release"})
"""Keys with all of these scopes may also manage keys, settings and webhooks."""
_CHALLENGE = (b"www-authenticate", b'Bearer realm="burgee"')
UNKNOWN = Rate("unknown", 200, 400)
"""Rate of lookups of keys unknown to this process, for all addresses together."""
UNKNOWN_EACH = Rate("unknown keys of one address", 10, 50)
"""The same per address: an IPv4 address, or a /64 network of IPv6."""


def key_caller(tenant: Tenant, key: Key) -> Caller:
    """The caller of a valid key."""
    if key.kind == "client":
        return Caller(tenant, _CLIENT, key.name, key.id, client=True)
    if key.kind == "server":
        return Caller(tenant, _SERVER, key.name, key.id)
    return Caller(tenant, scoped(key.scopes), key.name, key.id)


def scoped(scopes: Iterable[str]) -> frozenset[Need]:
    """What scopes allow; those of an owner together also to manage keys and webhooks."""
    granted = set(scopes)
    may = frozenset().union(*(SCOPES[scope] for scope in granted))
    return may | {Need.KEYS, Need.WEBHOOKS, Need.METRICS} if granted >= OWNING else may


@dataclass(frozen=True, slots=True)
class Unknown:
    """A token whose key is not in memory, and the ring to look it up in."""

    ring: KeyRing
    name: Named
    token: str


class Access:
    """Finds the caller of a request: by its key, by the gateway's authentication, or anyone if there is no ring."""

    def __init__(
        self,
        home: Tenant,
        ring: KeyRing | None = None,
        vouched: Callable[[AsgiScope], Caller | None] | None = None,
        address: Callable[[AsgiScope], str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring
        self._vouched = vouched
        self._address = address or peer
        # A key that this process has never read costs a read, and most of those keys are guesses.
        self._each = Buckets(UNKNOWN_EACH, clock)
        self._all = Buckets(UNKNOWN, clock)
        self.nobody = Caller(home, EVERYTHING if ring is None and vouched is None else frozenset())

    def known(self, exchange: Exchange) -> Caller | Reply | Unknown:
        """The caller, or the refusal of their key; Unknown if the store must be read."""
        vouched = self._vouched(exchange.scope) if self._vouched is not None else None
        if vouched is not None or self._ring is None:
            return vouched or self.nobody
        token = shown(exchange.fields)
        if token is None:
            return self.nobody
        return _held(self._ring, exchange.path, token)

    async def also(self, exchange: Exchange, token: str) -> Caller | None:
        """The caller of a further key in a request; None if it is not valid. It opens nothing by itself."""
        if self._ring is None:
            return None
        known = _held(self._ring, exchange.path, token)
        answer = await self.ask(exchange, known) if isinstance(known, Unknown) else known
        return answer if isinstance(answer, Caller) else None

    async def ask(self, exchange: Exchange, unknown: Unknown) -> Caller | Reply:
        """The caller, after reading their key from the store; lookups of unknown keys are limited by sender."""
        ring, name = unknown.ring, unknown.name
        wait = None if ring.knows(name) else self._wait(exchange.scope)
        if wait is not None:
            headers = (b"retry-after", b"%d" % wait)
            return refusal(exchange.path, 429, "too-many-requests", "too many unknown keys", headers)
        try:
            key = await ring.ask(name, unknown.token)
        except StoreError:
            detail = "the key cannot be checked now"
            return refusal(exchange.path, 503, "store-unavailable", detail, (b"retry-after", b"5"))
        return _working(exchange.path, name, key)

    def _wait(self, scope: AsgiScope) -> int | None:
        """Seconds until another unknown key may be looked up; None if it may be now."""
        for buckets, holder in ((self._each, network(self._address(scope))), (self._all, "")):
            through, level = buckets.take(holder)
            if not through:
                return buckets.wait(level)
        return None

    def refusal(self, exchange: Exchange, caller: Caller | Reply) -> Reply | None:
        """The refusal of a request; None if accepted, with the caller and the flags set on its exchange."""
        if exchange.need is _NOTHING:
            if not isinstance(caller, Caller):
                caller = self.nobody  # health needs no key
        elif not isinstance(caller, Caller):
            return caller
        elif exchange.need not in caller.may:
            return _forbidden(exchange.path, caller, exchange.need)
        exchange.caller, exchange.serving = caller, exchange.tenants.serving(caller.tenant)
        exchange.tenant = caller.tenant
        return None


def peer(scope: AsgiScope) -> str:
    """The address of the connection, or the one that API Gateway saw."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def network(address: str) -> str:
    """The addresses that one sender controls: an IPv4 address, or a /64 network of IPv6, as providers assign."""
    if ":" not in address:
        return address
    from ipaddress import IPv6Address

    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())


def shown(fields: Mapping[bytes, bytes]) -> str | None:
    """The key in a request's header fields: `Authorization: Bearer`, or `X-API-Key`."""
    value = fields.get(b"authorization", b"")
    if value[:7].lower() == b"bearer ":
        return str(value[7:].strip(), "latin-1")
    other = fields.get(b"x-api-key")
    return None if other is None else str(other.strip(), "latin-1")


def _held(ring: KeyRing, path: str, token: str) -> Caller | Reply | Unknown:
    """The caller of a token, the refusal of its key, or Unknown if the store must be read."""
    name, key, ask = ring.held(token)
    return Unknown(ring, name, token) if ask and name is not None else _working(path, name, key)


def _working(path: str, name: Named | None, key: Key | None) -> Caller | Reply:
    if key is None or name is None:
        return refusal(path, 401, "unauthorized", "unknown key", _CHALLENGE)
    fault = key.fault(time.time())
    if fault is not None:
        return refusal(path, 401, "unauthorized", f"the key is {fault}", _CHALLENGE)
    return key_caller(name.tenant, key)


def _forbidden(path: str, caller: Caller, needed: Need) -> Reply:
    if caller.key is None and caller.name is None:
        detail = "API key required: `Authorization: Bearer KEY`, or `X-API-Key: KEY`"
        return refusal(path, 401, "unauthorized", detail, _CHALLENGE)
    return refusal(
        path, 403, "forbidden", f"this key lacks permission: the request needs a key that may {_WORDS[needed]}"
    )


_WORDS = {
    Need.EVALUATE: "evaluate",
    Need.RULES: "read the rules, as a server key may",
    Need.READ: "read",
    Need.PROPOSE: "propose",
    Need.KILL: "kill",
    Need.WRITE: "write",
    Need.RELEASE: "release",
    Need.WEBHOOKS: "keep webhooks",
    Need.METRICS: "read metrics",
    Need.KEYS: "do everything, as an admin key that reads, writes and releases",
    Need.CONSOLE: "read or kill",
}
