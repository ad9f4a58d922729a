"""A request and its route, caller and flags."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.records import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Protocol

    from starlette.requests import Request
    from starlette.types import Receive, Scope

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.recorder import Recorder
    from burgee.events.usage import UsageCounter
    from burgee.model import Context, Evaluation
    from burgee.serving.serving import Serving
    from burgee.stores import Store, Tenant
    from burgee.web.protection.body import Bodies
    from burgee.web.replies import Reply
    from burgee.web.tenants import Tenants

    class Streams(Protocol):
        """The event streams that notify pages to evaluate again, and is named in bulk answers."""

        def position(self, exchange: Exchange, now: float) -> str:
            """What is served to a caller at a moment (epoch seconds), as a string that changes when that does."""

        def advertised(self, exchange: Exchange, position: str) -> bytes:
            """The member of an answer that names the stream, for a page that has this position."""

    Handler: TypeAlias = Callable[["Exchange"], Awaitable[Reply]]
    Match: TypeAlias = Callable[[str, bytes | None], tuple[str, ...] | None]

EXCHANGE = "burgee"
"""The key of the exchange in an ASGI scope."""
GONE = 499
"""nginx's status for a client that closed the connection."""


class Need(StrEnum):
    """The permission that a route requires."""

    NOTHING = "nothing"
    EVALUATE = "evaluate"
    RULES = "rules"
    READ = "read"
    PROPOSE = "propose"
    KILL = "kill"
    WRITE = "write"
    RELEASE = "release"
    WEBHOOKS = "webhooks"
    METRICS = "metrics"
    KEYS = "keys"
    CONSOLE = "console"
    """To sign in to the console: what it shows then has needs of its own."""


EVERYTHING = frozenset(Need)


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path. Without `answer`, the framework behind the front answers."""

    method: str
    path: str
    """As OpenAPI writes it, parameters in braces."""
    need: Need
    operation: str
    """The name in logs and metrics."""
    answer: Handler | None = None
    document: Callable[[], dict[str, Any]] | None = None
    """Creates the OpenAPI operation, for routes that the framework does not document."""
    match: Match | None = None
    """The parameters in a path (decoded, and raw or None if unknown); None if the path does not match.

    By default a parameter is one segment.
    """
    logged: bool = True
    """Whether each request has a log record. Evaluations are only counted, and logged if they fail."""


ANYONE = "anyone on this machine"
"""Who sends requests to an open service, which listens on a loopback address alone."""


class Caller(NamedTuple):
    """Who sent a request. `name` is None on the open service; `may` is empty without a key."""

    tenant: Tenant
    may: frozenset[Need] = frozenset()
    name: str | None = None
    key: str | None = None
    client: bool = False


class Exchange:
    """A request, and data for its answer besides status and body."""

    caller: Caller
    serving: Serving
    """The caller and the flags. Both are set when the request is accepted, as is `tenant`."""
    tenant: Tenant | None = None
    route: Route | None = None
    arguments: tuple[str, ...] = ()
    """The path parameters."""
    need: Need = Need.KEYS
    version: int | None = None
    """The release that answered."""
    status: int | None = None
    """The status of the answer, once it has begun."""
    request_id: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Extra header fields of the answer."""
    policy: bytes | None = None
    """The Content-Security-Policy of a page; None for answers that are not pages."""
    streams: Streams | None = None
    """The event streams that notify pages to evaluate again, where the service does."""
    reasons: dict[str, int] | None = None
    """The number of evaluations by reason; None if they are not counted."""
    flag: str | None = None
    answer: Evaluation | None = None
    """The flag that was asked for alone, as it was named, and its answer, if evaluations are counted."""
    usage: UsageCounter | None = None
    """Counts answers by flag; None where usage is not recorded."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part of the request or of the service
        self,
        scope: Scope,
        receive: Receive,
        path: str,
        fields: dict[bytes, bytes],
        tenants: Tenants,
        bodies: Bodies,
        recorder: Recorder | None = None,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.path = path
        """The path without the root path."""
        self.fields = fields
        """The request's header fields; of repeated fields the first."""
        self.tenants = tenants
        self.bodies = bodies
        self.recorder = recorder

    def flags(self, context: Context, now: float) -> Ruleset | ClientView:
        """The flags that the caller may evaluate: all of the tenant's, or those for clients.

        During a canary, the user determines which release answers.
        """
        ruleset = self.serving.ruleset(context, now)
        self.version = ruleset.version
        return ruleset.for_clients() if self.caller.client else ruleset

    def count(self, answers: Mapping[str, Evaluation], *, fetched: bool = False) -> None:
        """Counts evaluations by reason, if counting is on; keeps that of a flag that was asked for alone."""
        if self.reasons is not None:
            for answer in answers.values():
                self.reasons[answer.reason] = self.reasons.get(answer.reason, 0) + 1
            if not fetched:
                ((self.flag, self.answer),) = answers.items()

    def belongs_to(self, project: str, environment: str) -> bool:
        """Whether the caller belongs to this tenant; a caller without a key belongs to the home tenant."""
        caller = self.caller
        return caller.key is None or (caller.tenant.project, caller.tenant.environment) == (project, environment)

    @property
    def holder(self) -> str:
        """The caller to which a body's bytes are counted; empty for all without a name."""
        return self.caller.key or self.caller.name or ""

    @property
    def announced(self) -> int:
        """The body's `Content-Length`; 0 if absent."""
        length = self.fields.get(b"content-length", b"")
        return int(length[:20]) if length.isdigit() else 0

    @property
    def if_none_match(self) -> str:
        """The ETags that the client has; empty if it names none."""
        return str(self.fields.get(b"if-none-match", b""), "latin-1")


def exchange_of(request: Request) -> Exchange:
    """The exchange of a request that the framework routes."""
    return exchange_of_scope(request.scope)


def exchange_of_scope(scope: Scope) -> Exchange:
    """The exchange of a request by its ASGI scope."""
    exchange: Exchange = scope[EXCHANGE]
    return exchange


def store_of(request: Request) -> Store:
    """The store for the caller's flags; the tenant is always the key's."""
    exchange = exchange_of(request)
    return exchange.tenants.store(exchange.caller.tenant)
