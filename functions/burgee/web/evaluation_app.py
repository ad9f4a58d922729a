"""The evaluation routes as a separate, plain ASGI application: it loads no framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.web.front import Front, Setup
from burgee.web.routes import events, health, ofrep, ruleset, users
from burgee.web.routing import Routes
from burgee.web.tenants import Tenants

if TYPE_CHECKING:
    from burgee.serving.serving import Serving
    from burgee.stores import Store

EVALUATION_ROUTES = (*ofrep.ROUTES, *users.ROUTES, *health.ROUTES, *ruleset.ROUTES, *events.ROUTES)


def evaluation_app(serving: Serving, store: Store | None = None, setup: Setup | None = None) -> Front:
    """The evaluation routes; with a `store` they serve other tenants besides that of `serving`."""
    return Front(Routes(EVALUATION_ROUTES), Tenants(serving, store), setup or Setup())
