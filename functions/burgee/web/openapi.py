"""The evaluation routes as OpenAPI describes them: they are plain Starlette, which FastAPI cannot describe."""

from __future__ import annotations

from typing import Any

_LATE = "The body did not arrive in time"
REFUSED = {"401": "No key that works", "403": "The key may not do that", "429": "Too many requests"}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}


def _operation(summary: str, path: list[str], schema: dict[str, Any], *, missing: bool = False) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    responses: dict[str, Any] = {
        "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}},
        "304": {"description": "Not changed since `If-None-Match`"},
    }
    body = {"application/problem+json": {"schema": {"type": "object"}}}
    responses |= {status: {"description": description, "content": body} for status, description in REFUSED.items()}
    if missing:
        responses["404"] = {"description": "No such flag", "content": body}
    return {"get": {"summary": summary, "tags": ["evaluation"], "parameters": parameters, "responses": responses}}


_ENTRY = {
    "type": "object",
    "required": ["flag_name", "enabled", "description", "variant", "value", "reason"],
    "properties": {
        "flag_name": {"type": "string"},
        "enabled": {"type": "boolean"},
        "description": {"type": ["string", "null"]},
        "variant": {"type": ["string", "null"]},
        "value": {},
        "reason": {"enum": ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"]},
    },
}
_USER = {
    "type": "object",
    "required": ["user_id", "flags"],
    "properties": {"user_id": {"type": "string"}, "flags": {"type": "array", "items": _ENTRY}},
}
_HEALTH = {"type": "object", "required": ["status", "timestamp", "version"]}
_METADATA = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_ANSWER = {
    "type": "object",
    "required": ["key", "reason", "variant", "metadata"],
    "properties": {
        "key": {"type": "string"},
        "reason": {"enum": ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"]},
        "variant": {"type": "string"},
        "value": {"type": ["boolean", "string", "number", "object", "array"]},
        "metadata": _METADATA,
    },
}
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
_BULK = {
    "type": "object",
    "required": ["flags", "metadata"],
    "properties": {"flags": {"type": "array", "items": {"anyOf": [_ANSWER, _FAILURE]}}, "metadata": _METADATA},
}


def _ofrep(summary: str, path: list[str], schema: dict[str, Any], **statuses: str) -> dict[str, Any]:
    context = {"type": "object", "properties": {"context": {"type": "object"}}}
    responses = {"200": {"description": "The answer", "content": {"application/json": {"schema": schema}}}}
    for status, description in {**statuses, **REFUSED}.items():
        failure = {"content": {"application/json": {"schema": _FAILURE}}} if status != "_304" else {}
        responses[status.removeprefix("_")] = {"description": description, **failure}
    return {
        "post": {
            "summary": summary,
            "tags": ["OFREP"],
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": context}}},
            "responses": responses,
        }
    }


_RULES = {
    "type": "object",
    "required": ["version", "source", "release", "snapshot", "overrides"],
    "properties": {
        "version": {"type": "integer"},
        "source": {"enum": ["store", "bundled", "none"]},
        "release": _METADATA,
        "snapshot": {"type": "object", "required": ["flags"]},
        "overrides": {"type": "array", "items": {"type": "object", "required": ["flag", "definition"]}},
        "trial": {"type": ["object", "null"], "required": ["bake", "release", "snapshot"]},
    },
}
EVALUATION_PATHS = {
    "/ruleset": _operation("The release with its overrides, for evaluating elsewhere", [], _RULES),
    "/ofrep/v1/evaluate/flags": _ofrep(
        "What a context gets of every flag",
        [],
        _BULK,
        _304="Not changed since `If-None-Match`",
        _400="No context",
        _408=_LATE,
    ),
    "/ofrep/v1/evaluate/flags/{key}": _ofrep(
        "What a context gets of one flag",
        ["key"],
        _ANSWER,
        _400="No context, or no answer",
        _404="No such flag",
        _408=_LATE,
    ),
    "/health": _operation("Whether it is up, and on which release", [], _HEALTH),
    "/users/{user_id}/flags": _operation("What a user gets of every flag", ["user_id"], _USER),
    "/users/{user_id}/flags/{flag_name}": _operation(
        "What a user gets of one flag", ["user_id", "flag_name"], _ENTRY, missing=True
    ),
}
