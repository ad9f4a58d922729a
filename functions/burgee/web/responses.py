"""What FastAPI's routes answer with, and how their errors become problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from burgee.errors import Refused, StoreError
from burgee.web.exchange import exchange_of
from burgee.web.problems import internal, problem, problem_of
from burgee.web.replies import holds, tag, written

if TYPE_CHECKING:
    from starlette.requests import Request

    from burgee.web.replies import Reply


def answer(request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON; a read carries an ETag over its body and answers 304 to a client that has it."""
    data = written(body)
    headers = dict(headers or {})
    if request.method in {"GET", "HEAD"} and status == 200:
        headers["ETag"] = etag = tag(data)
        if holds(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
    return Response(data, status, headers, "application/json")


async def _internal(request: Request, _error: Exception) -> Reply:
    return internal(exchange_of(request).path)


async def _http(_request: Request, error: Exception) -> Reply:
    """What the framework refuses; paths and methods that have no route never reach it."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    return problem(error.status_code, "refused", str(error.detail))


async def _refused(_request: Request, error: Exception) -> Reply:
    assert isinstance(error, (Refused, StoreError))  # noqa: S101 - registered for these alone
    return problem_of(error)


async def _invalid(_request: Request, error: Exception) -> Reply:
    """A body or parameter that does not fit; each error with its JSON pointer."""
    assert isinstance(error, (RequestValidationError, ValidationError))  # noqa: S101 - registered for these alone
    details = error.errors()
    errors = [{"pointer": _pointer(detail["loc"]), "detail": str(detail["msg"])} for detail in details]
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem(422, "invalid-json", "the body is not JSON", errors=errors)
    summary = "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors)[:2000]
    return problem(422, "invalid-request", summary, errors=errors)


def _pointer(location: tuple[int | str, ...]) -> str:
    steps = [str(step) for step in location if not str(step).startswith("(")]
    if steps[:1] == ["body"]:
        steps = steps[1:]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


HANDLERS: dict[Any, Any] = {
    Exception: _internal,
    HTTPException: _http,
    StoreError: _refused,
    Refused: _refused,
    RequestValidationError: _invalid,
    ValidationError: _invalid,
}
