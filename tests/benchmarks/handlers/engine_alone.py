"""Mangum and Burgee's engine without its routes: less than this no service of both can import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import burgee.handlers.startup as start

# isort: split
from mangum import Mangum

import burgee.evaluation.ruleset  # noqa: F401 - what is measured

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def flag(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


handler = Mangum(flag, lifespan="off")
start.started()
