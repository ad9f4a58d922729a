"""Requests of services' own addresses, with a key or a token in a header: redirects are refused, as urllib would send
the header to any host.
"""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import Request


def service_address(url: str, path: str) -> str:
    """The address of a path of a service. Raises ValueError unless the URL is of http or https, and only an address:
    a user's name and password, a query and a fragment would not be sent as they are meant.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{public(url)!r} is not the http or https address of a service")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{public(url)!r} is given with a user, a query or a fragment: leave them out")
    return url.rstrip("/?#") + path


def public(url: str) -> str:
    """An address without a user's name and password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def send(request: Request, timeout: float) -> HTTPResponse:
    """The answer within a time in seconds. Raises urllib's HTTPError for a redirect and for an error status."""
    answer: HTTPResponse = _OPENER.open(request, timeout=timeout)
    return answer


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)
