"""An empty Starlette application behind Mangum: what the adapter costs by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def flag(request: Request) -> JSONResponse:
    return JSONResponse({"flag_name": request.path_params["flag_name"]})


handler = Mangum(Starlette(routes=[Route("/users/{user_id}/flags/{flag_name}", flag)]), lifespan="off")
