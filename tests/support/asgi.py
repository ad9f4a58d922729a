"""Requests to an ASGI application as uvicorn hands them on: no client that decodes or tidies a path before."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Scope


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def http_scope(method: str, target: str, headers: Mapping[str, str] | None = None) -> Scope:
    """The scope of a request for a target as it stands in the request line."""
    path, _, query = target.partition("?")
    fields = {"host": "localhost", **{name.lower(): value for name, value in (headers or {}).items()}}
    return {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("192.0.2.1", 1),
    }


async def sent(app: ASGIApp, scope: Scope, body: bytes = b"") -> Answer:
    """What an application sends for a scope."""
    start: Message = {}
    parts: list[bytes] = []
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(parts))


def ask(
    app: ASGIApp, target: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """One request and its answer."""
    return asyncio.run(sent(app, http_scope(method, target, headers), body))
