"""Who may ask for what: the one seam that every request passes, before it is routed. Loads no framework."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burgee.errors import StoreError
from burgee.keys import Kind, Scope
from burgee.web.buckets import Buckets, Rate
from burgee.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

    from burgee.keyring import KeyRing
    from burgee.keys import Key
    from burgee.model import Context, Evaluation
    from burgee.ruleset import ClientView, Ruleset
    from burgee.serving import Serving
    from burgee.stores import Store, Tenant
    from burgee.web.tenants import Tenants

CALLER = "burgee.caller"
SERVING = "burgee.serving"
TENANTS = "burgee.tenants"
REASONS = "burgee.reasons"
RELEASE = "burgee.release"
"""Where a request's scope says which release answered it."""
NEED = "burgee.need"
HEADERS = "burgee.headers"
"""Where a request's scope collects what header fields its answer has beside its own."""


class Need(StrEnum):
    """What a request asks leave for."""

    NOTHING = "nothing"
    EVALUATE = "evaluate"
    RULES = "rules"
    READ = "read"
    WRITE = "write"
    RELEASE = "release"
    KEYS = "keys"


EVERYTHING = frozenset(Need)
_CLIENT = frozenset({Need.EVALUATE})
_SERVER = frozenset({Need.EVALUATE, Need.RULES})
_SCOPES = {
    Scope.READ: frozenset({Need.READ, Need.EVALUATE, Need.RULES}),
    Scope.WRITE: frozenset({Need.WRITE}),
    Scope.RELEASE: frozenset({Need.RELEASE}),
}
_FIRST = {
    "health": Need.NOTHING,
    "docs": Need.NOTHING,
    "redoc": Need.NOTHING,
    "openapi.json": Need.NOTHING,
    "users": Need.EVALUATE,
    "ofrep": Need.EVALUATE,
    "v1": Need.EVALUATE,
    "ruleset": Need.RULES,
    "keys": Need.KEYS,
    "settings": Need.KEYS,
}


def need(method: str, path: str) -> Need:
    """What a request needs, by its path's first part; a route that nobody thought of is for admin keys alone."""
    first = path[1:].partition("/")[0]
    found = _FIRST.get(first)
    if found is not None:
        return found
    if method in {"GET", "HEAD"}:
        return Need.READ
    return Need.RELEASE if first == "releases" else Need.WRITE


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is None on the open service; `may` is nothing for who has shown no key."""

    tenant: Tenant
    may: frozenset[Need] = frozenset()
    name: str | None = None
    key: str | None = None
    client: bool = False


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

    async def caller(self, scope: AsgiScope) -> Caller | Response:
        """Who asks, or the refusal of what they showed."""
        vouched = self._vouched(scope) if self._vouched is not None else None
        if vouched is not None or self._ring is None:
            return vouched or self.nobody
        token = shown(scope)
        if token is None:
            return self.nobody
        name, key, ask = self._ring.held(token)
        if ask and name is not None:
            through, level = self._strangers.take("")
            if not through:
                wait = {"Retry-After": str(self._strangers.wait(level))}
                return refusal(scope, 429, "too-many-requests", "too many keys that are not known here", wait)
            try:
                # Starlette's run_in_threadpool would import most of anyio now, while the first caller waits.
                key = await asyncio.to_thread(self._ring.ask, name, token)
            except StoreError:
                return refusal(scope, 503, "store-unavailable", "the key cannot be checked now", {"Retry-After": "5"})
        if key is None or name is None:
            return refusal(scope, 401, "unauthorized", "the key is not known here", _CHALLENGE)
        fault = key.fault(time.time())
        if fault is not None:
            return refusal(scope, 401, "unauthorized", f"the key is {fault}", _CHALLENGE)
        return key_caller(name.tenant, key)


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="burgee"'}


def shown(scope: AsgiScope) -> str | None:
    """The key in a request's headers: `Authorization: Bearer`, or `X-API-Key`."""
    other = None
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].strip(), "latin-1")
        if name == b"x-api-key":
            other = str(value.strip(), "latin-1")
    return other


class Gate:
    """Lets a request through to the application with who asks and whose flags in its scope, or refuses it."""

    def __init__(self, app: ASGIApp, access: Access, tenants: Tenants) -> None:
        self.app = app
        self.access = access
        self.tenants = tenants

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        needed = need(scope["method"], scope["path"])
        caller = await self.access.caller(scope)
        if needed is Need.NOTHING and not isinstance(caller, Caller):
            caller = self.access.nobody  # whether the service is up does not depend on the key that somebody shows
        if not isinstance(caller, Caller):
            await caller(scope, receive, send)
        elif needed is not Need.NOTHING and needed not in caller.may:
            await _forbidden(scope, caller, needed)(scope, receive, send)
        else:
            scope[CALLER], scope[TENANTS], scope[NEED] = caller, self.tenants, needed
            scope[SERVING] = self.tenants.serving(caller.tenant)
            await self.app(scope, receive, send)


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


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = request.scope[CALLER]
    return caller


def asks_for(scope: AsgiScope, project: str, environment: str) -> bool:
    """Whether the caller is of this tenant, whose records lie here; whoever has shown no key is at home."""
    caller: Caller | None = scope.get(CALLER)
    return (
        caller is None
        or caller.key is None
        or (caller.tenant.project, caller.tenant.environment) == (project, environment)
    )


def serving_of(request: Request) -> Serving:
    """Whose flags are asked for."""
    serving: Serving = request.scope[SERVING]
    return serving


def tenants_of(request: Request) -> Tenants:
    """All that are served here."""
    tenants: Tenants = request.scope[TENANTS]
    return tenants


def store_of(request: Request) -> Store:
    """Where the caller's flags are written; the tenant is the key's, whatever the request says."""
    return tenants_of(request).store(caller_of(request).tenant)


def flags_of(scope: Any, context: Context, now: float) -> Ruleset | ClientView:
    """The flags that may be evaluated for a request: all of the tenant's, or those that clients may see.

    While a release is on trial, which one answers depends on the user.
    """
    ruleset: Ruleset = scope[SERVING].ruleset(context, now)
    scope[RELEASE] = ruleset.release["version"]
    return ruleset.for_clients() if scope[CALLER].client else ruleset


def note(scope: Any, *answers: Evaluation) -> None:
    """Counts evaluations by their reason, where somebody counts."""
    reasons = scope.get(REASONS)
    if reasons is not None:
        for answer in answers:
            reasons[answer.reason] = reasons.get(answer.reason, 0) + 1
