"""Signing in to the console with an account of a company: OpenID Connect with PKCE, by the browser alone.

The service learns the issuer's two addresses from its discovery document, so that the page asks no others.
The browser keeps a verifier and a state in its session storage until it returns, and the token in memory.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit

SECONDS = 3.0
KEPT_SECONDS, RETRY_SECONDS = 3600.0, 30.0
MAX_BYTES = 64 * 1024
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SignIn(NamedTuple):
    """Who signs people in: the issuer's address, the console's client there, the scopes, and the audience, if any."""

    issuer: str
    client_id: str
    scopes: str = "openid burgee:read burgee:propose burgee:write burgee:release"
    audience: str = ""


class Endpoints(NamedTuple):
    """Where a browser is sent to sign in, and where it exchanges the code for a token."""

    authorization: str
    token: str

    @property
    def token_origin(self) -> str:
        """The origin of the token endpoint, for a content security policy."""
        parts = urlsplit(self.token)
        return f"{parts.scheme}://{parts.netloc}"


class Discovery:
    """The endpoints of an issuer, asked once an hour; None while it does not answer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer.rstrip("/")
        self._found: Endpoints | None = None
        self._until = 0.0

    async def endpoints(self) -> Endpoints | None:
        """The endpoints; the last known ones if the issuer does not answer."""
        if time.monotonic() >= self._until:
            try:
                self._found = await asyncio.to_thread(discovered, self.issuer)
                self._until = time.monotonic() + KEPT_SECONDS
            except (OSError, ValueError):
                self._until = time.monotonic() + RETRY_SECONDS
        return self._found


def discovered(issuer: str) -> Endpoints:
    """The endpoints in an issuer's discovery document. Raises OSError or ValueError if there is no valid one."""
    address = f"{issuer}/.well-known/openid-configuration"
    _require_safe(address)
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - checked above
        found = json.loads(answer.read(MAX_BYTES))
    if not isinstance(found, dict) or str(found.get("issuer", "")).rstrip("/") != issuer:
        raise ValueError(f"{address} is of another issuer")
    endpoints = Endpoints(str(found.get("authorization_endpoint")), str(found.get("token_endpoint")))
    for one in endpoints:
        _require_safe(one)
    return endpoints


def _require_safe(address: str) -> None:
    """Raises ValueError unless an address is https, or on this machine, and safe in a header field."""
    parts = urlsplit(address)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not safe or not parts.netloc or set(address) & set(" ;,'\"\r\n\t"):
        raise ValueError(f"{address[:200]!r} is not an https address")
