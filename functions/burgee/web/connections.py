"""Bounds the size and time of connections to `burgee serve`, and finds the address behind a proxy.

uvicorn bounds the bytes of an unread body, but neither the head of a request nor its time.
"""

from __future__ import annotations

from asyncio import Protocol
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from burgee.web.event_streams import STREAMING
from burgee.web.problems import problem
from burgee.web.protection.access import peer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle, Transport
    from collections.abc import Callable

    from starlette.types import Scope

MAX_HEAD = 32 * 1024
"""Bytes of a request's target and header fields."""
MAX_FIELDS = 100
MAX_WEBSOCKET_MESSAGE = 1_024
"""Bytes of a message from a client, of which none are expected."""
MAX_WAITING = 10
"""Requests on one connection that may wait for an answer."""
SECONDS = 15.0
"""Seconds from the first byte of a request, or from connecting, to its last. Routes that read a body wait less.

A client also has that long to read each part of an answer.
"""


class HeadTooLarge(Exception):  # noqa: N818 - named after the fault
    """More bytes or header fields than a request may have."""


class TooManyWaiting(Exception):  # noqa: N818 - named after the fault
    """More requests on one connection than may wait for answers."""


class ReadInTime(Protocol):
    """A connection that is cut off if the client does not read what was written to it."""

    loop: AbstractEventLoop
    transport: Transport
    _sending_timer: TimerHandle | None = None

    def pause_writing(self) -> None:
        """Starts the time that the client has to read, also where the connection is closing."""
        super().pause_writing()
        if self._sending_timer is None:
            self._sending_timer = self.loop.call_later(SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read all that was written."""
        super().resume_writing()
        self._stop_sending_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer."""
        self._stop_sending_timer()
        super().connection_lost(exc)

    def _stop_sending_timer(self) -> None:
        if self._sending_timer is not None:
            self._sending_timer.cancel()
            self._sending_timer = None


class BoundedProtocol(ReadInTime, HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, with bounds on a request's head and time, and on what waits for a slow client."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head = self._unparsed = 0
        self._in_head = self._arriving = True
        self._too_large = self._too_many = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Starts the time of the first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that writing pauses at the first byte that the client does not read
        self._timer = self.loop.call_later(SECONDS, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer of the request."""
        self._stop_timer()
        self.pipeline.clear()
        super().connection_lost(exc)  # which resumes writing

    def shutdown(self) -> None:
        """Ends what would not end by itself; other answers are finished first."""
        super().shutdown()
        if self.cycle is not None and self.scope.get(STREAMING):
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parses received data; refuses a head that is too large, even before its end has arrived."""
        head_before = self._in_head
        super().data_received(data)
        if head_before and self._in_head:
            self._unparsed += len(data)
            if self._unparsed > MAX_HEAD and not self.transport.is_closing():
                self._refuse()
        if not self._arriving or self.transport.is_closing():
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(SECONDS, self._expire)

    def send_400_response(self, msg: str) -> None:
        """The answer if the parser stops: our own if we stopped it."""
        if self._too_large:
            self._refuse()
        elif self._too_many:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """A new request on the connection begins."""
        if len(self.pipeline) >= MAX_WAITING:
            self._too_many = True
            raise TooManyWaiting
        super().on_message_begin()
        self._head = self._unparsed = 0
        self._in_head = self._arriving = True

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        self._count(len(name) + len(value), fields=len(self.headers) + 1)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._arriving = False
        super().on_message_complete()

    def _count(self, size: int, fields: int = 0) -> None:
        self._head += size
        if self._head > MAX_HEAD or fields > MAX_FIELDS:
            self._too_large = True
            raise HeadTooLarge

    def _refuse(self) -> None:
        """Answers if all earlier requests on the connection have been answered, and closes it."""
        self._stop_timer()
        if self.cycle is None or self.cycle.response_complete:
            detail = f"a request has at most {MAX_HEAD:,} bytes and {MAX_FIELDS} fields before its body"
            reply = problem(431, "head-too-large", detail, (b"connection", b"close"))
            lines = [b"HTTP/1.1 431 Request Header Fields Too Large"]
            lines += [b"%b: %b" % field for field in reply.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", reply.body]))
        self.transport.close()

    def _expire(self) -> None:
        """Closes a connection whose request did not arrive in time; a route that waited for its body has answered
        408.
        """
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LiveProtocol(ReadInTime, WebSocketsSansIOProtocol):
    """uvicorn's WebSockets, with a bound on the time that a slow client has to read; it also pings clients."""

    async def send(self, message: Any) -> None:
        """Sends a message of the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # else each refusal is logged as an error


def behind_proxies(trusted: str) -> Callable[[Scope], str]:
    """Finds the address of a request's sender by uvicorn's own rule for trusted proxies."""

    async def found(_scope: Any, _receive: Any, _send: Any) -> None:
        """Reads the address after the middleware has changed the scope."""

    middleware = ProxyHeadersMiddleware(found, trusted_hosts=trusted)

    def address(scope: Scope) -> str:
        rewritten: Any = dict(scope)
        with suppress(StopIteration):
            middleware(rewritten, None, None).send(None)  # type: ignore[arg-type]  # neither is used
        return peer(rewritten)

    return address
