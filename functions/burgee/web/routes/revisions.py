"""`GET /revisions/{revision}`: who has answered with a change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from burgee.serving.seen import as_record, seen
from burgee.web.exchange import Need, store_of
from burgee.web.responses import answer
from burgee.web.routes.writes import COMMON, MISSING, UNCHANGED, needs

if TYPE_CHECKING:
    from fastapi import Response

router = APIRouter(tags=["operations"], responses=COMMON)


class SeenBody(BaseModel):
    """Who has answered with a revision since it was committed; never that all have."""

    revision: int
    committed_at: str | None
    answered: int
    last_after_seconds: float | None
    unheard: int
    unheard_since: str | None


@router.get("/revisions/{revision}", response_model=SeenBody, responses=MISSING | UNCHANGED, **needs(Need.READ))
def show_revision(request: Request, revision: Annotated[int, Path(ge=1, le=2**53)]) -> Response:
    """Which evaluators have answered with a revision, and which have not reported since."""
    return answer(request, as_record(seen(store_of(request), revision, time.time())))
