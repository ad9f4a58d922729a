"""Proposals: the edits that wait for a pull request or a review, with who would move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Request, Response

from burgee.releases.deploy import live
from burgee.releases.overrides import laid_over
from burgee.releases.proposals import ENDED, ProposalState, find, last_run, listed, merged
from burgee.times import format_time
from burgee.web.console.history import changed
from burgee.web.console.render import fragment
from burgee.web.dry_run import alone, effect_in_words
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.model import Snapshot
    from burgee.releases.proposals import Proposal

router = APIRouter(include_in_schema=False)
MAX_ROWS = 100
ProposalId = Annotated[str, Path(max_length=64)]
_WORDS = {
    ProposalState.WAITING: ("sched", "waits for a pull request"),
    ProposalState.OPENED: ("canary", "pull request is open"),
    ProposalState.OUTDATED: ("differs", "outdated: the flag has changed since"),
    ProposalState.MERGED: ("guard", "merged"),
    ProposalState.CLOSED: ("stale", "closed"),
}


class Row(NamedTuple):
    """A proposal in the list: its state as a mark, the changed keys, and its pull request's address if it is one."""

    proposal: Proposal
    mark: tuple[str, str]
    changes: Sequence[str]
    link: str | None
    is_open: bool


@router.get("/fragments/proposals", **needs(Need.READ))
def list_proposals(request: Request, flags: CallerFlags) -> Response:
    """Proposals, those first that wait."""
    now, (_, snapshot), run = time.time(), live(flags.store), last_run(flags.store)
    rows = [_row(one.seen_from(snapshot), snapshot) for one in listed(flags.store, now)]
    rows.sort(key=lambda row: not row.is_open)
    expected = None if run is None else run.next()
    return fragment(
        request,
        "proposals",
        rows=rows[:MAX_ROWS],
        more=max(len(rows) - MAX_ROWS, 0),
        waiting=sum(row.is_open for row in rows),
        opens=None if expected is None else format_time(expected),
        environment=flags.store.tenant.environment,
        now=now,
    )


@router.get("/fragments/proposals/{proposal_id}/effect", **needs(Need.READ))
def show_effect(request: Request, flags: CallerFlags, proposal_id: ProposalId) -> Response:
    """Who would move, from what is served now."""
    made, now = find(flags.store, proposal_id), time.time()
    state, snapshot = live(flags.store)
    before = laid_over(snapshot, state.overrides.values(), now)
    with alone():
        lines = effect_in_words(before, merged(made.edit, before, snapshot), now)
    return fragment(request, "changed_effect", lines=lines, first="")


@router.get("/fragments/proposals/{proposal_id}/close", **needs(Need.PROPOSE))
def close(request: Request, flags: CallerFlags, proposal_id: ProposalId) -> Response:
    """The dialog that closes a proposal."""
    return fragment(request, "proposal_close", proposal=find(flags.store, proposal_id), tenant=flags.store.tenant)


def _row(made: Proposal, snapshot: Snapshot) -> Row:
    git = snapshot["flags"].get(made.edit.flag)
    after = made.edit.applied(git)
    changes = ["the flag goes"] if after is None else ["the flag is new"] if git is None else changed(git, after)
    # The address comes from a pipeline: only a web page's is a link.
    address = made.address if urlsplit(made.address or "").scheme in {"http", "https"} else None
    return Row(made, _WORDS[made.state], changes, address, made.state not in ENDED)
