"""Real servers on a free port of the loopback, for clients that are not ours."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import uvicorn

from burgee.cli.serve import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

    from starlette.types import ASGIApp


@contextmanager
def served(app: ASGIApp, port: int = 0, *, lifespan: bool = False) -> Iterator[str]:
    """The address of an application, served as `burgee serve` does; it has to end though connections are open."""
    settings = config(app, port=port)
    settings.lifespan = "on" if lifespan else "off"
    server = uvicorn.Server(settings)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "open connections keep the server up"


@contextmanager
def handled(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server of the standard library, with a handler of its requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
