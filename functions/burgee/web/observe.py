"""The outermost layer: gives every request an id and every response its headers, and tells who watches how it went.

What is told names the operation and never the path, because a path names a user.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.web.access import CALLER, HEADERS, REASONS, RELEASE, SERVING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.serving import Status

REQUEST_ID = "burgee.request_id"
_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# The interactive documentation comes from FastAPI's pages, which load Swagger UI and ReDoc.
_DOCS_POLICY = (
    b"content-security-policy",
    b"; ".join(
        (
            b"default-src 'none'",
            b"frame-ancestors 'none'",
            b"connect-src 'self'",
            b"worker-src blob:",
            b"font-src https:",
            b"img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly",
            b"style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com",
            b"script-src 'unsafe-inline' https://cdn.jsdelivr.net",
        )
    ),
)
_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_UNCACHED = (b"cache-control", b"private, no-cache")


class Seen(NamedTuple):
    """How a request went. `reasons` counts evaluations; nothing here comes from a context or a body."""

    request_id: str
    operation: str
    method: str
    status: int
    seconds: float
    project: str | None
    environment: str | None
    key: str | None
    serving: Status | None
    reasons: Mapping[str, int]


class Observe:
    """Wraps an application."""

    def __init__(self, app: ASGIApp, watch: Callable[[Seen], None] | None = None) -> None:
        self.app = app
        self.watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        scope[REQUEST_ID] = request_id = _request_id(scope)
        scope[HEADERS] = []
        if self.watch is not None:
            scope[REASONS] = {}

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _headers(scope, message.get("headers", ()), request_id)
            await send(message)

        try:
            await self.app(scope, receive, tell)
        finally:
            if self.watch is not None:
                self.watch(_seen(scope, request_id, status, time.perf_counter() - started))


def _request_id(scope: Scope) -> str:
    """The caller's own where it is harmless, else Lambda's, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SAFE.fullmatch(value):
            return str(value, "ascii")
    context = scope.get("aws.context")
    return getattr(context, "aws_request_id", None) or secrets.token_hex(8)


def _headers(scope: Scope, given: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    policy = _DOCS_POLICY if scope["path"] in {"/docs", "/redoc"} else _POLICY
    headers = [*given, *scope[HEADERS], *_HEADERS, policy, (b"x-request-id", request_id.encode())]
    if scope.get("scheme") == "https":
        headers.append(_TRANSPORT)
    if b"cache-control" not in [name for name, _ in given]:
        headers.append(_UNCACHED)
    if SERVING in scope:
        version = scope[RELEASE] if RELEASE in scope else scope[SERVING].status().version
        headers.append((b"burgee-release", b"%d" % version))
    return headers


def _seen(scope: Scope, request_id: str, status: int, seconds: float) -> Seen:
    caller = scope.get(CALLER)
    endpoint = scope.get("endpoint")
    return Seen(
        request_id,
        getattr(endpoint, "__name__", "none"),
        scope["method"] if scope["method"] in _METHODS else "other",
        status,
        seconds,
        caller.tenant.project if caller else None,
        caller.tenant.environment if caller else None,
        caller.key if caller else None,
        scope[SERVING].status() if SERVING in scope else None,
        scope[REASONS],
    )


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
