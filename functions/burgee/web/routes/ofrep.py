"""The OpenFeature Remote Evaluation Protocol 0.3, which every OpenFeature SDK speaks.

As strict as the standard clients where the protocol's schema is not: every answer has a variant and a standard
reason, every error has details, and a broken flag does not fail a bulk answer.
"""

from __future__ import annotations

import json
import time
from math import isfinite
from typing import TYPE_CHECKING, Any

from burgee.model import ErrorCode
from burgee.numeric import SHORTEST_TOO_LARGE, parse_json, whole_number
from burgee.web.exchange import Need, Route
from burgee.web.exposures import expose, wants
from burgee.web.kept_replies import Kept, joined_bodies, keep
from burgee.web.openapi import METADATA, REFUSED, answered
from burgee.web.protection.body import TooLarge
from burgee.web.replies import json_reply, tagged, unless_held, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Evaluation
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

_PATH = "/ofrep/v1/evaluate/flags"
_BEFORE = f"{_PATH}/"
MAX_BYTES = 64 * 1024
MAX_DEPTH = 4
MAX_ATTRIBUTES = 200

_parse = json.JSONDecoder().raw_decode
"""`parse_json` of a string without space around it, in half of the time, where no number can be too large."""
_parse_long = json.JSONDecoder(parse_int=whole_number).raw_decode
"""The same for any number."""
_STATUS = {ErrorCode.FLAG_NOT_FOUND: 404, ErrorCode.GENERAL: 500}


class Unusable(Exception):  # noqa: N818 - named after the fault
    """A request that cannot be evaluated, with OFREP's error code."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.code = code


async def one(exchange: Exchange) -> Reply:
    """Evaluates one flag."""
    (key,) = exchange.arguments
    try:
        context = _context(await exchange.bodies.read(exchange, MAX_BYTES))
    except (TooLarge, Unusable) as error:
        return _unusable(error, key)
    now = time.time()
    ruleset = exchange.flags(context, now)
    answer = ruleset.evaluate(key, context, now)
    if exchange.reasons is not None:
        exchange.count({key: answer})
    usage = exchange.usage
    if answer.error_code is not None:
        if usage is not None:
            usage.error(ruleset, key, answer.error_code, exchange.caller)
        return json_reply(written(_fields(key, answer)), _STATUS.get(answer.error_code, 400))
    place = "ofrep", key, id(answer), None if usage is None else exchange.caller.key or ""
    kept: Kept = ruleset.written.get(place) or _keep(exchange, ruleset, place, answer)
    if usage is not None:
        next(kept.named)
    if exchange.scope["query_string"] or ruleset.exposed:
        expose(exchange, ruleset, {key: answer}, context)
        if wants(exchange, "explain"):
            fields = _fields(key, answer)
            fields["metadata"] |= _bucket(ruleset, key, context, now)
            return json_reply(written(fields))
    return kept.reply


async def bulk(exchange: Exchange) -> Reply:
    """Evaluates every flag.

    The ETag covers the whole answer: release, overrides, context and time change it only if they change the answer.
    """
    try:
        context = _context(await exchange.bodies.read(exchange, MAX_BYTES))
    except (TooLarge, Unusable) as error:
        return _unusable(error)
    if exchange.scope["query_string"]:
        from burgee.web.catching_up import catch_up

        await catch_up(exchange)
    now = time.time()
    streams, position = exchange.streams, ""
    if streams is not None:
        position = streams.position(exchange, now)  # before the answer, so that it never claims what that has not
    ruleset = exchange.flags(context, now)
    answers = ruleset.evaluate_all(context, now)
    expose(exchange, ruleset, answers, context, fetched=True)
    flags = joined_bodies(exchange, ruleset, answers, "ofrep", _keep)
    body = b'{"flags":[%b],"metadata":%b}' % (flags, written(dict(ruleset.release)))
    if streams is not None:
        body = b'%b,"eventStreams":%b}' % (body[:-1], streams.advertised(exchange, position))
    held = [value for name, value in exchange.scope["headers"] if name == b"if-none-match"]
    return unless_held(tagged(body), str(b",".join(held), "latin-1"))


def _keep(
    exchange: Exchange, ruleset: Ruleset | ClientView, place: tuple[str, str, int, str | None], answer: Evaluation
) -> Kept:
    return keep(exchange, ruleset, place, Kept(answer, json_reply(written(_fields(place[1], answer)))))


def _fields(key: str, answer: Evaluation) -> dict[str, Any]:
    if answer.error_code is not None:
        return {"key": key, "errorCode": answer.error_code, "errorDetails": answer.error_message or answer.error_code}
    fields: dict[str, Any] = {"key": key, "reason": answer.reason, "variant": answer.variant or ""}
    # No value means the caller's own default; clients would treat null as a value of the wrong type.
    if answer.value is not None:
        fields["value"] = answer.value
    fields["metadata"] = dict(answer.metadata)
    return fields


def _bucket(ruleset: Ruleset | ClientView, key: str, context: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The deciding hash as metadata, whose values are scalars."""
    steps = [step for step in ruleset.explain(key, context, now)["steps"] if "bucket" in step]
    return {name: steps[-1][name] for name in ("bucket", "below", "hashed")} if steps else {}


