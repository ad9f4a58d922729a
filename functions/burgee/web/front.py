"""The checks that every request passes, in order, before a route or the framework behind answers it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from burgee.errors import Refused, StoreError
from burgee.records import dataclass
from burgee.web.exchange import EXCHANGE, GONE, Exchange, Need
from burgee.web.headers import headers, request_id
from burgee.web.problems import internal, problem, problem_of, refusal
from burgee.web.protection import body as bodies
from burgee.web.protection.access import Access, Unknown
from burgee.web.protection.cors import Cors, foreign
from burgee.web.protection.rate_limits import DEFAULT, Limiter, Limits
from burgee.web.telemetry import summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.access.key_cache import KeyRing
    from burgee.events.recorder import Recorder
    from burgee.events.usage import UsageCounter
    from burgee.model import Snapshot
    from burgee.web.console.sign_in import SignIn
    from burgee.web.exchange import Caller, Streams
    from burgee.web.replies import Reply
    from burgee.web.routing import Routes
    from burgee.web.telemetry import Summary
    from burgee.web.tenants import Tenants
    from burgee.webhooks.sealing import Vault


@dataclass(frozen=True, slots=True)
class Setup:
    """How a service is protected. Without `ring` and `vouched` it is open, which is for loopback addresses only."""

    ring: KeyRing | None = None
    vouched: Callable[[Scope], Caller | None] | None = None
    """Returns the caller of a request that a gateway in front has authenticated."""
    watch: Callable[[Summary], None] | None = None
    limits: Limits | None = DEFAULT
    hosts: frozenset[str] = frozenset()
    """The accepted Host names, against DNS rebinding; any if empty."""
    origins: frozenset[str] = frozenset()
    """Web origins that may evaluate regardless of a project's settings."""
    address: Callable[[Scope], str] | None = None
    """The address of a request's sender, if it differs from the connection's."""
    recorder: Recorder | None = None
    """Where exposures and events are recorded."""
    usage: UsageCounter | None = None
    """What counts answers by flag; None where usage is not recorded."""
    streams: bytes | None = None
    """The secret that signs addresses of event streams; None where there are none."""
    vault: Vault | None = None
    """How the secrets of webhooks are sealed; None where none can be added."""
    written: Callable[[], Mapping[str, Snapshot]] | None = None
    """What the followed flag file says, by environment, for the console; None where no file is followed."""
    sign_in: SignIn | None = None
    """How people sign in to the console without a key, where a gateway authenticates them."""
    origin_secret: str = ""
    """The secret that the firewall in front sends in `X-Burgee-Origin`: requests without it are refused. Off if
    empty.
    """


_EXPECTED = (bodies.TooSlow, bodies.Overloaded, Refused, StoreError)


