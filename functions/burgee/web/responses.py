"""Responses of FastAPI's routes, and their errors as problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from burgee.errors import Refused, StoreError
from burgee.flagfile.faults import faults_of
from burgee.web.exchange import exchange_of
from burgee.web.problems import fault_errors, internal, pointer, problem, problem_of
from burgee.web.replies import holds, tag, written

if TYPE_CHECKING:
    from starlette.requests import Request

    from burgee.web.replies import Reply


def answer(request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON; a read has an ETag of its body and answers 304 to a client that already has it."""
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
    """Requests that the framework refuses; unknown paths and methods never reach it."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    return problem(error.status_code, "refused", str(error.detail))


async def _refused(_request: Request, error: Exception) -> Reply:
    assert isinstance(error, (Refused, StoreError))  # noqa: S101 - registered for these alone
    return problem_of(error)


async def _invalid(_request: Request, error: Exception) -> Reply:
    """An invalid body or parameter; each error with its JSON pointer."""
    assert isinstance(error, (RequestValidationError, ValidationError))  # noqa: S101 - registered for these alone
    details = list(error.errors())
    errors = [one for detail in details for one in _errors(detail)]
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem(422, "invalid-json", "the body is not JSON", errors=errors)
    summary = "; ".join(": ".join(filter(None, (e["pointer"], e["detail"]))) for e in errors)[:2000]
    return problem(422, "invalid-request", summary, errors=errors)


def _errors(detail: Any) -> list[dict[str, str]]:
    """Faults of a body in the words of lint, which has the same grammar; or of another part."""
    where, *rest = detail["loc"]
    if where != "body" or detail["type"] == "json_invalid":
        return [{"pointer": pointer(detail["loc"]), "detail": str(detail["msg"])}]
    if not rest and detail["type"] == "missing":
        return [{"pointer": "", "detail": "a JSON body is needed"}]
    if not rest and isinstance(detail.get("input"), bytes):  # as clients send that think it is a form
        return [{"pointer": "", "detail": "the body is not read without Content-Type: application/json"}]
    detail["loc"], base = tuple(rest), ("flags", "")
    return fault_errors(faults_of([detail], base), base)


HANDLERS: dict[Any, Any] = {
    Exception: _internal,
    HTTPException: _http,
    StoreError: _refused,
    Refused: _refused,
    RequestValidationError: _invalid,
    ValidationError: _invalid,
}
