"""One exchange with a client: what its request asks leave for, who asks, and what else its answer depends on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Context, Evaluation
    from burgee.serving.serving import Serving
    from burgee.stores import Store, Tenant
    from burgee.web.tenants import Tenants

EXCHANGE = "burgee"
"""Where an ASGI scope has its exchange."""
GONE = 499
"""What nginx counts as the status where the client hung up, which is no fault of ours."""


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


class Caller(NamedTuple):
    """Who asks. `name` is None on the open service; `may` is nothing for who has shown no key."""

    tenant: Tenant
    may: frozenset[Need] = frozenset()
    name: str | None = None
    key: str | None = None
    client: bool = False


class Exchange:
    """What is known of a request and for its answer, beside what ASGI says of both."""

    caller: Caller
    serving: Serving
    """Who asks, and the flags that answer. Both are there once the request was let in, as `tenant` is."""
    tenant: Tenant | None = None
    version: int | None = None
    """The release that has answered."""
    operation: str | None = None
    """What was done, where no route tells."""
    status: int | None = None
    """Of the answer, once it has begun."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """What the answer has beside its own header fields and those of every answer."""
    reasons: dict[str, int] | None = None
    """How many evaluations ended for which reason, where somebody counts."""
    writes = False
    """Whether it has a route that changes something; until that is known no body is read and nothing is kept."""

    def __init__(self, fields: dict[bytes, bytes], request_id: bytes, tenants: Tenants, need: Need) -> None:
        self.fields = fields
        """The request's header fields; of several of one name the first."""
        self.request_id = request_id
        self.tenants = tenants
        self.need = need

    def flags(self, context: Context, now: float) -> Ruleset | ClientView:
        """The flags that may be evaluated: all of the tenant's, or those that clients may see.

        While a release is on trial, which one answers depends on the user.
        """
        ruleset = self.serving.ruleset(context, now)
        self.version = int(ruleset.release["version"])
        return ruleset.for_clients() if self.caller.client else ruleset

    def note(self, answers: Iterable[Evaluation]) -> None:
        """Counts evaluations by their reason, where somebody counts."""
        if self.reasons is not None:
            for answer in answers:
                self.reasons[answer.reason] = self.reasons.get(answer.reason, 0) + 1

    def of(self, project: str, environment: str) -> bool:
        """Whether the caller is of this tenant, whose records lie here; whoever has shown no key is at home."""
        caller = self.caller
        return caller.key is None or (caller.tenant.project, caller.tenant.environment) == (project, environment)


def exchange_of(request: Request) -> Exchange:
    """What the front knows of a request."""
    exchange: Exchange = request.scope[EXCHANGE]
    return exchange


def store_of(request: Request) -> Store:
    """Where the caller's flags are written; the tenant is the key's, whatever the request says."""
    exchange = exchange_of(request)
    return exchange.tenants.store(exchange.caller.tenant)
