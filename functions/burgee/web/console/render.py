"""Renders the console's templates: everything is escaped, and no template writes a script or a style."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from burgee.web.console import words
from burgee.web.exchange import ANYONE, exchange_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request


def rendered(template: str, **values: Any) -> str:
    """A template as HTML."""
    return _templates().get_template(f"{template}.html.j2").render(**values)


def fragment(request: Request, template: str, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """A part of a page with a caller's data; no cache keeps it.

    Templates also get `root` (the path under which the service is reached) and `may` (what the caller may do).
    """
    exchange = exchange_of(request)
    shared = {"root": exchange.scope.get("root_path", ""), "may": exchange.caller.may, "caller": exchange.caller}
    shared |= {"anyone": ANYONE}
    html = rendered(template, **shared, **values)
    return Response(html, 200, {"Cache-Control": "no-store", **(headers or {})}, "text/html; charset=utf-8")


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only here: it would slow every cold start

    environment = Environment(
        loader=PackageLoader("burgee.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    return environment
