"""Health: which evaluators answer with which revision, and what this process serves."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response

from burgee.serving.seen import heard
from burgee.web.console.render import fragment
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs

router = APIRouter(include_in_schema=False)
MAX_EVALUATORS = 200


@router.get("/fragments/health", **needs(Need.READ))
def show(request: Request, flags: CallerFlags) -> Response:
    """The evaluators that were heard lately, those behind first."""
    now, pointer = time.time(), flags.store.pointer()
    found = heard(flags.store, now)
    return fragment(
        request,
        "health",
        status=flags.serving.status(),
        pointer=pointer,
        evaluators=found[:MAX_EVALUATORS],
        more=max(len(found) - MAX_EVALUATORS, 0),
        behind=sum(one.revision < pointer.revision for one in found),
        environment=flags.store.tenant.environment,
        now=now,
    )
