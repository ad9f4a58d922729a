"""The documented service: evaluation and management in one application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.middleware import Middleware

from burgee.version import __version__
from burgee.web.exchange import Need, need
from burgee.web.front import Guarded, Setup
from burgee.web.openapi import EVALUATION_PATHS, SECURITY
from burgee.web.problems import HANDLERS, problem
from burgee.web.protection.body import BodyGuard
from burgee.web.protection.idempotency import Idempotency
from burgee.web.routes import flags, keys, releases
from burgee.web.routes.evaluation import evaluation_routes
from burgee.web.tenants import Tenants

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from burgee.serving.serving import Serving
    from burgee.stores import Store


class Service(Guarded, FastAPI):
    """FastAPI behind a front."""


def create_app(store: Store, serving: Serving, setup: Setup | None = None) -> Service:
    """The service over a store; `serving` answers evaluations and follows the store."""
    app = Service(
        title="Burgee",
        version=__version__,
        summary="Feature flags and A/B tests as reviewed code",
        exception_handlers={**HANDLERS, RequestValidationError: _invalid, ValidationError: _invalid},
        telemetry={"tracing": False, "metrics": False, "logs": False},  # it would tell paths, which name users
        middleware=[Middleware(BodyGuard), Middleware(Idempotency)],
    )
    app.stand_behind(Tenants(serving, store), setup or Setup())
    serving.refresh()  # so that the first answer, whichever it is, can name its release
    app.router.routes.extend(evaluation_routes())
    for router in (flags.router, releases.router, keys.router):
        app.include_router(router)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _describe(describe())
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
    return app


def _describe(document: dict[str, Any]) -> None:
    """Adds the routes that FastAPI does not know, and what a key must be for each."""
    document["paths"].update(EVALUATION_PATHS)
    document.setdefault("components", {})["securitySchemes"] = SECURITY
    for path, operations_ in document["paths"].items():
        for method, operation in operations_.items():
            needed = need(method.upper(), path)
            if needed is not Need.NOTHING:
                operation["security"] = [{"bearer": []}, {"header": []}]
                operation["x-burgee-needs"] = str(needed)


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
