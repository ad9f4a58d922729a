"""Exposures of answers: which are recorded, and when a process that freezes between requests writes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from burgee.model import Reason
from burgee.web.queries import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.recorder import Recorder
    from burgee.events.usage import UsageCounter
    from burgee.model import Context, Evaluation
    from burgee.web.exchange import Exchange

DRAIN_SECONDS = 0.1


def expose(
    exchange: Exchange,
    ruleset: Ruleset | ClientView,
    answers: Mapping[str, Evaluation],
    context: Context,
    *,
    fetched: bool = False,
) -> None:
    """Records answers on request: one flag's by `?expose=true` or by its experiment.

    Of bulk answers (`fetched`), those that a split decided, on request: the user has not seen them yet. Exposures to
    holdouts and guards are of every user that asks.
    """
    recorder = exchange.recorder
    if recorder is None or not exchange.belongs_to(recorder.scope.project, recorder.scope.environment):
        return
    asked = wants(exchange, "expose")
    if fetched and (ruleset.held or ruleset.guarded):
        recorder.fetched(ruleset, answers, context)
    for flag, one in answers.items():
        if not fetched or (asked and one.reason is Reason.SPLIT and "rule" in one.metadata):
            recorder.answered(ruleset, flag, one, context, asked=asked)


def wants(exchange: Exchange, name: str) -> bool:
    """Whether a request has `?name=true`."""
    query = exchange.scope["query_string"]
    if name.encode() not in query and b"%" not in query:  # most queries of `/users` are only attributes
        return False
    return dict(parameters(str(query, "latin-1"))).get(name) == "true"


class Draining:
    """Writes exposures and usage before the process freezes between requests, as on Lambda; waits only briefly."""

    def __init__(self, app: ASGIApp, recorder: Recorder, usage: UsageCounter | None = None) -> None:
        self.app = app
        self.recorder = recorder
        self.usage = usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self.app(scope, receive, send)
        if self.usage is not None:
            self.usage.flush_if_due()
        if not self.recorder.drain(0):
            await asyncio.to_thread(self.recorder.drain, DRAIN_SECONDS)
