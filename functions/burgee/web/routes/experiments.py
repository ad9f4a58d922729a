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
    from collections.abc import Callable, Mapping

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

    def evidence(self, report: Mapping[str, Any]) -> str:
        """The results of a full report as HTML, in which every text is escaped: plots and numbers."""
        ...


class Experiments:
    """Reports for callers of their tenant. One takes seconds and much memory, so one is computed at a time."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._one_at_a_time = Lock()

    async def every(self, exchange: Exchange) -> list[dict[str, Any]]:
        """A summary of each experiment. Raises Refused while another report is computed."""
        return await self._computed(self._reports.every) if self._are_of(exchange) else []

    async def one(self, exchange: Exchange, flag: str) -> dict[str, Any] | None:
        """The full report of one; None if there is no such experiment. Raises Refused as above."""
        return await self._computed(partial(self._reports.one, flag)) if self._are_of(exchange) else None

    def evidence(self, report: Mapping[str, Any]) -> str:
        """The results of a full report as HTML; empty before the first record."""
        return self._reports.evidence(report) if "results" in report else ""

    def _are_of(self, exchange: Exchange) -> bool:
        return exchange.belongs_to(self._reports.project, self._reports.environment)

    async def _computed(self, compute: Callable[[], _Found]) -> _Found:
        if not self._one_at_a_time.acquire(blocking=False):
            raise Refused("report-busy", "another report is being computed; try again in a moment")

        def compute_and_release() -> _Found:
            try:
                return compute()
            finally:
                self._one_at_a_time.release()

        return await asyncio.to_thread(compute_and_release)


def report_routes(experiments: Experiments) -> list[Route]:
    """The routes over reports."""

    async def every(exchange: Exchange) -> Reply:
        found = await experiments.every(exchange)
        return unless_held(tagged(written({"experiments": found})), exchange.if_none_match)

    async def one(exchange: Exchange) -> Reply:
        (flag,) = exchange.arguments
        found = await experiments.one(exchange, flag)
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
