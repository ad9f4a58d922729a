"""Runs ASGI applications behind API Gateway."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mangum import Mangum

from burgee.web.exchange import EVERYTHING, Caller
from burgee.web.protection.access import SCOPES, scoped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.stores import Tenant


# Anything else is sent in base64, which a REST API passes to the client undecoded.
TEXT = ["text/", "application/json", "application/problem+json"]


def gateway(app: ASGIApp, base_paths: Sequence[str] = ()) -> Mangum:
    """A Lambda handler for HTTP APIs, REST APIs and function URLs; custom domains may map base paths to it."""
    # Mangum logs the path of every request, and paths contain user IDs.
    logging.getLogger("mangum.http").setLevel(logging.WARNING)
    return Mangum(EventPath(app, base_paths), lifespan="off", text_mime_types=TEXT)


def parse_base_paths(text: str) -> tuple[str, ...]:
    """Base paths of a setting, separated by commas. Raises ValueError if one is invalid."""
    paths = tuple(f"/{path.strip().strip('/')}" for path in text.split(",") if path.strip().strip("/"))
    for path in paths:
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path, re.ASCII):
            raise ValueError(f"BURGEE_BASE_PATH: {path!r} is not a path such as /flags")
    return paths


def vouching(access: str, tenant: Tenant) -> Callable[[Scope], Caller | None] | None:
    """The caller authenticated by API Gateway: an AWS principal, or the subject of a JWT.

    An AWS principal that may call the API may do everything, as IAM decides that. A JWT grants permissions by
    `burgee:read`, `burgee:write` and `burgee:release` in its `scope`; Cognito writes `burgee/read` for the same.
    """
    if access not in {"iam", "jwt"}:
        return None

    def caller(scope: Scope) -> Caller:
        authorizer = scope["aws.event"].get("requestContext", {}).get("authorizer", {})
        if access == "iam" and authorizer.get("iam", {}).get("userArn"):
            return Caller(tenant, EVERYTHING, authorizer["iam"]["userArn"])
        claims = authorizer.get("jwt", {}).get("claims", {})
        if access == "jwt" and claims.get("sub"):
            granted = str(claims.get("scope", "")).replace("burgee/", "burgee:").split()
            return Caller(tenant, scoped(one for one in SCOPES if f"burgee:{one}" in granted), str(claims["sub"]))
        return Caller(tenant)

    return caller


class EventPath:
    """Passes an application the path of an event as the client sent it, decoded once.

    A named stage of an HTTP API and a base path of a custom domain become the root path. HTTP APIs decode the path in
    the event; REST APIs, function URLs and load balancers leave it as sent.
    """

    def __init__(self, app: ASGIApp, base_paths: Sequence[str] = ()) -> None:
        self.app = app
        self.base_paths = tuple(base_paths)
        self._beginnings = tuple(f"{path}/" for path in base_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        event = scope["aws.event"]
        context = event["requestContext"]
        http = context.get("http")
        path = (http["path"] if http else event["path"]) or "/"
        decoded = "version" in event and ".lambda-url." not in context.get("domainName", "")
        root = self._root(path, f"/{context.get('stage')}" if "version" in event else "")
        asked = f"{root}/" if path == root else path if decoded else unquote(path)
        raw = None if decoded else path.encode()
        await self.app({**scope, "path": asked, "root_path": root, "raw_path": raw}, receive, send)

    def _root(self, path: str, stage: str) -> str:
        """The prefix of a route's path: stage and base path, each at most once, in either order."""
        if not f"{path}/".startswith((f"{stage}/", *self._beginnings) if stage else self._beginnings):
            return ""
        root, prefixes = "", {stage, *self.base_paths} - {""}
        while True:
            rest = path[len(root) :]
            found = next((prefix for prefix in prefixes if f"{rest}/".startswith(f"{prefix}/")), None)
            if found is None:
                return root
            root += found
            prefixes -= {stage} if found == stage else set(self.base_paths)
