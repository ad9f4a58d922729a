"""Bounds a request's body before anybody parses it: its size, the time it may take, and what parsers stumble over."""

from __future__ import annotations

import asyncio
import json
import re
from types import coroutine
from typing import TYPE_CHECKING, Any

from burgee.numeric import misfit, parse_json
from burgee.web.exchange import EXCHANGE, GONE
from burgee.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 128 * 1024
"""An audit entry holds what was before and after, and an item of DynamoDB 400 KB."""
MAX_DEPTH = 40
MAX_SECONDS = 10.0
_OWN = "/v1/"
_OPENING, _CLOSING = b"[{", b"]}"
# A string matches from its first quote whether it ends or not, and gives nothing back, so no byte is read twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class TooLarge(Exception):  # noqa: N818 - says what the body is, as the next two do
    """More bytes than its reader takes."""


class TooSlow(Exception):  # noqa: N818 - as above
    """Not whole in time."""


class Gone(Exception):  # noqa: N818 - as above
    """Its sender hung up; nobody reads an answer."""


async def whole(receive: Receive, most: int, seconds: float) -> bytes:
    """A request's body of at most so many bytes; TooLarge, TooSlow, or Gone.

    Only what does not end at once is bound in time: to set a timer takes longer than to evaluate a flag.
    """
    reading = _read(receive, most)
    try:
        first = reading.send(None)
    except StopIteration as ended:
        body: bytes = ended.value
        return body
    try:
        async with asyncio.timeout(seconds):
            return await _rest(first, reading)
    except TimeoutError as error:
        raise TooSlow from error
    finally:
        reading.close()


async def _read(receive: Receive, most: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise TooLarge
        more = message.get("more_body", False)
    return b"".join(parts)


@coroutine
def _rest(first: Any, begun: Coroutine[Any, None, bytes]) -> Generator[Any, None, bytes]:
    """Waits for what a coroutine that has begun waits for, then goes on with it."""
    yield first
    body: bytes = yield from begun
    return body


class BodyGuard:
    """Reads the whole body of a write that has a route, or refuses it. Events bound their own."""

    def __init__(self, app: ASGIApp, seconds: float = MAX_SECONDS) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or not scope[EXCHANGE].writes or scope["path"].startswith(_OWN):
            await self.app(scope, receive, send)
            return
        if _claimed(scope) > MAX_BYTES:
            await _too_large(scope)(scope, receive, send)
            return
        try:
            body = await whole(receive, MAX_BYTES, self.seconds)
        except Gone:
            scope[EXCHANGE].status = GONE
            return
        except TooSlow:
            await too_slow(scope)(scope, receive, send)
            return
        except TooLarge:
            await _too_large(scope)(scope, receive, send)
            return
        wrong = _fault(body)
        if wrong is not None:
            await refusal(scope, 422, "invalid-json", wrong)(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)


def _claimed(scope: Scope) -> int:
    """The bytes that a body is said to have; 0 where nothing is said."""
    lengths = (value for name, value in scope["headers"] if name == b"content-length" and value.isdigit())
    return max((int(value[:20]) for value in lengths), default=0)


def _too_large(scope: Scope) -> Response:
    detail = f"the body has more than {MAX_BYTES:,} bytes"
    return refusal(scope, 413, "too-large", detail, {"Connection": "close"})


def too_slow(scope: Scope) -> Response:
    """The answer to who does not send what was announced; the connection is of no more use."""
    return refusal(scope, 408, "too-slow", "the body did not arrive in time", {"Connection": "close"})


def _fault(body: bytes) -> str | None:
    """What a JSON parser would fail at in its own way; what is no JSON at all is told by whoever reads it."""
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in _OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                return f"the body is nested deeper than {MAX_DEPTH} levels"
        elif first in _CLOSING:
            depth -= 1
    if body and json.detect_encoding(body) != "utf-8":
        return "the body is not in UTF-8"  # its brackets would not be where these bytes have them
    try:
        value = parse_json(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    wrong = misfit(value)
    if wrong is not None:
        return f"the body holds a number that is out of range at {'/'.join(['', *map(str, wrong)])!r:.80}"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "the body holds half of a surrogate pair, which is no text"
    return None
