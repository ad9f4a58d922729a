"""`GET /users/{user_id}/flags[/{flag_name}]`: a user's answers; query parameters are attributes.

An id may have slashes, plain or as `%2F`: it is everything between `/users/` and the last `/flags`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from burgee.errors import Refused
from burgee.evaluation.context import TARGETING_KEY, literal
from burgee.evaluation.definition import off_variant
from burgee.model import ErrorCode
from burgee.web.exchange import Need, Route
from burgee.web.exposures import expose
from burgee.web.kept_replies import Kept, joined_bodies, keep
from burgee.web.openapi import read
from burgee.web.problems import problem
from burgee.web.queries import parameters
from burgee.web.replies import tagged, unless_held, written

if TYPE_CHECKING:
    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Evaluation
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

_BEFORE, _AFTER = len("/users/"), -len("/flags")


async def user_flag(exchange: Exchange) -> Reply:
    """Evaluates one flag for the user."""
    (user, name), now = exchange.arguments, time.time()
    context = context_of(exchange, user)
    ruleset = exchange.flags(context, now)
    answer = ruleset.evaluate(name, context, now)
    if exchange.reasons is not None:
        exchange.count({name: answer})
    usage = exchange.usage
    if answer.error_code is ErrorCode.FLAG_NOT_FOUND:
        if usage is not None:
            usage.error(ruleset, name, answer.error_code, exchange.caller)
        return problem(404, "not-found", f"Feature flag '{name}' not found")
    place = "entry", name, id(answer), None if usage is None else exchange.caller.key or ""
    kept: Kept = ruleset.written.get(place) or _keep(exchange, ruleset, place, answer)
    if usage is not None:
        next(kept.named)
    expose(exchange, ruleset, {name: answer}, context)
    return unless_held(kept.reply, exchange.if_none_match)


async def user_flags(exchange: Exchange) -> Reply:
    """Evaluates every flag for the user."""
    (user,), now = exchange.arguments, time.time()
    context = context_of(exchange, user)
    ruleset = exchange.flags(context, now)
    answers = ruleset.evaluate_all(context, now)
    expose(exchange, ruleset, answers, context, fetched=True)
    entries = joined_bodies(exchange, ruleset, answers, "entry", _keep)
    return unless_held(tagged(b'{"user_id":%b,"flags":[%b]}' % (written(user), entries)), exchange.if_none_match)


def context_of(exchange: Exchange, user: str) -> dict[str, Any]:
    """The evaluation context of a request. A repeated parameter is a list of its values."""
    context: dict[str, Any] = {}
    query = exchange.scope["query_string"]
    if query:
        for name, text in parameters(str(query, "latin-1")):
            value = _attribute(name, text)
            if name not in context:
                context[name] = value
            elif isinstance(context[name], list):
                context[name].append(value)
            else:
                context[name] = [context[name], value]
    context[TARGETING_KEY] = user
    return context


def _attribute(name: str, text: str) -> Any:
    try:
        return literal(text)
    except ValueError as error:
        raise Refused("invalid-request", f"{name}: {error}") from error


def _keep(
    exchange: Exchange, ruleset: Ruleset | ClientView, place: tuple[str, str, int, str | None], answer: Evaluation
) -> Kept:
    fields = _fields(ruleset, place[1], answer, time.time())
    return keep(exchange, ruleset, place, Kept(answer, tagged(written(fields))))


def _fields(ruleset: Ruleset | ClientView, name: str, answer: Evaluation, now: float) -> dict[str, Any]:
    definition = ruleset.definition(name, now) or {}
    if "variants" in definition:
        enabled = answer.variant is not None and answer.variant != off_variant(definition)
    else:
        enabled = answer.value is True
    fields = {
        "flag_name": name,
        "enabled": enabled,
        "description": definition.get("description"),
        "variant": answer.variant,
        "value": answer.value,
        "reason": answer.reason,
    }
    if answer.error_code is not None:
        fields["error_code"] = answer.error_code
    return fields


def _one(path: str, raw: bytes | None) -> tuple[str, ...] | None:
    encoded = _encoded(raw)
    head, _, flag = (encoded or path).rpartition("/")
    user = head[_BEFORE:_AFTER] if head.endswith("/flags") else ""
    if not user or not flag:
        return None
    return (unquote(user), unquote(flag)) if encoded else (user, flag)


def _all(path: str, raw: bytes | None) -> tuple[str, ...] | None:
    encoded = _encoded(raw)
    whole = encoded or path
    user = whole[_BEFORE:_AFTER] if whole.endswith("/flags") else ""
    if not user:
        return None
    return (unquote(user),) if encoded else (user,)


def _encoded(raw: bytes | None) -> str | None:
    """The raw path, if it has slashes that are not separators."""
    return str(raw, "latin-1") if raw and b"%2f" in raw.lower() else None


_USER = {"name": "user_id", "in": "path", "required": True, "schema": {"type": "string"}}
_FLAG = {"name": "flag_name", "in": "path", "required": True, "schema": {"type": "string"}}
_REASONS = ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]


def _entry_schema() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "type": "object",
        "required": ["flag_name", "enabled", "description", "variant", "value", "reason"],
        "properties": {
            "flag_name": {"type": "string"},
            "enabled": {"type": "boolean"},
            "description": text,
            "variant": text,
            "value": {},
            "reason": {"enum": _REASONS},
        },
    }


def _document_one() -> dict[str, Any]:
    return read("Evaluate one flag for a user", _entry_schema(), [_USER, _FLAG], {"404": "No such flag"})


def _document_all() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["user_id", "flags"],
        "properties": {"user_id": {"type": "string"}, "flags": {"type": "array", "items": _entry_schema()}},
    }
    return read("Evaluate every flag for a user", schema, [_USER])


_PATH = "/users/{user_id}/flags"
ROUTES = [
    Route("GET", f"{_PATH}/{{flag_name}}", Need.EVALUATE, "user_flag", user_flag, _document_one, _one, logged=False),
    Route("GET", _PATH, Need.EVALUATE, "user_flags", user_flags, _document_all, _all, logged=False),
]
