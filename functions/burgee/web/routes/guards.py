"""`/flags/{flag_name}/guard/{step}`: what a person does to a guarded rollout."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import Field

from burgee.releases.guarding import PersonStep, act, previewing, step_of
from burgee.web.exchange import Need
from burgee.web.responses import answer
from burgee.web.routes.writes import COMMON, DRY_RUN, MISSING, STALE, CallerFlags, Reasoned, Write, needs

router = APIRouter(tags=["management"], responses=COMMON)


class StepBody(Reasoned):
    """Why, and where `stop` ends."""

    back: bool = Field(False, description="For `stop`: go back to the share in the file.")


@router.post(
    "/flags/{flag_name}/guard/{step}", status_code=204, responses=MISSING | DRY_RUN | STALE, **needs(Need.WRITE)
)
def step_guard(  # noqa: PLR0913, PLR0917 - the request, and its parts
    request: Request,
    flags: CallerFlags,
    write: Write,
    flag_name: str,
    step: PersonStep,
    body: Annotated[StepBody, Body(default_factory=StepBody)],
) -> Response:
    """Pause, resume, advance, approve or stop a guarded rollout."""
    by = write.act(f"guard.{step}", body.author, body.reason)
    wanted = step_of(step, by.reason, back=body.back)
    if write.dry_run:
        found = flags.effect(previewing(flags.store, flag_name, by, wanted))
        return answer(request, {"dry_run": True, "effect": {"flags": found}})

    def require_unmoved() -> None:
        state, snapshot, _ = flags.read()
        flags.require_unmoved(write, flag_name, state, snapshot)

    response = Response(status_code=204)
    act(flags.store, flag_name, by._replace(puts=write.puts(response)), wanted, require_unmoved)
    flags.serving.refresh()
    return response