class Front:
    """An ASGI application: answers its own routes, and passes others to the framework."""

    def __init__(self, routes: Routes, tenants: Tenants, setup: Setup, framework: ASGIApp | None = None) -> None:
        self.routes = routes
        self.tenants = tenants
        self.recorder = setup.recorder
        self.usage = setup.usage
        self.written = setup.written
        self.hosts = {host.encode() for host in setup.hosts}
        keyed = setup.ring is not None or setup.vouched is not None
        self.cors = Cors(tenants, setup.origins, keyed=keyed)
        self.access = Access(tenants.home, setup.ring, setup.vouched, setup.address)
        self.limiter = None if setup.limits is None else Limiter(setup.limits)
        self.bodies = bodies.Bodies()
        self.sockets: Callable[[Front, Scope, Receive, Send], Awaitable[None]] | None = None
        """Answers WebSockets; none are accepted without it."""
        self.streams: Streams | None = None
        """The event streams that notify pages to evaluate again; set by a service that has them."""
        self.framework = framework
        self.watch = setup.watch
        self.origin_secret = setup.origin_secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._no_request(scope, receive, send)
            return
        started = time.perf_counter() if self.watch is not None else 0.0
        exchange = self.exchange(scope, receive)
        try:
            try:
                reply = await self.refusal(exchange)
                if reply is None:
                    reply = await self._answer(exchange, send)
            except _EXPECTED as error:
                reply = _of_fault(error, exchange.path)
            if reply is not None:
                await send(_start(reply, exchange))
                await send({"type": "http.response.body", "body": reply.body})
        except bodies.Gone:
            exchange.status = GONE
        except Exception:  # any error: it is answered here and raised to the server, which logs it
            if exchange.status is None:
                reply = internal(exchange.path)
                await send(_start(reply, exchange))
                await send({"type": "http.response.body", "body": reply.body})
            raise
        finally:
            if self.watch is not None:
                self.watch(summary(exchange, time.perf_counter() - started))

    async def _no_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles lifespan events and WebSockets."""
        if scope["type"] == "websocket":
            await (self.sockets(self, scope, receive, send) if self.sockets else send({"type": "websocket.close"}))
        elif self.framework is not None:
            await self.framework(scope, receive, send)
        else:
            raise NotImplementedError(scope["type"])  # as ASGI specifies for unsupported scopes

    def exchange(self, scope: Scope, receive: Receive) -> Exchange:
        """A request, with its route."""
        path, raw, root = scope["path"], scope.get("raw_path"), scope.get("root_path")
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
            raw = raw and raw.removeprefix(root.encode())
        fields = dict(scope["headers"])
        if len(fields) != len(scope["headers"]):
            fields = dict(reversed([*scope["headers"]]))
        exchange = Exchange(scope, receive, path, fields, self.tenants, self.bodies, self.recorder)
        exchange.streams = self.streams
        exchange.usage = self.usage
        exchange.request_id = request_id(scope, fields)
        exchange.route, exchange.arguments, exchange.need = self.routes.find(scope["method"], path, raw)
        if self.watch is not None:
            exchange.reasons = {}
        return exchange

    async def refusal(self, exchange: Exchange) -> Reply | None:
        """The refusal of a request, or the answer to a preflight; None to continue."""
        page = self.cors.page(exchange) if b"origin" in exchange.fields else None
        if page is not None:
            answer = await self.cors.preflight(exchange, page)
            if answer is not None:
                return answer
        refused = self._misdirected(exchange) if self.hosts or self.origin_secret else None
        if refused is None and foreign(exchange.fields):
            refused = await self.cors.refusal(exchange)
        if refused is None:
            known = self.access.known(exchange)
            caller = await self.access.ask(exchange, known) if isinstance(known, Unknown) else known
            refused = self.access.refusal(exchange, caller)
            if refused is None and self.limiter is not None:
                refused = self.limiter.refusal(exchange)
            if refused is None and exchange.serving.unread:
                refused = await self._unread(exchange)
        if page is not None:
            exchange.headers += await self.cors.headers(exchange, page)
        return refused

    async def _unread(self, exchange: Exchange) -> Reply | None:
        """The refusal of an evaluation while no flags could be read: it would say that there are none."""
        if exchange.need not in {Need.EVALUATE, Need.RULES}:
            return None
        await self.tenants.read(exchange.caller.tenant)
        if not exchange.serving.unread:
            return None
        detail = "the flags cannot be read now"
        return refusal(exchange.path, 503, "store-unavailable", detail, (b"retry-after", b"5"))

    def _misdirected(self, exchange: Exchange) -> Reply | None:
        if self.origin_secret:
            from hmac import compare_digest

            if not compare_digest(exchange.fields.get(b"x-burgee-origin", b""), self.origin_secret):
                return refusal(exchange.path, 403, "forbidden", "use the service's own address")
        host = exchange.fields.get(b"host", b"")
        name, _, port = host.rpartition(b":")
        if not self.hosts or host in self.hosts or (port.isdigit() and name in self.hosts):
            return None
        return refusal(exchange.path, 421, "misdirected", "unknown Host header")

    def _answer(self, exchange: Exchange, send: Send) -> Awaitable[Reply | None]:
        """The answer of a route of ours; None if the framework has answered."""
        route = exchange.route
        if route is None:
            return self._unrouted(exchange)
        return self._managed(exchange, send) if route.answer is None else route.answer(exchange)

    async def _unrouted(self, exchange: Exchange) -> Reply:
        """The answer without a route: 405 if the path has other methods, a redirect if it has a trailing slash."""
        methods = self.routes.methods(exchange.path, exchange.scope.get("raw_path"))
        if methods:
            allow = (b"allow", ", ".join(methods).encode())
            return problem(405, "method-not-allowed", "Method Not Allowed", allow)
        bare = exchange.path.rstrip("/")
        if bare != exchange.path and self.routes.methods(bare):
            from burgee.web.redirects import redirect

            return redirect(exchange.scope)
        return problem(404, "not-found", "Not Found")

    async def _managed(self, exchange: Exchange, send: Send) -> Reply | None:
        """Passes a request to the framework; the body of a write is read, checked and remembered first."""
        assert self.framework is not None  # noqa: S101 - only a service with a framework has such routes
        # Only here: a scope and an exchange that refer to each other wait for the garbage collector.
        exchange.scope[EXCHANGE] = exchange
        receive = exchange.receive
        if exchange.scope["method"] not in {"GET", "HEAD"}:
            if exchange.announced > bodies.MAX_BYTES:
                return bodies.too_large(exchange.path, bodies.MAX_BYTES)
            try:
                body = await self.bodies.read(exchange, bodies.MAX_BYTES)
            except bodies.TooLarge:
                return bodies.too_large(exchange.path, bodies.MAX_BYTES)
            from burgee.web.protection import idempotency
            from burgee.web.protection.json_faults import json_fault

            fault = json_fault(body)
            if fault is not None:
                return problem(422, "invalid-json", fault)
            key = idempotency.key_of(exchange)
            if key is not None:
                return await idempotency.once(exchange, key, body, self.framework)
            receive = _given(body, receive)
        await self.framework(exchange.scope, receive, _finishing(exchange, send))
        return None


def _of_fault(error: bodies.TooSlow | bodies.Overloaded | Refused | StoreError, path: str) -> Reply:
    if isinstance(error, bodies.TooSlow):
        return bodies.too_slow(path)
    if isinstance(error, bodies.Overloaded):
        return bodies.overloaded(path)
    return problem_of(error)


def _given(body: bytes, receive: Receive) -> Receive:
    """Replays a body that was already read, then the server's further messages."""
    first = True

    async def again() -> Message:
        nonlocal first
        if not first:
            return await receive()
        first = False
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _finishing(exchange: Exchange, send: Send) -> Send:
    """Sends the framework's answer with the header fields of every answer."""

    async def finish(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            message["headers"] = headers(exchange, message.get("headers", ()))
        await send(message)

    return finish


def _start(reply: Reply, exchange: Exchange) -> Message:
    exchange.status = status = reply.status_code
    return {"type": "http.response.start", "status": status, "headers": headers(exchange, reply.raw_headers)}
