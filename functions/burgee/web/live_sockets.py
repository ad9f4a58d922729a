"""WebSockets at `/v1/live`: the message of the event streams, for clients that cannot use those.

A connection is admitted by a key that may evaluate, in `Authorization` or `X-API-Key`; from a browser, which sends no
headers there, in a subprotocol; or by the token of the event streams.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused, StoreError
from burgee.web.event_streams import MAX_POSITION, Wire, event
from burgee.web.exchange import Need, Route
from burgee.web.problems import problem, problem_of
from burgee.web.queries import query_value
from burgee.web.replies import Reply, tag, unless_held
from burgee.web.telemetry import summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Receive, Scope, Send

    from burgee.stores import Tenant
    from burgee.web.event_streams import EventStreams
    from burgee.web.exchange import Exchange
    from burgee.web.front import Front

PATH = "/v1/live"
SUBPROTOCOL = "burgee.live"
"""The protocol that a server chooses, among those that a browser offers."""
SCRIPT = Path(__file__).with_name("live.js")
_JAVASCRIPT = (b"content-type", b"text/javascript; charset=utf-8")
KEY = "burgee.key."
"""Before a key as a protocol that a browser offers; its slash is written as a tilde, which no key has."""


def offered_key(protocols: Iterable[str]) -> str | None:
    """The key among the subprotocols that a client offers."""
    keys = [one.removeprefix(KEY).replace("~", "/") for one in protocols if one.startswith(KEY)]
    return keys[0] if keys else None


class LiveSockets:
    """The WebSockets of a service with event streams; both are counted and notified together."""

    def __init__(self, streams: EventStreams) -> None:
        self._streams = streams

    async def __call__(self, front: Front, scope: Scope, receive: Receive, send: Send) -> None:
        """Holds a WebSocket open, if a GET of its path is allowed."""
        exchange = front.exchange({**scope, "method": "GET"}, receive)
        tenant = self._identify(exchange)
        try:
            refused = await front.refusal(exchange)
        except (Refused, StoreError) as error:
            refused = problem_of(error)
        tenant = tenant or exchange.tenant
        if refused is None:
            refused = self._streams.full(tenant) if tenant is not None and exchange.path == PATH else _NOT_FOUND
        exchange.status = 101 if refused is None else refused.status_code
        if front.watch is not None:
            front.watch(summary(exchange, 0.0))
        await receive()  # its beginning
        if refused is not None or tenant is None:
            await _refuse(refused or _NOT_FOUND, send)
            return
        protocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        wire = Wire(({"type": "websocket.accept", "subprotocol": protocol},), _moved, _ENDING)
        held = query_value(scope, "since")[:MAX_POSITION]
        del exchange, scope  # thousands are held open, and none needs its request any more
        await self._streams.held_open(tenant, held, wire, receive, send)

    def _identify(self, exchange: Exchange) -> Tenant | None:
        """Finds the key of a WebSocket, before it is checked as any request is; or the tenant of its token."""
        key = offered_key(exchange.scope.get("subprotocols", []))
        if key is not None:
            exchange.fields.setdefault(b"x-api-key", key.encode("latin-1", "replace"))
        token = query_value(exchange.scope, "token")
        tenant = self._streams.tenant_of(token, time.time()) if token and exchange.path == PATH else None
        if tenant is not None:
            exchange.need = Need.NOTHING
        return tenant


_ENDING: Message = {"type": "websocket.close", "code": 1001}
_NOT_FOUND = problem(404, "not-found", "Not Found")


async def _refuse(reply: Reply, send: Send) -> None:
    """Answers a WebSocket's request as any other."""
    head = reply.raw_headers
    await send({"type": "websocket.http.response.start", "status": reply.status_code, "headers": head})
    await send({"type": "websocket.http.response.body", "body": reply.body})


def _moved(position: str) -> Message:
    return {"type": "websocket.send", "text": event(position)}


async def _no_socket(_exchange: Exchange) -> Reply:
    return problem(426, "upgrade-required", "connect with a WebSocket", (b"upgrade", b"websocket"))


def _document() -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("token", "since")]
    return {
        "summary": "Be notified by a WebSocket when to evaluate again",
        "tags": ["OFREP"],
        "parameters": parameters,
        "responses": {
            "101": {"description": "A WebSocket"},
            "401": {"description": "The key or token is missing, invalid or expired"},
            "426": {"description": "The request was not for a WebSocket"},
            "503": {"description": "Too many connections are open"},
        },
    }


async def _script(exchange: Exchange) -> Reply:
    data = SCRIPT.read_bytes()
    fields = [(b"etag", tag(data).encode()), (b"content-length", b"%d" % len(data)), _JAVASCRIPT]
    return unless_held(Reply(200, data, fields), exchange.if_none_match)


def _document_script() -> dict[str, Any]:
    script = {"text/javascript": {"schema": {"type": "string"}}}
    responses = {
        "200": {"description": "A JavaScript module", "content": script},
        "304": {"description": "Not changed since `If-None-Match`"},
    }
    return {
        "summary": "The module for browsers that listens to the WebSocket",
        "tags": ["OFREP"],
        "responses": responses,
    }


def live_routes() -> list[Route]:
    """The routes of the WebSockets, and of the module for browsers that uses them."""
    return [
        Route("GET", PATH, Need.EVALUATE, "live", _no_socket, _document),
        Route("GET", f"{PATH}.js", Need.NOTHING, "live_module", _script, _document_script),
    ]
