"""What one connection to `burgee serve` may hold and how long it may take, and who is behind a proxy.

uvicorn bounds a body's bytes while nobody reads them, and neither the head of a request nor its time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from burgee.web.problems import problem
from burgee.web.protection.access import peer

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport
    from collections.abc import Callable

    from starlette.types import Scope

MAX_HEAD = 32 * 1024
"""Bytes of a request's target and header fields."""
MAX_FIELDS = 100
SECONDS = 15.0
"""From the first byte of a request, or from connecting, to its last byte. A route that reads a body waits less."""


class HeadTooLarge(Exception):  # noqa: N818 - says what the head is
    """More bytes or header fields than a request may have."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by uvicorn, where a request's head is bounded in size, and all of it in time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head = self._unparsed = 0
        self._in_head = self._arriving = True
        self._too_large = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Starts the time of the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(SECONDS, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what arrived; refuses a head that is too large, also while its end is not to be seen."""
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
        """The answer where the parser stops: our own if it was we who stopped it."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Another request on the connection."""
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
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._arriving = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes the connection over."""
        self._stop_timer()
        super().handle_websocket_upgrade()

    def _count(self, size: int, fields: int = 0) -> None:
        self._head += size
        if self._head > MAX_HEAD or fields > MAX_FIELDS:
            self._too_large = True
            raise HeadTooLarge

    def _refuse(self) -> None:
        """Answers, if this is the first request on the connection or those before are answered, and closes."""
        self._stop_timer()
        if self.cycle is None or self.cycle.response_complete:
            detail = f"a request has at most {MAX_HEAD:,} bytes and {MAX_FIELDS} fields before its body"
            reply = problem(431, "head-too-large", detail, (b"connection", b"close"))
            lines = [b"HTTP/1.1 431 Request Header Fields Too Large"]
            lines += [b"%b: %b" % field for field in reply.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", reply.body]))
        self.transport.close()

    def _expire(self) -> None:
        """Closes a connection whose request did not arrive; its route has answered 408 if it waited for a body."""
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def behind_proxies(trusted: str) -> Callable[[Scope], str]:
    """Finds the address of a request's sender, with the proxies that uvicorn is told to trust, by its own rule."""

    async def found(_scope: Any, _receive: Any, _send: Any) -> None:
        """The middleware has changed the scope by now."""

    middleware = ProxyHeadersMiddleware(found, trusted_hosts=trusted)

    def address(scope: Scope) -> str:
        rewritten: Any = dict(scope)
        with suppress(StopIteration):
            middleware(rewritten, None, None).send(None)  # type: ignore[arg-type]  # neither is used
        return peer(rewritten)

    return address
