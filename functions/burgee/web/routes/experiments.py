"""What an application gets when it records: exposures beside its answers, `POST /v1/events`, and reports to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.routing import Route

from burgee.events.records import SCHEMA
from burgee.model import Reason
from burgee.web.exchange import EXCHANGE, exchange_of
from burgee.web.problems import answer, problem
from burgee.web.routes.events import events_route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.recorder import Recorder
    from burgee.model import Context, Evaluation

DRAIN_SECONDS = 0.1


class Reports(Protocol):
    """Experiments as JSON values; whoever has the analysis gives them."""

    def every(self) -> list[dict[str, Any]]:
        """How each stands, in short."""
        ...

    def one(self, flag: str) -> dict[str, Any] | None:
        """The whole report of one, None where there is no such experiment."""
        ...


def attach(app: Starlette, recorder: Recorder, reports: Reports | None = None) -> None:
    """Makes an application record, and tell of experiments if it can."""
    app.state.recorder = recorder
    app.router.routes.append(events_route(recorder.sink, recorder.scope))
    if reports is not None:
        app.router.routes.extend(_report_routes(reports, recorder))
    describe = getattr(app, "openapi", None)
    if describe is not None:
        # FastAPI documents this way to extend its schema.
        paths = {"/v1/events": _EVENTS, **(_REPORTS if reports is not None else {})}
        app.openapi = lambda: _described(describe(), paths)  # type: ignore[attr-defined]


def exposed(
    scope: AsgiScope,
    ruleset: Ruleset | ClientView,
    answers: Mapping[str, Evaluation],
    context: Context,
    *,
    fetched: bool = False,
) -> None:
    """Notes answers where that is asked for: one flag's by `?expose=true` or its experiment.

    Of all that are `fetched` those that a split decided, if asked: who fetches every flag has not seen them yet.
    """
    recorder = getattr(scope["app"].state, "recorder", None)
    if recorder is None or not scope[EXCHANGE].of(recorder.scope.project, recorder.scope.environment):
        return
    asked = wants(scope, "expose")
    for flag, one in answers.items():
        if not fetched or (asked and one.reason is Reason.SPLIT and "rule" in one.metadata):
            recorder.answered(ruleset, flag, one, context, asked=asked)


def wants(scope: AsgiScope, name: str) -> bool:
    """Whether a request says `?name=true`."""
    query = scope["query_string"]
    return bool(query) and QueryParams(query).get(name) == "true"


class Draining:
    """Lets exposures be written before a machine stops between requests, as Lambda's does; it waits little."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self.app = app
        self.recorder = recorder

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self.app(scope, receive, send)
        if not self.recorder.drain(0):
            await run_in_threadpool(self.recorder.drain, DRAIN_SECONDS)


def _report_routes(reports: Reports, recorder: Recorder) -> list[Route]:
    project, environment = recorder.scope.project, recorder.scope.environment

    async def every(request: Request) -> Response:
        if not exchange_of(request).of(project, environment):
            return answer(request, {"experiments": []})
        return answer(request, {"experiments": await run_in_threadpool(reports.every)})

    async def one(request: Request) -> Response:
        flag = request.path_params["flag"]
        mine = exchange_of(request).of(project, environment)
        found = await run_in_threadpool(reports.one, flag) if mine else None
        if found is None:
            return problem(404, "not-found", f"there is no experiment on {flag!r}")
        return answer(request, found)

    return [Route("/experiments", every), Route("/experiments/{flag}", one)]


def _described(document: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    document["paths"].update(paths)
    return document


def _problems(**told: str) -> dict[str, Any]:
    body = {"application/problem+json": {"schema": {"type": "object"}}}
    return {status.removeprefix("_"): {"description": text, "content": body} for status, text in told.items()}


def _ok(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": text, "content": {"application/json": {"schema": schema}}}}


_REJECTED = {
    "type": "object",
    "required": ["index", "error"],
    "properties": {
        "index": {"type": "integer"},
        "event_id": {"type": "string"},
        "error": {"type": "string"},
    },
}
_ACCEPTED = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": _REJECTED}},
}
_EVENTS: dict[str, Any] = {
    "post": {
        "summary": "Record exposures and tracked events",
        "tags": ["experiments"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}},
        "responses": {
            **_ok("What was kept, and what is wrong with the rest", _ACCEPTED),
            **_problems(_413="Over 1 MB", _422="Not 1 to 500 records", _503="Not kept; send them again"),
        },
    }
}
_REPORTS: dict[str, Any] = {
    "/experiments": {
        "get": {
            "summary": "How each experiment stands",
            "tags": ["experiments"],
            "responses": {**_ok("Experiments", {"type": "object"}), **_problems(_422="No report can be made")},
        }
    },
    "/experiments/{flag}": {
        "get": {
            "summary": "What an experiment has shown",
            "tags": ["experiments"],
            "parameters": [{"name": "flag", "in": "path", "required": True, "schema": {"type": "string"}}],
            "responses": {
                **_ok("The report", {"type": "object"}),
                **_problems(_404="No such experiment", _422="No report can be made"),
            },
        }
    },
}
