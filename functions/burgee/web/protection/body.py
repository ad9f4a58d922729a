"""Bounds request bodies: the size and time of each, and their total size in memory."""

from __future__ import annotations

import asyncio
from types import coroutine
from typing import TYPE_CHECKING, Any

from burgee.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from typing import Protocol

    from starlette.types import Receive

    from burgee.web.replies import Reply

    class Sender(Protocol):
        """Where a body comes from. `holder` and `announced` are read only if it does not arrive at once."""

        receive: Receive

        @property
        def holder(self) -> str:
            """The caller to which its bytes are counted."""

        @property
        def announced(self) -> int:
            """Its size according to the caller; 0 if unknown."""


MAX_BYTES = 128 * 1024
"""An audit entry holds the flag before and after, and a DynamoDB item at most 400 KB."""
MAX_SECONDS = 10.0
MAX_HELD = 32 * 1024 * 1024
"""Total bytes of all incomplete bodies."""
MAX_HELD_EACH = MAX_HELD // 4
"""The same per caller, so that one key cannot block the others."""
_CLOSE = (b"connection", b"close")


class TooLarge(Exception):  # noqa: N818 - named after the fault, as the next two
    """The body exceeds the route's limit."""


class TooSlow(Exception):  # noqa: N818 - as above
    """The body did not arrive in time."""


class Overloaded(Exception):  # noqa: N818 - as above
    """Too many bytes of incomplete bodies are in memory."""


class Gone(Exception):  # noqa: N818 - as above
    """The client closed the connection; no answer is needed."""


class Bodies:
    """Reads whole bodies, and bounds the memory of incomplete ones."""

    def __init__(self, seconds: float = MAX_SECONDS, limit: int = MAX_HELD, limit_each: int = MAX_HELD_EACH) -> None:
        self.seconds = seconds
        self._limit = limit
        self._limit_each = limit_each
        self._held: dict[str, int] = {}

    async def read(self, sender: Sender, limit: int) -> bytes:
        """A body of at most `limit` bytes. Raises TooLarge, TooSlow, Overloaded or Gone.

        A body that has already arrived sets no timer, which would cost more than evaluating a flag. Any other is
        refused at once if its announced size does not fit.
        """
        reading = self._read(sender, limit)
        try:
            first = reading.send(None)
        except StopIteration as ended:
            body: bytes = ended.value
            return body
        try:
            async with asyncio.timeout(self.seconds):
                return await _rest(first, reading)
        except TimeoutError as error:
            raise TooSlow from error
        finally:
            reading.close()

    async def _read(self, sender: Sender, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await sender.receive()
                if message["type"] != "http.request":
                    raise Gone
                part: bytes = message.get("body", b"")
                if size + len(part) > limit:
                    raise TooLarge
                if not message.get("more_body", False):
                    return b"".join((*parts, part)) if parts else part
                holder = sender.holder
                self._require_room(holder, max(len(part), min(sender.announced, limit) - size))
                self._held[holder] = self._held.get(holder, 0) + len(part)
                size += len(part)
                parts.append(part)
        finally:
            if size:
                holder = sender.holder
                self._held[holder] -= size
                if not self._held[holder]:
                    del self._held[holder]

    def _require_room(self, holder: str, size: int) -> None:
        if self._held.get(holder, 0) + size > self._limit_each or sum(self._held.values()) + size > self._limit:
            raise Overloaded


@coroutine
def _rest(first: Any, begun: Coroutine[Any, None, bytes]) -> Generator[Any, None, bytes]:
    """Waits for what a started coroutine is waiting for, then continues it."""
    yield first
    body: bytes = yield from begun
    return body


def too_large(path: str, limit: int) -> Reply:
    """The answer to a body that is too large; the connection is closed."""
    return refusal(path, 413, "too-large", f"the body has more than {limit:,} bytes", _CLOSE)


def too_slow(path: str) -> Reply:
    """The answer to a client that does not send its announced body."""
    return refusal(path, 408, "too-slow", "the body did not arrive in time", _CLOSE)


def overloaded(path: str) -> Reply:
    """The answer while too many bodies are incomplete."""
    detail = "too many requests with incomplete bodies; send it again"
    return refusal(path, 503, "overloaded", detail, (b"retry-after", b"1"), _CLOSE)
