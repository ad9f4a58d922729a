"""What AWS puts before a Lambda, and what a keeper of keys puts before the routes: just enough for stock clients."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from burgee.web.gateway import gateway
from burgee.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from starlette.types import ASGIApp, Receive, Scope, Send

PAUSE = 1


class Guard:
    """Refuses by the key that a client shows: `429@2` answers 429 from its second request on, for `PAUSE` seconds.

    `429@2+3600` does it for an hour; 401 and 403 have no end. What follows a colon makes the keys of two clients
    differ.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.asked: Counter[str] = Counter()
        self._until: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        key = dict(scope["headers"]).get(b"x-api-key", b"").decode()
        self.asked[key] += 1
        status, _, first = key.partition(":")[0].partition("@")
        first, _, pause = first.partition("+")
        seconds = float(pause or PAUSE) if status == "429" else float("inf")
        if (
            key
            and self.asked[key] >= int(first)
            and time.monotonic() < self._until.setdefault(key, time.monotonic() + seconds)
        ):
            headers = [(b"retry-after", f"{seconds:g}".encode())] if status == "429" else []
            refused = refusal(scope["path"], int(status), "refused", "not with this key, not now", *headers)
            await refused(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@contextmanager
def behind_gateway(app: ASGIApp, stage: str) -> Iterator[ASGIApp]:
    """The application as a Lambda behind an HTTP API with a named stage: an event for each request, one at a time."""
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(loop,)) as environment:
        yield _events(environment, environment.submit(gateway, app).result(), stage)
    loop.close()


def _events(environment: Executor, handler: Any, stage: str) -> ASGIApp:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": scope["path"],
            "rawQueryString": scope["query_string"].decode(),
            "headers": {name: ",".join(request.headers.getlist(name)) for name in request.headers},
            "requestContext": {
                "stage": stage,
                "http": {"method": scope["method"], "path": scope["path"], "sourceIp": "127.0.0.1"},
            },
            "body": (await request.body()).decode(),
            "isBase64Encoded": False,
        }
        answer = await asyncio.get_running_loop().run_in_executor(environment, handler, event, None)
        response = Response(answer["body"], answer["statusCode"], answer["headers"])
        await response(scope, receive, send)

    return asgi
