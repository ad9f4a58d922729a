"""`/proposals`: edits of the flag file that wait for a pull request, and who would see what change by them."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, StrictBool

from burgee.errors import Refused
from burgee.flagfile.fields import ALL, Name
from burgee.flagfile.grammar import DefinitionSpec
from burgee.releases.deploy import live
from burgee.releases.overrides import laid_over
from burgee.releases.proposals import (
    MAX_TITLE,
    Edit,
    ProposalState,
    draft,
    find,
    keep,
    last_run,
    listed,
    merged,
    require_waiting,
    withdraw,
)
from burgee.times import format_time
from burgee.web.dry_run import alone, effect
from burgee.web.exchange import Need
from burgee.web.replies import etag_of, matches
from burgee.web.responses import answer
from burgee.web.routes.writes import COMMON, DRY_RUN, MISSING, STALE, UNCHANGED, CallerFlags, Write, needs

if TYPE_CHECKING:
    from burgee.model import Snapshot
    from burgee.releases.proposals import Proposal, Run
    from burgee.stores import State, Store

router = APIRouter(tags=["proposals"], responses=COMMON)
PAGE = 100
ProposalId = Annotated[str, Path(pattern=r"^[0-9]{13}-[0-9a-f]{8}$")]


class NewProposal(DefinitionSpec):
    """The keys of a flag to change, as a write of the flag has them; `null` removes one."""

    NULLS = ALL

    flag_name: Name = Field(description="The flag's name.")
    absent: StrictBool = Field(False, description="Take the flag out of the file.")
    title: str = Field("", max_length=MAX_TITLE, description="Of the pull request; one is made up if it is left out.")
    author: str | None = Field(None, max_length=200, description="Who proposes this.")
    reason: str | None = Field(None, max_length=500, description="Why.")

    def edit(self) -> Edit:
        """What it says of the flag."""
        beside = {"flag_name", "absent", "title", "author", "reason"}
        sent = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=beside)
        wanted = {key: value for key, value in sent.items() if value is not None}
        return Edit(self.flag_name, wanted, tuple(key for key in sent if key not in wanted), self.absent)


@router.post("/proposals", status_code=201, responses=DRY_RUN | STALE, **needs(Need.PROPOSE))
def create_proposal(request: Request, flags: CallerFlags, write: Write, body: NewProposal) -> Response:
    """Propose an edit of the flag file; `effect` says who would see what change by it, on what is served now."""
    act, store, edit = write.act("proposal.create", body.author, body.reason), flags.store, body.edit()
    state, snapshot = live(store)
    flags.require_unmoved(write, edit.flag, state, snapshot)
    made = draft(store, edit, body.title, act)
    if write.dry_run:
        with alone():
            return answer(request, {"dry_run": True, "effect": {"flags": _effect(made, state, snapshot, act.now)}})
    record = _record(made, last_run(store))
    told = {**record, "effect": _effect_or_why(made, state, snapshot, act.now)}
    response = answer(request, told, 201, {"ETag": etag_of(record), "Location": f"/proposals/{made.id}"})
    keep(store, made, act._replace(puts=write.puts(response)))
    return response


@router.get("/proposals", responses=UNCHANGED, **needs(Need.READ))
def list_proposals(
    request: Request,
    flags: CallerFlags,
    state: Annotated[ProposalState | None, Query(description="Those in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=64, description="Those before this one.")] = None,
) -> Response:
    """Proposals, newest first, those before `cursor`."""
    now, run, (_, snapshot) = time.time(), last_run(flags.store), live(flags.store)
    every = (one.seen_from(snapshot) for one in listed(flags.store, now))
    found = [one for one in every if (cursor is None or one.id < cursor) and state in {None, one.state}]
    more = found[limit - 1].id if len(found) > limit else None
    return answer(request, {"proposals": [_record(one, run) for one in found[:limit]], "cursor": more})


@router.get("/proposals/{proposal_id}", responses=MISSING | UNCHANGED, **needs(Need.READ))
def get_proposal(request: Request, flags: CallerFlags, proposal_id: ProposalId) -> Response:
    """One proposal."""
    return answer(request, _one(flags.store, proposal_id))


@router.get("/proposals/{proposal_id}/effect", responses=MISSING | UNCHANGED, **needs(Need.READ))
def get_proposal_effect(request: Request, flags: CallerFlags, proposal_id: ProposalId) -> Response:
    """Who would see what change by it, on what is served now."""
    made = find(flags.store, proposal_id)
    state, snapshot = live(flags.store)
    with alone():
        return answer(request, {"effect": {"flags": _effect(made, state, snapshot, time.time())}})


@router.delete("/proposals/{proposal_id}", status_code=204, responses=MISSING | STALE, **needs(Need.PROPOSE))
def close_proposal(flags: CallerFlags, write: Write, proposal_id: ProposalId) -> Response:
    """Close a proposal that has no pull request yet."""
    act = write.act("proposal.withdraw")
    if write.if_match is not None and not matches(write.if_match, etag_of(_one(flags.store, proposal_id))):
        raise Refused("stale", "the proposal is no longer what `If-Match` says; read it again")
    response = Response(status_code=204)
    if write.dry_run:
        require_waiting(find(flags.store, proposal_id))
        return response
    withdraw(flags.store, proposal_id, act._replace(puts=write.puts(response)))
    return response


def _one(store: Store, key: str) -> dict[str, Any]:
    return _record(find(store, key).seen_from(live(store)[1]), last_run(store))


def _record(made: Proposal, run: Run | None) -> dict[str, Any]:
    """A proposal as its readers see it: `address` of its pull request, `opens_at` before there is one, if known."""
    expected = None if run is None or made.state is not ProposalState.WAITING else run.next()
    edit = made.edit._asdict()
    told = {key: value for key, value in asdict(made).items() if key != "edit"}
    return {**told, "flag_name": edit.pop("flag"), **edit, "opens_at": expected and format_time(expected)}


def _effect(made: Proposal, state: State, snapshot: Snapshot, now: float) -> list[dict[str, Any]]:
    before = laid_over(snapshot, state.overrides.values(), now)
    return effect(before, merged(made.edit, before, snapshot), now)


def _effect_or_why(made: Proposal, state: State, snapshot: Snapshot, now: float) -> dict[str, Any]:
    """The effect, or why it is not known: a proposal is made all the same."""
    try:
        with alone():
            return {"flags": _effect(made, state, snapshot, now)}
    except Refused as refusal:
        return {"flags": None, "why": str(refusal)}
