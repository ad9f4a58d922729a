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
from burgee.numeric import parse_json, whole_number
from burgee.web.problems import holds, problem
from burgee.web.protection.body import TooLarge, TooSlow, too_slow, whole
from burgee.web.routes.experiments import exposed, wants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Evaluation
    from burgee.web.exchange import Exchange

PREFIX = "/ofrep/v1/evaluate/flags"
_ONE = f"{PREFIX}/"
MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ATTRIBUTES = 200
MAX_WRITTEN = 100_000
"""Answers kept as JSON with a ruleset."""

_parse = json.JSONDecoder(parse_int=whole_number).raw_decode
"""`parse_json` for a string with no space around it, in half of the time."""
_JSON = (b"content-type", b"application/json")
_STATUS = {ErrorCode.FLAG_NOT_FOUND: 404, ErrorCode.GENERAL: 500}


class Unusable(Exception):  # noqa: N818 - says what the request is
    """A request that cannot be evaluated, as OFREP tells it."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code = code


class Reply(NamedTuple):
    """A response, whole; its fields have Starlette's names."""

    status_code: int
    body: bytes
    raw_headers: list[tuple[bytes, bytes]]


def asked(path: str) -> str | None:
    """The flag that a path asks for, "" where it asks for every flag, None where it is none of the protocol's."""
    if path.startswith(_ONE):
        rest = path[len(_ONE) :]
        return rest.removesuffix("/") or rest
    return "" if path == PREFIX else None


async def answer(scope: Scope, exchange: Exchange, receive: Receive, flag: str, seconds: float) -> Reply | Response:
    """The answer to a request for a flag, or for every flag; Gone where nobody waits for it."""
    exchange.operation = "one" if flag else "bulk"
    if scope["method"] != "POST":
        refused = problem(405, "method-not-allowed", "Method Not Allowed")
        refused.headers["Allow"] = "POST"
        return refused
    try:
        context = _context(await whole(receive, MAX_BYTES, seconds))
    except TooSlow:
        return too_slow(scope)
    except TooLarge:
        return _unusable(flag, ErrorCode.INVALID_CONTEXT, f"the body has more than {MAX_BYTES:,} bytes")
    except Unusable as error:
        return _unusable(flag, error.code, str(error))
    return _one(scope, exchange, context, flag) if flag else _bulk(scope, exchange, context)


def _one(scope: Scope, exchange: Exchange, context: dict[str, Any], key: str) -> Reply:
    """What a context gets of one flag."""
    now = time.time()
    ruleset = exchange.flags(context, now)
    answer = ruleset.evaluate(key, context, now)
    exchange.note((answer,))
    if answer.error_code is not None:
        return _reply(_json(_told(key, answer)), _STATUS.get(answer.error_code, 400))
    if scope["query_string"] or ruleset.exposed:
        exposed(scope, ruleset, {key: answer}, context)
        if wants(scope, "explain"):
            told = _told(key, answer)
            return _reply(_json({**told, "metadata": {**told["metadata"], **_bucket(ruleset, key, context, now)}}))
    return _written(ruleset, key, answer)


def _bulk(scope: Scope, exchange: Exchange, context: dict[str, Any]) -> Reply:
    """What a context gets of every flag.

    The tag is over the whole answer: release, overrides, context and time all change it when they change that.
    """
    now = time.time()
    ruleset = exchange.flags(context, now)
    answers = ruleset.evaluate_all(context, now)
    exposed(scope, ruleset, answers, context, fetched=True)
    exchange.note(answers.values())
    flags = b",".join([_written(ruleset, key, answer).body for key, answer in answers.items()])
    body = b'{"flags":[%b],"metadata":%b}' % (flags, _json(dict(ruleset.release)))
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    tag = (b"etag", etag.encode())
    held = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"])
    if held and holds(str(held, "latin-1"), etag):
        return Reply(304, b"", [tag])
    return _reply(body, 200, tag)


def _reply(body: bytes, status: int = 200, *more: tuple[bytes, bytes]) -> Reply:
    return Reply(status, body, [*more, (b"content-length", b"%d" % len(body)), _JSON])


def _written(ruleset: Ruleset | ClientView, key: str, answer: Evaluation) -> Reply:
    """The reply that tells an answer. A ruleset has few answers, which it gives again and again, so they are kept."""
    kept = ruleset.written.get((key, id(answer)))
    if kept is not None:
        reply: Reply = kept[1]
        return reply
    reply = _reply(_json(_told(key, answer)))
    if answer.error_code is None:
        if len(ruleset.written) >= MAX_WRITTEN:
            ruleset.written.clear()
        # The answer is kept too, so that no other can come to have its id.
        ruleset.written[key, id(answer)] = answer, reply
    return reply


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


def _unusable(flag: str, code: ErrorCode, details: str) -> Reply:
    named = {"key": flag} if flag else {}
    return _reply(_json({**named, "errorCode": code, "errorDetails": details}), 400)


def _context(data: bytes) -> dict[str, Any]:
    """The evaluation context of a body, within its limits."""
    try:
        text = data.decode()
        body, end = _parse(text) if text[:1] == "{" else (None, -1)
        if end != len(text):
            body = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(ErrorCode.PARSE_ERROR, f"the body is not JSON: {error}") from error
    if body.__class__ is not dict:
        raise Unusable(ErrorCode.PARSE_ERROR, "the body is not a JSON object")
    context: Any = body.get("context", {})
    if context.__class__ is not dict:
        raise Unusable(ErrorCode.INVALID_CONTEXT, "`context` is not an object")
    if context.get("targetingKey", "").__class__ not in _TEXT:
        raise Unusable(ErrorCode.INVALID_CONTEXT, "`targetingKey` is not a text")
    _check(context)
    return context


_TEXT = frozenset({str, type(None)})
_PLAIN = frozenset({str, int, bool, type(None)})
"""What hides nothing, and what nearly all contexts are made of."""


def _check(context: dict[str, Any]) -> None:
    """Bounds what conditions may have to look at: attributes in all, depth, and numbers that are numbers."""
    for value in context.values():
        if value.__class__ not in _PLAIN:
            break
    else:
        if len(context) <= MAX_ATTRIBUTES:
            return
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
                raise Unusable(ErrorCode.INVALID_CONTEXT, "the context has a number that is out of range")
