"""Errors as RFC 9457 problem details, or as OFREP's errors on its routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from burgee.errors import Conflict, InvalidFlag, NotFound, Refused, StoreError
from burgee.web.replies import Header, Reply, json_reply, written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from burgee.model import Fault

TYPES = "https://burgee.dev/problems/"
_PROBLEM = (b"content-type", b"application/problem+json")
_STATUSES = {
    "not-found": 404,
    "exists": 400,
    "not-killed": 409,
    "no-guard": 404,
    **dict.fromkeys(
        (
            "flag-changed",
            "flag-killed",
            "guard-ended",
            "guard-moved",
            "guard-overridden",
            "guard-paused",
            "guard-waits",
            "not-paused",
            "nothing-to-approve",
        ),
        409,
    ),
    "not-waiting": 409,
    "too-many-proposals": 409,
    "override-conflict": 409,
    "stale": 412,
    "dry-run-busy": 429,
    "report-busy": 429,
    "dry-run-too-large": 503,
}
"""The status of a `Refused` by its code; all others are 422."""


def problem(
    status: int, kind: str, detail: str, *headers: Header, errors: list[dict[str, str]] | None = None
) -> Reply:
    """A problem document; `kind` is the end of its type URI, `errors` point into the body."""
    body: dict[str, Any] = {"type": TYPES + kind, "title": kind.replace("-", " "), "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    data = json.dumps(body).encode()
    return Reply(status, data, [(b"content-length", b"%d" % len(data)), _PROBLEM, *headers])


def refusal(path: str, status: int, kind: str, detail: str, *headers: Header) -> Reply:
    """A refusal in the form of its route: OFREP's, or a problem document."""
    if not path.startswith("/ofrep/"):
        return problem(status, kind, detail, *headers)
    reply = json_reply(written({"errorCode": "GENERAL", "errorDetails": detail}), status)
    return reply._replace(raw_headers=[*reply.raw_headers, *headers])


def problem_of(error: Refused | StoreError) -> Reply:
    """The answer to an error that we raise on purpose."""
    if isinstance(error, InvalidFlag):
        return problem(422, error.code, str(error)[:2000], errors=fault_errors(error.faults, ("flags", error.flag)))
    if isinstance(error, Refused):
        errors = [{"pointer": "/reason", "detail": str(error)}] if error.code == "reason-required" else None
        headers = [(b"retry-after", b"1")] if error.code.endswith("-busy") else []
        return problem(_STATUSES.get(error.code, 422), error.code, str(error), *headers, errors=errors)
    if isinstance(error, NotFound):
        return problem(404, "not-found", str(error))
    if isinstance(error, Conflict):
        return problem(409, "conflict", "another writer changed the flags at the same time; try again")
    return problem(503, "store-unavailable", "the flags cannot be changed now; evaluation continues")


def fault_errors(faults: Iterable[Fault], base: tuple[str | int, ...]) -> list[dict[str, str]]:
    """Faults as `errors` that point into a body at `base`; faults elsewhere point to the whole body."""
    return [
        {
            "pointer": pointer(fault.path[len(base) :] if fault.path[: len(base)] == base else ()),
            "code": fault.code,
            "detail": fault.text,
        }
        for fault in faults
    ]


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def internal(path: str) -> Reply:
    """An internal error: the log has the details, the caller gets none."""
    detail = "internal error; the log has the details under this response's X-Request-Id"
    return refusal(path, 500, "internal", detail)
