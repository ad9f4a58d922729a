"""The OpenFeature Remote Evaluation Protocol 0.3: what every OpenFeature SDK speaks.

Stricter than the protocol's schema where stock clients are: a variant and a standard reason stand in every answer,
every error tells its details, and one broken flag spoils no bulk.
"""

from __future__ import annotations

import json
import time
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Mount, Route

from burgee.model import ErrorCode
from burgee.web.access import flags_of, note
from burgee.web.problems import holds
from burgee.web.recording import exposed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from burgee.model import Evaluation
    from burgee.ruleset import ClientView, Ruleset

MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ATTRIBUTES = 200

_STATUS = {ErrorCode.FLAG_NOT_FOUND: 404, ErrorCode.GENERAL: 500}


class Unusable(Exception):  # noqa: N818 - says what the request is
    """A request that cannot be evaluated, as OFREP tells it."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code = code


def ofrep_routes() -> Mount:
    """The routes under /ofrep/v1."""

    async def one(request: Request) -> Response:
        key, now = request.path_params["key"], time.time()
        try:
            context = await _context(request)
        except Unusable as error:
            return _json({"key": key, "errorCode": error.code, "errorDetails": str(error)}, 400)
        ruleset = flags_of(request.scope, context, now)
        answer = ruleset.evaluate(key, context, now)
        note(request.scope, answer)
        told = _told(key, answer)
        if answer.error_code is not None:
            return _json(told, _STATUS.get(answer.error_code, 400))
        exposed(request, ruleset, {key: answer}, context)
        if request.query_params.get("explain") == "true":
            told["metadata"] = {**told["metadata"], **_bucket(ruleset, key, context, now)}
        return _json(told)

    async def bulk(request: Request) -> Response:
        try:
            context = await _context(request)
        except Unusable as error:
            return _json({"errorCode": error.code, "errorDetails": str(error)}, 400)
        now = time.time()
        ruleset = flags_of(request.scope, context, now)
        answers = ruleset.evaluate_all(context, now)
        exposed(request, ruleset, answers, context)
        note(request.scope, *answers.values())
        flags = [_told(key, answer) for key, answer in answers.items()]
        return _cached(request, {"flags": flags, "metadata": dict(ruleset.release)})

    routes = [
        Route(path + slash, endpoint, methods=["POST"])
        for path, endpoint in (("/evaluate/flags", bulk), ("/evaluate/flags/{key}", one))
        for slash in ("", "/")
    ]
    return Mount("/ofrep/v1", routes=routes)


def _told(key: str, answer: Evaluation) -> dict[str, Any]:
    if answer.error_code is not None:
        return {"key": key, "errorCode": answer.error_code, "errorDetails": answer.error_message or answer.error_code}
    told: dict[str, Any] = {"key": key, "reason": answer.reason, "variant": answer.variant or ""}
    # No value means the caller's own default; a null would be a value of the wrong type to every client.
    if answer.value is not None:
        told["value"] = answer.value
    told["metadata"] = dict(answer.metadata)
    return told


def _bucket(ruleset: Ruleset | ClientView, key: str, context: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The hash that decided, as metadata, whose values are scalars."""
    steps = [step for step in ruleset.explain(key, context, now)["steps"] if "bucket" in step]
    return {name: steps[-1][name] for name in ("bucket", "below", "hashed")} if steps else {}


def _cached(request: Request, body: dict[str, Any]) -> Response:
    """The tag is over the whole answer: release, overrides, context and time all change it when they change that."""
    data = json.dumps(body, separators=(",", ":")).encode()
    etag = f'"{sha256(data).hexdigest()[:32]}"'
    if holds(",".join(request.headers.getlist("if-none-match")), etag):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(data, headers={"ETag": etag}, media_type="application/json")


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body, separators=(",", ":")).encode(), status, media_type="application/json")


async def _context(request: Request) -> dict[str, Any]:
    """The evaluation context of a body, within its limits."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_BYTES:
            raise Unusable(ErrorCode.INVALID_CONTEXT, f"the body has more than {MAX_BYTES:,} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unusable(ErrorCode.PARSE_ERROR, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Unusable(ErrorCode.PARSE_ERROR, "the body is not a JSON object")
    context = body.get("context", {})
    if not isinstance(context, dict):
        raise Unusable(ErrorCode.INVALID_CONTEXT, "`context` is not an object")
    if not isinstance(context.get("targetingKey", ""), str | None):
        raise Unusable(ErrorCode.INVALID_CONTEXT, "`targetingKey` is not a text")
    _check(context)
    return context


def _check(context: dict[str, Any]) -> None:
    """Bounds what conditions may have to look at: attributes in all, depth, and numbers that are numbers."""
    attributes, waiting = 0, [(context, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Unusable(ErrorCode.INVALID_CONTEXT, f"the context is nested deeper than {MAX_DEPTH} levels")
        if isinstance(part, dict):
            attributes += len(part)
        if attributes > MAX_ATTRIBUTES:
            raise Unusable(ErrorCode.INVALID_CONTEXT, f"the context has more than {MAX_ATTRIBUTES} attributes")
        for value in part.values() if isinstance(part, dict) else part:
            if isinstance(value, (dict, list)):
                waiting.append((value, depth + 1))  # type: ignore[arg-type]  # a list is looked through as a mapping is
            elif isinstance(value, float) and not isfinite(value):
                raise Unusable(ErrorCode.INVALID_CONTEXT, "the context has a number that is not finite")
