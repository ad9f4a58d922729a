"""schemathesis, whose requests an application answers on the thread that sends them.

By itself it passes each to a thread and back, and searches the environment for proxies: a third of a request's cost.
An application gets no lifespan events, as under `burgee serve` and on Lambda.
"""

from __future__ import annotations

import asyncio
import atexit
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis.python import asgi

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop(asyncio.SelectorEventLoop):
    """Does at once what would wait in another thread: there is one request at a time."""

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the future's, whatever it is
            future.set_exception(error)
        return future


class Here:
    """Stands for the portal to the other thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=Loop)
        atexit.register(self._runner.close)

    def call(self, function: Callable[[], Any]) -> Any:
        return self._runner.run(function()) if iscoroutinefunction(function) else function()


class Client(asgi.ASGIClient):
    """The session of a request, which asks no environment for proxies or passwords."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.trust_env = False


HERE = Here()
for name, stand_in in (
    ("_get_portal", lambda: HERE),
    ("_start_lifespan", lambda _app: None),
    ("ASGIClient", Client),
):
    assert hasattr(asgi, name)
    setattr(asgi, name, stand_in)

__all__ = ["schemathesis"]