def _unusable(error: TooLarge | Unusable, key: str = "") -> Reply:
    code, details = ErrorCode.INVALID_CONTEXT, f"the body has more than {MAX_BYTES:,} bytes"
    if isinstance(error, Unusable):
        code, details = error.code, str(error)
    named = {"key": key} if key else {}
    return json_reply(written({**named, "errorCode": code, "errorDetails": details}), 400)


def _context(data: bytes) -> dict[str, Any]:
    """The evaluation context of a body, within its limits."""
    try:
        text = data.decode()
        parse = _parse if len(text) < SHORTEST_TOO_LARGE else _parse_long
        body, end = parse(text) if text[:1] == "{" else (None, -1)
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
        raise Unusable(ErrorCode.INVALID_CONTEXT, "`targetingKey` is not a string")
    _check(context)
    return context


_TEXT = frozenset({str, type(None)})
_PLAIN = frozenset({str, int, bool, type(None)})
"""The types in nearly all contexts, which need no further checks."""


def _check(context: dict[str, Any]) -> None:
    """Bounds the work of conditions: the total of attributes, the depth, and only finite numbers."""
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


def _one(path: str, _raw: bytes | None) -> tuple[str, ...] | None:
    key = path.removeprefix(_BEFORE)
    if not key or len(key) == len(path):
        return None
    if "/" in key:
        key = key.removesuffix("/") or key
    return (key,)


def _all(path: str, _raw: bytes | None) -> tuple[str, ...] | None:
    return () if path in {_PATH, _BEFORE} else None


_FAILURE = {
    "type": "object",
    "required": ["errorCode", "errorDetails"],
    "properties": {
        "key": {"type": "string"},
        "errorCode": {
            "enum": ["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"]
        },
        "errorDetails": {"type": "string"},
    },
}
_LATE = {"408": "The body did not arrive in time", "503": "Too many incomplete bodies"}


def _answer_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["key", "reason", "variant", "metadata"],
        "properties": {
            "key": {"type": "string"},
            "reason": {"enum": ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"]},
            "variant": {"type": "string"},
            "value": {"type": ["boolean", "string", "number", "object", "array"]},
            "metadata": METADATA,
        },
    }


def _operation(summary: str, schema: dict[str, Any], statuses: dict[str, str], path: list[str]) -> dict[str, Any]:
    context = {"type": "object", "properties": {"context": {"type": "object"}}}
    failure = {"content": {"application/json": {"schema": _FAILURE}}}
    errors = {**statuses, **_LATE, **REFUSED}
    return {
        "summary": summary,
        "tags": ["OFREP"],
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path],
        "requestBody": {"required": True, "content": {"application/json": {"schema": context}}},
        "responses": {
            **answered("The answer", schema),
            **{status: {"description": description, **failure} for status, description in errors.items()},
        },
    }


def _document_one() -> dict[str, Any]:
    statuses = {"400": "No context, or no answer", "404": "No such flag"}
    return _operation("Evaluate one flag", _answer_schema(), statuses, ["key"])


def _document_all() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["flags", "metadata"],
        "properties": {
            "flags": {"type": "array", "items": {"anyOf": [_answer_schema(), _FAILURE]}},
            "metadata": METADATA,
            "eventStreams": {"type": "array", "items": {"type": "object"}},
        },
    }
    operation = _operation("Evaluate every flag", schema, {"400": "No context"}, [])
    operation["responses"]["304"] = {"description": "Not changed since `If-None-Match`"}
    return operation


ROUTES = [
    Route("POST", f"{_BEFORE}{{key}}", Need.EVALUATE, "one", one, _document_one, _one, logged=False),
    Route("POST", _PATH, Need.EVALUATE, "bulk", bulk, _document_all, _all, logged=False),
]
