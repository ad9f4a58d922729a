"""schemathesis, whose requests an application answers on the thread that sends them.

By itself it passes each to a thread and back, and searches the environment for proxies: a third of a request's cost.
An application gets no lifespan events, as under `burgee serve` and on Lambda.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.python import asgi

from support.here import Here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Loop(asyncio.SelectorEventLoop):
    """Does at once what would wait in another thread: there is one request at a time."""

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - the future's, whatever it is
            future.set_exception(error)
        return future


class Client(asgi.ASGIClient):
    """The session of a request, which asks no environment for proxies or passwords."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.trust_env = False


HERE = Here(Loop)
for name, stand_in in (
    ("_get_portal", lambda: HERE),
    ("_start_lifespan", lambda _app: None),
    ("ASGIClient", Client),
):
    assert hasattr(asgi, name)
    setattr(asgi, name, stand_in)


def check_operations(
    document: Mapping[str, Any],
    app: Any,
    config: schemathesis.Config,
    check: Callable[[schemathesis.Case[Any]], None],
    examples: int,
) -> None:
    """Checks every operation of an OpenAPI document, each with all that schemathesis makes of it.

    It is made here. schemathesis's own tests make it when they are collected, which every worker does for all tests.
    """
    schema = schemathesis.openapi.from_dict(dict(document), config=config)
    schema.app = app
    chosen = settings(max_examples=examples, derandomize=True, suppress_health_check=list(HealthCheck))
    found = list(get_all_tests(schema=schema, test_func=check, settings=chosen, given_kwargs=None))
    assert found
    for one in found:
        assert isinstance(one, Ok), one.err()
        one.ok()[1]()


__all__ = ["check_operations", "schemathesis"]
