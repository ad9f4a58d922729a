"""Guarded rollouts: each with its steps, where it is, and how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request, Response

from burgee.releases.guarding import guards
from burgee.web.console.guards import GuardView, view_of
from burgee.web.console.render import fragment
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from burgee.releases.guarding import Guard

router = APIRouter(include_in_schema=False)


class Row(NamedTuple):
    """A guard in the index; `rank` sorts those first that wait for a person."""

    rank: int
    flag: str
    view: GuardView


def _rank(guard: Guard) -> int:
    if guard.fault or (guard.state is not None and guard.state.pause is not None):
        return 0
    return 1 if guard.is_running else 2


@router.get("/fragments/rollouts", **needs(Need.READ))
def list_rollouts(request: Request, flags: CallerFlags) -> Response:
    """An index: paused guards first, then those that run, and last those that have ended."""
    now = time.time()
    rows = [
        Row(
            0 if guard.fault or (guard.state and guard.state.pause) else 1 if guard.is_running else 2,
            guard.flag,
            view,
        )
        for guard in guards(flags.store, now)
        if (view := view_of(guard)) is not None
    ]
    return fragment(request, "rollouts", rows=sorted(rows, key=lambda row: row[:2]), now=now)
