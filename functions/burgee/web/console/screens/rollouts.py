"""Guarded rollouts: each with its steps, where it is, and how it ended."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from burgee.errors import Refused
from burgee.flagfile.fields import Name
from burgee.releases.guarding import PersonStep, guards, previewing, step_of
from burgee.stores.audit import AuditContext
from burgee.web.console.effects import in_sentences
from burgee.web.console.guards import GuardView, guard_view, view_of
from burgee.web.console.reading import Environment, colours
from burgee.web.console.render import fragment
from burgee.web.console.screens.change import Fault
from burgee.web.exchange import Need
from burgee.web.replies import etag_of
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from burgee.releases.guarding import Guard

router = APIRouter(include_in_schema=False)
ACTS: dict[PersonStep, tuple[str, str, str]] = {
    "pause": ("Pause", "Pause the guard of", "It takes no step meanwhile; a harm still takes the share back."),
    "resume": ("Resume", "Resume the guard of", "It goes on with this step; what paused it no longer acts in it."),
    "advance": ("Next step now", "Take the next step of the guard of", "At once, whatever the guard waits for."),
    "approve": (
        "Approve",
        "Approve the next step of the guard of",
        "It is taken when this one was watched.",
    ),
    "stop": ("Stop", "Stop the guard of", "It ends here. A pull request writes its share into the file."),
}
"""What a person does to a guard: a button, the title of its dialog, and what it means."""


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


class Wanted(BaseModel):
    """What a dialog asks for; its other fields are the API's."""

    model_config = ConfigDict(extra="ignore")

    back: bool = False
    stale: bool = False


@router.get("/fragments/flags/{flag}/guard/{step}", **needs(Need.WRITE))
def step_dialog(request: Request, flags: CallerFlags, flag: Annotated[str, Name], step: PersonStep) -> Response:
    """The dialog for what a person does to a guard."""
    here = Environment(flags.store)
    found = guard_view(here, flag)
    if found is None:
        raise Refused("no-guard", f"{flag} has no guard")
    words, title, lead = ACTS[step]
    return fragment(request, "guard_step", flag=flag, step=step, words=words, title=title, lead=lead, here=here)


@router.post("/fragments/flags/{flag}/guard/{step}/effect", **needs(Need.WRITE))
def show_effect(
    request: Request, flags: CallerFlags, flag: Annotated[str, Name], step: PersonStep, body: Wanted
) -> Response:
    """Who will move by it, and the request that does it."""
    now = time.time()
    newest = next(iter(flags.store.audit(limit=1, flag=flag)), None) if body.stale else None
    by = AuditContext(f"guard.{step}", "-", "-", now)
    etag = etag_of(flags.one(flag))
    try:
        records = flags.effect(previewing(flags.store, flag, by, step_of(step, "", back=body.back)))
    except Refused as error:
        if error.code.endswith("-busy"):
            raise
        return fragment(request, "effect", faults=[Fault("", str(error))], newest=newest, flag=flag, now=now)
    here = Environment(flags.store, now)
    coloured = {one["name"]: colours(here.definition(one["name"]), now) for one in records}
    return fragment(
        request,
        "effect",
        faults=[],
        flag=flag,
        effect=in_sentences(records, flag, coloured),
        asked={"act": f"/flags/{flag}/guard/{step}", "method": "POST"},
        etag=etag,
        body=json.dumps({"back": body.back} if step == "stop" else {}),
        exposed=False,
        replaced=None,
        newest=newest,
        now=now,
    )
