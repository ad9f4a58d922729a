"""Connections that are notified when flags have changed, and never get flag data; OFREP's event streams among them.

A browser's EventSource sends no headers, and the standard client stores the address. So the address contains a token
that grants only these notifications: the same for a tenant all day, and valid on that day and the next. It also
contains the position of its answer, so that a page that is up to date receives nothing when it connects.
"""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections import OrderedDict, deque
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from burgee.errors import Conflict, Corrupt
from burgee.evaluation.moments import moments
from burgee.stores import Put, Shelf, Tenant
from burgee.web.exchange import Need, Route, exchange_of_scope
from burgee.web.problems import problem
from burgee.web.queries import query_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.serving.serving import Serving
    from burgee.stores import Store
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply
    from burgee.web.tenants import Tenants

PATH = "/event-stream"
STREAMING = "burgee.streaming"
"""The key in an ASGI scope of a streamed answer."""
DAY = 86_400
OPEN_SECONDS = 2 * 3_600.0
"""A connection is ended after so long, as by API Gateway: a client whose key was revoked, or whose token's days are
over, cannot connect again.
"""
HEARTBEAT_SECONDS = 20.0
"""Proxies commonly close connections after a minute of silence, some after half a minute."""
RETRY_MILLISECONDS = 2_000
TICK_SECONDS = 0.2
MAX_STREAMS = 20_000
MAX_STREAMS_EACH = 15_000
"""Connections of one tenant, so that none keeps the others out."""
MAX_POSITION = 40
MAX_MESSAGES = 10_000
"""What a client may send on one connection, such as a word every minute that keeps a proxy from closing it."""
_RECORD = "streams"
_HEAD = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    # Any page with the token may receive notifications.
    (b"access-control-allow-origin", b"*"),
]


def stream_secret(store: Store) -> bytes:
    """The secret that signs tokens, the same for every process on a store; created when first needed."""
    for _ in range(2):
        record = store.find(Shelf.SETTINGS, _RECORD)
        if record is not None:
            try:
                return bytes.fromhex(record["secret"])
            except (KeyError, TypeError, ValueError) as error:
                raise Corrupt("the record of the streams' secret does not parse") from error
        import secrets

        made = secrets.token_bytes(32)
        try:
            store.keep([Put(Shelf.SETTINGS, _RECORD, {"secret": made.hex()})])
        except Conflict:
            continue
        return made
    raise Corrupt("the record of the streams' secret cannot be created or read")


class Wire(NamedTuple):
    """How a kind of connection begins, says that a position is reached, ends, and stays open (None: by itself)."""

    opening: tuple[Message, ...]
    moved: Callable[[str], Message]
    ending: Message
    heartbeat: Message | None = None


class Stream:
    """One connection. `telling` while a message is being sent."""

    __slots__ = ("beats_at", "channel", "ends_at", "open", "send", "telling", "wire")

    def __init__(self, send: Send, channel: Channel, wire: Wire, now: float) -> None:
        self.send = send
        self.channel = channel
        self.wire = wire
        self.beats_at = now + HEARTBEAT_SECONDS
        self.ends_at = now + OPEN_SECONDS
        self.open = True
        self.telling = False


class Channel:
    """A tenant's connections, and the position that they have received or are about to receive.

    `waiting` are those to be notified, in order and each once: of the position that is current when its turn comes.
    """

    __slots__ = ("position", "serving", "streams", "waiting")

    def __init__(self, serving: Serving, position: str) -> None:
        self.serving = serving
        self.position = position
        self.streams: set[Stream] = set()
        self.waiting: OrderedDict[Stream, None] = OrderedDict()


