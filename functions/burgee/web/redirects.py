"""Redirects paths with trailing slashes to the same address without, as Starlette does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from burgee.web.replies import Reply

if TYPE_CHECKING:
    from starlette.types import Scope

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


def redirect(scope: Scope) -> Reply:
    """307 to the path without its trailing slashes."""
    path = scope["path"].rstrip("/").replace("?", "%3F").replace("#", "%23").replace("\\", "%5C")
    query = scope["query_string"].decode()
    address = f"{_origin(scope)}{path}" + (f"?{query}" if query else "")
    location = quote(address, safe=":/%#?=@[]!$&'()*+,;").encode()
    return Reply(307, b"", [(b"content-length", b"0"), (b"location", location)])


def _origin(scope: Scope) -> str:
    scheme, server = scope.get("scheme", "http"), scope.get("server")
    host = next((str(value, "latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if not _HOST.fullmatch(host):
        if server is None:
            return ""
        name, port = server
        host = f"[{name}]" if ":" in name and name[0] != "[" else name
        host = host if port == _PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{host}"
