"""Errors as RFC 9457 problem details, and answers as JSON with a strong ETag: the one place that makes responses."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from burgee.errors import Conflict, NotFound, Refused, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Scope

TYPES = "https://burgee.dev/problems/"


def answer(request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON; a read carries an ETag over its body and answers 304 to who has it."""
    data = _json(body)
    headers = dict(headers or {})
    if request.method in {"GET", "HEAD"} and status == 200:
        headers["ETag"] = etag = _tag(data)
        if holds(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
    return Response(data, status, headers, "application/json")


def holds(header: str, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison against a list, or `*`."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or header.strip() == "*"


def etag_of(body: Any) -> str:
    """The strong ETag that a read of this body carries."""
    return _tag(_json(body))


def matches(header: str, etag: str | None) -> bool:
    """RFC 9110 section 13.1.1: strong comparison against a list; `*` is anything that is there."""
    tags = [tag.strip() for tag in header.split(",")]
    return etag is not None and (etag in tags or "*" in tags)


def _json(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _tag(data: bytes) -> str:
    return f'"{sha256(data).hexdigest()[:32]}"'


def problem(status: int, kind: str, detail: str, errors: list[dict[str, str]] | None = None) -> Response:
    """A problem document; `kind` ends its type, `errors` point into the body."""
    body: dict[str, Any] = {"type": TYPES + kind, "title": kind.replace("-", " "), "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    return Response(json.dumps(body).encode(), status, media_type="application/problem+json")


def refusal(scope: Scope, status: int, kind: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal before a request is routed, in the words that its caller reads: OFREP's, or a problem document."""
    if scope["path"].startswith("/ofrep/"):
        body = {"errorCode": "GENERAL", "errorDetails": detail}
        response = Response(json.dumps(body, separators=(",", ":")).encode(), status, None, "application/json")
    else:
        response = problem(status, kind, detail)
    response.headers.update(headers or {})
    return response


async def http_problem(request: Request, error: Exception) -> Response:
    """What the framework refuses: no such route, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    response = problem(error.status_code, kind, str(error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        # The framework names the methods of the first route that has this path, and a path has several routes.
        response.headers["Allow"] = ", ".join(_methods(request.app.routes, request.scope))
    return response


def _methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """The methods that some route takes at this path, found by asking each."""
    tried = [(method, {**scope, "method": method}) for method in ("DELETE", "GET", "HEAD", "POST", "PUT")]
    return [method for method, as_if in tried if any(route.matches(as_if)[0] is Match.FULL for route in routes)]


async def store_problem(_request: Request, error: Exception) -> Response:
    """What the store could not do: somebody was first, or it does not answer."""
    if isinstance(error, NotFound):
        return problem(404, "not-found", str(error))
    if isinstance(error, Conflict):
        return problem(409, "conflict", "somebody else changed the flags at the same moment; try again")
    return problem(503, "store-unavailable", "the flags cannot be changed now; evaluation goes on")


async def refused_problem(_request: Request, error: Exception) -> Response:
    """A change that was possible but is refused."""
    assert isinstance(error, Refused)  # noqa: S101 - registered for this type alone
    errors = [{"pointer": "/reason", "detail": str(error)}] if error.code == "reason-required" else None
    return problem(_REFUSED.get(error.code, 422), error.code, str(error), errors)


_REFUSED = {
    "not-found": 404,
    "exists": 400,
    "not-killed": 409,
    "override-conflict": 409,
    "stale": 412,
}


def broken(scope: Scope) -> Response:
    """What is our fault: the log has it whole, the caller hears nothing of it."""
    return refusal(
        scope, 500, "internal", "something went wrong here; the log has it under this response's X-Request-Id"
    )


async def broken_problem(request: Request, _error: Exception) -> Response:
    """The same, of a route."""
    return broken(request.scope)


HANDLERS: dict[Any, Any] = {
    Exception: broken_problem,
    HTTPException: http_problem,
    StoreError: store_problem,
    Refused: refused_problem,
}
