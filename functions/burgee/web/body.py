"""Bounds a request's body before anybody parses it: its size, the time it may take, and what parsers stumble over."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anyio

from burgee.web.problems import refusal

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 128 * 1024
"""An audit entry holds what was before and after, and an item of DynamoDB 400 KB."""
MAX_DEPTH = 40
MAX_SECONDS = 10.0
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OWN = ("/ofrep/", "/v1/")
_PORT = re.compile(r":\d+$")
_BRACKET = re.compile(rb"[\[\]{}]")


class Hosts:
    """Answers to its own names alone."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if self.hosts and scope["type"] == "http":
            host = next((str(value, "latin-1") for name, value in scope["headers"] if name == b"host"), "")
            if _PORT.sub("", host) not in self.hosts:
                await refusal(scope, 421, "misdirected", "this service goes by another name")(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BodyGuard:
    """Reads the whole body of a write, or refuses it. Evaluation bounds its own bodies, which are smaller."""

    def __init__(self, app: ASGIApp, seconds: float = MAX_SECONDS) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"} or scope["path"].startswith(_OWN):
            await self.app(scope, receive, send)
            return
        body: bytes | Response = b""
        with anyio.move_on_after(self.seconds) as waited:
            body = await _read(scope, receive)
        if waited.cancelled_caught:
            body = refusal(scope, 408, "too-slow", "the body did not arrive in time", {"Connection": "close"})
        if not isinstance(body, bytes):
            await body(scope, receive, send)
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


async def _read(scope: Scope, receive: Receive) -> bytes | Response:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > MAX_BYTES:
            return _too_large(scope)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BYTES:
            return _too_large(scope)
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large(scope: Scope) -> Response:
    detail = f"the body has more than {MAX_BYTES:,} bytes"
    return refusal(scope, 413, "too-large", detail, {"Connection": "close"})


def _fault(body: bytes) -> str | None:
    """What a JSON parser would fail at in its own way; what is no JSON at all is told by whoever reads it."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return f"the body is nested deeper than {MAX_DEPTH} levels"
    try:
        value = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    except ValueError:
        return "the body holds a number that is too long"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "the body holds half of a surrogate pair, which is no text"
    except ValueError:
        return "the body holds a number that is not finite"
    return None