class EventStreams:
    """All connections of a process. `rate` is the number notified per second: each of them then evaluates."""

    def __init__(self, tenants: Tenants, secret: bytes, rate: float = 1_000.0 / 3) -> None:
        self._tenants = tenants
        self._secret = secret
        self._rate = rate
        self._channels: dict[Tenant, Channel] = {}
        self._turns: OrderedDict[Channel, None] = OrderedDict()
        """Channels with connections that wait take turns, so that a tenant with many does not hold up others."""
        self._beating: deque[Stream] = deque()
        self._ending: OrderedDict[Stream, None] = OrderedDict()
        """All open connections, the oldest first."""
        self._ticker: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.count = 0

    def position(self, exchange: Exchange, now: float) -> str:
        """The flags served to a caller now."""
        return position_of(exchange.serving, now)

    def advertised(self, exchange: Exchange, position: str) -> bytes:
        """The member of a bulk answer with the stream's address, as in OFREP's ADR 0008."""
        tenant = exchange.caller.tenant
        root = exchange.scope.get("root_path") or ""
        uri = f"{root}{PATH}?token={quote(self.token(tenant, time.time()), safe='')}&since={position}"
        return json.dumps([{"type": "sse", "endpoint": {"requestUri": uri}}], separators=(",", ":")).encode()

    def token(self, tenant: Tenant, now: float) -> str:
        """The token of a tenant for the day of a time (epoch seconds)."""
        return self._signed(tenant, int(now // DAY))

    def _signed(self, tenant: Tenant, day: int) -> str:
        said = f"{tenant.project}/{tenant.environment}/{day}"
        return f"{said}/{hmac_digest(self._secret, said.encode(), sha256).hex()[:32]}"

    def tenant_of(self, token: str, now: float) -> Tenant | None:
        """The tenant of a token; None if it is forged or expired."""
        parts = token.split("/")
        if len(token) > 300 or not token.isascii() or len(parts) != 4 or not parts[2].isdigit():
            return None
        tenant, day = Tenant(parts[0], parts[1]), int(parts[2][:9])
        genuine = compare_digest(self._signed(tenant, day), token)
        return tenant if genuine and 0 <= int(now // DAY) - day <= 1 else None

    def framework(self, other: ASGIApp) -> ASGIApp:
        """An application that answers the streams, and passes everything else to another."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and exchange_of_scope(scope).path == PATH:
                await self._answer(scope, receive, send)
            else:
                await other(scope, receive, send)

        return answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of_scope(scope)
        tenant = self.tenant_of(query_value(scope, "token"), time.time())
        if tenant is None:
            refused = problem(401, "unauthorized", "this address of an event stream does not work; evaluate again")
            await refused(scope, receive, send)
            return
        full = self.full(tenant)
        if full is not None:
            await full(scope, receive, send)
            return
        exchange.headers = ()
        scope[STREAMING] = True
        held = str(exchange.fields.get(b"last-event-id", b""), "latin-1") or query_value(scope, "since")
        await self.held_open(tenant, held, _SSE, receive, send)

    def full(self, tenant: Tenant) -> Reply | None:
        """The refusal of another connection, if there are too many."""
        channel = self._channels.get(tenant)
        if self.count < MAX_STREAMS and (channel is None or len(channel.streams) < MAX_STREAMS_EACH):
            return None
        return problem(503, "overloaded", "too many connections are open here", (b"retry-after", b"30"))

    async def held_open(self, tenant: Tenant, held: str, wire: Wire, receive: Receive, send: Send) -> None:
        """Serves a connection until it is closed. One that does not hold the current position is notified in its
        turn, because after a restart all connect at once.
        """
        channel = self._channels.get(tenant)
        if channel is None:
            serving = self._tenants.serving(tenant)
            channel = self._channels[tenant] = Channel(serving, position_of(serving, time.time()))
        stream = Stream(send, channel, wire, time.monotonic())
        channel.streams.add(stream)
        self._ending[stream] = None
        self.count += 1
        try:
            for part in wire.opening:
                await send({**part})  # on its way it is given more header fields
            if held != channel.position:
                self._queue(channel, (stream,))
            if wire.heartbeat is not None:
                self._beating.append(stream)
            if self._ticker is None:
                self._ticker = asyncio.ensure_future(self._tick())
            await _closed(receive)
        finally:
            stream.open = False
            self._ending.pop(stream, None)
            self.count -= 1
            channel.streams.discard(stream)
            channel.waiting.pop(stream, None)
            if not channel.streams:
                self._channels.pop(tenant, None)

    async def _tick(self) -> None:
        """Watches for changes while a page is connected, and notifies pages at the rate of evaluations."""
        allowed = 0.0
        try:
            while self._channels:
                now = time.time()
                for channel in list(self._channels.values()):
                    channel.serving.follow()
                    position = position_of(channel.serving, now)
                    if position != channel.position:
                        channel.position = position
                        self._queue(channel, channel.streams)
                allowed = min(allowed + self._rate * TICK_SECONDS, max(self._rate, 1.0))
                while self._turns and allowed >= 1:
                    channel, _ = self._turns.popitem(last=False)
                    if channel.waiting:  # all may have gone
                        allowed -= self._tell(channel.waiting.popitem(last=False)[0])
                    if channel.waiting:
                        self._turns[channel] = None
                self._beat(time.monotonic())
                allowed -= self._end(time.monotonic(), max(int(allowed), 1))
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self._ticker = None

    def _queue(self, channel: Channel, streams: Iterable[Stream]) -> None:
        """Lets connections wait until they are notified."""
        self._turns.setdefault(channel)
        for stream in streams:
            channel.waiting.setdefault(stream)

    def _tell(self, stream: Stream) -> int:
        """Notifies one page of the current position; returns 1 if it was sent, which costs an evaluation."""
        if not stream.open:
            return 0
        if stream.telling:
            stream.channel.waiting[stream] = None  # a slow page: it is notified after it has read earlier messages
            return 1
        self._begin(stream, stream.wire.moved(stream.channel.position))
        return 1

    def _beat(self, now: float) -> None:
        while self._beating and self._beating[0].beats_at <= now:
            stream = self._beating.popleft()
            if stream.open:
                stream.beats_at = now + HEARTBEAT_SECONDS
                self._beating.append(stream)
                if not stream.telling and stream.wire.heartbeat is not None:
                    self._begin(stream, stream.wire.heartbeat)

    def _end(self, now: float, most: int) -> int:
        """Ends at most so many old connections; returns how many. Each connects again, and may then evaluate."""
        ended = 0
        while ended < most and self._ending and next(iter(self._ending)).ends_at <= now:
            stream, _ = self._ending.popitem(last=False)
            stream.open = False
            self._begin(stream, stream.wire.ending)  # after what a slow one has not read yet
            ended += 1
        return ended

    def _begin(self, stream: Stream, message: Message) -> None:
        stream.telling = True
        task = asyncio.ensure_future(_sent(stream, message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


async def _closed(receive: Receive) -> None:
    """Waits for the end of a connection; what it sends is read and means nothing. One that sends much is closed."""
    heard = 0
    while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        heard += 1
        if heard > MAX_MESSAGES:
            return


async def _sent(stream: Stream, message: Message) -> None:
    try:
        await stream.send(message)
    except OSError:  # closed in the meantime; its own task ends it
        return
    finally:
        stream.telling = False


def position_of(serving: Serving, now: float) -> str:
    """The position: a string that changes with the served flags, from the revision and later expiries."""
    served = serving.served()
    ended = bisect_right(served.ruleset.expiries, now) + bisect_right(moments(served.ruleset), now)
    over = served.rollout is not None and served.rollout.over(now)
    return f"{served.revision}.{ended + over}" if ended or over else str(served.revision)


def event(position: str) -> str:
    """The message that makes standard clients evaluate again, as JSON."""
    return json.dumps({"type": "refetchEvaluation", "etag": position}, separators=(",", ":"))


def _server_sent(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


_SSE = Wire(
    (
        {"type": "http.response.start", "status": 200, "headers": _HEAD},
        _server_sent(b"retry: %d\n\n" % RETRY_MILLISECONDS),
    ),
    lambda position: _server_sent(f"id: {position}\ndata: {event(position)}\n\n".encode()),
    {"type": "http.response.body", "body": b"", "more_body": False},
    _server_sent(b":\n\n"),
)


def stream_route() -> Route:
    """The route of the streams; it requires only the token."""
    return Route("GET", PATH, Need.NOTHING, "events", document=_document)


def _document() -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "required": name == "token", "schema": {"type": "string"}}
        for name in ("token", "since")
    ]
    events = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        "summary": "Be notified when to evaluate again",
        "tags": ["OFREP"],
        "parameters": parameters,
        "responses": {
            "200": {"description": "Server-sent events", "content": events},
            "401": {"description": "The token is invalid or expired"},
            "503": {"description": "Too many streams are open"},
        },
    }
