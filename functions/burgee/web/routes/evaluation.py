"""What a user gets, over HTTP: plain Starlette endpoints, so that a Lambda starts without FastAPI and pydantic."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from burgee.errors import Refused
from burgee.evaluation.context import TARGETING_KEY, literal
from burgee.model import ErrorCode
from burgee.serving.serving import NOBODY
from burgee.times import format_time
from burgee.version import __version__
from burgee.web.exchange import exchange_of
from burgee.web.front import Guarded, Setup
from burgee.web.problems import HANDLERS, answer, problem
from burgee.web.routes.experiments import exposed
from burgee.web.routes.ruleset import rules_route
from burgee.web.tenants import Tenants

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Evaluation
    from burgee.serving.serving import Serving
    from burgee.stores import Store


def evaluation_app(serving: Serving, store: Store | None = None, setup: Setup | None = None) -> Guarded:
    """The evaluation routes as an application of their own; a `store` serves tenants beside the one of `serving`."""
    app = Guarded(routes=evaluation_routes(), exception_handlers=HANDLERS)
    app.stand_behind(Tenants(serving, store), setup or Setup())
    return app


def evaluation_routes() -> list[BaseRoute]:
    """The routes, for an application that has more."""

    async def health(request: Request) -> Response:
        body: dict[str, Any] = {"status": "healthy", "timestamp": format_time(time.time()), "version": __version__}
        exchange = exchange_of(request)
        if not exchange.caller.may:
            return answer(request, body)
        release = exchange.flags(NOBODY, time.time()).release
        status = exchange.serving.status()
        body |= {
            "release": release,
            "baking": status.canary and {"version": status.version, **asdict(status.canary)},
            "age_seconds": round(status.age_seconds, 3),
            "source": status.source,
            "error": status.error,
        }
        return answer(request, body)

    async def user_flags(request: Request) -> Response:
        context, now = context_of(request), time.time()
        ruleset = exchange_of(request).flags(context, now)
        answers = ruleset.evaluate_all(context, now)
        exposed(request.scope, ruleset, answers, context, fetched=True)
        exchange_of(request).note(answers.values())
        flags = [entry(ruleset, name, result, now) for name, result in answers.items()]
        return answer(request, {"user_id": request.path_params["user_id"], "flags": flags})

    async def user_flag(request: Request) -> Response:
        name, context, now = request.path_params["flag_name"], context_of(request), time.time()
        ruleset = exchange_of(request).flags(context, now)
        result = ruleset.evaluate(name, context, now)
        exchange_of(request).note([result])
        if result.error_code is ErrorCode.FLAG_NOT_FOUND:
            return problem(404, "not-found", f"Feature flag '{name}' not found")
        exposed(request.scope, ruleset, {name: result}, context)
        return answer(request, entry(ruleset, name, result, now))

    return [
        Route("/health", health),
        Route("/users/{user_id}/flags", user_flags),
        Route("/users/{user_id}/flags/{flag_name}", user_flag),
        rules_route(),
    ]


def entry(ruleset: Ruleset | ClientView, name: str, result: Evaluation, now: float) -> dict[str, Any]:
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
    attributes = {name: _attribute(name, text) for name, text in request.query_params.items()}
    return {**attributes, TARGETING_KEY: request.path_params["user_id"]}


def _attribute(name: str, text: str) -> Any:
    try:
        return literal(text)
    except ValueError as error:
        raise Refused("invalid-request", f"{name}: {error}") from error
