"""What every request has: an id, the header fields of its answer, and how it went, for who watches.

What is told names the operation and never the path, because a path names a user.
"""

from __future__ import annotations

import re
from random import getrandbits
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

    from burgee.serving.serving import Status
    from burgee.web.exchange import Exchange

_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_EVERY = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    _POLICY,
]
# The interactive documentation comes from FastAPI's pages, which load Swagger UI and ReDoc; nothing else is a page.
_DOCS = {"/docs", "/redoc"}
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
_REFERRER = (b"referrer-policy", b"no-referrer")
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


def request_id(scope: Scope, fields: Mapping[bytes, bytes]) -> bytes:
    """The caller's own where it is harmless, else Lambda's, else a new one."""
    given = fields.get(b"x-request-id")
    if given is not None and _SAFE.fullmatch(given):
        return given
    context = scope.get("aws.context")
    given_by_lambda = None if context is None else getattr(context, "aws_request_id", None)
    if given_by_lambda:
        return str(given_by_lambda).encode()
    return b"%016x" % getrandbits(64)  # it tells requests apart and keeps no secret


def headers(scope: Scope, exchange: Exchange, given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The header fields of an answer: its own, which are `given`, those of its exchange, those of every answer."""
    told = [*given, *exchange.headers, *_EVERY, (b"x-request-id", exchange.request_id)]
    if scope["path"] in _DOCS:
        told[told.index(_POLICY)] = _DOCS_POLICY
        told.append(_REFERRER)
    if scope.get("scheme") == "https":
        told.append(_TRANSPORT)
    for name, _ in given:
        if name == b"cache-control":
            break
    else:
        told.append(_UNCACHED)
    if exchange.version is not None:
        told.append((b"burgee-release", b"%d" % exchange.version))
    elif exchange.tenant is not None:
        told.append((b"burgee-release", b"%d" % exchange.serving.status().version))
    return told


def seen(scope: Scope, exchange: Exchange, seconds: float) -> Seen:
    """How a request went."""
    tenant = exchange.tenant
    return Seen(
        exchange.request_id.decode(),
        exchange.operation or getattr(scope.get("endpoint"), "__name__", None) or "none",
        scope["method"] if scope["method"] in _METHODS else "other",
        exchange.status or 500,
        seconds,
        tenant.project if tenant else None,
        tenant.environment if tenant else None,
        exchange.caller.key if tenant else None,
        exchange.serving.status() if tenant else None,
        exchange.reasons or {},
    )


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
