"""ASGI applications behind API Gateway."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mangum import Mangum

from burgee.access.keys import Scope as BurgeeScope
from burgee.web.exchange import EVERYTHING, Caller
from burgee.web.protection.access import scoped

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.stores import Tenant


# Anything else goes out in base64, which a REST API hands to the client as it is.
TEXT = ["text/", "application/json", "application/problem+json"]


def gateway(app: ASGIApp) -> Mangum:
    """A Lambda handler for HTTP APIs (payload 2.0), REST APIs and function URLs."""
    # Mangum logs the path of every request, and a path names a user.
    logging.getLogger("mangum.http").setLevel(logging.WARNING)
    return Mangum(StagePath(app), lifespan="off", text_mime_types=TEXT)


def vouching(access: str, tenant: Tenant) -> Callable[[Scope], Caller | None] | None:
    """Who API Gateway has made sure of: an AWS principal by signature, or the subject of a JWT by its issuer.

    An AWS principal that may call the API may do everything, because IAM has decided that. A JWT says what its
    bearer may do: `burgee:read`, `burgee:write`, `burgee:release` in its `scope`.
    """
    if access not in {"iam", "jwt"}:
        return None

    def caller(scope: Scope) -> Caller:
        authorizer = scope["aws.event"].get("requestContext", {}).get("authorizer", {})
        if access == "iam" and authorizer.get("iam", {}).get("userArn"):
            return Caller(tenant, EVERYTHING, authorizer["iam"]["userArn"])
        claims = authorizer.get("jwt", {}).get("claims", {})
        if access == "jwt" and claims.get("sub"):
            granted = str(claims.get("scope", "")).split()
            scopes = tuple(one for one in BurgeeScope if f"burgee:{one}" in granted)
            return Caller(tenant, scoped(scopes), str(claims["sub"]))
        return Caller(tenant)

    return caller


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
