"""What a user gets, over HTTP: plain Starlette endpoints, so that a Lambda starts without FastAPI and pydantic."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from burgee.model import ErrorCode
from burgee.serving import NOBODY
from burgee.times import format_time
from burgee.version import __version__
from burgee.web.ofrep import RELEASE, answering, ofrep_routes
from burgee.web.problems import HANDLERS, answer, problem
from burgee.web.recording import exposed
from burgee.web.rules import rules_route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.model import Evaluation
    from burgee.ruleset import Ruleset
    from burgee.serving import Serving

_LITERAL = re.compile(r'true|false|-?(0|[1-9]\d{0,15})(\.\d{1,15})?|"[^"\\]*"', re.ASCII)


def evaluation_app(serving: Serving) -> Starlette:
    """The evaluation routes as an application of their own."""
    return Starlette(
        routes=evaluation_routes(serving),
        exception_handlers=HANDLERS,
        middleware=[Middleware(ReleaseHeader, serving=serving)],
    )


def evaluation_routes(serving: Serving) -> list[BaseRoute]:
    """The routes, for an application that has more."""

    async def health(request: Request) -> Response:
        release = answering(request, serving, NOBODY, time.time()).release
        status = serving.status()
        body = {
            "status": "healthy",
            "timestamp": format_time(time.time()),
            "version": __version__,
            "release": release,
            "baking": status.bake and {"version": status.version, **asdict(status.bake)},
            "age_seconds": round(status.age_seconds, 3),
            "source": status.source,
            "error": status.error,
        }
        return answer(request, body)

    async def user_flags(request: Request) -> Response:
        context, now = context_of(request), time.time()
        ruleset = answering(request, serving, context, now)
        answers = ruleset.evaluate_all(context, now)
        exposed(request, ruleset, answers, context)
        flags = [entry(ruleset, name, result, now) for name, result in answers.items()]
        return answer(request, {"user_id": request.path_params["user_id"], "flags": flags})

    async def user_flag(request: Request) -> Response:
        name, context, now = request.path_params["flag_name"], context_of(request), time.time()
        ruleset = answering(request, serving, context, now)
        result = ruleset.evaluate(name, context, now)
        if result.error_code is ErrorCode.FLAG_NOT_FOUND:
            return problem(404, "not-found", f"Feature flag '{name}' not found")
        exposed(request, ruleset, {name: result}, context)
        return answer(request, entry(ruleset, name, result, now))

    return [
        Route("/health", health),
        Route("/users/{user_id}/flags", user_flags),
        Route("/users/{user_id}/flags/{flag_name}", user_flag),
        ofrep_routes(serving),
        rules_route(serving),
    ]


def entry(ruleset: Ruleset, name: str, result: Evaluation, now: float) -> dict[str, Any]:
    """One flag as the user routes tell it."""
    definition = ruleset.definition(name, now) or {}
    if "variants" in definition:
        enabled = result.variant is not None and result.variant != definition.get("off_variant")
    else:
        enabled = result.value is True
    told = {
        "flag_name": name,
        "enabled": enabled,
        "description": definition.get("description"),
        "variant": result.variant,
        "value": result.value,
        "reason": result.reason,
    }
    if result.error_code is not None:
        told["error_code"] = result.error_code
    return told


def context_of(request: Request) -> dict[str, Any]:
    """The evaluation context of a request: query parameters are attributes, the user is the targeting key."""
    attributes = {name: literal(text) for name, text in request.query_params.items()}
    return {**attributes, "targetingKey": request.path_params["user_id"]}


def literal(text: str) -> Any:
    """JSON where it is a number, true, false or a quoted text; the text itself otherwise."""
    return json.loads(text) if _LITERAL.fullmatch(text) else text


class ReleaseHeader:
    """Says on every response which release answered."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self.app = app
        self.serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                version = scope.get(RELEASE, self.serving.status().version)
                message["headers"] = [*message.get("headers", ()), (b"burgee-release", str(version).encode())]
            await send(message)

        await self.app(scope, receive, tell if scope["type"] == "http" else send)
