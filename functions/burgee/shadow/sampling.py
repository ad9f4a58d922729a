"""Records a share of the contexts that an application evaluates, for `burgee shadow`."""

from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING, Any

from burgee.events.jsonl_sink import JsonlSink
from burgee.events.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.model import Context

_LOG = logging.getLogger("burgee")
MAX_CONTEXT_BYTES = 64 * 1024


class ContextSampling:
    """ASGI middleware: a thread appends the contexts of a random share of requests to JSONL files in a folder.

    `context` makes the evaluation context of a request's scope, or returns None for a request without one. A request
    never waits for the files and never fails because of them; the recorder counts what it drops: what the thread
    cannot keep up with, and what is not a JSON object of at most `MAX_CONTEXT_BYTES`.
    """

    def __init__(
        self, app: ASGIApp, *, folder: Path, context: Callable[[Scope], Context | None], share: float = 0.01
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is from 0 to 1, not {share}")
        self.app = app
        self.recorder = Recorder(JsonlSink(folder))
        self._context = context
        self._share = share
        self._faults: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http" and random.random() < self._share:  # noqa: S311 - a sample, not a secret
            self._sample(scope)
        await self.app(scope, receive, send)

    def _sample(self, scope: Scope) -> None:
        try:
            context = self._context(scope)
            copy = None if context is None else _copy(context)
        except Exception as error:  # noqa: BLE001 - whatever the application's function does, its answer continues
            self.recorder.dropped += 1
            fault = type(error).__name__
            if fault not in self._faults:  # once: it may come with every request
                self._faults.add(fault)
                _LOG.warning("no context was made of a request: %s", fault)
            return
        if copy is not None:
            self.recorder.put({"context": copy})


def _copy(context: Context) -> dict[str, Any]:
    """A copy: the application may change its own, and what is not JSON must not spoil a batch."""
    text = json.dumps(dict(context), default=str, allow_nan=False)
    if len(text) > MAX_CONTEXT_BYTES:
        raise ValueError("a context that is too long")
    copy: dict[str, Any] = json.loads(text)
    return copy
