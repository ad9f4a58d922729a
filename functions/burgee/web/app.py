"""The whole service: evaluation and management (FastAPI) behind one front."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from burgee.version import __version__
from burgee.web.console import pages
from burgee.web.console.reference import reference_routes
from burgee.web.evaluation_app import EVALUATION_ROUTES
from burgee.web.event_streams import EventStreams, stream_route
from burgee.web.exchange import Need, Route
from burgee.web.front import Front, Setup
from burgee.web.live_sockets import LiveSockets, live_routes
from burgee.web.openapi import describe
from burgee.web.protection.rate_limits import EVALUATE
from burgee.web.responses import HANDLERS
from burgee.web.routes import flags, guards, keys, manifest, proposals, releases, revisions, webhooks
from burgee.web.routes.experiments import Experiments, report_routes
from burgee.web.routes.metrics import metrics_routes
from burgee.web.routes.usage import elsewhere_routes, usage_routes
from burgee.web.routing import Routes
from burgee.web.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastapi import APIRouter
    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.serving.serving import Serving
    from burgee.stores import Store
    from burgee.web.routes.experiments import Reports
    from burgee.web.routes.usage import UsageReports


class Service(FastAPI):
    """FastAPI behind a front that every request passes first."""

    front: Front
    has_fragments = False
    """Whether the console's fragments are among the routes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if not self.has_fragments and "/fragments/" in scope.get("path", ""):
            self.add_fragments()
        await self.front(scope, receive, send)

    def add_routers(self, routers: Iterable[APIRouter]) -> None:
        """Serves the routes of routers as they are: `include_router` would copy them for every application."""
        for router in routers:
            self.router.routes.extend(router.routes)

    def add_fragments(self) -> None:
        """Adds the routes of the console's fragments, whose import takes as long as a cold start without them."""
        from burgee.web.console import screens

        self.add_routers(screens.ROUTERS)
        self.front.routes = Routes((*self.front.routes.all, *_managed(screens.ROUTERS)))
        self.has_fragments = True


def create_app(  # noqa: PLR0913 - each is a part of the service
    store: Store,
    serving: Serving,
    setup: Setup | None = None,
    reports: Reports | None = None,
    usage: UsageReports | None = None,
    *,
    console_at_once: bool = True,
) -> Service:
    """The service over a store; `serving` answers evaluations and follows the store.

    The console's fragments are added with the first request for one, unless `console_at_once`.
    """
    app = Service(
        title="Burgee",
        version=__version__,
        summary="Feature flags and A/B tests as reviewed code",
        docs_url=None,
        redoc_url=None,
        exception_handlers=HANDLERS,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # it would record paths, which contain user IDs
    )
    routers = [one.router for one in (flags, guards, proposals, releases, revisions, keys, webhooks)]
    app.add_routers(routers)
    setup = setup or Setup()
    app.state.vault = setup.vault
    experiments = app.state.experiments = None if reports is None else Experiments(reports)
    app.state.usage = usage
    reported = [] if experiments is None else report_routes(experiments)
    reported += elsewhere_routes() if usage is None else [*usage_routes(usage), *metrics_routes(usage)]
    own = (*EVALUATION_ROUTES, *pages.page_routes(setup.sign_in), *manifest.ROUTES, *reported)
    if setup.streams is not None:
        own = (*own, stream_route(), *live_routes())
    routes = Routes((*own, *_managed(routers), *_document(app)))
    framework: ASGIApp = partial(FastAPI.__call__, app)
    tenants = Tenants(serving, store)
    streams = None
    if setup.streams is not None:
        rate = setup.limits.evaluate.per_second if setup.limits is not None else EVALUATE.per_second
        streams = EventStreams(tenants, setup.streams, rate / 3)
        framework = streams.framework(framework)
    app.front = Front(routes, tenants, setup, framework)
    app.front.streams = streams
    app.front.sockets = None if streams is None else LiveSockets(streams)
    if console_at_once:
        app.add_fragments()
    serving.refresh()  # so that the first answer of any kind can name its release
    documented = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            describe(documented(), own)
        return documented()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
    return app


def _managed(routers: Iterable[APIRouter]) -> Iterator[Route]:
    """FastAPI's routes; a route without a declared permission requires all."""
    for route in (route for router in routers for route in router.routes):
        assert isinstance(route, APIRoute)  # noqa: S101 - these routers have no other routes
        need = Need((route.openapi_extra or {}).get("x-burgee-needs", Need.KEYS))
        for method in route.methods or ():
            yield Route(method, route.path, need, route.endpoint.__name__)


def _document(app: FastAPI) -> Iterator[Route]:
    """The OpenAPI document and the page of it, which are public."""
    for method in ("GET", "HEAD"):
        yield Route(method, "/openapi.json", Need.NOTHING, "openapi")
    yield from reference_routes(lambda: app.openapi())  # noqa: PLW0108 - it is replaced below, to document all routes
