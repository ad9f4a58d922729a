"""ASGI applications behind API Gateway."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mangum import Mangum

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


# Anything else goes out in base64, which a REST API hands to the client as it is.
TEXT = ["text/", "application/json", "application/problem+json"]


def gateway(app: ASGIApp) -> Mangum:
    """A Lambda handler for HTTP APIs (payload 2.0), REST APIs and function URLs."""
    # Mangum logs the path of every request, and a path names a user.
    logging.getLogger("mangum.http").setLevel(logging.WARNING)
    return Mangum(StagePath(app), lifespan="off", text_mime_types=TEXT)


class StagePath:
    """Takes the stage off the path: HTTP APIs leave a named stage in it, REST APIs and `$default` do not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        request = scope["aws.event"].get("requestContext", {})
        prefix = f"/{request.get('stage')}"
        if "http" in request and scope["path"].startswith(f"{prefix}/"):
            scope = {**scope, "path": scope["path"].removeprefix(prefix)}
        await self.app(scope, receive, send)
