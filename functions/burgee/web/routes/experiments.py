"""`GET /experiments[/{flag}]`: reports on experiments, computed on this machine."""

from __future__ import annotations

import asyncio
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from burgee.errors import Refused
from burgee.web.exchange import Need, Route
from burgee.web.openapi import read
from burgee.web.problems import problem
from burgee.web.replies import tagged, unless_held, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

_Found = TypeVar("_Found")


class Reports(Protocol):
    """Experiments of one tenant as JSON values."""

    project: str
    environment: str

    def every(self) -> list[dict[str, Any]]:
        """A summary of each."""
        ...

    def one(self, flag: str) -> dict[str, Any] | None:
        """The full report of one; None if there is no such experiment."""
        ...


def report_routes(reports: Reports) -> list[Route]:
    """The routes over reports. A report takes seconds and much memory, so one is computed at a time, in a thread."""
    one_at_a_time = Lock()

    async def computed(compute: Callable[[], _Found]) -> _Found:
        if not one_at_a_time.acquire(blocking=False):
            raise Refused("report-busy", "another report is being computed; try again in a moment")

        def compute_and_release() -> _Found:
            try:
                return compute()
            finally:
                one_at_a_time.release()

        return await asyncio.to_thread(compute_and_release)

    async def every(exchange: Exchange) -> Reply:
        mine = exchange.belongs_to(reports.project, reports.environment)
        found = await computed(reports.every) if mine else []
        return unless_held(tagged(written({"experiments": found})), exchange.if_none_match)

    async def one(exchange: Exchange) -> Reply:
        (flag,) = exchange.arguments
        mine = exchange.belongs_to(reports.project, reports.environment)
        found = await computed(partial(reports.one, flag)) if mine else None
        if found is None:
            return problem(404, "not-found", f"there is no experiment on {flag!r}")
        return unless_held(tagged(written(found)), exchange.if_none_match)

    return [
        Route("GET", "/experiments", Need.READ, "every", every, _document_all),
        Route("GET", "/experiments/{flag}", Need.READ, "one", one, _document_one),
    ]


def _document_all() -> dict[str, Any]:
    errors = {"422": "Reports are not available", "429": "Another report is being computed"}
    return read("A summary of each experiment", {"type": "object"}, (), errors, "experiments")


def _document_one() -> dict[str, Any]:
    flag = {"name": "flag", "in": "path", "required": True, "schema": {"type": "string"}}
    errors = {
        "404": "No such experiment",
        "422": "Reports are not available",
        "429": "Another report is being computed",
    }
    return read("The report of an experiment", {"type": "object"}, [flag], errors, "experiments")
