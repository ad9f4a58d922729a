"""Requests to an application in this process, without a thread and an event loop for each.

By itself starlette's test client starts both for every request, and passes nine messages between them. Here one loop
does what a request needs, on the thread that asks, and stands still in between.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import threading
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette import testclient
from starlette.testclient import TestClient, WebSocketTestSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Here:
    """Stands for the portal to the other thread."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.runner = asyncio.Runner(loop_factory=loop_factory)
        atexit.register(self.runner.close)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What it returns; the loop runs until then."""

        async def run() -> Any:
            found = function(*arguments)
            return await found if inspect.iscoroutine(found) else found

        return self.runner.run(run(), context=copy_context())

    def start_task_soon(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Task[Any]:
        """A task that goes on whenever the loop runs."""
        return self.runner.get_loop().create_task(function(*arguments), context=copy_context())


HERE = Here()
_wait: Callable[..., Any] = vars(testclient)["wait_futures"]
_portal = TestClient._portal_factory
_session = WebSocketTestSession.__init__


def _wait_here(futures: Iterable[Any], *arguments: Any, **more: Any) -> Any:
    tasks = [one for one in futures if isinstance(one, asyncio.Task)]
    for task in tasks:
        if not task.done():
            HERE.runner.run(asyncio.wait([task]))
    return None if tasks else _wait(futures, *arguments, **more)


@contextmanager
def _portal_here(client: TestClient) -> Iterator[Any]:
    """This thread, unless it is not the tests' own, runs a loop already, or the client was entered."""
    if client.portal is not None or threading.current_thread() is not threading.main_thread() or _is_running():
        with _portal(client) as portal:
            yield portal
    else:
        yield HERE


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _session_elsewhere(session: WebSocketTestSession, app: Any, scope: Any, portal_factory: Any) -> None:
    """A WebSocket's two sides run at the same time."""
    _session(session, app, scope, partial(_portal, portal_factory.__self__))


def answer_here() -> None:
    """From here on every test client works so."""
    for owner, name, stand_in in (
        (testclient, "wait_futures", _wait_here),
        (TestClient, "_portal_factory", _portal_here),
        (WebSocketTestSession, "__init__", _session_elsewhere),
    ):
        setattr(owner, name, stand_in)
