"""The OpenFeature Remote Evaluation Protocol 0.3: what every OpenFeature SDK speaks.

Stricter than the protocol's schema where stock clients are: a variant and a standard reason stand in every answer,
every error tells its details, and one broken flag spoils no bulk.
"""

from __future__ import annotations

import json
import time
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.model import ErrorCode
from burgee.web.access import flags_of, note
from burgee.web.body import MAX_SECONDS, Gone, TooLarge, TooSlow, too_slow, whole
from burgee.web.problems import holds, problem
from burgee.web.recording import exposed, wants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.model import Evaluation
    from burgee.ruleset import ClientView, Ruleset

PREFIX = "/ofrep/v1/evaluate/flags"
MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ATTRIBUTES = 200
MAX_WRITTEN = 100_000
"""Answers kept as JSON with a ruleset."""

_STATUS = {ErrorCode.FLAG_NOT_FOUND: 404, ErrorCode.GENERAL: 500}


class Unusable(Exception):  # noqa: N818 - says what the request is
    """A request that cannot be evaluated, as OFREP tells it."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code = code


class Ofrep:
    """Stands before an application's router, which takes longer to find a route than a flag to be evaluated."""

    def __init__(self, app: ASGIApp, seconds: float = MAX_SECONDS) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        rest = scope["path"][len(PREFIX) :] if scope["type"] == "http" and scope["path"].startswith(PREFIX) else None
        if rest is None or rest[:1] not in {"", "/"}:
            await self.app(scope, receive, send)
            return
        key = None if rest in {"", "/"} else rest[1:].removesuffix("/")
        scope["endpoint"] = bulk if key is None else one
        if scope["method"] != "POST":
            refused = problem(405, "method-not-allowed", "Method Not Allowed")
            refused.headers["Allow"] = "POST"
            await refused(scope, receive, send)
            return
        try:
            context = _context(await whole(receive, MAX_BYTES, self.seconds))
            reply = bulk(scope, context) if key is None else one(scope, context, key)
        except Gone:
            return
        except TooSlow:
            await too_slow(scope)(scope, receive, send)
            return
        except TooLarge:
            reply = _unusable(key, ErrorCode.INVALID_CONTEXT, f"the body has more than {MAX_BYTES:,} bytes")
        except Unusable as error:
            reply = _unusable(key, error.code, str(error))
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers()})
        await send({"type": "http.response.body", "body": reply.body})


class Reply(NamedTuple):
    """A response, whole."""

    status: int
    body: bytes
    etag: bytes | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As ASGI has them."""
        told = [] if self.etag is None else [(b"etag", self.etag)]
        if self.status != 304:
            told += [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]
        return told


def one(scope: Scope, context: dict[str, Any], key: str) -> Reply:
    """What a context gets of one flag."""
    now = time.time()
    ruleset = flags_of(scope, context, now)
    answer = ruleset.evaluate(key, context, now)
    note(scope, answer)
    if answer.error_code is not None:
        return Reply(_STATUS.get(answer.error_code, 400), _json(_told(key, answer)))
    exposed(scope, ruleset, {key: answer}, context)
    if wants(scope, "explain"):
        told = _told(key, answer)
        return Reply(200, _json({**told, "metadata": {**told["metadata"], **_bucket(ruleset, key, context, now)}}))
    return Reply(200, _written(ruleset, key, answer))


def bulk(scope: Scope, context: dict[str, Any]) -> Reply:
    """What a context gets of every flag.

    The tag is over the whole answer: release, overrides, context and time all change it when they change that.
    """
    now = time.time()
    ruleset = flags_of(scope, context, now)
    answers = ruleset.evaluate_all(context, now)
    exposed(scope, ruleset, answers, context)
    note(scope, *answers.values())
    flags = b",".join([_written(ruleset, key, answer) for key, answer in answers.items()])
    body = b'{"flags":[%b],"metadata":%b}' % (flags, _json(dict(ruleset.release)))
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    held = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"])
    if held and holds(str(held, "latin-1"), etag):
        return Reply(304, b"", etag.encode())
    return Reply(200, body, etag.encode())


def _written(ruleset: Ruleset | ClientView, key: str, answer: Evaluation) -> bytes:
    """An answer as JSON. A ruleset has few answers, which it gives again and again, so they are kept with it."""
    kept = ruleset.written.get((key, id(answer)))
    if kept is not None:
        return kept[1]
    data = _json(_told(key, answer))
    if answer.error_code is None:
        if len(ruleset.written) >= MAX_WRITTEN:
            ruleset.written.clear()
        # The answer is kept too, so that no other can come to have its id.
        ruleset.written[key, id(answer)] = answer, data
    return data


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


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _unusable(key: str | None, code: ErrorCode, details: str) -> Reply:
    named = {} if key is None else {"key": key}
    return Reply(400, _json({**named, "errorCode": code, "errorDetails": details}))


def _context(data: bytes) -> dict[str, Any]:
    """The evaluation context of a body, within its limits."""
    try:
        body = json.loads(data.decode())
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
            kind = value.__class__
            if kind is dict or kind is list:
                waiting.append((value, depth + 1))
            elif kind is float and not isfinite(value):
                raise Unusable(ErrorCode.INVALID_CONTEXT, "the context has a number that is not finite")
