"""The documented service: evaluation and management in one application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from burgee.version import __version__
from burgee.web.evaluation import ReleaseHeader, evaluation_routes
from burgee.web.management import management_router
from burgee.web.problems import HANDLERS, problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from burgee.serving import Serving
    from burgee.stores import Store


def create_app(store: Store, serving: Serving) -> FastAPI:
    """The service over a store; `serving` answers evaluations and follows the store."""
    app = FastAPI(
        title="Burgee",
        version=__version__,
        summary="Feature flags and A/B tests as reviewed code",
        exception_handlers={**HANDLERS, RequestValidationError: _invalid, ValidationError: _invalid},
    )
    serving.refresh()  # so that the first answer, whichever it is, can name its release
    app.add_middleware(ReleaseHeader, serving=serving)
    app.router.routes.extend(evaluation_routes(serving))
    app.include_router(management_router(store, serving))
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            describe()["paths"].update(_EVALUATION_PATHS)
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
    return app


async def _invalid(_request: Request, error: Exception) -> Response:
    """A body or parameter that does not fit; each fault with its JSON pointer."""
    assert isinstance(error, (RequestValidationError, ValidationError))  # noqa: S101 - registered for these alone
    details = error.errors()
    errors = [{"pointer": _pointer(detail["loc"]), "detail": str(detail["msg"])} for detail in details]
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem(422, "invalid-json", "the body is not JSON", errors)
    return problem(422, "invalid-request", "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors)[:2000], errors)


def _pointer(location: tuple[int | str, ...]) -> str:
    steps = [str(step) for step in location if not str(step).startswith("(")]
    if steps[:1] == ["body"]:
        steps = steps[1:]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _operation(summary: str, path: list[str], schema: dict[str, Any], *, missing: bool = False) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path]
    responses: dict[str, Any] = {
        "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}},
        "304": {"description": "Not changed since `If-None-Match`"},
    }
    if missing:
        body = {"application/problem+json": {"schema": {"type": "object"}}}
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
    for status, description in statuses.items():
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
_EVALUATION_PATHS = {
    "/ruleset": _operation("The release with its overrides, for evaluating elsewhere", [], _RULES),
    "/ofrep/v1/evaluate/flags": _ofrep(
        "What a context gets of every flag", [], _BULK, _304="Not changed since `If-None-Match`", _400="No context"
    ),
    "/ofrep/v1/evaluate/flags/{key}": _ofrep(
        "What a context gets of one flag", ["key"], _ANSWER, _400="No context, or no answer", _404="No such flag"
    ),
    "/health": _operation("Whether it is up, and on which release", [], _HEALTH),
    "/users/{user_id}/flags": _operation("What a user gets of every flag", ["user_id"], _USER),
    "/users/{user_id}/flags/{flag_name}": _operation(
        "What a user gets of one flag", ["user_id", "flag_name"], _ENTRY, missing=True
    ),
}
